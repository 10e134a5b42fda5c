//! Watches a run, whatever runs: what happens to each handoff, step by step.

use std::collections::BTreeMap;

use handoff_kernel::command::Command;
use handoff_kernel::ident::Names;
use handoff_kernel::law::Law;
use handoff_kernel::operation::Next;
use handoff_kernel::record::Record;
use handoff_kernel::time::Time;

use super::label::{Deadline, Label, Verdict, Wrote};
use super::situation::{Kind, Place, Situation, Stage, Work};
use super::{Edge, Seen};

/// What came of an effect, as one sees it who stands between the hub and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Came {
    /// The hub is shown the record, or that there is none.
    Loaded,
    /// The write took effect or did not, and the hub is told or is not. Of a load, [`Wrote::Lost`]: its answer is lost.
    Wrote(Wrote),
    /// The store cannot do it, and says so.
    Failed,
}

/// What the hub makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Then {
    /// Nothing yet: it takes the answer later.
    Held,
    /// It goes on to another effect.
    GoesOn,
    /// It answers, and the operation is over.
    Answers(Verdict),
}

impl Then {
    /// What the operation itself says follows.
    #[must_use]
    pub fn of<N: Names, L: Law>(next: &Next<N, L>) -> Self {
        match next {
            Next::Effect(_) => Self::GoesOn,
            Next::Done(done) => Self::Answers(Verdict::from(&done.verdict)),
        }
    }

    const fn answers(self) -> Option<Verdict> {
        match self {
            Self::Answers(verdict) => Some(verdict),
            Self::Held | Self::GoesOn => None,
        }
    }
}

/// One handoff.
#[derive(Debug, Clone)]
struct Handoff {
    place: Place,
    pruned: bool,
    work: Work,
}

impl Handoff {
    fn situation(&self) -> Situation {
        Situation::new(self.place, &self.work)
    }
}

/// One operation under way.
#[derive(Debug, Clone, Copy)]
struct Operation {
    handoff: usize,
    kind: Kind,
    stage: Stage,
    /// The `expires_at` that a start brings along.
    brought: Option<Time>,
    /// What the store has answered, which the hub has not taken yet.
    heard: Option<Heard>,
}

#[derive(Debug, Clone, Copy)]
enum Heard {
    /// A record, with the deadline that matters.
    Record(Option<Time>),
    Wrote(Wrote),
}

/// Watches one run. Whoever runs it tells what happens, in the order in which it does, and asks for what was
/// [seen](Self::seen) at the end.
///
/// Operations are named by numbers of the teller's own: a number may come again when its operation is over and has no
/// write left that may follow. It works without texts, so that a simulator can afford it.
#[derive(Debug, Clone)]
pub struct Watcher<N: Names> {
    places: BTreeMap<N::Handoff, usize>,
    handoffs: Vec<Handoff>,
    operations: BTreeMap<u64, Operation>,
    /// Writes that may follow: of each operation, of which handoff and kind, and how many.
    late: BTreeMap<u64, (usize, Kind, u32)>,
    seen: Seen,
}

impl<N: Names> Default for Watcher<N> {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
            handoffs: Vec::new(),
            operations: BTreeMap::new(),
            late: BTreeMap::new(),
            seen: Seen::default(),
        }
    }
}

impl<N: Names> Watcher<N> {
    /// What was seen until now.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What was seen, at the end of the run.
    #[must_use]
    pub fn into_seen(self) -> Seen {
        self.seen
    }

    /// Where a handoff stands; none of which nothing was ever told.
    #[must_use]
    pub fn situation(&self, handoff: &N::Handoff) -> Option<Situation> {
        Some(self.handoffs[*self.places.get(handoff)?].situation())
    }

    fn handoff(&mut self, id: &N::Handoff) -> usize {
        if let Some(known) = self.places.get(id) {
            return *known;
        }
        let new = self.handoffs.len();
        self.places.insert(id.clone(), new);
        self.handoffs.push(Handoff { place: Place::Nothing, pruned: false, work: Work::default() });
        new
    }

    fn operation(&mut self, number: u64) -> Option<Operation> {
        let known = self.operations.get(&number).copied();
        if known.is_none() {
            self.seen.strays += 1;
        }
        known
    }

    /// This is on record, or nothing is, by no step of anybody's: at the beginning of the run, or because a store was
    /// put back to what it was.
    pub fn knows(&mut self, handoff: &N::Handoff, record: Option<&Record<N>>) {
        let at = self.handoff(handoff);
        let known = &mut self.handoffs[at];
        known.place = Place::of(record, known.pruned);
    }

    /// A hub takes up this command.
    pub fn begins(&mut self, operation: u64, handoff: &N::Handoff, command: &Command<N>) {
        let at = self.handoff(handoff);
        let kind = Kind::of(command);
        let brought = Deadline::brought(command);
        let new = Operation { handoff: at, kind, stage: Stage::ToLoad, brought, heard: None };
        if let Some(old) = self.operations.insert(operation, new) {
            // Two of one number cannot be told apart: the teller is wrong.
            self.handoffs[old.handoff].work.remove(old.kind, old.stage);
            self.seen.strays += 1;
        }
    }

    /// The store has done, or not, what an operation asked it for. `record` is what it has of the handoff after this, and
    /// `now` what the hub's clock says.
    pub fn effect(&mut self, operation: u64, came: Came, record: Option<&Record<N>>, now: Time, then: Then) {
        let Some(known) = self.operation(operation) else { return };
        let Operation { handoff, kind, stage, brought, .. } = known;
        let held = then == Then::Held;
        let (label, heard, goes_on_to) = match (stage, came) {
            (_, Came::Failed) => (Label::Fails(kind, stage), None, Stage::ToLoad),
            (_, Came::Loaded) => {
                let deadline = Deadline::that_matters(kind, brought, record);
                let label = if held {
                    Label::LoadHeld(kind)
                } else {
                    let deadline = Deadline::held_against(deadline, now);
                    Label::Decides { kind, held, deadline, answers: then.answers() }
                };
                (label, Some(Heard::Record(deadline)), Stage::ToWrite)
            }
            (Stage::ToLoad, Came::Wrote(_)) => (Label::LoadLost(kind), None, Stage::ToLoad),
            (Stage::ToWrite | Stage::Heard, Came::Wrote(wrote)) => {
                if wrote == Wrote::Delayed {
                    self.late.entry(operation).or_insert((handoff, kind, 0)).2 += 1;
                }
                (Label::Writes(kind, wrote, held), Some(Heard::Wrote(wrote)), Stage::ToLoad)
            }
        };
        let before = self.handoffs[handoff].situation();
        let known = &mut self.handoffs[handoff];
        known.place = Place::of(record, known.pruned);
        self.goes_on(operation, then, goes_on_to, heard);
        self.saw(handoff, before, label);
    }

    /// A hub takes the answer of the store that was held. `now` is what its clock says, and `then` is not
    /// [`Then::Held`].
    pub fn hears(&mut self, operation: u64, now: Time, then: Then) {
        let Some(Operation { handoff, kind, heard, .. }) = self.operation(operation) else { return };
        let (label, goes_on_to) = match heard {
            Some(Heard::Record(deadline)) => {
                let deadline = Deadline::held_against(deadline, now);
                (Label::Decides { kind, held: true, deadline, answers: then.answers() }, Stage::ToWrite)
            }
            Some(Heard::Wrote(wrote)) => (Label::Hears(kind, wrote), Stage::ToLoad),
            None => {
                self.seen.strays += 1;
                return;
            }
        };
        let before = self.handoffs[handoff].situation();
        self.goes_on(operation, then, goes_on_to, None);
        self.saw(handoff, before, label);
    }

    fn goes_on(&mut self, operation: u64, then: Then, goes_on_to: Stage, heard: Option<Heard>) {
        let Some(known) = self.operations.get_mut(&operation) else { return };
        let work = &mut self.handoffs[known.handoff].work;
        work.remove(known.kind, known.stage);
        (known.stage, known.heard) = match then {
            Then::Held => (Stage::Heard, heard),
            Then::GoesOn => (goes_on_to, None),
            Then::Answers(_) => {
                self.operations.remove(&operation);
                return;
            }
        };
        work.add(known.kind, known.stage);
    }

    /// The store carries out, or not, a write of this operation that was [delayed](Wrote::Delayed). `record` is what it
    /// has after this.
    pub fn follows(&mut self, operation: u64, took_effect: bool, record: Option<&Record<N>>) {
        let Some((handoff, kind, left)) = self.late.get_mut(&operation) else {
            self.seen.strays += 1;
            return;
        };
        let (handoff, kind) = (*handoff, *kind);
        *left -= 1;
        if *left == 0 {
            self.late.remove(&operation);
        }
        let before = self.handoffs[handoff].situation();
        let known = &mut self.handoffs[handoff];
        known.place = Place::of(record, known.pruned);
        self.saw(handoff, before, Label::Follows(kind, took_effect));
    }

    /// A hub dies, and with it all that it was doing: these operations.
    pub fn crashes(&mut self, operations: impl IntoIterator<Item = u64>) {
        let mut before = BTreeMap::new();
        for operation in operations {
            let Some(Operation { handoff, kind, stage, .. }) = self.operation(operation) else { continue };
            self.operations.remove(&operation);
            if stage == Stage::ToLoad {
                continue;
            }
            let known = &mut self.handoffs[handoff];
            before.entry(handoff).or_insert_with(|| known.situation());
            known.work.remove(kind, stage);
        }
        for (handoff, before) in before {
            self.saw(handoff, before, Label::Crashes);
        }
    }

    /// Retention removes this handoff.
    pub fn prunes(&mut self, handoff: &N::Handoff) {
        let at = self.handoff(handoff);
        let before = self.handoffs[at].situation();
        let known = &mut self.handoffs[at];
        (known.place, known.pruned) = (Place::Pruned, true);
        self.saw(at, before, Label::Prunes);
    }

    fn saw(&mut self, handoff: usize, before: Situation, label: Label) {
        self.seen.add(Edge { before, label, after: self.handoffs[handoff].situation() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::command::Start;
    use handoff_kernel::ident::Digest;
    use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Wire};
    use handoff_kernel::law::Protocol;
    use handoff_kernel::operation::{Effect, Outcome, Stored, Version};
    use handoff_kernel::time::Time;

    /// One place in a store that compares, and whoever drives operations against it.
    #[derive(Default)]
    struct Run {
        stored: Option<Stored<Wire>>,
        watcher: Watcher<Wire>,
    }

    type Driven = handoff_kernel::operation::Operation<Wire, Protocol>;

    impl Run {
        fn begins(&mut self, number: u64, command: Command<Wire>) -> Driven {
            let id = HandoffId::parse("h-1").unwrap();
            self.watcher.begins(number, &id, &command);
            Driven::new(Protocol, id, command)
        }

        /// One effect; a write's answer may be lost.
        fn goes_on(&mut self, number: u64, operation: Driven, lost: bool, now: u64) -> Option<Driven> {
            let found = self.stored.as_ref().map(|stored| stored.version);
            let mut write = |expected: Option<Version>, next: &Record<Wire>| {
                if found != expected {
                    return (Outcome::Conflict, Wrote::Conflict);
                }
                let version = Version(found.map_or(0, |version| version.0) + 1);
                self.stored = Some(Stored { record: next.clone(), version });
                if lost { (Outcome::Unknown, Wrote::AnswerLost) } else { (Outcome::Written, Wrote::Written) }
            };
            let (outcome, came) = match operation.effect() {
                Effect::Load => (Outcome::Loaded(self.stored.clone()), Came::Loaded),
                Effect::Insert { record, .. } => {
                    let (outcome, wrote) = write(None, record);
                    (outcome, Came::Wrote(wrote))
                }
                Effect::Swap { version, next, .. } => {
                    let (outcome, wrote) = write(Some(version), next);
                    (outcome, Came::Wrote(wrote))
                }
            };
            let next = operation.next(outcome, Time(now));
            let record = self.stored.as_ref().map(|stored| &stored.record);
            self.watcher.effect(number, came, record, Time(now), Then::of(&next));
            match next {
                Next::Effect(operation) => Some(operation),
                Next::Done(_) => None,
            }
        }
    }

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name).unwrap()
    }

    fn accept(claim: &str) -> Command<Wire> {
        let claim_id = Some(ClaimId::parse(claim).unwrap());
        Command::Accept { by: agent("alice"), claim_id, attempt: 1, receipt: None }
    }

    #[test]
    fn whoever_drives_operations_by_names_that_are_text_tells_of_them_step_by_step() {
        let mut run = Run::default();
        let artifact = Start {
            id: HandoffId::parse("h-1").unwrap(),
            author: agent("bob"),
            target: agent("alice"),
            digest: Digest::of(b"{}"),
            expires_at: Time(5),
            claim_ttl: None,
        };
        let start = run.begins(1, Command::Start { sender: agent("bob"), artifact });
        let start = run.goes_on(1, start, false, 4).unwrap();
        assert!(run.goes_on(1, start, false, 4).is_none());
        let mine = run.begins(2, accept("mine"));
        let other = run.begins(3, accept("other"));
        let mine = run.goes_on(2, mine, false, 5).unwrap();
        let other = run.goes_on(3, other, false, 5).unwrap();
        let mine = run.goes_on(2, mine, true, 5).unwrap();
        assert!(run.goes_on(2, mine, false, 6).is_none());
        assert!(run.goes_on(3, other, false, 6).is_some());
        let seen = run.watcher.into_seen();
        let told: Vec<_> = seen.edges.keys().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "nothing | start loads before the deadline: goes on to insert | nothing, start to insert",
                "nothing, start to insert | start inserts: written | pending",
                "pending | accept loads at the deadline: goes on to swap | pending, accept to swap",
                "pending, accept to swap | accept loads at the deadline: goes on to swap | pending, 2+ accept to swap",
                "pending, 2+ accept to swap | accept swaps: written, answer lost | claimed, accept to swap",
                "claimed, accept to swap | accept loads: answers done | claimed, accept to swap",
                "claimed, accept to swap | accept swaps: conflict | claimed",
            ]
        );
        assert!(seen.edges.values().all(|count| *count == 1));
        assert_eq!(seen.strays, 0);
    }

    #[test]
    fn what_is_told_of_no_operation_is_counted_and_shows_nothing() {
        let mut watcher = Watcher::<Wire>::default();
        watcher.effect(1, Came::Loaded, None, Time(0), Then::GoesOn);
        watcher.hears(2, Time(0), Then::GoesOn);
        watcher.follows(3, true, None);
        watcher.crashes([4, 5]);
        let id = HandoffId::parse("h-1").unwrap();
        watcher.begins(6, &id, &Command::Sweep);
        watcher.hears(6, Time(0), Then::GoesOn);
        watcher.begins(6, &id, &Command::Sweep);
        assert_eq!(watcher.seen().strays, 7);
        assert!(watcher.seen().edges.is_empty());
    }
}
