//! Load: asks a running hub for much, over plain sockets, and says how long that took; and makes a data directory large.
//!
//! It starts no hub. `scripts/flushes` and `scripts/large` do, and hold the figures against limits.

mod fill;
mod lifecycles;
mod lookups;

#[path = "../../tests/system/support/ambient.rs"]
mod ambient;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/system/support/artifacts.rs"]
mod artifacts;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use handoff_sim::real::http::{Connection, Response};

const USAGE: &str = "\
usage: load lifecycles --hub URL --bob TOKEN --alice TOKEN [--lifecycles N] [--connections N] [--poll yes]
           start, accept and complete so many handoffs (10000) over so many kept connections (64)
       load sample     --hub URL --bob TOKEN --alice TOKEN
           one completed handoff and one pending, for `fill` to copy
       load fill       --data DIR --archived N --pending N
           copies of the two in the data directory of a hub that does not run
       load lookups    --hub URL --bob TOKEN --alice TOKEN --archived N --pending N [--requests N]
           polls, and gets of random ones of those (2000 each), one after the other; microseconds: median, p99
";

/// What was asked for on the command line: `--name value` each.
struct Options(Vec<(String, String)>);

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Vec::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word:?} is no option"))?;
            // Cargo's own word to whatever `cargo bench` runs.
            if name != "bench" {
                let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
                options.push((name.to_owned(), value));
            }
        }
        Ok(Self(options))
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| format!("--{name} is missing"))
    }

    fn number(&self, name: &str, unless_said: Option<usize>) -> Result<usize, String> {
        match (self.text(name), unless_said) {
            (Err(_), Some(number)) => Ok(number),
            (text, _) => text?.parse().map_err(|e| format!("--{name}: {e}")),
        }
    }

    fn hub(&self) -> Result<Hub, String> {
        let url = self.text("hub")?;
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        Ok(Hub {
            address: address.parse().map_err(|e| format!("--hub {url}: {e}; it is http://IP:PORT"))?,
            bob: format!("Bearer {}", self.text("bob")?),
            alice: format!("Bearer {}", self.text("alice")?),
        })
    }
}

/// A hub that runs, and what its two agents show it.
struct Hub {
    address: SocketAddr,
    bob: String,
    alice: String,
}

impl Hub {
    fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.address)
    }
}

/// One request on a kept connection that must be answered with one of these, and how long that took.
fn timed(
    connection: &mut Connection,
    bearer: &str,
    (method, path): (&str, &str),
    body: &[u8],
    wanted: &[u16],
) -> io::Result<(Response, Duration)> {
    let headers = [("authorization", bearer), ("content-type", "application/json")];
    let begun = ambient::steady();
    connection.send(method, path, if body.is_empty() { &headers[..1] } else { &headers }, body)?;
    let response = connection.receive(method)?;
    let took = ambient::steady().duration_since(begun);
    if wanted.contains(&response.status) {
        return Ok((response, took));
    }
    Err(io::Error::other(format!("{method} {path}: {} {}", response.status, response.text())))
}

/// The value that so many in a thousand are at most.
fn quantile(sorted: &[Duration], per_mille: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * per_mille / 1000).copied().unwrap_or_default()
}

/// One line: what, how many, and the median and p99 in microseconds.
fn say(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let [median, p99] = [500, 990].map(|per_mille| quantile(&took, per_mille).as_micros());
    println!("{what:<16} {:>7} {median:>9} {p99:>9}", took.len());
}

fn run() -> Result<(), String> {
    let mut words = std::env::args();
    let _program = words.next();
    let command = words.next().unwrap_or_default();
    let options = Options::read(words)?;
    let failed = |e: io::Error| e.to_string();
    match command.as_str() {
        "lifecycles" => {
            let count = options.number("lifecycles", Some(10_000))?;
            let connections = options.number("connections", Some(64))?;
            let poll = options.text("poll").is_ok_and(|word| word == "yes");
            lifecycles::run(&options.hub()?, count, connections, poll).map_err(failed)
        }
        "sample" => fill::sample(&options.hub()?).map_err(failed),
        "fill" => {
            let [archived, pending] = [options.number("archived", None)?, options.number("pending", None)?];
            fill::fill(options.text("data")?.as_ref(), archived, pending).map_err(failed)
        }
        "lookups" => {
            let counts = [options.number("archived", None)?, options.number("pending", None)?];
            let requests = options.number("requests", Some(2_000))?;
            lookups::run(&options.hub()?, counts, requests).map_err(failed)
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
