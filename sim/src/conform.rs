//! Conformance: a trace played over real sockets against a real hub process, on a clock that the trace sets.
//!
//! Beside the hub runs the kernel itself, with the same commands at the same times, and every answer of the hub has to be
//! the kernel's: status codes, refusals, claims and times; what polls show; and at the end each record and the very
//! bytes of each artifact. Where the trace has an answer of its own, that is compared too, or it is said why a real hub
//! answers something else: traces of several hubs, or of a store that breaks its promise, are there to show what a real
//! hub does *not* do.
//!
//! What is played: requests, in the order in which they took effect; answers that are lost (the client hangs up),
//! repeats, polls, waits, SIGKILL and the start after it, retention, and what same-host agents do to the files of the
//! data directory, while the hub runs and while it does not. What no client can bring about is not: a disk that fails.
//! [`Player`] plays; [`Played`] says what was compared.

mod cast;
mod deeds;
mod fresh;
mod judge;
mod lay;
mod malice;
mod oracle;
mod play;
mod script;
mod stage;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};

use handoff_kernel::law::{Law, PROTOCOL, Protocol};
use handoff_kernel::rules::Rule;
use handoff_kernel::time::Time;
use handoff_spec::trace::Trace;

use self::cast::Cast;
use self::oracle::Oracle;
use self::play::Play;
use self::script::{Act, script};
use self::stage::{Stage, Tokens};
use crate::chance::Chance;
use crate::report::counted;

/// The model whose traces the simulator writes.
pub const SIMULATOR: &str = "simulator";

/// The model whose traces begin in any record, whether or not commands can make it.
pub const INDUCTION: &str = "induction";

/// When the first trace begins: 2026-01-01T00:00:00Z.
const BEGIN: u64 = 1_767_225_600_000;

/// Between two traces on one hub: then all that the one has left is overdue.
const PAUSE: u64 = 3_600_000;

/// So many traces are played on one data directory: what they leave is listed again and again.
const TRACES_A_STAGE: u32 = 100;

/// What was played, and what was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Played {
    /// How many traces were played, and were as the kernel's.
    pub traces: u64,
    /// How many were not, or could not be played: nothing else is counted of them.
    pub failed: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Answers of the hub that are the kernel's.
    pub answers: u64,
    /// Answers of the hub that are the trace's own, too.
    pub told: u64,
    /// Answers of the trace that a real hub does not give: why, and how many.
    pub apart: BTreeMap<String, u64>,
    /// Commands of the trace that were not sent, and the like: why, and how many.
    pub left_out: BTreeMap<String, u64>,
    /// Answers on which the client hung up.
    pub lost: u64,
    /// Requests that were a repeat of an earlier one.
    pub duplicates: u64,
    /// How often the hub was killed, and started again.
    pub kills: u64,
    /// Files that a same-host agent dropped or moved, and how many of them while no hub ran.
    pub deeds: [u64; 2],
    /// The rules that are broken by what the hub answered: by the protocol's own, only what clients did to themselves.
    pub broken: BTreeSet<Rule>,
    /// Traces in which nothing reaches a hub, by name.
    pub without_hub: Vec<String>,
}

impl Played {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.traces += other.traces;
        self.failed += other.failed;
        self.requests += other.requests;
        self.answers += other.answers;
        self.told += other.told;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.kills += other.kills;
        for (mine, theirs) in self.deeds.iter_mut().zip(other.deeds) {
            *mine += theirs;
        }
        for (mine, theirs) in [(&mut self.apart, &other.apart), (&mut self.left_out, &other.left_out)] {
            for (why, many) in theirs {
                *mine.entry(why.clone()).or_default() += many;
            }
        }
        self.broken.extend(&other.broken);
        self.without_hub.extend(other.without_hub.iter().cloned());
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { traces, failed, requests, answers, told, lost, duplicates, kills, .. } = self;
        write!(f, "{}, ", counted(traces + failed, "trace"))?;
        if *failed > 0 {
            write!(f, "{failed} of them NOT as the kernel's; in the others ")?;
        }
        writeln!(f, "{}, {} as the kernel's", counted(*requests, "request"), counted(*answers, "answer"))?;
        writeln!(f, "{} as the trace's own", counted(*told, "answer"))?;
        for (why, many) in &self.apart {
            writeln!(f, "  {many} not: {why}")?;
        }
        let lost = counted(*lost, "answer");
        writeln!(f, "{lost} lost, {}, {}", counted(*duplicates, "repeat"), counted(*kills, "kill"))?;
        let [deeds, down] = self.deeds;
        let files = counted(deeds, "file");
        writeln!(f, "{files} dropped or moved by same-host agents, {down} of them while no hub ran")?;
        for (why, many) in &self.left_out {
            writeln!(f, "  {many} left out: {why}")?;
        }
        if self.without_hub.is_empty() {
            return Ok(());
        }
        let names = self.without_hub.join(", ");
        let without = counted(self.without_hub.len() as u64, "trace");
        writeln!(f, "{without} in which nothing reaches a hub: {names}")
    }
}

/// Plays traces on hubs of one binary, one after the other. It keeps a hub running where it can.
#[derive(Debug)]
pub struct Player {
    binary: PathBuf,
    law: String,
    held_to: String,
    trouble: Option<Chance>,
    /// With the janitor, and without.
    stages: [Option<Stage>; 2],
    tokens: Tokens,
    played: u64,
    /// When the next trace begins.
    next: u64,
}

impl Player {
    /// Plays on `BINARY serve`, which has to be the hub that is built for tests, under the law of this name:
    /// `protocol`, or what is different about it.
    #[must_use]
    pub fn new(binary: &Path, law: &str) -> Self {
        let (binary, law, held_to) = (binary.to_owned(), law.to_owned(), law.to_owned());
        let (trouble, stages, tokens) = (None, [None, None], Tokens::default());
        Self { binary, law, held_to, trouble, stages, tokens, played: 0, next: BEGIN }
    }

    /// Holds the hub to this law, whichever it runs under: one with a fault is found out by the protocol.
    #[must_use]
    pub fn held_to(self, law: &str) -> Self {
        Self { held_to: law.to_owned(), ..self }
    }

    /// Makes trouble besides, by chance: answers that are lost and asked for again, repeats, kills. None of it changes
    /// an answer of the trace.
    #[must_use]
    pub fn with_trouble(self, seed: u64) -> Self {
        Self { trouble: Some(Chance::of(seed)), ..self }
    }

    /// Plays one trace.
    ///
    /// # Errors
    /// Where hub and kernel, or hub and trace, do not agree; a trace that cannot be played; a hub that does not run: as
    /// a sentence.
    pub fn play(&mut self, trace: &Trace) -> Result<Played, String> {
        let named = |why| format!("{}: {why}", trace.header.name);
        let result = if self.held_to == PROTOCOL {
            self.play_under(trace, Protocol)
        } else {
            handoff_spec::replay::law(&self.held_to).and_then(|law| self.play_under(trace, law))
        };
        if result.is_err() {
            // Nobody knows in which state it is.
            self.stages = [None, None];
        }
        result.map_err(named)
    }

    fn play_under<L: Law>(&mut self, trace: &Trace, law: L) -> Result<Played, String> {
        let script = script(trace)?;
        let reaches =
            |act: &Act| matches!(act, Act::Asks(_) | Act::Polls { .. } | Act::Hears { .. } | Act::Deed(_));
        if trace.header.records.is_empty() && !script.cues.iter().any(|cue| reaches(&cue.act)) {
            let without_hub = vec![trace.header.name.clone()];
            return Ok(Played { traces: 1, without_hub, ..Played::default() });
        }
        let cast = Cast::of(trace, format!("t{}", self.played), self.next);
        self.played += 1;
        let known =
            trace.header.records.iter().map(|record| cast.record(record)).collect::<Result<Vec<_>, _>>()?;
        let made_by = lay::made_by(&law, script.janitor, &known);
        let laid = made_by.is_none() && !known.is_empty();
        // What lies in a directory did not arrive later than now.
        let arrived = known.iter().map(|(record, _)| record.started_at).filter(|_| laid).max();
        let begin = arrived.unwrap_or(Time(self.next));
        self.next = cast.last().saturating_add(PAUSE);
        let trouble = self.trouble.as_mut().map(Chance::fork);
        // On a hub that runs already, unless much has been played on it. A directory that is laid out is a new one.
        let kept = usize::from(script.janitor);
        let running = if laid { None } else { self.stages[kept].take() };
        let mut stage = match running.filter(|stage| stage.traces < TRACES_A_STAGE) {
            Some(stage) => stage,
            None => Stage::new(&self.binary, &self.law, script.janitor, begin, &self.tokens)?,
        };
        if laid {
            lay::lay(stage.data(), &known).map_err(|error| format!("the data directory: {error}"))?;
        }
        let oracle = Oracle::new(law, script.janitor, begin);
        let played = Play::new(trace, &script, &cast, &mut stage, oracle, trouble)
            .through(&known, made_by.as_deref())?;
        self.tokens = stage.tokens().clone();
        if !laid {
            stage.traces += 1;
            self.stages[kept] = Some(stage);
        }
        Ok(Played { traces: 1, ..played })
    }
}

/// Plays one trace on a hub of its own: see [`Player::play`].
///
/// # Errors
/// As [`Player::play`].
pub fn play(trace: &Trace, binary: &Path, law: &str) -> Result<Played, String> {
    Player::new(binary, law).play(trace)
}

/// How many are played, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub that is built for tests.
    pub binary: PathBuf,
    /// The law that it is run under.
    pub law: String,
    /// The law that it is held to: see [`Player::held_to`].
    pub held_to: String,
    /// So many hubs at once.
    pub at_once: usize,
    /// What trouble is drawn from; none makes none.
    pub trouble: Option<u64>,
}

/// Plays all of these, several at once, and tells of each when it has been played. Gives back what was played, and of
/// those with an error only how many; whoever wants to know which listens.
pub fn all(
    traces: impl IntoIterator<Item = Trace, IntoIter: Send>,
    settings: &Settings,
    mut told: impl FnMut(&Trace, &Result<Played, String>),
) -> Played {
    // Each is made when somebody is there to play it.
    let queue = Mutex::new(traces.into_iter().enumerate());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, receiver) = mpsc::channel();
    let mut sum = Played::default();
    std::thread::scope(|scope| {
        for _ in 0..settings.at_once.max(1) {
            let (sender, take) = (sender.clone(), &take);
            scope.spawn(move || {
                let mut player = Player::new(&settings.binary, &settings.law).held_to(&settings.held_to);
                while let Some((number, trace)) = take() {
                    // Whoever plays it, the same trouble is made of it.
                    let seed = |seed: u64| Chance::of(seed.wrapping_add(number as u64));
                    player.trouble = settings.trouble.map(seed);
                    let played = player.play(&trace);
                    if sender.send((trace, played)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (trace, played) in receiver {
            told(&trace, &played);
            match &played {
                Ok(played) => sum.add(played),
                Err(_) => sum.failed += 1,
            }
        }
    });
    sum.without_hub.sort();
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_the_traces_that_failed_and_knows_one_from_many() {
        let played = Played { traces: 1, requests: 1, answers: 2, kills: 1, ..Played::default() };
        let said = played.to_string();
        assert!(said.starts_with("1 trace, 1 request, 2 answers as the kernel's\n"), "{said}");
        assert!(said.contains("0 answers lost, 0 repeats, 1 kill\n"), "{said}");
        let mut sum = Played { failed: 1, ..Played::default() };
        sum.add(&Played { failed: 1, ..played });
        let said = sum.to_string();
        assert!(
            said.starts_with("3 traces, 2 of them NOT as the kernel's; in the others 1 request, "),
            "{said}"
        );
    }
}
