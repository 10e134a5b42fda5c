//! A hub that runs for real: [`process::Hub`], where what goes wrong fails the test that it happens in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use handoff_sim::real::process::{self, NotStarted};

use super::http::Response;

pub(crate) use handoff_sim::real::process::ready_line;

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
    process::token(binary, data, agent).unwrap_or_else(|why| panic!("{why}"))
}

/// The same, by a command that runs the hub's binary in a way of its own.
pub(crate) fn token_by(hub: Command, data: &Path, agent: &str) -> String {
    process::token_by(hub, data, agent).unwrap_or_else(|why| panic!("{why}"))
}

/// Runs one command of a binary to its end.
pub(crate) fn run(binary: &Path, args: &[&str]) -> Output {
    Command::new(binary).args(args).stdin(Stdio::null()).output().expect("the binary runs")
}

/// A running hub; killed (SIGKILL) when dropped.
#[derive(Debug)]
pub(crate) struct Hub(process::Hub);

impl Hub {
    /// Starts it and waits until it says that it listens.
    pub(crate) fn start(binary: &Path, data: &Path, args: &[&str]) -> Self {
        Self(process::Hub::start(binary, data, args).unwrap_or_else(|why| panic!("{why}")))
    }

    /// The same, by a command that runs the hub's binary in a way of its own. A hub that will not start says why: its
    /// exit status and its stderr.
    pub(crate) fn start_by(hub: Command, data: &Path, args: &[&str]) -> Result<Self, (ExitStatus, String)> {
        match process::Hub::start_by(hub, data, args) {
            Ok(hub) => Ok(Self(hub)),
            Err(NotStarted::Ended(exit, said)) => Err((exit, said)),
            Err(why @ (NotStarted::System(_) | NotStarted::Hangs(_))) => panic!("{why}"),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// One request with a token ("" for none) and a JSON body (empty for none).
    pub(crate) fn request(&self, token: &str, method: &str, path: &str, body: &[u8]) -> Response {
        self.0.request(token, method, path, body).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Kills it as a power cut would end the process: no handler runs.
    pub(crate) fn kill(self) {
        self.0.kill();
    }

    /// Asks it to stop (SIGTERM) and waits until it has; gives back its exit status and its stderr.
    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        self.signal("TERM")
    }

    /// Sends it a signal that stops it, and waits until it has; gives back its exit status and its stderr.
    pub(crate) fn signal(self, name: &str) -> (ExitStatus, String) {
        self.0.signal(name).unwrap_or_else(|why| panic!("{why}"))
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.0.stderr()
    }
}
