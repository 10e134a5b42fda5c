//! The life of one handoff, as its lines tell it, lived through again by the kernel's own `step`.
//!
//! A line is asked of the kernel as the command that its event is of, and what the kernel makes must be what the line
//! says. What no line says is tried: both deadlines, and what was on record before the first line. For each record
//! that there may be at a line there may be others after it, and once there can be none, that line is no behaviour:
//!
//! ```text
//!   what may be on record --line, as a command, through `step`--> what may be on record --next line--> …
//! ```
//!
//! Which rule such a line breaks, the kernel's rules say, of the step that the line tells of. So no semantics are here:
//! neither what may follow what, nor what is wrong when something else does.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use handoff_kernel::command::{Answer, Command, Event, EventKind, Start};
use handoff_kernel::ident::{Digest, Names};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::rules::{Broken, Rule, Rules, Step, check_state, step_rules};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::time::{Millis, Time};

/// The names in a log: a claim's is known by its SHA-256, and of artifacts, results, reasons and receipts it says
/// nothing that a rule asks. Nor is the handoff named: here there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Logged {}

impl Names for Logged {
    type Agent = Rc<str>;
    type Handoff = ();
    type Claim = Digest;
    type Digest = ();
    type Text = ();
    type Receipt = ();
    type Attempt = ();
}

/// What a line says of its handoff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) seq: u64,
    pub(super) at: Time,
    pub(super) kind: EventKind,
    pub(super) from: Rc<str>,
    pub(super) to: Rc<str>,
    pub(super) actor: Option<Rc<str>>,
    pub(super) claim: Option<Digest>,
    pub(super) recovered: bool,
}

/// Something that could have happened instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Legal {
    kind: EventKind,
    actor: Option<Rc<str>>,
    claim: Option<Digest>,
}

impl fmt::Display for Legal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match (&self.actor, self.kind) {
            (Some(actor), _) => write!(f, " by {actor}")?,
            (None, EventKind::ClaimExpired) => f.write_str(" (claim_expired)")?,
            (None, _) => {}
        }
        match (self.kind, self.claim) {
            (EventKind::Started | EventKind::Claimed, _) | (_, None) => Ok(()),
            (_, Some(claim)) => write!(f, " under the claim {claim}"),
        }
    }
}

/// The line at which there can be nothing on record any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) seq: u64,
    /// The line of this handoff before it.
    pub(super) after: Option<u64>,
    pub(super) broken: Vec<Broken>,
    pub(super) legal: Vec<Legal>,
}

/// Nothing on record, or a record.
type Known = Option<Record<Logged>>;

/// Where no rule is broken by the step as it is told, the line is still that of none.
const OF_NO_CHANGE: Broken =
    Broken { rule: Rule::S10, how: "it is the event of no change that there can be" };

/// Deadlines are only ever held against the times at which something happened. So of all `expires_at` there could be,
/// these times and the begin of time make all the difference; of all lengths of a claim, the shortest and none.
struct Deadlines(BTreeSet<Time>);

impl Deadlines {
    /// How long a claim may live: no `claim_ttl_seconds` is shorter than 1, and none is for ever.
    const CLAIMS: [Option<Millis>; 2] = [Some(Millis::from_secs(1)), None];

    fn of(lines: &[Told]) -> Self {
        Self(lines.iter().map(|line| line.at).chain([Time(0)]).collect())
    }

    fn all(&self) -> impl Iterator<Item = (Time, Option<Millis>)> {
        self.0.iter().flat_map(|at| Self::CLAIMS.map(|ttl| (*at, ttl)))
    }
}

/// Puts the lines of one handoff, which are in the order of the log, into the order in which they happened: one that
/// was written afterwards stands where its time and its kind (which come in the order of the path) put it.
pub(super) fn in_order(lines: &mut Vec<Told>) {
    let place = |line: &Told| (line.at, line.kind);
    let mut late: Vec<Told> = lines.extract_if(.., |line| line.recovered).collect();
    late.sort_by_key(|line| (place(line), line.seq));
    for line in late {
        let at = lines.iter().position(|other| place(other) > place(&line)).unwrap_or(lines.len());
        lines.insert(at, line);
    }
}

/// Lives the life through again. `whole` is whether the log has its first line still.
///
/// # Errors
/// The first of its lines that no behaviour of the protocol has.
pub(super) fn live(lines: &[Told], whole: bool) -> Result<(), Dead> {
    let deadlines = Deadlines::of(lines);
    let mut known = lines.first().map_or_else(BTreeSet::new, |first| before(first, &deadlines, whole));
    let mut after = None;
    for line in lines {
        let next: BTreeSet<Known> =
            known.iter().flat_map(|known| line.follow(known.as_ref(), &deadlines)).map(Some).collect();
        if next.is_empty() {
            let broken = line.breaks(&known, &deadlines);
            return Err(Dead { seq: line.seq, after, broken, legal: line.instead(&known) });
        }
        known = next;
        after = Some(line.seq);
    }
    Ok(())
}

/// What may be on record before the first line of a handoff: nothing, or what a same-host agent dropped, or what the
/// lines told of that are gone.
fn before(first: &Told, deadlines: &Deadlines, whole: bool) -> BTreeSet<Known> {
    let pending = deadlines.all().map(|(expires_at, ttl)| first.start(expires_at, ttl).pending(first.at));
    let mut known: BTreeSet<Known> = pending.map(Some).chain([None]).collect();
    if !whole {
        // However long ago it was claimed.
        let at = Time(0);
        let claimed = || State::Claimed(Claim { id: first.claim, at, attempt: None, receipt: None });
        known.extend(Deadlines::CLAIMS.map(|ttl| Some(first.start(at, ttl).pending(at).with(claimed()))));
    }
    known
}

impl Told {
    /// What an artifact says of these parties.
    fn start(&self, expires_at: Time, claim_ttl: Option<Millis>) -> Start<Logged> {
        let (author, target) = (self.from.clone(), self.to.clone());
        Start { id: (), author, target, digest: (), expires_at, claim_ttl }
    }

    /// The commands that this may be the event of: as many as there may be deadlines in a start, otherwise one.
    fn commands(&self, deadlines: &Deadlines) -> Vec<Command<Logged>> {
        // A line that somebody's deed has no name in is no line: an actor is missing only where it is not asked for.
        let by = self.actor.clone().unwrap_or_else(|| self.to.clone());
        let claim_id = self.claim;
        vec![match self.kind {
            EventKind::Started => {
                let start = |(expires_at, ttl)| Command::Start {
                    sender: by.clone(),
                    artifact: self.start(expires_at, ttl),
                };
                return deadlines.all().map(start).collect();
            }
            EventKind::Claimed => Command::Accept { by, claim_id, attempt: (), receipt: None },
            EventKind::Completed => Command::Complete { by, claim_id, result: None, receipt: None },
            EventKind::Rejected => Command::Reject { by, claim_id, reason: (), receipt: None },
            EventKind::Expired | EventKind::ClaimExpired => Command::Sweep,
        }]
    }

    /// What is on record after this line, if this was before.
    fn follow(&self, before: Option<&Record<Logged>>, deadlines: &Deadlines) -> Vec<Record<Logged>> {
        let made = |command| match step(&Protocol, before, &command, self.at) {
            Ok(Transition::To { next, event, .. }) => self.is_told_of(&next, &event).then_some(next),
            Ok(Transition::Same(_)) | Err(_) => None,
        };
        let mut made: Vec<_> = self.commands(deadlines).into_iter().filter_map(made).collect();
        if let (EventKind::Started, true, Some(first)) = (self.kind, self.recovered, made.first().cloned()) {
            // It may tell of a file that a same-host agent dropped, which arrived when its file says: whatever its
            // `expires_at` is, it was looked at only when the hub took it in.
            let any = deadlines.all().map(|(expires_at, claim_ttl)| Record {
                expires_at,
                claim_ttl,
                ..first.clone()
            });
            made.extend(any);
        }
        made
    }

    /// Whether this is the line that the hub writes of that.
    fn is_told_of(&self, next: &Record<Logged>, event: &Event<Logged>) -> bool {
        let claim = next.claim().and_then(|claim| claim.id);
        (event.kind, event.at, &event.actor) == (self.kind, self.at, &self.actor)
            && (&next.author, &next.target, claim) == (&self.from, &self.to, self.claim)
    }

    /// The step that this line tells of, whether or not there is one.
    fn told(&self, before: Option<&Record<Logged>>, command: &Command<Logged>) -> Transition<Logged> {
        let at = self.at;
        let anew = Claim { id: self.claim, at, attempt: Some(()), receipt: None };
        let held = before.and_then(Record::claim);
        let claim = held.map_or_else(|| anew.clone(), |held| Claim { id: self.claim, ..held.clone() });
        let state = match self.kind {
            EventKind::Started => State::Pending,
            EventKind::Claimed => State::Claimed(anew),
            EventKind::Completed => {
                State::Completed { claim, completion: Completion { at, result: None, receipt: None } }
            }
            EventKind::Rejected => {
                let decline = Decline { at, claim_id: self.claim, reason: (), receipt: None };
                let claim = (held.is_some() || self.claim.is_some()).then_some(claim);
                State::Rejected(Rejection::Declined { claim, decline })
            }
            EventKind::Expired => State::Rejected(Rejection::Expired { at }),
            EventKind::ClaimExpired => State::Rejected(Rejection::ClaimExpired { claim, at }),
        };
        let started = match command {
            Command::Start { artifact, .. } => artifact.pending(at),
            Command::Accept { .. } | Command::Complete { .. } | Command::Reject { .. } | Command::Sweep => {
                let unknown = || self.start(at, None).pending(at);
                before.cloned().unwrap_or_else(unknown)
            }
        };
        let (author, target) = (self.from.clone(), self.to.clone());
        let next = Record { author, target, ..started.with(state) };
        let answer = match &next.state {
            State::Pending => Answer::Started { expires_at: next.expires_at },
            State::Claimed(claim) => Answer::claimed(&next, claim),
            State::Completed { .. } => Answer::Completed { at },
            State::Rejected(Rejection::Declined { .. }) => Answer::Rejected { at },
            State::Rejected(Rejection::Expired { .. } | Rejection::ClaimExpired { .. }) => Answer::Swept,
        };
        let event = Event { handoff: (), kind: self.kind, at, actor: self.actor.clone() };
        Transition::To { next, event, answer: Ok(answer) }
    }

    /// The rules that this line breaks, whatever it was that the log does not tell.
    fn breaks(&self, known: &BTreeSet<Known>, deadlines: &Deadlines) -> Vec<Broken> {
        let commands = self.commands(deadlines);
        // What is no start happens to a handoff that is there, as far as anybody can tell.
        let may_be = |before: &&Known| before.is_some() || self.kind == EventKind::Started;
        let ways = known
            .iter()
            .filter(may_be)
            .flat_map(|before| commands.iter().map(move |command| (before.as_ref(), command)));
        let broken = ways.map(|(before, command)| {
            let result = Ok(self.told(before, command));
            let step = Step { before, command, now: self.at, result: &result };
            let by_step = step_rules().into_iter().filter(|(_, _, holds)| !holds(&step));
            let by_step = by_step.map(|(rule, how, _)| Broken { rule, how });
            let next = match &result {
                Ok(Transition::To { next, .. }) => check_state(Rules::ALL, next).err(),
                Ok(Transition::Same(_)) | Err(_) => None,
            };
            by_step.chain(next).collect::<BTreeSet<_>>()
        });
        let always = broken.reduce(|all, some| &all & &some).unwrap_or_default();
        if always.is_empty() { vec![OF_NO_CHANGE] } else { always.into_iter().collect() }
    }

    /// What could have happened at that time instead: the kernel is asked all there is to ask.
    fn instead(&self, known: &BTreeSet<Known>) -> Vec<Legal> {
        let all: BTreeSet<Legal> =
            known.iter().flat_map(|before| self.could_follow(before.as_ref())).flatten().collect();
        all.into_iter().collect()
    }

    fn could_follow(&self, before: Option<&Record<Logged>>) -> [Option<Legal>; 5] {
        let (from, to) = before.map_or((&self.from, &self.to), |record| (&record.author, &record.target));
        let claim_id = before.and_then(Record::claim).and_then(|claim| claim.id);
        let commands = [
            Command::Start { sender: from.clone(), artifact: self.start(self.at, None) },
            Command::Accept { by: to.clone(), claim_id: None, attempt: (), receipt: None },
            Command::Complete { by: to.clone(), claim_id, result: None, receipt: None },
            Command::Reject { by: to.clone(), claim_id, reason: (), receipt: None },
            Command::Sweep,
        ];
        commands.map(|command| match step(&Protocol, before, &command, self.at) {
            Ok(Transition::To { next, event, .. }) => {
                let claim = next.claim().and_then(|claim| claim.id);
                Some(Legal { kind: event.kind, actor: event.actor, claim })
            }
            Ok(Transition::Same(_)) | Err(_) => None,
        })
    }
}
