//! A production event log, held against the protocol: whether it is a behaviour, and if not, the first line that is not.
//!
//! ```text
//!   events/*.ndjson --Line::read--> lines, each holding the one before --by handoff--> lives --step--> a verdict
//! ```
//!
//! The log is read as `docs/format.md` has it, by a reader that shares nothing with the hub that wrote it. Handoffs have
//! nothing to do with each other but the clock, so each is lived through by itself, and the first line that fits none of
//! its lives is the first of the log.
//!
//! What a log cannot show is not asked: it has no `expires_at` and no `claim_ttl_seconds`, no answers and no polls, and
//! whatever was in lines that are gone. It is a behaviour if *some* deadlines make it one.

mod life;
mod line;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use handoff_kernel::command::EventKind;
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::rules::Broken;
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;

pub use self::life::Legal;
use self::life::{Told, in_order, live};
use self::line::Line;
use self::segment::Segments;

/// What there is to say of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The directory of its segments.
    pub events: PathBuf,
    /// How many segments were read.
    pub segments: u64,
    /// How many lines.
    pub lines: u64,
    /// The number of the first; 1 when there is none. What came before it is gone.
    pub first: u64,
    /// How many handoffs they tell of.
    pub handoffs: u64,
    /// How many of these from their start. Of the others the start is gone, or a same-host agent dropped them.
    pub from_start: u64,
    /// How many lines were written afterwards, in place of lost ones.
    pub recovered: u64,
    /// Whether there is the begin of another line behind the last one.
    pub unfinished: bool,
    /// The first line that no behaviour of the protocol has. Then the figures above are of what was read.
    pub fault: Option<Fault>,
}

/// A line that no behaviour of the protocol has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its segment.
    pub file: PathBuf,
    /// Which line of that it is, from 1.
    pub line: u64,
    /// Which number the line that belongs there has.
    pub seq: u64,
    /// What stands there.
    pub text: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is not a line as the format has it, or not the next one: why, as a sentence.
    Format(String),
    /// It tells of a time before one that the hub had decided with already.
    Clock {
        /// The newest time before it.
        mark: Time,
    },
    /// It tells of what cannot happen to its handoff.
    Rules {
        /// In which ways: one at least.
        broken: Vec<Broken>,
        /// The number of the line of the same handoff before it.
        after: Option<u64>,
        /// What could have happened to it at that time instead.
        legal: Vec<Legal>,
    },
}

impl fmt::Display for Wrong {
    /// What is wrong, and what would have been right: a sentence a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(why) => f.write_str(why),
            Self::Clock { mark } => write!(
                f,
                "The deciding clock never goes back: a line before this one is of {mark}.\n\
                 Legal here: that time, or a later one.",
                mark = Rfc3339(*mark)
            ),
            Self::Rules { broken, after, legal } => {
                for Broken { rule, how } in broken {
                    writeln!(f, "{rule}: {} Here: {how}.", rule.statement())?;
                }
                match after {
                    Some(seq) => write!(f, "Legal here, after event {seq}: ")?,
                    None => write!(f, "Legal here, as its first event: ")?,
                }
                let legal: Vec<_> = legal.iter().map(Legal::to_string).collect();
                if legal.is_empty() {
                    f.write_str("no event at all.")
                } else {
                    write!(f, "{}.", legal.join(", or "))
                }
            }
        }
    }
}

/// Says whether the log in this directory, a hub's data directory or its `events/`, is a behaviour of the protocol.
/// It is read without a lock: a hub may be writing it. It takes some 300 bytes of memory for each line.
///
/// # Errors
/// Why there is nothing to be said: a sentence that says what to do.
pub fn validate(directory: &Path) -> Result<Verdict, String> {
    let events = segment::events(directory)?;
    let verdict = look(&events)?;
    // A hub that runs writes over a line that it could not write whole: then a second look finds another.
    if verdict.fault.is_some() { look(&events) } else { Ok(verdict) }
}

/// Names, each kept once.
#[derive(Default)]
struct Kept(BTreeSet<Rc<str>>);

impl Kept {
    fn name(&mut self, name: &str) -> Rc<str> {
        if let Some(kept) = self.0.get(name) {
            return Rc::clone(kept);
        }
        let kept: Rc<str> = name.into();
        self.0.insert(Rc::clone(&kept));
        kept
    }
}

fn look(events: &Path) -> Result<Verdict, String> {
    let mut segments = Segments::of(events)?;
    let mut lives: BTreeMap<Rc<str>, Vec<Told>> = BTreeMap::new();
    let (mut agents, mut mark, mut stepped_back) = (Kept::default(), Time(0), None);
    let mut recovered = 0;
    let ill = loop {
        let line = match segments.next_line()? {
            Ok(Some(line)) => line,
            Ok(None) => break None,
            Err(why) => break Some((segments.seq(), Wrong::Format(why))),
        };
        recovered += u64::from(line.recovered);
        // A line that was written afterwards tells of the time at which it should have been.
        if !line.recovered {
            if Protocol.decides_at(line.at, mark) != line.at {
                stepped_back.get_or_insert((line.seq, Wrong::Clock { mark }));
            }
            mark = mark.max(line.at);
        }
        let told = told(&line, &mut agents);
        match lives.get_mut(line.handoff.as_str()) {
            Some(life) => life.push(told),
            None => {
                lives.insert(line.handoff.as_str().into(), vec![told]);
            }
        }
    };
    let mut first_ill = stepped_back.or(ill);
    let mut from_start = 0;
    for life in lives.values_mut() {
        in_order(life);
        from_start += u64::from(life.first().is_some_and(|first| first.kind == EventKind::Started));
        let Err(dead) = live(life, segments.first() == 1) else { continue };
        // Of one line, what rule it breaks tells more than that its time is wrong.
        if first_ill.as_ref().is_none_or(|(seq, _)| dead.seq <= *seq) {
            let (broken, after, legal) = (dead.broken, dead.after, dead.legal);
            first_ill = Some((dead.seq, Wrong::Rules { broken, after, legal }));
        }
    }
    let fault = first_ill.map(|(seq, wrong)| segments.fault(seq, wrong)).transpose()?;
    Ok(Verdict {
        events: events.to_owned(),
        segments: segments.opened(),
        lines: segments.lines(),
        first: segments.first(),
        handoffs: lives.len() as u64,
        from_start,
        recovered,
        unfinished: segments.unfinished(),
        fault,
    })
}

fn told(line: &Line, agents: &mut Kept) -> Told {
    Told {
        seq: line.seq,
        at: line.at,
        kind: line.kind,
        from: agents.name(line.from.as_str()),
        to: agents.name(line.to.as_str()),
        actor: line.actor.map(|actor| agents.name(actor.as_str())),
        claim: line.claim,
        recovered: line.recovered,
    }
}
