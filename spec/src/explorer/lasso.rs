//! Liveness: whether something that must happen can be put off for ever.
//!
//! A promise "wherever `from`, there or later `to`" is broken by a way to a place where `from` holds and from there
//! round and round without `to`, fairly: no obligation stays possible for ever and is never met (weak fairness).
//! Such a way exists exactly when there is a strongly connected part without `to` in which every obligation is
//! either met by some step or impossible somewhere. Standing still is a way round too, where nobody must move.

use std::collections::VecDeque;

use super::{Options, Parents, Path, Progress, Visited};
use crate::model::{Breach, LeadsTo, Model, Property, Story};

/// A promise broken: a way there, and the way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lasso<A> {
    /// What is never kept.
    pub breach: Breach,
    /// The way to the first state of the cycle.
    pub stem: Path<A>,
    /// What happens again and again; nothing at all when everything stands still.
    pub cycle: Vec<A>,
}

/// What was found.
#[derive(Debug)]
pub struct Live<A> {
    /// How much was looked at.
    pub reached: Progress,
    /// Whether that is all.
    pub complete: bool,
    /// For each promise of the model, in order: in how many states it was made and not kept at once.
    pub promised: Vec<u64>,
    /// One way to break each promise that can be broken.
    pub lassos: Vec<Lasso<A>>,
}

/// Steps between states, by number.
struct Graph {
    /// For each state, where its steps begin in `steps`.
    begins: Vec<usize>,
    steps: Vec<Step>,
    /// For each state, the obligations that can be met in it, one a bit.
    possible: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Step {
    to: u32,
    /// The obligation that it meets, as a bit; none is zero.
    meets: u64,
    ordinal: u16,
}

impl Graph {
    fn from(&self, state: u32) -> &[Step] {
        let at = state as usize;
        &self.steps[self.begins[at]..self.begins[at + 1]]
    }

    fn len(&self) -> u32 {
        u32::try_from(self.possible.len()).expect("states are counted in 32 bits")
    }
}

/// Looks for a way to break each promise that the model makes.
pub fn lassos<M: Model>(model: &M, options: Options, progress: &mut dyn FnMut(&Progress)) -> Live<M::Action> {
    let promises = model.liveness();
    let mut visited = Visited::default();
    let mut parents = Parents::default();
    let mut queue = VecDeque::new();
    let mut graph = Graph { begins: Vec::new(), steps: Vec::new(), possible: Vec::new() };
    // For each promise, whether `from` and `to` hold, one state after the other.
    let mut holds: Vec<Vec<(bool, bool)>> = vec![Vec::new(); promises.len()];
    let mut live = Live {
        reached: Progress::default(),
        complete: true,
        promised: vec![0; promises.len()],
        lassos: Vec::new(),
    };
    for (ordinal, state) in model.initial().into_iter().enumerate() {
        let (number, new) = visited.insert(&state);
        if new {
            parents.add(number, ordinal);
            queue.push_back((0, state));
        }
    }
    let mut actions = Vec::new();
    while let Some((depth, state)) = queue.pop_front() {
        if visited.len() as u64 > options.max_states {
            live.complete = false;
            return live;
        }
        let broken = model.breach(&state).is_some();
        for (promise, holds) in promises.iter().zip(&mut holds) {
            // A state that is broken goes nowhere, and that is no promise broken besides.
            holds.push((!broken && (promise.from)(&state), broken || (promise.to)(&state)));
        }
        let number = graph.len();
        graph.begins.push(graph.steps.len());
        actions.clear();
        if !broken {
            model.actions(&state, &mut actions);
        }
        let mut possible = 0;
        for (ordinal, action) in actions.iter().enumerate() {
            let next = model.next(&state, action, &mut Story::quiet());
            let meets = model.fairness(&state, action).map_or(0, |name| 1 << name);
            possible |= meets;
            let (to, new) = visited.insert(&next);
            if new {
                parents.add(number, ordinal);
                queue.push_back((depth + 1, next));
            }
            let ordinal = u16::try_from(ordinal).expect("a state has few actions");
            graph.steps.push(Step { to, meets, ordinal });
        }
        graph.possible.push(possible);
        live.reached = Progress {
            states: visited.len() as u64,
            edges: graph.steps.len() as u64,
            depth,
            frontier: queue.len() as u64,
            bytes: visited.bytes() as u64,
        };
        if number.is_multiple_of(1 << 16) {
            progress(&live.reached);
        }
    }
    graph.begins.push(graph.steps.len());
    for (i, (promise, holds)) in promises.iter().zip(&holds).enumerate() {
        live.promised[i] = holds.iter().filter(|holds| **holds == (true, false)).count() as u64;
        if let Some((stem, cycle)) = Search::new(&graph, holds).lasso() {
            live.lassos.push(named(model, &parents, promise, &stem, &cycle));
        }
    }
    progress(&live.reached);
    live
}

/// The numbers of states and ordinals of actions, as actions.
fn named<M: Model>(
    model: &M,
    parents: &Parents,
    promise: &LeadsTo<M::State>,
    stem: &(u32, Vec<u16>),
    cycle: &[u16],
) -> Lasso<M::Action> {
    let (from, mut ordinals) = parents.way(stem.0);
    ordinals.extend(stem.1.iter().map(|&ordinal| usize::from(ordinal)));
    let stem_len = ordinals.len();
    ordinals.extend(cycle.iter().map(|&ordinal| usize::from(ordinal)));
    let mut state = model.initial().swap_remove(from);
    let mut taken = Vec::new();
    for ordinal in ordinals {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let action = actions.swap_remove(ordinal);
        state = model.next(&state, &action, &mut Story::quiet());
        taken.push(action);
    }
    let cycle = taken.split_off(stem_len);
    let breach = Breach { property: Property::Rule(promise.rule), how: promise.how };
    Lasso { breach, stem: Path { from, actions: taken }, cycle }
}

const NONE: u32 = u32::MAX;

/// Where the promise was made and by which ordinals from there to the cycle; and those of the cycle.
type Ways = ((u32, Vec<u16>), Vec<u16>);

/// One promise on one graph.
struct Search<'g> {
    graph: &'g Graph,
    /// Where the promise is owed and not kept: reachable from where it was made, without `to`.
    owed: Vec<bool>,
    /// How each such state is reached from one where the promise was made; its own parent where it was.
    parents: Vec<(u32, u16)>,
    /// The strongly connected part of each such state.
    part: Vec<u32>,
    parts: u32,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph, holds: &[(bool, bool)]) -> Self {
        let all = graph.possible.len();
        let mut search = Self {
            graph,
            owed: vec![false; all],
            parents: vec![(NONE, 0); all],
            part: vec![NONE; all],
            parts: 0,
        };
        let mut queue = VecDeque::new();
        for number in 0..graph.len() {
            if holds[number as usize] == (true, false) {
                search.owed[number as usize] = true;
                search.parents[number as usize] = (number, 0);
                queue.push_back(number);
            }
        }
        while let Some(number) = queue.pop_front() {
            for step in graph.from(number) {
                let to = step.to as usize;
                if !holds[to].1 && !search.owed[to] {
                    search.owed[to] = true;
                    search.parents[to] = (number, step.ordinal);
                    queue.push_back(step.to);
                }
            }
        }
        search.find_parts();
        search
    }

    /// Tarjan's algorithm, without recursion.
    fn find_parts(&mut self) {
        let all = self.owed.len();
        let (mut index, mut low) = (vec![NONE; all], vec![0u32; all]);
        let (mut stack, mut on_stack) = (Vec::new(), vec![false; all]);
        let mut counter = 0;
        let mut calls: Vec<(u32, usize)> = Vec::new();
        for root in 0..self.graph.len() {
            if !self.owed[root as usize] || index[root as usize] != NONE {
                continue;
            }
            calls.push((root, 0));
            while let Some((number, at)) = calls.pop() {
                let n = number as usize;
                if at == 0 {
                    (index[n], low[n]) = (counter, counter);
                    counter += 1;
                    stack.push(number);
                    on_stack[n] = true;
                }
                let steps = self.graph.from(number);
                let unseen = |step: &Step| self.owed[step.to as usize] && index[step.to as usize] == NONE;
                if let Some(ahead) = steps[at..].iter().position(unseen) {
                    calls.push((number, at + ahead + 1));
                    calls.push((steps[at + ahead].to, 0));
                    continue;
                }
                // All that it leads to have been looked at: those on the stack are of its part, or of one around it.
                for step in self.graph.from(number) {
                    let to = step.to as usize;
                    if self.owed[to] && on_stack[to] {
                        low[n] = low[n].min(low[to]);
                    }
                }
                if low[n] == index[n] {
                    while let Some(member) = stack.pop() {
                        on_stack[member as usize] = false;
                        self.part[member as usize] = self.parts;
                        if member == number {
                            break;
                        }
                    }
                    self.parts += 1;
                }
            }
        }
    }

    /// The way to a fair part, and the way round in it.
    fn lasso(&self) -> Option<Ways> {
        let parts = self.parts as usize;
        let (mut always_possible, mut met) = (vec![u64::MAX; parts], vec![0; parts]);
        for number in 0..self.graph.len() {
            let part = self.part[number as usize];
            if part == NONE {
                continue;
            }
            always_possible[part as usize] &= self.graph.possible[number as usize];
            for step in self.graph.from(number).iter().filter(|step| self.part[step.to as usize] == part) {
                met[part as usize] |= step.meets;
            }
        }
        let fair = |number: &u32| {
            let part = self.part[*number as usize];
            part != NONE && always_possible[part as usize] & !met[part as usize] == 0
        };
        let entry = (0..self.graph.len()).find(fair)?;
        let mut stem = Vec::new();
        let mut at = entry;
        while self.parents[at as usize].0 != at {
            let (parent, ordinal) = self.parents[at as usize];
            stem.push(ordinal);
            at = parent;
        }
        stem.reverse();
        Some(((at, stem), self.round(entry)))
    }

    /// From `entry` through its part and back, meeting each obligation that is always possible, and passing a state
    /// where it is not for each other.
    fn round(&self, entry: u32) -> Vec<u16> {
        let part = self.part[entry as usize];
        let (mut at, mut round) = (entry, Vec::new());
        for bit in (0..64).map(|name| 1u64 << name) {
            let impossible = |number: u32| self.graph.possible[number as usize] & bit == 0;
            if impossible(at) {
                continue;
            }
            let (way, to) = self
                .way(at, part, |step| impossible(step.to) || step.meets == bit)
                .expect("a fair part has such a place");
            round.extend(way);
            at = to;
        }
        if at != entry || round.is_empty() {
            // Back; and if nothing has moved yet, once round, where the part has a way round at all.
            round.extend(self.way(at, part, |step| step.to == entry).map(|(way, _)| way).unwrap_or_default());
        }
        round
    }

    /// The shortest way inside a part whose last step will do.
    fn way(&self, from: u32, part: u32, will_do: impl Fn(&Step) -> bool) -> Option<(Vec<u16>, u32)> {
        let mut ways = VecDeque::from([(from, Vec::new())]);
        let mut known = std::collections::BTreeSet::from([from]);
        while let Some((number, way)) = ways.pop_front() {
            for step in self.graph.from(number).iter().filter(|step| self.part[step.to as usize] == part) {
                let longer = || way.iter().copied().chain([step.ordinal]).collect::<Vec<_>>();
                if will_do(step) {
                    return Some((longer(), step.to));
                }
                if known.insert(step.to) {
                    ways.push_back((step.to, longer()));
                }
            }
        }
        None
    }
}
