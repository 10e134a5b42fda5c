//! The stage: one real hub process on a data directory of its own, with a clock that stands until it is set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_kernel::time::{Millis, Time};
use tempfile::TempDir;

use super::wire::Request;
use crate::real::http::{Connection, Response};
use crate::real::process::{Hub, token};

/// Where a data directory has its tokens' hashes.
const TOKENS: &str = "tokens.json";

/// The tokens of agents, and the file that a hub knows them by: made once, for each is a run of the hub's binary.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    of: BTreeMap<String, String>,
    file: Vec<u8>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Stage {
    binary: PathBuf,
    law: String,
    janitor: bool,
    data: TempDir,
    tokens: Tokens,
    hub: Option<(Hub, Connection)>,
    wall: Time,
    /// How many traces have been played on it.
    pub(super) traces: u32,
}

impl Stage {
    /// A stage whose hub does not run yet, and knows these tokens.
    pub(super) fn new(
        binary: &Path,
        law: &str,
        janitor: bool,
        begin: Time,
        tokens: &Tokens,
    ) -> Result<Self, String> {
        let data = tempfile::Builder::new().prefix("handoff-conform-").tempdir().map_err(text)?;
        if !tokens.file.is_empty() {
            std::fs::write(data.path().join(TOKENS), &tokens.file).map_err(text)?;
        }
        let (binary, law, tokens) = (binary.to_owned(), law.to_owned(), tokens.clone());
        Ok(Self { binary, law, janitor, data, tokens, hub: None, wall: begin, traces: 0 })
    }

    /// The data directory.
    pub(super) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where its clock stands.
    pub(super) const fn wall(&self) -> Time {
        self.wall
    }

    /// Whether its hub runs.
    pub(super) const fn is_up(&self) -> bool {
        self.hub.is_some()
    }

    /// Starts the hub, by this clock.
    pub(super) fn start(&mut self, wall: Time) -> Result<(), String> {
        self.wall = wall;
        self.start_with(&[])
    }

    /// Asks on a new connection from here on: the hub may have closed one that was idle.
    pub(super) fn connect(&mut self) -> Result<(), String> {
        let (hub, connection) = self.hub.as_mut().ok_or("the hub does not run")?;
        *connection = Connection::open(hub.address()).map_err(text)?;
        Ok(())
    }

    /// Starts it so that it removes what has been over for so long.
    pub(super) fn start_retaining(&mut self, retention: Millis) -> Result<(), String> {
        self.start_with(&["--retain", &format!("{}ms", retention.0)])
    }

    fn start_with(&mut self, more: &[&str]) -> Result<(), String> {
        let wall = self.wall.0.to_string();
        let mut args = vec!["--test-clock", &wall];
        if !self.janitor {
            args.push("--no-janitor");
        }
        if self.law != handoff_kernel::law::PROTOCOL {
            args.extend(["--law", &self.law]);
        }
        args.extend(more);
        let hub = Hub::start(&self.binary, self.data.path(), &args).map_err(text)?;
        let connection = Connection::open(hub.address()).map_err(text)?;
        self.hub = Some((hub, connection));
        Ok(())
    }

    /// SIGKILL: no handler runs.
    pub(super) fn kill(&mut self) {
        if let Some((hub, _)) = self.hub.take() {
            hub.kill();
        }
    }

    /// Sets the clock, and waits until all that follows from it is written.
    pub(super) fn set(&mut self, wall: Time) -> Result<(), String> {
        self.wall = wall;
        let body = format!("{{\"now\":{}}}", wall.0).into_bytes();
        let request = Request { method: "PUT", path: "/testing/clock".to_owned(), body };
        let answer = self.exchange("", &request)?;
        if answer.status == 200 { Ok(()) } else { Err(format!("the clock: {}", answer.text())) }
    }

    /// Asks, as this agent, and hears the answer.
    pub(super) fn ask(&mut self, agent: &str, request: &Request) -> Result<Response, String> {
        let token = self.token(agent)?;
        self.exchange(&token, request)
    }

    /// Asks, as this agent, and hangs up when the answer is there, without reading it.
    pub(super) fn ask_and_hang_up(&mut self, agent: &str, request: &Request) -> Result<(), String> {
        let mut asking = self.ask_aside(agent, request)?;
        asking.answered().map_err(|error| self.what_happened(request, &error))
    }

    /// Asks, as this agent, on a connection of its own, and does not wait.
    pub(super) fn ask_aside(&mut self, agent: &str, request: &Request) -> Result<Connection, String> {
        let token = self.token(agent)?;
        let (hub, _) = self.hub.as_ref().ok_or("the hub does not run")?;
        let opened = Connection::open(hub.address());
        let mut connection = opened.map_err(|error| self.what_happened(request, &error))?;
        let sent = send(&mut connection, &token, request);
        sent.map_err(|error| self.what_happened(request, &error))?;
        Ok(connection)
    }

    fn exchange(&mut self, token: &str, request: &Request) -> Result<Response, String> {
        let (_, connection) = self.hub.as_mut().ok_or("the hub does not run")?;
        let answer = send(connection, token, request).and_then(|()| connection.receive(request.method));
        answer.map_err(|error| self.what_happened(request, &error))
    }

    fn what_happened(&self, request: &Request, error: &std::io::Error) -> String {
        let said = self.hub.as_ref().map(|(hub, _)| hub.stderr()).unwrap_or_default();
        format!("{} {}: {error}; the hub's stderr:\n{said}", request.method, request.path)
    }

    fn token(&mut self, agent: &str) -> Result<String, String> {
        if let Some(token) = self.tokens.of.get(agent) {
            return Ok(token.clone());
        }
        let made = token(&self.binary, self.data.path(), agent)?;
        self.tokens.of.insert(agent.to_owned(), made.clone());
        self.tokens.file = std::fs::read(self.data.path().join(TOKENS)).map_err(text)?;
        Ok(made)
    }

    /// All tokens that it knows.
    pub(super) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Lets the hub know these agents: nothing can be started to one that it does not know.
    pub(super) fn know(&mut self, agents: impl IntoIterator<Item = String>) -> Result<(), String> {
        agents.into_iter().try_for_each(|agent| self.token(&agent).map(drop))
    }
}

fn send(connection: &mut Connection, token: &str, request: &Request) -> std::io::Result<()> {
    let bearer = format!("Bearer {token}");
    let mut headers = Vec::new();
    if !token.is_empty() {
        headers.push(("authorization", bearer.as_str()));
    }
    if !request.body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    connection.send(request.method, &request.path, &headers, &request.body)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
