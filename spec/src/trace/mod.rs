//! Traces: what happened, one JSON object a line, for people and for whoever replays it.
//!
//! A trace carries all that is needed to live it through again: the first line is the [`Header`], with what was
//! on record at the beginning; each line after it is one [`Line`]: at which step, in true time, on which host, by
//! which clock, what happened and what came of it. `spec/traces/README.md` describes the format for readers of
//! other languages. Names are short and mean nothing: agents `bob` (the author), `alice` (the target), `eve`;
//! handoffs `h0`, claims `c1`, digests `d0`, results and reasons `t0`, receipts `r1`.

mod header;
mod text;
mod word;

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use handoff_kernel::rules::Rule;
use serde::{Deserialize, Serialize};

pub use header::{FORMAT, Header, Kind};
pub use text::{
    Artifact, Ask, ClaimText, EventText, RecordText, StatusText, Told, agent, agent_number, claim, digest,
    handoff, handoff_number, text,
};
pub use word::Word;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Counted from 1; 0 is what has happened before. What happens in one step happens at once.
    #[serde(default)]
    pub step: u32,
    /// True time, in milliseconds from the trace's own beginning of time.
    pub time: u64,
    /// Where: `hub 1`, `client 2`, `store`, `network`, `session 1`.
    pub host: String,
    /// What that host's clock says, if it has one that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<u64>,
    /// What.
    pub event: Event,
}

impl Line {
    /// A line whose step is numbered when the trace is written.
    #[must_use]
    pub fn at(time: u64, host: impl Into<String>, clock: Option<u64>, event: Event) -> Self {
        Self { step: 0, time, host: host.into(), clock, event }
    }
}

/// What the store was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Read the record.
    Load,
    /// Write it if there is none.
    Insert,
    /// Write it if the one there is still the one that was loaded.
    Swap,
}

/// What the hub was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The record, or that there is none.
    Loaded,
    /// The write took effect.
    Written,
    /// The write did not: something else is there.
    Conflict,
    /// The answer was lost.
    Unknown,
    /// The store cannot do it.
    Failed,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Which client, as a host: instances of one agent are several.
    pub client: String,
    /// The agent that it really is, whatever its command says.
    pub agent: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A client sends a request, or sends it again.
    Sends {
        /// On which handoff.
        handoff: String,
        /// What it asks. The attempt is the hub's to choose, and 0 here.
        command: Ask,
    },
    /// A hub takes up a command.
    Begins {
        /// The operation, numbered within the trace.
        operation: u32,
        /// On which handoff.
        handoff: String,
        /// What is asked.
        command: Ask,
        /// For whom; nobody when it is the hub's own janitor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asker: Option<Client>,
    },
    /// The store answers an operation's effect, or its answer is lost.
    Effect {
        /// The operation.
        operation: u32,
        /// What it asked for.
        effect: EffectKind,
        /// What it is told.
        outcome: OutcomeKind,
        /// The record as the store has it after this, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<RecordText>,
        /// Whether the write took effect, whatever the hub is told; of a load, false.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        took_effect: bool,
        /// Whether the store may still carry it out.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        may_follow: bool,
        /// Whether the hub takes the answer later, as a line of its own says.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        held: bool,
    },
    /// A hub takes the answer of the store that was held, and goes on by its clock.
    Hears {
        /// The operation.
        operation: u32,
    },
    /// The store carries out a write whose answer was long since lost.
    Follows {
        /// The operation that had asked for it.
        operation: u32,
        /// Whether it took effect: it does if what it expects is still there.
        took_effect: bool,
        /// The record that it writes. By this it is known: one asker may have several under way.
        writes: Box<RecordText>,
        /// The record as the store has it after this, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<RecordText>,
    },
    /// An operation is over, and its asker is answered.
    Answers {
        /// The operation.
        operation: u32,
        /// What is told.
        verdict: Told,
    },
    /// A client receives an answer.
    Receives {
        /// To what.
        command: Ask,
        /// The answer.
        verdict: Told,
    },
    /// The network loses a message.
    Loses {
        /// Which, in words.
        message: String,
    },
    /// A hub dies; what it was doing is gone.
    Crashes {
        /// The operations that are gone with it.
        operations: Vec<u32>,
    },
    /// It is there again.
    Restarts,
    /// A hub is cut off from everything, or is so no longer.
    CutOff {
        /// Whether it is cut off now.
        now: bool,
    },
    /// True time passes.
    Ticks,
    /// A hub's clock is set.
    ClockSteps {
        /// By how much it is ahead of true time now; negative when it is behind.
        ahead: i64,
    },
    /// A hub advances the clock that all hubs share.
    SharedClock {
        /// To what.
        to: u64,
    },
    /// Retention removes a terminal handoff.
    Prunes {
        /// Which.
        handoff: String,
    },
    /// A poll is answered, or looks and goes on waiting.
    Polls {
        /// Whose.
        target: String,
        /// What is shown.
        shown: Option<String>,
    },
    /// A hub that begins again makes a claim as young as itself: only under a law that lets it.
    Renews {
        /// What is on record now.
        record: Box<RecordText>,
    },
    /// The store is restarted, and has what it had before the last write.
    Forgets {
        /// Which handoff.
        handoff: String,
        /// What it has now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<RecordText>,
    },
    /// An event comes to stand in the log.
    Logs {
        /// What stands there.
        entry: EventText,
    },
    /// What a model of its own has to tell, which is not about hubs and a store.
    Tells {
        /// What is done: a fixed word of that model.
        does: String,
        /// To what, by whom, and so on: names and values, in order.
        with: BTreeMap<String, String>,
    },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}  t={:<3} {:<9}", self.step, self.time, self.host)?;
        match self.clock {
            Some(clock) => write!(f, " [{clock:>2}] ")?,
            None => f.write_str("      ")?,
        }
        fmt::Display::fmt(&self.event, f)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sends { handoff, command } => write!(f, "sends {command} on {handoff}"),
            Self::Begins { operation, handoff, command, asker } => {
                write!(f, "#{operation} begins {command} on {handoff}")?;
                asker.iter().try_for_each(|asker| write!(f, " for {}", asker.client))
            }
            Self::Effect { operation, effect, outcome, record, took_effect, may_follow, held } => {
                let effect = match effect {
                    EffectKind::Load => "loads",
                    EffectKind::Insert => "inserts",
                    EffectKind::Swap => "swaps",
                };
                write!(f, "#{operation} {effect}: ")?;
                match (outcome, took_effect, may_follow) {
                    (OutcomeKind::Loaded, ..) => f.write_str("found ")?,
                    (OutcomeKind::Written, ..) => f.write_str("written, now ")?,
                    (OutcomeKind::Conflict, ..) => f.write_str("conflict, there is ")?,
                    (OutcomeKind::Failed, ..) => f.write_str("the store cannot, there is ")?,
                    (OutcomeKind::Unknown, true, _) => f.write_str("written but the answer is lost, now ")?,
                    (OutcomeKind::Unknown, false, true) => f.write_str("delayed, there is ")?,
                    (OutcomeKind::Unknown, false, false) => f.write_str("lost, there is ")?,
                }
                known(f, record.as_ref())?;
                if *held { f.write_str("; taken later") } else { Ok(()) }
            }
            Self::Hears { operation } => write!(f, "#{operation} takes the store's answer"),
            Self::Follows { operation, took_effect, record, .. } => {
                let what = if *took_effect { "takes effect after all" } else { "comes too late" };
                write!(f, "#{operation}'s write {what}, now ")?;
                known(f, record.as_ref())
            }
            Self::Answers { operation, verdict } => write!(f, "#{operation} answers {verdict}"),
            Self::Receives { command, verdict } => write!(f, "receives {verdict} to {command}"),
            Self::Loses { message } => write!(f, "loses {message}"),
            Self::Crashes { .. } => f.write_str("crashes"),
            Self::Restarts => f.write_str("restarts"),
            Self::CutOff { now } => f.write_str(if *now { "is cut off" } else { "is reachable again" }),
            Self::Ticks => f.write_str("time passes"),
            Self::ClockSteps { ahead } => write!(f, "its clock is set to {ahead:+} of true time"),
            Self::SharedClock { to } => write!(f, "advances the shared clock to {to}"),
            Self::Prunes { handoff } => write!(f, "prunes {handoff}"),
            Self::Polls { target, shown } => match shown {
                Some(handoff) => write!(f, "shows {handoff} to {target}"),
                None => write!(f, "shows {target} nothing"),
            },
            Self::Renews { record } => write!(f, "makes a claim younger, now {record}"),
            Self::Forgets { handoff, record } => {
                write!(f, "forgets the last write of {handoff}, now ")?;
                known(f, record.as_ref())
            }
            Self::Logs { entry } => write!(f, "logs that {} was {}", entry.handoff, entry.kind),
            Self::Tells { does, with } => {
                if let Some(word) = Word::read(does, with) {
                    return fmt::Display::fmt(&word, f);
                }
                write!(f, "{does}")?;
                with.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
        }
    }
}

fn known(f: &mut fmt::Formatter<'_>, record: Option<&RecordText>) -> fmt::Result {
    match record {
        Some(record) => fmt::Display::fmt(record, f),
        None => f.write_str("nothing"),
    }
}

/// A whole trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What it is.
    pub header: Header,
    /// What happened.
    pub lines: Vec<Line>,
}

/// The operations of a trace, which models tell apart by who works for whom, by the number of their beginning.
#[derive(Default)]
struct Numbers {
    last: u32,
    present: BTreeMap<u32, u32>,
    /// Those with a write that may follow, oldest first.
    late: BTreeMap<u32, VecDeque<u32>>,
}

impl Numbers {
    fn number(&mut self, event: &mut Event) {
        let present = |present: &BTreeMap<u32, u32>, key| present.get(&key).copied().unwrap_or_default();
        match event {
            Event::Begins { operation, .. } => {
                self.last += 1;
                self.present.insert(*operation, self.last);
                *operation = self.last;
            }
            Event::Effect { operation, may_follow, .. } => {
                let key = *operation;
                *operation = present(&self.present, key);
                if *may_follow {
                    self.late.entry(key).or_default().push_back(*operation);
                }
            }
            Event::Answers { operation, .. } | Event::Hears { operation } => {
                *operation = present(&self.present, *operation);
            }
            Event::Follows { operation, .. } => {
                let late = self.late.get_mut(operation).and_then(VecDeque::pop_front);
                *operation = late.unwrap_or_default();
            }
            Event::Crashes { operations } => {
                for operation in operations {
                    *operation = present(&self.present, *operation);
                }
            }
            Event::Sends { .. }
            | Event::Receives { .. }
            | Event::Loses { .. }
            | Event::Restarts
            | Event::CutOff { .. }
            | Event::Ticks
            | Event::ClockSteps { .. }
            | Event::SharedClock { .. }
            | Event::Prunes { .. }
            | Event::Polls { .. }
            | Event::Logs { .. }
            | Event::Renews { .. }
            | Event::Forgets { .. }
            | Event::Tells { .. } => {}
        }
    }
}

/// Why a text is no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTrace {
    /// In which line, counted from 1.
    pub line: usize,
    /// In which column of it, counted from 1; none when it is the whole line.
    pub column: Option<usize>,
    /// What is wrong there.
    pub why: String,
}

impl fmt::Display for BadTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.column.iter().try_for_each(|column| write!(f, ", column {column}"))?;
        write!(f, ": {}", self.why)
    }
}

impl BadTrace {
    fn whole(line: usize, why: String) -> Self {
        Self { line, column: None, why }
    }

    /// This line is not the JSON that it should be. The parser saw one line only, and so takes each for the first:
    /// that number is left out, for ours is the file's.
    fn json(line: usize, error: &serde_json::Error) -> Self {
        let told = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        match told.strip_suffix(&place) {
            Some(why) => Self { line, column: Some(error.column()), why: why.to_owned() },
            None => Self::whole(line, told),
        }
    }
}

impl core::error::Error for BadTrace {}

impl Trace {
    /// Numbers the steps, and the operations in the order in which they begin. What has happened before is step 0.
    #[must_use]
    pub fn new(header: Header, steps: Vec<Vec<Line>>) -> Self {
        let mut numbers = Numbers::default();
        let numbered = steps
            .into_iter()
            .zip(0u32..)
            .flat_map(|(lines, step)| lines.into_iter().map(move |line| Line { step, ..line }));
        let lines = numbered.map(|mut line| {
            numbers.number(&mut line.event);
            line
        });
        Self { header, lines: lines.collect() }
    }

    /// How many steps it has.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.lines.last().map_or(0, |line| line.step)
    }

    /// As NDJSON.
    ///
    /// # Panics
    /// Never: every value here can be written as JSON.
    #[must_use]
    pub fn to_ndjson(&self) -> String {
        let mut out = serde_json::to_string(&self.header).expect("plain data");
        out.push('\n');
        for line in &self.lines {
            out.push_str(&serde_json::to_string(line).expect("plain data"));
            out.push('\n');
        }
        out
    }

    /// Reads NDJSON.
    ///
    /// # Errors
    /// Which line is no line of a trace, and why.
    pub fn parse(text: &str) -> Result<Self, BadTrace> {
        let mut lines = (1..).zip(text.lines());
        let (_, first) = lines.next().ok_or_else(|| BadTrace::whole(1, "the file is empty".into()))?;
        let header: Header = serde_json::from_str(first).map_err(|error| BadTrace::json(1, &error))?;
        if header.trace != FORMAT {
            return Err(BadTrace::whole(1, format!("this is no {FORMAT} but {:?}", header.trace)));
        }
        let lines = lines
            .map(|(i, line)| serde_json::from_str(line).map_err(|error| BadTrace::json(i, &error)))
            .collect::<Result<_, _>>()?;
        Ok(Self { header, lines })
    }
}

/// A property of this id with its name: `S1 SingleWinner`; those that are no rules have but the one.
fn named(id: &str) -> String {
    let rule = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == id);
    rule.map_or_else(|| id.to_owned(), |rule| rule.to_string())
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { name, kind, rule, says, model, configuration, law, .. } = &self.header;
        match kind {
            Kind::Counterexample => writeln!(f, "{name}: breaks {rule}. {says}")?,
            Kind::Witness => writeln!(f, "{name}: witness of {rule}. {says}")?,
            Kind::Lasso => writeln!(f, "{name}: what {rule} promises never comes. {says}")?,
        }
        writeln!(f, "model {model}, configuration {configuration}, law {law}")?;
        if let Some(bound) = self.header.bound {
            writeln!(f, "S3's bound: a claim takes effect at most {bound} ms of true time after expires_at")?;
        }
        if let Some(demands) = &self.header.demands {
            writeln!(f, "{rule} demands: {demands}")?;
        }
        for record in &self.header.records {
            writeln!(f, "at the beginning: {record}")?;
        }
        f.write_str("columns: step, t=true time in ms, host, [that host's deciding clock], what happens; ")?;
        f.write_str("#n is the n-th operation\n")?;
        for line in &self.lines {
            if self.header.cycle_from == Some(line.step) {
                writeln!(f, "     from here on, again and again:")?;
            }
            writeln!(f, "{line}")?;
        }
        // A cycle without steps begins after the last one.
        let still = self.header.cycle_from.is_some_and(|from| from > self.steps());
        match kind {
            Kind::Counterexample => writeln!(f, "     this breaks {}", named(rule)),
            Kind::Lasso if still => writeln!(f, "     from here on nothing moves, for ever"),
            Kind::Witness | Kind::Lasso => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: Kind, cycle_from: Option<u32>, bound: Option<u64>) -> String {
        let header = Header {
            name: "a-name".to_owned(),
            kind,
            rule: "L1".to_owned(),
            says: "So it is.".to_owned(),
            bound,
            cycle_from,
            ..Header::of("hubs", "none", "protocol")
        };
        let tick = || vec![Line::at(7, "time", None, Event::Ticks)];
        Trace::new(header, vec![Vec::new(), tick(), tick()]).to_string()
    }

    #[test]
    fn a_counterexample_says_at_its_last_step_what_breaks() {
        let text = told(Kind::Counterexample, None, Some(2));
        assert!(text.ends_with("time passes\n     this breaks L1 Resolves\n"), "{text}");
        assert!(text.contains("at most 2 ms of true time after expires_at\n"), "{text}");
        assert!(text.contains("\ncolumns: step, t=true time"), "{text}");
        assert!(!told(Kind::Witness, None, None).contains("breaks"));
        assert_eq!(named("Refinement"), "Refinement");
    }

    #[test]
    fn a_lasso_says_whether_it_goes_round_or_stands_still() {
        let still = told(Kind::Lasso, Some(3), None);
        assert!(still.ends_with("time passes\n     from here on nothing moves, for ever\n"), "{still}");
        let round = told(Kind::Lasso, Some(2), None);
        assert!(round.contains("     from here on, again and again:\n  2  t=7"), "{round}");
        assert!(!round.contains("nothing moves") && !round.contains("bound"), "{round}");
        assert!(round.starts_with("a-name: what L1 promises never comes. So it is."), "{round}");
    }
}
