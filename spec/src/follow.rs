//! A trace, walked through its own model again.
//!
//! The replays ask the kernel whether it would do what a trace tells. Here the model is asked whether it can: from one
//! of its beginnings, by its own actions, step by step. Then the end is judged by what the model says of itself: what
//! it breaks, which of its witnesses it shows, which of its promises it never keeps. So a trace cannot be about
//! another rule than it says, nor go round fairly only because somebody left out a line.

use std::collections::BTreeSet;

use crate::bootstrap::{self, Bootstrap};
use crate::hubs::{self, Hubs};
use crate::malice;
use crate::model::{Edge, LeadsTo, Model, Property, Story, Witness};
use crate::profile::Profile;
use crate::replay::law;
use crate::trace::{Header, Kind, Line, Trace};

/// The way of a trace through its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed<M: Model> {
    /// Where it stood: at the beginning, and after each step.
    pub states: Vec<M::State>,
    /// What happened, a step each.
    pub actions: Vec<M::Action>,
}

/// Walks the model along the trace, and judges the end.
///
/// # Errors
/// At which step the model cannot do what the trace tells, or why the end is not what the trace is called.
pub fn follow<M: Model>(model: &M, trace: &Trace) -> Result<Followed<M>, String> {
    let header = &trace.header;
    let own = Header {
        name: header.name.clone(),
        kind: header.kind,
        rule: header.rule.clone(),
        says: header.says.clone(),
        cycle_from: header.cycle_from,
        ..model.header()
    };
    if own != *header {
        return Err("it begins otherwise than its model does".into());
    }
    if trace.lines.windows(2).any(|two| two[0].step > two[1].step) {
        return Err("its steps are not in order".into());
    }
    let mut walk = Walk { model, trace, failed: None };
    for state in model.initial() {
        let told = vec![model.opening(&state)];
        if walk.tells(&told) {
            let way = Followed { states: vec![state], actions: Vec::new() };
            if let Some(followed) = walk.on(way, &told) {
                return Ok(followed);
            }
        }
    }
    Err(walk.failed.map_or_else(|| "the model does not begin so".into(), |(_, why)| why))
}

/// The same by the model and the configuration that the trace names; false when there is no such configuration.
///
/// # Errors
/// As [`follow`], and when there is no such law.
pub fn follow_named(trace: &Trace) -> Result<bool, String> {
    let header = &trace.header;
    let named = |name: &str| header.configuration == name;
    match header.model.as_str() {
        "hubs" => {
            let law = law(&header.law)?;
            let mut all = hubs::configurations(Profile::Quick).into_iter();
            let found = all.find(|(_, config)| named(&config.name));
            found.map_or(Ok(false), |(_, config)| follow(&Hubs { law, config }, trace).map(|_| true))
        }
        "bootstrap" => {
            let whole = Bootstrap::new(law(&header.law)?);
            let bounds = bootstrap::bounds().into_iter().map(|bound| bound.model);
            let mut all = [whole, Bootstrap { faults: 1, ..whole }].into_iter().chain(bounds);
            let same = |model: &Bootstrap<_>| {
                let own = model.header();
                (own.configuration, own.law) == (header.configuration.clone(), header.law.clone())
            };
            all.find(same).map_or(Ok(false), |model| follow(&model, trace).map(|_| true))
        }
        "malice" => {
            let found = malice::configurations().into_iter().find(|configuration| named(configuration.name));
            found.map_or(Ok(false), |found| follow(&found.model, trace).map(|_| true))
        }
        _ => Ok(false),
    }
}

struct Walk<'a, M> {
    model: &'a M,
    trace: &'a Trace,
    /// Where the way that came furthest came to an end, and why.
    failed: Option<(usize, String)>,
}

impl<M: Model> Walk<'_, M> {
    /// Whether the last of these steps is told as the trace tells it. Operations have their numbers by all that is told
    /// before.
    fn tells(&self, told: &[Vec<Line>]) -> bool {
        let step = u32::try_from(told.len()).map_or(u32::MAX, |steps| steps - 1);
        let ours = Trace::new(self.trace.header.clone(), told.to_vec());
        let of = |line: &&Line| line.step == step;
        ours.lines.iter().filter(of).eq(self.trace.lines.iter().filter(of))
    }

    /// The way to the end of the trace, if it goes on from here. What is told may leave open which of several actions
    /// it was, so that each is tried.
    fn on(&mut self, way: Followed<M>, told: &[Vec<Line>]) -> Option<Followed<M>> {
        let at = way.actions.len();
        if u32::try_from(at).is_ok_and(|at| at >= self.trace.steps()) {
            return match judge(self.model, &self.trace.header, &way, told) {
                Ok(()) => Some(way),
                Err(why) => self.fails(at + 1, why),
            };
        }
        let state = &way.states[at];
        if let Some(breach) = self.model.breach(state) {
            return self.fails(at, format!("{breach} is broken after step {at}, which is not the last"));
        }
        let mut actions = Vec::new();
        self.model.actions(state, &mut actions);
        for action in actions {
            let mut story = Story::open();
            let next = self.model.next(state, &action, &mut story);
            let mut told = told.to_vec();
            told.push(story.lines());
            if self.tells(&told) {
                let mut longer = way.clone_way();
                longer.states.push(next);
                longer.actions.push(action);
                if let Some(whole) = self.on(longer, &told) {
                    return Some(whole);
                }
            }
        }
        self.fails(at, format!("at step {} the model cannot do what is told", at + 1))
    }

    fn fails(&mut self, at: usize, why: String) -> Option<Followed<M>> {
        if self.failed.as_ref().is_none_or(|(furthest, _)| *furthest < at) {
            self.failed = Some((at, why));
        }
        None
    }
}

impl<M: Model> Followed<M> {
    fn clone_way(&self) -> Self {
        Self { states: self.states.clone(), actions: self.actions.clone() }
    }
}

/// Whether the end of the way is what the trace is called.
fn judge<M: Model>(model: &M, header: &Header, way: &Followed<M>, told: &[Vec<Line>]) -> Result<(), String> {
    let [.., last] = &way.states[..] else { return Err("it stands nowhere".into()) };
    match header.kind {
        Kind::Counterexample if header.cycle_from.is_none() => breaks(model, header, way, last),
        Kind::Witness if header.cycle_from.is_none() => {
            if let Some(breach) = model.breach(last) {
                return Err(format!("at the end {breach}"));
            }
            let called = |witness: &Witness<M::State>| {
                let rule = Property::Rule(witness.rule).id();
                rule == header.rule
                    && header.name == format!("witness-{}-{}", rule.to_lowercase(), witness.name)
            };
            let witness = model.witnesses().into_iter().find(called);
            let witness =
                witness.ok_or_else(|| format!("{} has no witness {:?}", header.rule, header.name))?;
            match (&way.states[..], told) {
                ([.., before, after], [.., lines]) if (witness.seen)(before, lines, after) => Ok(()),
                _ => Err(format!("its last step does not show: {}", witness.says)),
            }
        }
        Kind::Counterexample | Kind::Witness => Err("only a way round has a step where it begins".into()),
        Kind::Lasso => goes_round(model, header, way, last),
    }
}

/// Whether the last step breaks the rule: by where it leads, by itself, or because nothing more can happen.
fn breaks<M: Model>(model: &M, header: &Header, way: &Followed<M>, last: &M::State) -> Result<(), String> {
    let by_itself = match &way.states[..] {
        [.., before, after] => match model.edge(before, after) {
            Edge::Breach(breach) => Some(breach),
            Edge::Stutter | Edge::Step => None,
        },
        _ => None,
    };
    let mut actions = Vec::new();
    model.actions(last, &mut actions);
    let at_rest = if actions.is_empty() { model.at_rest(last) } else { None };
    let broken: Vec<_> = [model.breach(last), by_itself, at_rest].into_iter().flatten().collect();
    if broken.iter().any(|breach| breach.property.id() == header.rule) {
        return Ok(());
    }
    Err(format!("{} is not broken at the end, but {broken:?}", header.rule))
}

/// Whether the way comes round to where it began, fairly, and breaks a promise of the rule.
fn goes_round<M: Model>(
    model: &M,
    header: &Header,
    way: &Followed<M>,
    last: &M::State,
) -> Result<(), String> {
    let from = header.cycle_from.and_then(|from| usize::try_from(from).ok()?.checked_sub(1));
    let from = from.filter(|from| *from < way.states.len());
    let from = from.ok_or("a way round says at which of its steps it begins")?;
    if let Some(breach) = model.breach(last) {
        return Err(format!("at the end {breach}"));
    }
    if way.states[from] != *last {
        return Err("the way round does not come to where it began".into());
    }
    // Made somewhere, and not kept from there on: neither on the way to the cycle nor in it.
    let owed = |promise: &LeadsTo<M::State>| {
        let unkept = way.states.iter().rposition(|state| (promise.to)(state)).map_or(0, |kept| kept + 1);
        unkept <= from && way.states[unkept..].iter().any(promise.from)
    };
    let promises = model.liveness();
    let mut of_rule = promises.iter().filter(|promise| Property::Rule(promise.rule).id() == header.rule);
    if !of_rule.any(owed) {
        return Err(format!("no promise of {} is made and never kept", header.rule));
    }
    let mut taken = BTreeSet::new();
    let mut always: Option<BTreeSet<u8>> = None;
    // A way round without a step stands still: what is possible is looked at there, once.
    for at in from..way.actions.len().max(from + 1) {
        let state = &way.states[at];
        taken.extend(way.actions.get(at).and_then(|action| model.fairness(state, action)));
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        let possible = actions.iter().filter_map(|action| model.fairness(state, action)).collect();
        always = Some(match always {
            None => possible,
            Some(always) => always.intersection(&possible).copied().collect(),
        });
    }
    match always.unwrap_or_default().difference(&taken).next() {
        None => Ok(()),
        Some(name) => Err(format!("the way round is not fair: {name} is always possible and never done")),
    }
}
