//! The script: what of a trace is played, in which order, and by which clock.
//!
//! A real hub decides and writes in one go. A command is therefore played where its write took effect, or, if it wrote
//! nothing, where it last looked; by the clock that it decided with. What never took effect is not sent: its hub died
//! first, or the store could not, or the trace ends before.

use std::collections::BTreeMap;

use handoff_spec::trace::{Ask, Client, EffectKind, Event, Header, Kind, Line, OutcomeKind, Told, Trace};

use super::deeds::{self, Deed};
use super::{INDUCTION, SIMULATOR, malice};

/// What is played.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Somebody asks something.
    Asks(Box<Asking>),
    /// A target polls.
    Polls {
        /// Whose poll.
        target: String,
        /// What the trace shows it; none if it does not say.
        told: Option<Option<String>>,
        /// It waits: answered at the later cue [`Act::Woken`].
        waits: bool,
    },
    /// The poll that waits is answered.
    Woken {
        /// Whose poll.
        target: String,
        /// What the trace shows it.
        told: Option<String>,
    },
    /// Somebody hears, of what it asked last, something that the kernel need not have said.
    Hears {
        /// Which client.
        client: String,
        /// What it asked.
        asked: Box<Asking>,
    },
    /// SIGKILL, and it begins again: where the trace says so, or at once.
    Dies,
    /// It begins again, if it is down.
    Restarts,
    /// A same-host agent does something with a file.
    Deed(Box<Deed>),
    /// Retention removes this handoff.
    Prunes(String),
    /// From here on the trace's store is another than a real hub's, and why.
    Differs(&'static str),
    /// Time passes, and nothing else happens.
    Nothing,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asking {
    /// Which client of which agent it really is, whatever the command says.
    pub(super) client: Client,
    /// On which handoff.
    pub(super) handoff: String,
    pub(super) command: Ask,
    /// What the trace says that it is told.
    pub(super) told: Option<Told>,
    /// Whether its asker hears the answer.
    pub(super) heard: bool,
    /// Why the trace's answer may be another than a real hub's, if it may.
    pub(super) apart: Option<&'static str>,
}

/// An act, where in the trace it stands, and what the clock says.
#[derive(Debug, Clone)]
pub(super) struct Cue {
    /// The line in the file, counted from 1.
    pub(super) line: usize,
    /// None: it stands as it stood.
    pub(super) clock: Option<u64>,
    pub(super) act: Act,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) cues: Vec<Cue>,
    /// The trace's hub sweeps by itself, with effect.
    pub(super) janitor: bool,
    /// The trace says when its hub begins again: until then it is down.
    pub(super) stays_down: bool,
    /// What is not sent: why, and how many.
    pub(super) left_out: BTreeMap<&'static str, u64>,
}

/// An operation of the trace.
#[derive(Debug)]
struct Operation<'t> {
    handoff: &'t str,
    command: &'t Ask,
    asker: Option<Client>,
    /// Where it last looked, and by which clock.
    looked: Option<(usize, Option<u64>)>,
    /// Where its first write took effect.
    wrote: Option<usize>,
    told: Option<&'t Told>,
    /// Where its hub died with it.
    died: Option<usize>,
    /// Where the store lost it, to carry it out later.
    late: Option<usize>,
    failed: bool,
}

impl Operation<'_> {
    /// It is what a same-host agent's rename amounts to: nobody asked for it.
    const fn is_a_neighbours(&self) -> bool {
        self.asker.is_none() && !matches!(self.command, Ask::Sweep)
    }
}

/// What of this trace is played.
pub(super) fn script(trace: &Trace) -> Result<Script, String> {
    match trace.header.model.as_str() {
        "malice" => malice::script(trace),
        "bootstrap" => Ok(Script::default()),
        "hubs" | INDUCTION | SIMULATOR => Writer::of(trace).script(),
        other => Err(format!("there is no model {other:?} here whose traces have a hub in them")),
    }
}

#[derive(Debug)]
struct Writer<'t> {
    trace: &'t Trace,
    operations: BTreeMap<u32, Operation<'t>>,
    /// Each with its place, so that what is put in later finds it.
    cues: Vec<(Place, Cue)>,
}

/// A line; before or at what else stands there; and of several, where each last looked.
pub(super) type Place = (usize, u8, usize);

pub(super) const BEFORE: u8 = 0;
pub(super) const AT: u8 = 1;

impl<'t> Writer<'t> {
    const fn of(trace: &'t Trace) -> Self {
        Self { trace, operations: BTreeMap::new(), cues: Vec::new() }
    }

    fn script(mut self) -> Result<Script, String> {
        let clockless = self.trace.lines.iter().all(|line| line.clock.is_none());
        // The header is the first line.
        for (at, line) in (2..).zip(&self.trace.lines) {
            self.line(at, line).map_err(|why| format!("line {at}: {why}"))?;
            if clockless && self.cues.last().is_none_or(|((last, ..), _)| *last < at) {
                self.cue(at, Some(line.time), Act::Nothing);
            }
        }
        let Header { kind, model, rule, configuration, .. } = &self.trace.header;
        if *kind == Kind::Lasso && rule == "L2" {
            self.waits_to_the_end();
        }
        // One hub on directories, whole: with its janitor, and down from its death until it begins again.
        let stays_down = model == SIMULATOR && configuration == "directory";
        let mut janitor = clockless || *kind == Kind::Lasso || model == INDUCTION || stays_down;
        let mut left_out = BTreeMap::new();
        for (place, cue) in deeds::cues(self.trace, &mut left_out)? {
            self.cues.push((place, cue));
        }
        let operations = std::mem::take(&mut self.operations);
        for (number, operation) in &operations {
            janitor |= operation.asker.is_none() && operation.wrote.is_some();
            let same = |other: &&Operation<'_>| attempt(other) == attempt(operation);
            let nonces = operations.values().filter(same).count();
            let apart = if model == "hubs" && attempt(operation).is_some() && nonces > 1 {
                Some("the trace uses the nonce of one attempt twice")
            } else if !stays_down && self.overlaps(*number) {
                Some("several hubs of the trace decide at once")
            } else {
                None
            };
            if operation.is_a_neighbours() {
                // What came of a rename: the deed is played, and a real hub carries it out by itself.
                continue;
            }
            if let Err(why) = self.asks(operation, apart) {
                *left_out.entry(why).or_default() += 1;
            }
        }
        if let Some(line) = self.trace.lines.last().filter(|_| stays_down) {
            // It is there at the end, and time has gone on to there: what is due is done.
            let clock = line.clock.unwrap_or(line.time);
            let cue = Cue { line: self.trace.lines.len() + 1, clock: Some(clock), act: Act::Restarts };
            self.cues.push(((usize::MAX, AT, usize::MAX), cue));
        }
        self.cues.sort_by_key(|(place, _)| *place);
        let cues: Vec<_> = self.cues.into_iter().map(|(_, cue)| cue).collect();
        Ok(Script { cues, janitor, stays_down, left_out })
    }

    fn cue(&mut self, line: usize, clock: Option<u64>, act: Act) {
        self.cues.push(((line, AT, line), Cue { line, clock, act }));
    }

    fn operation(&mut self, number: u32) -> Result<&mut Operation<'t>, String> {
        self.operations.get_mut(&number).ok_or_else(|| format!("#{number} was not begun"))
    }

    fn line(&mut self, at: usize, line: &'t Line) -> Result<(), String> {
        match &line.event {
            Event::Begins { operation, handoff, command, asker } => {
                let new = Operation {
                    handoff,
                    command,
                    asker: asker.clone().or_else(|| self.nobody(command)),
                    looked: None,
                    wrote: None,
                    told: None,
                    died: None,
                    late: None,
                    failed: false,
                };
                self.operations.insert(*operation, new);
            }
            Event::Effect { operation, effect, outcome, took_effect, may_follow, held, .. } => {
                let operation = self.operation(*operation)?;
                operation.failed |= *outcome == OutcomeKind::Failed;
                if *effect == EffectKind::Load {
                    if *outcome == OutcomeKind::Loaded && !held && operation.wrote.is_none() {
                        operation.looked = Some((at, line.clock));
                    }
                } else if *took_effect {
                    operation.wrote = operation.wrote.or(Some(at));
                } else if *may_follow {
                    operation.late = Some(at);
                }
            }
            Event::Hears { operation } => {
                let operation = self.operation(*operation)?;
                if operation.wrote.is_none() {
                    operation.looked = Some((at, line.clock));
                }
            }
            Event::Follows { operation, took_effect, .. } => {
                let operation = self.operation(*operation)?;
                if *took_effect {
                    operation.wrote = operation.wrote.or(Some(at));
                }
            }
            Event::Answers { operation, verdict } => self.operation(*operation)?.told = Some(verdict),
            Event::Crashes { operations } => {
                for number in operations {
                    self.operation(*number)?.died = Some(at);
                }
                self.cue(at, line.clock, Act::Dies);
            }
            Event::Polls { target, shown } => self.polls(at, line, target, shown.as_ref()),
            Event::Prunes { handoff } => self.cue(at, line.clock, Act::Prunes(handoff.clone())),
            Event::Forgets { .. } => {
                self.cue(at, None, Act::Differs("the trace's store forgets what it had"));
            }
            Event::Renews { .. } => self.cue(at, None, Act::Differs("the trace's hub makes claims younger")),
            Event::Tells { does, with } => word(does, with)?,
            Event::Restarts => self.cue(at, line.clock, Act::Restarts),
            // Of clocks, what a hub decides by stands on each of its lines. What the network did shows in what begins.
            Event::ClockSteps { .. }
            | Event::SharedClock { .. }
            | Event::CutOff { .. }
            | Event::Ticks
            | Event::Sends { .. }
            | Event::Receives { .. }
            | Event::Loses { .. }
            | Event::Logs { .. } => {}
        }
        Ok(())
    }

    /// A poll that the trace never answers waits, and a real hub answers it.
    fn waits_to_the_end(&mut self) {
        let polls = self.cues.iter_mut().find_map(|(_, cue)| match &mut cue.act {
            Act::Polls { target, told: Some(None), waits } => Some((target, waits)),
            Act::Polls { .. }
            | Act::Asks(_)
            | Act::Woken { .. }
            | Act::Hears { .. }
            | Act::Dies
            | Act::Restarts
            | Act::Deed(_)
            | Act::Prunes(_)
            | Act::Differs(_)
            | Act::Nothing => None,
        });
        if let Some((target, waits)) = polls {
            *waits = true;
            let target = target.clone();
            self.cue(usize::MAX, None, Act::Woken { target, told: None });
        }
    }

    /// Of an induction nobody says who asks: whoever its command says.
    fn nobody(&self, command: &Ask) -> Option<Client> {
        let by = match command {
            Ask::Start { sender: by, .. }
            | Ask::Accept { by, .. }
            | Ask::Complete { by, .. }
            | Ask::Reject { by, .. } => by,
            Ask::Sweep => return None,
        };
        let client = || Client { client: by.clone(), agent: by.clone() };
        (self.trace.header.model == INDUCTION).then(client)
    }

    /// A poll of the model's that finds nothing waits, if the trace answers it later. Of other models each is one of its
    /// own: nobody says for how long it would wait.
    fn polls(&mut self, at: usize, line: &Line, target: &str, shown: Option<&String>) {
        let waiting = self.cues.iter_mut().rev().find_map(|(_, cue)| match &mut cue.act {
            Act::Polls { target: whose, told: Some(None), waits } if whose.as_str() == target => Some(waits),
            Act::Polls { .. }
            | Act::Asks(_)
            | Act::Woken { .. }
            | Act::Hears { .. }
            | Act::Dies
            | Act::Restarts
            | Act::Deed(_)
            | Act::Prunes(_)
            | Act::Differs(_)
            | Act::Nothing => None,
        });
        let act = match (waiting, shown) {
            (Some(waits), Some(_)) if !*waits && self.trace.header.model == "hubs" => {
                *waits = true;
                Act::Woken { target: target.to_owned(), told: shown.cloned() }
            }
            _ => Act::Polls { target: target.to_owned(), told: Some(shown.cloned()), waits: false },
        };
        self.cue(at, line.clock, act);
    }

    /// Puts a command in its place; or says why it has none.
    fn asks(&mut self, operation: &Operation<'_>, apart: Option<&'static str>) -> Result<(), &'static str> {
        let Operation { looked, wrote, told, died, late, .. } = operation;
        let Some((looked, clock)) = *looked else {
            return Err(if operation.failed {
                "the store could not look"
            } else if died.is_some() {
                "its hub died before it had decided"
            } else {
                "the trace ends before it is decided"
            });
        };
        let place = match (*wrote, *told, *died) {
            // Carried out after its hub had died: it was sent before.
            (Some(wrote), _, Some(died)) if died < wrote => match late {
                Some(_) if !self.decided_between(operation, died, wrote) => (died, BEFORE),
                Some(_) | None => (wrote, AT),
            },
            (Some(wrote), ..) => (wrote, AT),
            (None, Some(Told::Unavailable), _) => return Err("the store could not, and nothing came of it"),
            (None, Some(_), _) => (looked, AT),
            (None, None, Some(_)) => return Err("its hub died before it took effect"),
            (None, None, None) => return Err("the trace ends before it takes effect"),
        };
        let act = match &operation.asker {
            Some(client) => Act::Asks(Box::new(Asking {
                client: client.clone(),
                handoff: operation.handoff.to_owned(),
                command: operation.command.clone(),
                told: told.cloned(),
                heard: died.is_none(),
                apart,
            })),
            None => Act::Nothing,
        };
        let (line, side) = place;
        self.cues.push(((line, side, looked), Cue { line, clock, act }));
        Ok(())
    }

    /// Whether another hub had to do with the store while this operation had.
    fn overlaps(&self, number: u32) -> bool {
        let mut effects = Vec::new();
        for line in &self.trace.lines {
            if let Event::Effect { operation, .. } | Event::Hears { operation } = &line.event {
                effects.push((*operation, &line.host));
            }
        }
        let own = |(operation, _): &(u32, &String)| *operation == number;
        let (first, last) = (effects.iter().position(own), effects.iter().rposition(own));
        let (Some(first), Some(last)) = (first, last) else { return false };
        let mut between = effects.iter().take(last).skip_while(|effect| !own(effect));
        effects.get(first).is_some_and(|(_, host)| between.any(|(_, other)| other != host))
    }

    /// Whether anything else was decided about its handoff meanwhile.
    fn decided_between(&self, operation: &Operation<'_>, from: usize, to: usize) -> bool {
        (2..).zip(&self.trace.lines).any(|(at, line)| {
            from < at
                && at < to
                && matches!(&line.event, Event::Effect { effect: EffectKind::Load, record, .. }
                    if record.as_ref().is_none_or(|record| record.handoff == operation.handoff))
        })
    }
}

/// The nonce of an accept, and of what.
const fn attempt<'t>(operation: &Operation<'t>) -> Option<(&'t str, u8)> {
    match operation.command {
        Ask::Accept { attempt, .. } => Some((operation.handoff, *attempt)),
        Ask::Start { .. } | Ask::Complete { .. } | Ask::Reject { .. } | Ask::Sweep => None,
    }
}

/// Whether a word of the simulator's own is known here. What is played of them are the deeds, which are read by
/// themselves.
///
/// # Errors
/// The word, if nobody has said here what it is: a trace must not be played in part.
fn word(does: &str, with: &BTreeMap<String, String>) -> Result<(), String> {
    match does {
        // What a hub answers to a poll or a read, and what dies with it, is told by lines of their own; what a hub does
        // when time passes, a real one does by itself; and a disk that never failed is well again at the end, too.
        "is_set_up" | "looks_around" | "works" | "polls" | "reads" | "is_doomed" | "dies" | "faults_stop"
        | "still_asks" | "heals" | "notes" | "loses" | "finds" => Ok(()),
        deed if deeds::WORDS.contains(&deed) => Ok(()),
        _ => Err(format!("nobody has said how {does:?} with {with:?} is played on a real hub")),
    }
}
