//! A hub that runs for real: a process of its own, a free port, a data directory.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::http::{self, Response};

/// A hub that is not ready after this long will not be.
const READY: Duration = Duration::from_secs(30);

/// The hub that ships.
pub(crate) fn shipped() -> PathBuf {
    super::bin("handoff-hub", "handoff-hub", "")
}

/// The hub with feature `testing`: its clock can be set.
pub(crate) fn testing() -> PathBuf {
    super::bin("handoff-hub", "handoff-hub-testing", "testing")
}

/// Makes a token for an agent.
pub(crate) fn token(binary: &Path, data: &Path, agent: &str) -> String {
    token_by(Command::new(binary), data, agent)
}

/// The same, by a command that runs the hub's binary in a way of its own.
pub(crate) fn token_by(mut hub: Command, data: &Path, agent: &str) -> String {
    hub.args(["token", "add", agent, "--data"]).arg(data).stdin(Stdio::null());
    let out = hub.output().expect("the binary runs");
    assert!(out.status.success(), "token add {agent}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("a token is text");
    let token = text.strip_suffix('\n').unwrap_or(&text);
    assert!(token.starts_with("hh_") && !token.contains(char::is_whitespace), "not a token alone: {text:?}");
    token.to_owned()
}

/// Runs one command of a binary to its end.
pub(crate) fn run(binary: &Path, args: &[&str]) -> Output {
    Command::new(binary).args(args).stdin(Stdio::null()).output().expect("the binary runs")
}

/// A running hub; killed (SIGKILL) when dropped.
#[derive(Debug)]
pub(crate) struct Hub {
    child: Child,
    address: SocketAddr,
    stderr: NamedTempFile,
}

impl Hub {
    /// Starts `BINARY serve --data DATA --listen 127.0.0.1:0 ARGS` and waits until it says that it listens.
    pub(crate) fn start(binary: &Path, data: &Path, args: &[&str]) -> Self {
        Self::start_by(Command::new(binary), data, args).unwrap_or_else(|(exit, stderr)| {
            panic!("the hub never said that it listens ({exit}); its stderr:\n{stderr}")
        })
    }

    /// The same, by a command that runs the hub's binary in a way of its own. A hub that will not start says why: its
    /// exit status and its stderr.
    pub(crate) fn start_by(
        mut hub: Command,
        data: &Path,
        args: &[&str],
    ) -> Result<Self, (ExitStatus, String)> {
        let stderr = NamedTempFile::new().expect("a temporary file");
        let mut child = hub
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.as_file().try_clone().expect("a second handle of the file"))
            .spawn()
            .expect("the hub's binary runs");
        let stdout = child.stdout.take().expect("stdout is piped");
        // From here on a failure drops the guard, which ends the process.
        let mut hub = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), stderr };
        match ready_line(stdout).recv_timeout(READY) {
            Ok(address) => hub.address = address,
            Err(RecvTimeoutError::Timeout) => panic!("the hub hangs; its stderr:\n{}", hub.stderr()),
            Err(RecvTimeoutError::Disconnected) => {
                let exit = hub.child.wait().expect("a child can be waited for");
                return Err((exit, hub.stderr()));
            }
        }
        Ok(hub)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// One request with a token ("" for none) and a JSON body (empty for none).
    pub(crate) fn request(&self, token: &str, method: &str, path: &str, body: &[u8]) -> Response {
        let bearer = format!("Bearer {token}");
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        http::request(self.address, method, path, &headers, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}; the hub's stderr:\n{}", self.stderr()))
    }

    /// Kills it as a power cut would end the process: no handler runs.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop (SIGTERM) and waits until it has; gives back its exit status and its stderr.
    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        self.signal("TERM")
    }

    /// Sends it a signal that stops it, and waits until it has; gives back its exit status and its stderr.
    pub(crate) fn signal(mut self, name: &str) -> (ExitStatus, String) {
        let asked = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(asked.is_ok_and(|status| status.success()), "the signal could not be sent");
        let status = self.child.wait().expect("a child can be waited for");
        (status, self.stderr())
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.stderr.path()).expect("the hub writes text to its stderr")
    }

    fn end(&mut self) {
        // Either may fail only because the process is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hears of the line `listening on http://ADDR`; what comes after it is read and dropped, so that the hub never
/// waits for a full pipe. The sender goes away, and the receiver hears of that, when stdout ends.
pub(crate) fn ready_line(stdout: impl Read + Send + 'static) -> mpsc::Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on http://").and_then(|a| a.parse().ok()) {
                // Nobody listens any more when the test is over.
                let _ = sender.send(address);
            }
        }
    });
    receiver
}
