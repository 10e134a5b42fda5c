//! The second opinion: the same models, looked through by stateright.
//!
//! It must find as many unique states as [`crate::explorer`] does, and the same properties broken. It is also the
//! Explorer in which a person walks through a model.

use core::fmt;
use core::hash::Hash;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use handoff_kernel::rules::Rule;
use stateright::{Checker as _, Property as Condition};

use crate::model::{Breach, Model, Property, Story};

/// So many rules of its own a model can have: each needs a function that is written here.
pub const MOST_OWN: usize = 8;

/// A model as stateright takes it.
#[derive(Debug, Clone)]
pub struct Second<M>(pub M);

/// What the second opinion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Unique states.
    pub states: u64,
    /// States generated, the unique ones and the others.
    pub generated: u64,
    /// The rules that it found broken.
    pub broken: BTreeSet<Property>,
}

fn holds<M: Model, const RULE: usize>(model: &Second<M>, state: &M::State) -> bool
where
    M::State: Send + Sync + 'static,
    M::Action: Send + Sync + PartialEq + 'static,
{
    model.0.breach(state).is_none_or(|breach| breach.property != Property::Rule(Rule::ALL[RULE]))
}

fn holds_own<M: Model, const OWN: usize>(model: &Second<M>, state: &M::State) -> bool
where
    M::State: Send + Sync + 'static,
    M::Action: Send + Sync + PartialEq + 'static,
{
    let Some(Breach { property: Property::Own(broken), .. }) = model.0.breach(state) else { return true };
    model.0.own().get(OWN).is_none_or(|own| own.name != broken)
}

impl<M: Model> stateright::Model for Second<M>
where
    M::State: Send + Sync + 'static,
    M::Action: Send + Sync + PartialEq + 'static,
{
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.0.initial()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        if self.0.breach(state).is_none() {
            self.0.actions(state, actions);
        }
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        Some(self.0.next(state, &action, &mut Story::quiet()))
    }

    /// What the Explorer shows of a step: what it tells, then the state.
    fn format_step(&self, state: &M::State, action: M::Action) -> Option<String> {
        let mut story = Story::open();
        let next = self.0.next(state, &action, &mut story);
        let told: Vec<String> = story.lines().iter().map(ToString::to_string).collect();
        Some(format!("{}\n\n{next:#?}", told.join("\n")))
    }

    fn properties(&self) -> Vec<Condition<Self>> {
        // A condition takes no more than a function: one for each rule, whose number also gives its name.
        macro_rules! always {
            ($($rule:literal)*) => { [$(Condition::always(Rule::ALL[$rule].name(), holds::<M, $rule>)),*] };
        }
        let mut conditions = Vec::from(always![0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]);
        macro_rules! own {
            ($($own:literal)*) => { [$(holds_own::<M, $own> as fn(&Self, &M::State) -> bool),*] };
        }
        let holds: [_; MOST_OWN] = own![0 1 2 3 4 5 6 7];
        let own = self.0.own();
        conditions.extend(own.iter().zip(holds).map(|(own, holds)| Condition::always(own.name, holds)));
        // Never found: without one that is still awaited, stateright stops before it has seen all.
        conditions.push(Condition::sometimes("(the whole model is looked at)", |_, _| false));
        conditions
    }
}

/// Looks through the whole model.
///
/// # Panics
/// When stateright stops before it is done, which without a limit it does not; and when the model has more than
/// [`MOST_OWN`] rules of its own, or two of one name.
pub fn look<M>(model: M, threads: usize) -> Opinion
where
    M: Model + Send + Sync + 'static,
    M::State: Send + Sync + Hash + fmt::Debug + 'static,
    M::Action: Send + Sync + PartialEq + fmt::Debug + 'static,
{
    let own: Vec<_> = model.own().iter().map(|own| own.name).collect();
    let names: BTreeSet<_> = own.iter().copied().chain(Rule::ALL.map(Rule::name)).collect();
    assert!(own.len() <= MOST_OWN, "a model has at most {MOST_OWN} rules of its own");
    assert!(names.len() == own.len() + Rule::ALL.len(), "two rules are of one name: {own:?}");
    let checker = stateright::Model::checker(Second(model)).threads(threads).spawn_bfs().join();
    assert!(checker.is_done(), "stateright ended before it was done");
    let found = checker.discoveries();
    let rules = Rule::ALL.into_iter().filter(|rule| found.contains_key(rule.name()));
    let own = own.into_iter().filter(|name| found.contains_key(name));
    let broken = rules.map(Property::Rule).chain(own.map(Property::Own)).collect();
    Opinion { states: checker.unique_state_count() as u64, generated: checker.state_count() as u64, broken }
}

/// Serves the Explorer; it stays until the process ends.
pub fn serve<M>(model: M, address: SocketAddr)
where
    M: Model + Send + Sync + 'static,
    M::State: Send + Sync + Hash + fmt::Debug + 'static,
    M::Action: Send + Sync + PartialEq + fmt::Debug + 'static,
{
    let _ = stateright::Model::checker(Second(model)).serve(address);
}
