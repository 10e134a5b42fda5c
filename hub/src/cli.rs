//! The command line: what its commands do. Standard output carries what was asked for and nothing else; whatever a
//! person should know besides goes to standard error. Exit codes: 0 as asked, 1 failed, 2 not understood.

mod fsck;
mod log;
#[cfg(feature = "testing")]
mod testing;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use handoff_kernel::ident::AgentId;
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::time::Millis;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ambient::SystemClock;
use crate::clock::Clock;
use crate::demo;
use crate::relay::Config;
use crate::server::{Server, say, token_command, written};
use crate::tokens::{Added, Scope, Token, TokenFile};
pub use fsck::{FsckOptions, run as fsck};
pub use log::{LogCommand, log};
#[cfg(feature = "testing")]
pub use testing::{law, serve_for_tests};

/// How to run the hub.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// The directory that holds the handoffs; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "./handoff-data")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8787", value_parser = address)]
    listen: SocketAddr,
    /// Remove what is completed or rejected so long after its `expires_at`, and the events of that time; such as 30d,
    /// 12h or 0s. Unless this is given, everything is kept
    #[arg(long, value_name = "TIME", value_parser = duration)]
    retain: Option<Millis>,
}

impl ServeOptions {
    fn config(&self) -> Config {
        Config { retain: self.retain, ..Config::on(self.data.clone()) }
    }
}

/// What can be done about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token for an agent and print it, this once
    Add {
        /// The agent: 1 to 63 characters of a-z 0-9 _ -, the first a letter or digit
        name: AgentId,
        /// The hub's data directory
        #[arg(long, value_name = "DIR", default_value = "./handoff-data")]
        data: PathBuf,
        /// What it is good for: send, receive, observe; send and receive unless said otherwise. For two, put a comma
        /// between them, or give the option twice
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_values = ["send", "receive"])]
        scope: Vec<Scope>,
    },
    /// List the live tokens, without their secrets
    List {
        /// The hub's data directory
        #[arg(long, value_name = "DIR", default_value = "./handoff-data")]
        data: PathBuf,
    },
    /// Revoke one token by its id, or all of an agent by its name
    Revoke {
        /// The id of a token, or the name of an agent
        #[arg(value_name = "ID|NAME")]
        name: String,
        /// The hub's data directory
        #[arg(long, value_name = "DIR", default_value = "./handoff-data")]
        data: PathBuf,
    },
}

/// How to play the demo.
#[derive(Debug, Args)]
pub struct DemoOptions {
    /// End with the play, and exit 0 only if every step went as told
    #[arg(long)]
    once: bool,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "it must be IP:PORT, such as 127.0.0.1:8787")
}

fn duration(text: &str) -> Result<Millis, String> {
    let duration =
        humantime::parse_duration(text).map_err(|error| format!("{error}; say for instance 30d or 12h"))?;
    u64::try_from(duration.as_millis()).map(Millis).map_err(|_| "it is longer than any time".to_owned())
}

/// `serve`: until a signal says stop.
#[must_use]
pub fn serve(options: &ServeOptions) -> ExitCode {
    let config = options.config();
    ended(in_runtime(run(Protocol, &config, options.listen, SystemClock::start(), |server| server)))
}

/// `token add | list | revoke`.
#[must_use]
pub fn token(command: TokenCommand) -> ExitCode {
    ended(match command {
        TokenCommand::Add { name, data, scope } => add(name, data, scope),
        TokenCommand::List { data } => list(data),
        TokenCommand::Revoke { name, data } => revoke(&name, data),
    })
}

fn add(name: AgentId, data: PathBuf, scopes: Vec<Scope>) -> Result<(), String> {
    let file = TokenFile::in_directory(data);
    let added = file.add(name, scopes.into_iter().collect(), SystemClock::start().wall());
    let Added { id, secret } = added.map_err(|error| error.to_string())?;
    if let Err(error) = print(&format!("{}\n", secret.reveal())) {
        // A token that nobody has seen is of no use to anybody but a thief.
        return Err(match file.revoke(&id) {
            Ok(_) => format!("{error} The token is revoked again."),
            Err(left) => format!("{error} The token {id} is left, which nobody has seen: {left}"),
        });
    }
    say(&format!("This is token {id} of {name}. It is not shown again."));
    Ok(())
}

fn list(data: PathBuf) -> Result<(), String> {
    let tokens = TokenFile::in_directory(data).list().map_err(|error| error.to_string())?;
    if tokens.is_empty() {
        say("No tokens.");
        return Ok(());
    }
    print(&table(&tokens))
}

fn revoke(name: &str, data: PathBuf) -> Result<(), String> {
    let gone = TokenFile::in_directory(data).revoke(name).map_err(|error| error.to_string())?;
    print(&gone.iter().map(|t| format!("revoked {} of {}\n", t.id, t.agent)).collect::<String>())
}

/// `demo`.
#[must_use]
pub fn demo(options: &DemoOptions) -> ExitCode {
    ended(in_runtime(async {
        let stop = stop_signals().map_err(|error| format!("Signals cannot be heard: {error}."))?;
        // A terminal that is closed must not leave the demo's directory behind. A hub that serves is as it always
        // was: it may have been started by `nohup`.
        let hangup =
            signal(SignalKind::hangup()).map_err(|error| format!("Signals cannot be heard: {error}."))?;
        let stop = either(stop, hangup);
        demo::play(options.once, stop).await.map_err(|error| error.to_string())
    }))
}

/// One line a token; what a program reads is `tokens.json`.
fn table(tokens: &[Token]) -> String {
    let line = |token: &Token| {
        let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.name()).collect();
        format!("{:<10}  {:<24}  {:<20}  {}\n", token.id, token.created_at, scopes.join(","), token.agent)
    };
    let head = format!("{:<10}  {:<24}  {:<20}  agent\n", "id", "made at", "scopes");
    std::iter::once(head).chain(tokens.iter().map(line)).collect()
}

/// Runs a hub until it is told to stop.
async fn run<C: Clock + Send + 'static, L: Law + Send + 'static>(
    law: L,
    config: &Config,
    listen: SocketAddr,
    clock: C,
    prepare: impl FnOnce(Server) -> Server,
) -> Result<(), String> {
    // Before anybody can know that it is there, and so ask it to stop.
    let stop = stop_signals().map_err(|error| format!("Signals cannot be heard: {error}."))?;
    let server = prepare(Server::under(law, config, listen, clock).await.map_err(|error| error.to_string())?);
    if server.knows_nobody() {
        let program = std::env::args().next().unwrap_or_else(|| "handoff-hub".to_owned());
        let command = token_command(&program, "NAME", &config.data);
        say(&format!(
            "No agent has a token yet, so nobody can hand anything over. Add one for each:\n  {command}"
        ));
    }
    if !server.address().ip().is_loopback() {
        say(
            "This hub can be reached from other machines, and has no TLS yet: put a proxy that has in front of it.",
        );
    }
    print(&format!("listening on http://{}\n", server.address()))?;
    server.run(stop).await.map_err(|failed| failed.to_string())
}

/// Ends at the first SIGINT or SIGTERM.
fn stop_signals() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn either(stop: impl Future<Output = ()>, mut signal: Signal) {
    tokio::select! {
        () = stop => {}
        _ = signal.recv() => {}
    }
}

fn in_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = Runtime::new().map_err(|error| format!("The runtime cannot start: {error}."))?;
    runtime.block_on(work)
}

/// To standard output, at once.
fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("Standard output cannot be written: {error}."))
}

fn ended(result: Result<(), impl Display>) -> ExitCode {
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    };
    written();
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_tokens_says_whose_and_what_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::in_directory(dir.path().to_owned());
        let alice = AgentId::parse("alice").unwrap();
        let secret = file.add(alice, [Scope::Receive].into(), handoff_kernel::time::Time(0)).unwrap().secret;
        let shown = table(&file.list().unwrap());
        assert!(
            shown.contains("1970-01-01T00:00:00Z      receive") && shown.ends_with("  alice\n"),
            "{shown}"
        );
        assert!(shown.starts_with("id "), "{shown}");
        assert!(!shown.contains(secret.reveal()));
    }
}
