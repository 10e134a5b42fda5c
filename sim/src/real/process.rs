//! The process of a hub: a free port, a data directory, and an end whenever somebody wants it.

use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::http::{self, Response};

/// A hub that is not ready after this long will not be.
const READY: Duration = Duration::from_secs(30);

/// Makes a token for an agent, with the binary's own command line.
///
/// # Errors
/// That the binary does not run, or what it says against the token, as a sentence.
pub fn token(binary: &Path, data: &Path, agent: &str) -> Result<String, String> {
    token_by(Command::new(binary), data, agent)
}

/// The same, by a command that runs the hub's binary in a way of its own.
///
/// # Errors
/// As [`token`].
pub fn token_by(mut hub: Command, data: &Path, agent: &str) -> Result<String, String> {
    hub.args(["token", "add", agent, "--data"]).arg(data).stdin(Stdio::null());
    let out = hub.output().map_err(|error| format!("the hub's binary does not run: {error}"))?;
    if !out.status.success() {
        return Err(format!("token add {agent}: {}", String::from_utf8_lossy(&out.stderr)));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let token = text.strip_suffix('\n').unwrap_or(&text);
    if token.starts_with("hh_") && !token.contains(char::is_whitespace) {
        Ok(token.to_owned())
    } else {
        Err(format!("token add {agent}: not a token alone: {text:?}"))
    }
}

/// Why a hub does not run.
#[derive(Debug)]
pub enum NotStarted {
    /// Its process could not be made, or not watched.
    System(io::Error),
    /// It ended before it listened: its exit status, and what it wrote to stderr.
    Ended(ExitStatus, String),
    /// It neither listens nor ends; what it wrote to stderr.
    Hangs(String),
}

impl std::fmt::Display for NotStarted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System(error) => write!(f, "the hub's process cannot be made: {error}"),
            Self::Ended(exit, said) => {
                write!(f, "the hub never said that it listens ({exit}); its stderr:\n{said}")
            }
            Self::Hangs(said) => write!(f, "the hub hangs; its stderr:\n{said}"),
        }
    }
}

impl std::error::Error for NotStarted {}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// A running hub; killed (SIGKILL) when dropped.
#[derive(Debug)]
pub struct Hub {
    child: Child,
    address: SocketAddr,
    stderr: NamedTempFile,
}

impl Hub {
    /// Starts `BINARY serve --data DATA --listen 127.0.0.1:0 ARGS` and waits until it says that it listens.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn start(binary: &Path, data: &Path, args: &[&str]) -> Result<Self, NotStarted> {
        Self::start_by(Command::new(binary), data, args)
    }

    /// The same, by a command that runs the hub's binary in a way of its own.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn start_by(mut hub: Command, data: &Path, args: &[&str]) -> Result<Self, NotStarted> {
        let stderr = NamedTempFile::new()?;
        let mut child = hub
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.as_file().try_clone()?)
            .spawn()?;
        let stdout = child.stdout.take();
        // From here on a failure drops the guard, which ends the process.
        let mut hub = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), stderr };
        let stdout = stdout.ok_or_else(|| io::Error::other("the process has no stdout"))?;
        match ready_line(stdout).recv_timeout(READY) {
            Ok(address) => hub.address = address,
            Err(RecvTimeoutError::Timeout) => return Err(NotStarted::Hangs(hub.stderr())),
            Err(RecvTimeoutError::Disconnected) => {
                let exit = hub.child.wait()?;
                return Err(NotStarted::Ended(exit, hub.stderr()));
            }
        }
        Ok(hub)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// One request with a token ("" for none) and a JSON body (empty for none), on a connection of its own.
    ///
    /// # Errors
    /// Those of [`http::request`], with what the hub wrote to its stderr.
    pub fn request(&self, token: &str, method: &str, path: &str, body: &[u8]) -> io::Result<Response> {
        let bearer = format!("Bearer {token}");
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        http::request(self.address, method, path, &headers, body).map_err(|error| {
            let said = self.stderr();
            io::Error::new(error.kind(), format!("{method} {path}: {error}; the hub's stderr:\n{said}"))
        })
    }

    /// Kills it as a power cut would end the process: no handler runs.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop (SIGTERM) and waits until it has; gives back its exit status and its stderr.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(self) -> io::Result<(ExitStatus, String)> {
        self.signal("TERM")
    }

    /// Sends it a signal that stops it, and waits until it has; gives back its exit status and its stderr.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(mut self, name: &str) -> io::Result<(ExitStatus, String)> {
        let asked = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status()?;
        if !asked.success() {
            return Err(io::Error::other("the signal could not be sent"));
        }
        let status = self.child.wait()?;
        Ok((status, self.stderr()))
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        match std::fs::read(self.stderr.path()) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("(its stderr cannot be read: {error})"),
        }
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
pub fn ready_line(stdout: impl Read + Send + 'static) -> mpsc::Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on http://").and_then(|a| a.parse().ok()) {
                // Nobody listens any more when whoever started it is gone.
                let _ = sender.send(address);
            }
        }
    });
    receiver
}
