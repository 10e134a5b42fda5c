//! Looks through a model whole, breadth first, with an exact set of what was seen.
//!
//! Small, deterministic, without dependencies. It refuses to guess: a run that ends early says so and is a failure
//! to whoever asked; what it reports as shortest is shortest, for each property separately.
//!
//! Read [`explore`] first, then [`Explored`].

mod lasso;
mod visited;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

pub use lasso::{Lasso, lassos};
pub use visited::Visited;

use crate::model::{Breach, Edge, Model, Property, Story};
use crate::trace::{Header, Kind, Line, Trace};

/// How to look.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether states that are alike but for names that mean nothing are one.
    pub symmetry: bool,
    /// At most so many unique states; more is a truncated run.
    pub max_states: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { symmetry: false, max_states: u64::from(u32::MAX) - 1 }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Unique states found.
    pub states: u64,
    /// Steps looked at.
    pub edges: u64,
    /// The number of steps from the beginning to what is looked at now.
    pub depth: u32,
    /// Unique states that are found but not looked at.
    pub frontier: u64,
    /// Memory of the set of states, in bytes.
    pub bytes: u64,
}

/// From where, and by which actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<A> {
    /// Which of the initial states.
    pub from: usize,
    /// What happened, in order.
    pub actions: Vec<A>,
}

/// What was found.
#[derive(Debug)]
pub struct Explored<A> {
    /// How far it came: of a whole run, the final count.
    pub reached: Progress,
    /// Whether everything was looked at.
    pub complete: bool,
    /// States in which nothing more can happen.
    pub rests: u64,
    /// Edges that are a step of the abstract specification.
    pub steps: u64,
    /// For each property that is broken, how, and one shortest way there.
    pub breaches: BTreeMap<Property, (Breach, Path<A>)>,
    /// Those of them that a state shows by itself; the others are broken by a step, or by coming to rest.
    pub in_states: BTreeSet<Property>,
    /// For each witness by its name, one shortest way to it; none when it was not reached. The witness of a rule of the
    /// model's own has that rule's name.
    pub witnesses: BTreeMap<&'static str, Option<Path<A>>>,
}

/// How each state was first reached: by the how-manieth action of which state. An initial state is its own parent.
#[derive(Debug, Default)]
struct Parents(Vec<(u32, u16)>);

impl Parents {
    fn add(&mut self, parent: u32, action: usize) {
        self.0.push((parent, u16::try_from(action).expect("a state has few actions")));
    }

    /// The ordinals on the way to this state: of the initial state, then of each action.
    fn way(&self, mut to: u32) -> (usize, Vec<usize>) {
        let mut ordinals = Vec::new();
        loop {
            let (parent, ordinal) = self.0[to as usize];
            if parent == to {
                ordinals.reverse();
                return (usize::from(ordinal), ordinals);
            }
            ordinals.push(usize::from(ordinal));
            to = parent;
        }
    }
}

/// Looks through the model. `progress` is called now and then.
pub fn explore<M: Model>(
    model: &M,
    options: Options,
    progress: &mut dyn FnMut(&Progress),
) -> Explored<M::Action> {
    let mut run = Run {
        model,
        options,
        visited: Visited::default(),
        parents: Parents::default(),
        queue: VecDeque::new(),
        missing: sights(model),
        found: Explored {
            reached: Progress::default(),
            complete: true,
            rests: 0,
            steps: 0,
            breaches: BTreeMap::new(),
            in_states: BTreeSet::new(),
            witnesses: sights(model).into_iter().map(|(name, _)| (name, None)).collect(),
        },
    };
    run.all(progress);
    progress(&run.found.reached);
    run.found
}

/// What a path tells: first what has happened before it begins, then step by step.
pub fn tell<M: Model>(model: &M, path: &Path<M::Action>) -> Vec<Vec<Line>> {
    let mut state = model.initial().swap_remove(path.from);
    let mut told = vec![model.opening(&state)];
    for action in &path.actions {
        let mut story = Story::open();
        state = model.next(&state, action, &mut story);
        told.push(story.lines());
    }
    told
}

/// The trace of a way to where this is broken. `name` is a name for files, `says` what it shows, in a sentence.
pub fn counterexample<M: Model>(
    model: &M,
    (breach, path): &(Breach, Path<M::Action>),
    name: &str,
    says: &str,
) -> Trace {
    about(model, Kind::Counterexample, breach.property, path, name, says)
}

/// The trace of a way to the witness of this rule.
pub fn witness<M: Model>(
    model: &M,
    property: Property,
    path: &Path<M::Action>,
    name: &str,
    says: &str,
) -> Trace {
    about(model, Kind::Witness, property, path, name, says)
}

fn about<M: Model>(
    model: &M,
    kind: Kind,
    property: Property,
    path: &Path<M::Action>,
    name: &str,
    says: &str,
) -> Trace {
    let demands = model.own().iter().find(|own| Property::Own(own.name) == property).map(|own| own.statement);
    let header = Header {
        kind,
        name: name.to_owned(),
        rule: property.id(),
        demands: demands.map(str::to_owned),
        says: says.to_owned(),
        ..model.header()
    };
    Trace::new(header, tell(model, path))
}

/// A witness by its name, and how one knows it.
type Sight<S> = (&'static str, fn(&S, &[Line], &S) -> bool);

/// The witnesses of the protocol's rules and of the model's own.
fn sights<M: Model>(model: &M) -> Vec<Sight<M::State>> {
    let own = model.own().into_iter().map(|own| (own.name, own.seen));
    model.witnesses().into_iter().map(|witness| (witness.name, witness.seen)).chain(own).collect()
}

/// From so many waiting states on they are kept as a parent and the ordinal of an action, for parents are fewer.
const MANY: usize = 1 << 18;

/// A state that is found and not looked at.
enum Waiting<S> {
    Here(S),
    /// What follows from this one, by the action of this ordinal.
    After(Rc<S>, usize),
}

struct Run<'m, M: Model> {
    model: &'m M,
    options: Options,
    visited: Visited,
    parents: Parents,
    queue: VecDeque<(u32, u32, Waiting<M::State>)>,
    missing: Vec<Sight<M::State>>,
    found: Explored<M::Action>,
}

impl<M: Model> Run<'_, M> {
    fn all(&mut self, progress: &mut dyn FnMut(&Progress)) {
        for (ordinal, state) in self.model.initial().into_iter().enumerate() {
            let state = self.canonical(state);
            let number = u32::try_from(self.visited.len()).expect("few initial states");
            self.arrive(state, number, ordinal, 0, None);
        }
        let mut actions = Vec::new();
        while let Some((number, depth, waiting)) = self.queue.pop_front() {
            if self.visited.len() as u64 > self.options.max_states {
                self.found.complete = false;
                break;
            }
            let state = Rc::new(self.fetch(waiting));
            actions.clear();
            self.model.actions(&state, &mut actions);
            if actions.is_empty() {
                self.found.rests += 1;
                if let Some(breach) = self.model.at_rest(&state) {
                    self.blame(breach, number, None);
                }
            }
            for (ordinal, action) in actions.iter().enumerate() {
                self.take(number, depth, &state, ordinal, action);
            }
            if self.found.reached.edges >> 17 != (self.found.reached.edges - actions.len() as u64) >> 17 {
                self.measure(depth);
                progress(&self.found.reached);
            }
            self.found.reached.depth = depth;
        }
        self.measure(self.found.reached.depth);
    }

    fn measure(&mut self, depth: u32) {
        let reached = &mut self.found.reached;
        reached.states = self.visited.len() as u64;
        reached.frontier = self.queue.len() as u64;
        reached.bytes = (self.visited.bytes() + self.parents.0.capacity() * 8) as u64;
        reached.depth = depth;
    }

    fn canonical(&self, state: M::State) -> M::State {
        if self.options.symmetry { self.model.canonical(state) } else { state }
    }

    fn fetch(&self, waiting: Waiting<M::State>) -> M::State {
        match waiting {
            Waiting::Here(state) => state,
            Waiting::After(parent, ordinal) => {
                let mut actions = Vec::new();
                self.model.actions(&parent, &mut actions);
                self.canonical(self.model.next(&parent, &actions[ordinal], &mut Story::quiet()))
            }
        }
    }

    fn take(&mut self, number: u32, depth: u32, state: &Rc<M::State>, ordinal: usize, action: &M::Action) {
        self.found.reached.edges += 1;
        let next = if self.missing.is_empty() {
            self.model.next(state, action, &mut Story::quiet())
        } else {
            let mut story = Story::open();
            let next = self.model.next(state, action, &mut story);
            self.look_for_witnesses(number, state, action, &story.lines(), &next);
            next
        };
        match self.model.edge(state, &next) {
            Edge::Stutter => {}
            Edge::Step => self.found.steps += 1,
            Edge::Breach(breach) => self.blame(breach, number, Some(action)),
        }
        let next = self.canonical(next);
        self.arrive(next, number, ordinal, depth + 1, Some(state));
    }

    fn look_for_witnesses(
        &mut self,
        number: u32,
        state: &M::State,
        action: &M::Action,
        lines: &[Line],
        next: &M::State,
    ) {
        let mut missing = core::mem::take(&mut self.missing);
        missing.retain(|(name, is_it)| {
            let seen = is_it(state, lines, next);
            if seen {
                let path = self.path(number, Some(action));
                self.found.witnesses.insert(name, Some(path));
            }
            !seen
        });
        self.missing = missing;
    }

    fn arrive(
        &mut self,
        state: M::State,
        parent: u32,
        ordinal: usize,
        depth: u32,
        after: Option<&Rc<M::State>>,
    ) {
        let (number, new) = self.visited.insert(&state);
        if !new {
            return;
        }
        self.parents.add(parent, ordinal);
        match self.model.breach(&state) {
            Some(breach) => {
                self.found.in_states.insert(breach.property);
                self.blame(breach, number, None);
            }
            None => {
                let waiting = match after {
                    Some(parent) if self.queue.len() >= MANY => Waiting::After(Rc::clone(parent), ordinal),
                    Some(_) | None => Waiting::Here(state),
                };
                self.queue.push_back((number, depth, waiting));
            }
        }
    }

    fn blame(&mut self, breach: Breach, number: u32, last: Option<&M::Action>) {
        if !self.found.breaches.contains_key(&breach.property) {
            let path = self.path(number, last);
            self.found.breaches.insert(breach.property, (breach, path));
        }
    }

    /// The way to this state, and perhaps one action more. Under symmetry the ordinals are those of canonical states:
    /// the way that is told takes, from a real beginning, what leads to states that are like those.
    fn path(&self, number: u32, last: Option<&M::Action>) -> Path<M::Action> {
        let (from, ordinals) = self.parents.way(number);
        let mut real = self.model.initial().swap_remove(from);
        let mut like = self.canonical(real.clone());
        let mut path = Path { from, actions: Vec::new() };
        for ordinal in ordinals {
            let mut actions = Vec::new();
            self.model.actions(&like, &mut actions);
            let action = &actions[ordinal];
            like = self.canonical(self.model.next(&like, action, &mut Story::quiet()));
            let (action, next) = self.towards(&real, &like, action);
            path.actions.push(action);
            real = next;
        }
        if let Some(last) = last {
            let goal = self.canonical(self.model.next(&like, last, &mut Story::quiet()));
            path.actions.push(self.towards(&real, &goal, last).0);
        }
        path
    }

    /// The action that leads from here to a state like this one, and that state: the very one that was taken, if it does.
    /// Another may lead there too and tell something else, which is no witness of what was seen.
    fn towards(&self, real: &M::State, like: &M::State, taken: &M::Action) -> (M::Action, M::State) {
        let mut actions = Vec::new();
        self.model.actions(real, &mut actions);
        let steps = actions.into_iter().map(|action| {
            let next = self.model.next(real, &action, &mut Story::quiet());
            (action, next)
        });
        steps
            .filter(|(_, next)| self.canonical(next.clone()) == *like)
            .min_by_key(|(action, _)| action != taken)
            .expect("states that are alike can do alike: `canonical` only renames")
    }
}
