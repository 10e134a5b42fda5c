//! The search for an order: returns in order, and before each everything that may be the case.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, Wire};
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::record::Record;
use handoff_kernel::step::{Transition, seen_by, step};
use handoff_kernel::time::Time;

use super::set::{MOST_PENDING, Set};
use super::{Asked, Heard, MOST_STATES, Operation, Step, picture};

/// Why there is no order to show.
#[derive(Debug)]
pub(super) enum Stopped {
    /// There is none for what returned up to this moment.
    NoOrder {
        at: u64,
        possible: Vec<String>,
        states: usize,
    },
    TooManyPending,
    TooManyStates,
}

/// What is the case at one moment: the one handoff that the operations are about and the clock that decides about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct World {
    pub(super) now: Time,
    pub(super) record: Option<Record<Wire>>,
}

impl World {
    /// What is the case after this operation, if it is answered here as it was; none if it is not.
    fn after(&self, operation: &Operation) -> Option<Self> {
        let record = self.record.as_ref();
        match &operation.asked {
            Asked::Clock(to) => {
                let fits = matches!(operation.heard, Heard::Set | Heard::Unknown);
                let now = Protocol.decides_at(*to, self.now);
                fits.then(|| Self { now, record: self.record.clone() })
            }
            Asked::Get(_, by) => {
                let shown = seen_by(&Protocol, record, by);
                let fits = match &operation.heard {
                    Heard::Seen(Ok(seen)) => shown == Ok(seen),
                    Heard::Seen(Err(refusal)) => shown.err() == Some(*refusal),
                    Heard::Unknown => true,
                    Heard::Made(_) | Heard::Verdict(_) | Heard::Shown(_) | Heard::Set => false,
                };
                fits.then(|| self.clone())
            }
            Asked::Poll(by) => {
                let open = record.filter(|record| self.is_open_to(record, by));
                let fits = match &operation.heard {
                    Heard::Shown(None) => open.is_none(),
                    Heard::Shown(Some((id, digest))) => {
                        open.is_some_and(|record| (record.id, record.digest) == (*id, *digest))
                    }
                    Heard::Unknown => true,
                    Heard::Made(_) | Heard::Verdict(_) | Heard::Seen(_) | Heard::Set => false,
                };
                fits.then(|| self.clone())
            }
            Asked::Command(_, command) => self.after_command(command, &operation.heard),
        }
    }

    fn after_command(&self, command: &Command<Wire>, heard: &Heard) -> Option<Self> {
        let (answer, next) = match step(&Protocol, self.record.as_ref(), command, self.now) {
            Ok(Transition::To { next, answer, .. }) => (answer, Some(next)),
            Ok(Transition::Same(answer)) => (Ok(answer), None),
            Err(refusal) => (Err(refusal), None),
        };
        let makes = next.is_some() && matches!(command, Command::Start { .. });
        let fits = match heard {
            Heard::Unknown => true,
            Heard::Made(made) => makes && answer.as_ref() == Ok(made),
            Heard::Verdict(verdict) => !makes && answer == *verdict,
            Heard::Seen(_) | Heard::Shown(_) | Heard::Set => false,
        };
        fits.then(|| Self { now: self.now, record: next.or_else(|| self.record.clone()) })
    }

    fn is_open_to(&self, record: &Record<Wire>, by: &AgentId) -> bool {
        record.target == *by && Protocol.open_to_claims(record, self.now)
    }
}

/// What may be the case: what of the pending is done, and the state, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Possible {
    done: Set,
    world: usize,
}

/// How something came to be possible.
#[derive(Debug)]
struct Node {
    before: Option<usize>,
    steps: Vec<Step>,
}

/// Everything that is possible, with how it came to be so.
type Frontier = BTreeMap<Possible, usize>;

struct Search<'a> {
    operations: &'a [&'a Operation],
    worlds: Vec<World>,
    numbers: BTreeMap<World, usize>,
    /// What follows from an operation in a state, once asked. The last is the sweep.
    followed: BTreeMap<(usize, usize), Option<usize>>,
    nodes: Vec<Node>,
    /// What was called and has not returned, with its place in [`Possible::done`].
    pending: BTreeMap<usize, usize>,
    /// The places that nobody has.
    free: Vec<usize>,
    states: usize,
}

/// Looks for an order of operations that all concern one handoff, and says how many states were visited.
pub(super) fn search(operations: &[&Operation], clock: Time) -> Result<(Vec<Step>, usize), Stopped> {
    let mut search = Search {
        operations,
        worlds: Vec::new(),
        numbers: BTreeMap::new(),
        followed: BTreeMap::new(),
        nodes: vec![Node { before: None, steps: Vec::new() }],
        pending: BTreeMap::new(),
        free: (0..MOST_PENDING).rev().collect(),
        states: 1,
    };
    let world = search.number(World { now: clock, record: None });
    let mut frontier = Frontier::from([(Possible { done: Set::default(), world }, 0)]);
    for (at, n, returns) in moments(operations) {
        if !returns {
            frontier = search.call(n, frontier)?;
            continue;
        }
        let (done, seen) = search.until(n, &frontier)?;
        if operations[n].heard == Heard::Unknown {
            // It may be that it never took effect.
            frontier.extend(done);
        } else if done.is_empty() {
            return Err(Stopped::NoOrder { at, possible: search.in_words(&seen), states: search.states });
        } else {
            frontier = done;
        }
        frontier = search.forget(n, frontier);
    }
    // The frontier is never left empty.
    let last = frontier.into_values().next();
    Ok((last.map_or_else(Vec::new, |node| search.order(node)), search.states))
}

/// The calls and returns of these operations in order: the moment, whose, and whether it is the return.
fn moments(operations: &[&Operation]) -> Vec<(u64, usize, bool)> {
    let each = operations.iter().enumerate();
    let mut moments: Vec<_> = each
        .flat_map(|(n, operation)| {
            let returned = operation.returned.map(|at| (at, n, true));
            [Some((operation.called, n, false)), returned].into_iter().flatten()
        })
        .collect();
    moments.sort_unstable();
    moments
}

impl Search<'_> {
    fn number(&mut self, world: World) -> usize {
        let next = self.worlds.len();
        let number = *self.numbers.entry(world.clone()).or_insert(next);
        if number == next {
            self.worlds.push(world);
        }
        number
    }

    /// The state after an operation in a state, if its answer fits there; after the sweep, for the number after the last.
    fn follow(&mut self, world: usize, n: usize) -> Option<usize> {
        if let Some(known) = self.followed.get(&(world, n)) {
            return *known;
        }
        let from = &self.worlds[world];
        let after = match self.operations.get(n) {
            Some(operation) => from.after(operation),
            None => from.after_command(&Command::Sweep, &Heard::Unknown),
        };
        let after = after.map(|after| self.number(after));
        self.followed.insert((world, n), after);
        after
    }

    fn node(&mut self, before: usize, steps: Vec<Step>) -> usize {
        self.nodes.push(Node { before: Some(before), steps });
        self.nodes.len() - 1
    }

    /// From here on the operation may take effect.
    fn call(&mut self, n: usize, frontier: Frontier) -> Result<Frontier, Stopped> {
        let slot = self.free.pop().ok_or(Stopped::TooManyPending)?;
        self.pending.insert(n, slot);
        if self.operations[n].heard == Heard::Unknown {
            return Ok(frontier);
        }
        let mut all = Frontier::new();
        for (possible, node) in frontier {
            if self.follow(possible.world, n) == Some(possible.world) {
                let node = self.node(node, vec![Step::Operation(n)]);
                all.insert(Possible { done: possible.done.with(slot), ..possible }, node);
            } else {
                all.insert(possible, node);
            }
        }
        Ok(all)
    }

    /// What is possible when it is done, and all that was possible on the way.
    fn until(&mut self, n: usize, frontier: &Frontier) -> Result<(Frontier, Frontier), Stopped> {
        let (mut seen, mut done) = (frontier.clone(), Frontier::new());
        let Some(&slot) = self.pending.get(&n) else { return Ok((done, seen)) };
        let mut queue: VecDeque<_> = frontier.iter().map(|(possible, node)| (*possible, *node)).collect();
        while let Some((possible, node)) = queue.pop_front() {
            if possible.done.has(slot) {
                done.insert(possible, node);
                continue;
            }
            for (next, steps) in self.changes(possible) {
                if seen.contains_key(&next) {
                    continue;
                }
                self.states += 1;
                if self.states > MOST_STATES {
                    return Err(Stopped::TooManyStates);
                }
                let node = self.node(node, steps);
                seen.insert(next, node);
                queue.push_back((next, node));
            }
        }
        Ok((done, seen))
    }

    fn in_words(&self, seen: &Frontier) -> Vec<String> {
        let start = self.worlds[0].now;
        let worlds: BTreeSet<_> = seen.keys().map(|possible| possible.world).collect();
        worlds.into_iter().map(|world| picture::world(&self.worlds[world], start)).collect()
    }

    /// What can come next that changes something, each with all that is answered as it was by what is then the case.
    fn changes(&mut self, from: Possible) -> Vec<(Possible, Vec<Step>)> {
        let pending: Vec<_> = self.pending.iter().map(|(&n, &slot)| (n, slot)).collect();
        let mut changes = Vec::new();
        let mut change = |search: &mut Self, step, world, done: Set| {
            let (mut done, mut steps) = (done, vec![step]);
            for &(n, slot) in &pending {
                let heard = search.operations[n].heard != Heard::Unknown;
                if heard && !done.has(slot) && search.follow(world, n) == Some(world) {
                    done = done.with(slot);
                    steps.push(Step::Operation(n));
                }
            }
            changes.push((Possible { done, world }, steps));
        };
        for &(n, slot) in pending.iter().filter(|(_, slot)| !from.done.has(*slot)) {
            if let Some(world) = self.follow(from.world, n).filter(|world| *world != from.world) {
                change(self, Step::Operation(n), world, from.done.with(slot));
            }
        }
        let sweep = self.operations.len();
        if let Some(world) = self.follow(from.world, sweep).filter(|world| *world != from.world) {
            change(self, Step::Sweep, world, from.done);
        }
        changes
    }

    /// It is over, done or not; its place is free.
    fn forget(&mut self, n: usize, frontier: Frontier) -> Frontier {
        let Some(slot) = self.pending.remove(&n) else { return frontier };
        self.free.push(slot);
        let mut left = Frontier::new();
        for (possible, node) in frontier {
            left.entry(Possible { done: possible.done.without(slot), ..possible }).or_insert(node);
        }
        left
    }

    /// The steps that led to this node.
    fn order(&self, node: usize) -> Vec<Step> {
        let mut path = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at.map(|at| &self.nodes[at]) {
            path.push(node.steps.as_slice());
            at = node.before;
        }
        path.into_iter().rev().flatten().copied().collect()
    }
}
