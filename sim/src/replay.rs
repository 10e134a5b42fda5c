//! Replay: a plan is done, act by act, and the same comes of it as of the run that it was read from.

use std::collections::BTreeMap;

use handoff_kernel::law::Law;

use crate::act::{Act, Hubs};
use crate::clock::TrueTime;
use crate::directory::Directory;
use crate::finale::Finale;
use crate::judge::Judge;
use crate::live::BEGINS;
use crate::plan::{Doing, Plan, tell_open};
use crate::run::{Outcome, Watchers};
use crate::several::Several;
use crate::stage::Stage;
use crate::story::{Story, header};

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) outcome: Outcome,
    /// How many acts were done when it ended.
    pub(crate) done: usize,
    /// Whether a rule was broken by an act already, and not only in the finale.
    pub(crate) before_the_finale: bool,
}

/// Does all that is planned, under this law, and holds the finale if the plan has one. With a story, everything is
/// written down: the same, to the byte, as in the trace that the plan was read from.
#[must_use]
pub fn replay<L: Law>(plan: &Plan, law: &L, tell: bool) -> Outcome {
    play(plan, law, tell, false).outcome
}

/// The same; it may stop with the first act that breaks a rule.
pub(crate) fn play<L: Law>(plan: &Plan, law: &L, tell: bool, stops: bool) -> Played {
    let truth = TrueTime::default();
    truth.advance(BEGINS);
    match plan.setup.hubs {
        Hubs::Directory => {
            let stage = Directory::new(law.clone(), &plan.setup, &plan.cast, &truth);
            Player::new(plan, stage, truth, tell).play(&law.name(), stops)
        }
        Hubs::Several(_) => {
            let stage = Several::new(law.clone(), &plan.setup, &plan.cast, &truth);
            Player::new(plan, stage, truth, tell).play(&law.name(), stops)
        }
    }
}

struct Player<'p, S> {
    plan: &'p Plan,
    stage: S,
    truth: TrueTime,
    watchers: Watchers,
    /// What number each operation has now, by the number that it had in the trace.
    numbers: BTreeMap<u32, u32>,
    /// The newest operation's.
    newest: u32,
}

impl<'p, S: Stage> Player<'p, S> {
    fn new(plan: &'p Plan, stage: S, truth: TrueTime, tell: bool) -> Self {
        let story = if tell { Story::open() } else { Story::quiet() };
        let watchers = Watchers::new(Judge::new(plan.setup.bound), story);
        Self { plan, stage, truth, watchers, numbers: BTreeMap::new(), newest: 0 }
    }

    fn play(mut self, law: &str, stops: bool) -> Played {
        let Plan { setup, acts, open, faults_stop, cast, .. } = self.plan;
        self.watchers.setup(setup, self.truth.now());
        let mut done = 0;
        for doing in acts {
            self.step(doing);
            done += 1;
            if stops && self.is_broken() {
                break;
            }
        }
        let before_the_finale = self.is_broken();
        if let Some(at) = faults_stop {
            self.truth.advance(*at);
            tell_open(open, &mut self.watchers, cast, self.truth.now());
            let mut watch = self.watchers.watch();
            Finale::new(&mut self.stage, &mut watch, &self.truth, cast, setup).run(open);
        }
        let header = header(setup.configuration(), law);
        let outcome = self.watchers.outcome(header, done as u64, self.truth.now() - BEGINS);
        Played { outcome, done, before_the_finale }
    }

    fn is_broken(&self) -> bool {
        self.watchers.judge.breach().is_some()
    }

    fn step(&mut self, Doing { at, act, began }: &Doing) {
        // Who means an operation that has not begun this time means nothing.
        let Some(act) = self.renumbered(act) else { return };
        self.truth.advance(*at);
        self.watchers.story.next_step();
        // Nobody waits for answers here: what clients made of them is in the plan.
        let _ = self.stage.act(&act, &mut self.watchers.watch());
        if let Some(began) = began {
            let newest = self.stage.under_way().into_iter().map(|it| it.operation).max();
            if let Some(number) = newest.filter(|number| *number > self.newest) {
                self.newest = number;
                self.numbers.insert(*began, number);
            }
        }
    }

    fn renumbered(&self, act: &Act) -> Option<Act> {
        let now = |operation: &u32| self.numbers.get(operation).copied();
        Some(match act {
            Act::Effect { operation, fate, held } => {
                Act::Effect { operation: now(operation)?, fate: *fate, held: *held }
            }
            Act::Hear { operation } => Act::Hear { operation: now(operation)? },
            Act::Follow { operation } => Act::Follow { operation: now(operation)? },
            Act::Ask(_)
            | Act::LookAround { .. }
            | Act::Work { .. }
            | Act::Doom { .. }
            | Act::Die { .. }
            | Act::Restart { .. }
            | Act::SetClock { .. }
            | Act::Deed(_)
            | Act::Trouble(_)
            | Act::Heal
            | Act::Sweep { .. } => act.clone(),
        })
    }
}
