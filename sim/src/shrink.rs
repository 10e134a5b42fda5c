//! Shrinking: of a plan that breaks a rule, what is needed to break it.
//!
//! Delta debugging on its acts: parts of the list are left out, large ones first, as long as the same rule is broken by
//! what is left. What is left is then made simpler, in the same way. Where it ends, no act can be left out any more.
//! Nothing here is drawn: one plan shrinks to one.

use std::collections::BTreeSet;

use handoff_kernel::law::Law;
use handoff_kernel::time::Millis;
use handoff_spec::model::Property;
use handoff_spec::trace::{Ask, Trace};

use crate::act::{Act, Asked, Death, Deed, Fate, Hubs, Setup};
use crate::demand::Demand;
use crate::live::BEGINS;
use crate::plan::{Doing, Plan};
use crate::replay::{Played, play, replay};
use crate::run::Outcome;
use crate::text;

/// So few acts that it is tried to leave out two at once.
const FEW: usize = 40;

/// What is left of a plan.
#[derive(Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What comes of it, with its trace.
    pub outcome: Outcome,
    /// How many plans were tried.
    pub tries: u64,
    /// Whether no single act of it can be left out; otherwise there were no tries left.
    pub is_minimal: bool,
}

impl Shrunk {
    /// The trace of what is left.
    #[must_use]
    pub const fn trace(&self) -> Option<&Trace> {
        self.outcome.trace.as_ref()
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many plans were tried.
    pub tries: u64,
    /// How many acts are left.
    pub acts: usize,
}

/// Leaves out of a plan, and makes simpler in it, all that is not needed to break the rule that it breaks under this law.
/// No more than so many plans are tried; `progress` is told after each.
///
/// # Errors
/// When the plan breaks no rule, as a sentence.
pub fn shrink<L: Law>(
    plan: &Plan,
    law: &L,
    most: u64,
    progress: impl FnMut(Progress),
) -> Result<Shrunk, String> {
    let mut first = plan.clone();
    let played = play(plan, law, false, true);
    let breach = played.outcome.breach.ok_or("nothing is to be shrunk: this breaks no rule")?;
    cut(&mut first, &played);
    let mut search = Search { law, rule: breach.property, plan: first, tries: 1, most, progress };
    search.run();
    let Search { plan, tries, .. } = search;
    let outcome = replay(&plan, law, true);
    Ok(Shrunk { plan, outcome, tries, is_minimal: tries < most })
}

/// What is planned behind the act that breaks the rule is of no concern.
fn cut(plan: &mut Plan, played: &Played) {
    if played.before_the_finale {
        plan.acts.truncate(played.done);
        plan.open.clear();
        plan.faults_stop = None;
    }
}

struct Search<'l, L, P> {
    law: &'l L,
    /// The rule that is to be broken.
    rule: Property,
    /// The smallest plan so far that breaks it.
    plan: Plan,
    tries: u64,
    most: u64,
    progress: P,
}

impl<L: Law, P: FnMut(Progress)> Search<'_, L, P> {
    fn run(&mut self) {
        self.leave_out_handoffs();
        self.simplify_hubs();
        self.leave_out_acts();
        loop {
            let before = size(&self.plan);
            self.simplify_hubs();
            self.simplify_setup();
            self.simplify_acts();
            self.leave_out_acts();
            self.leave_out_open();
            self.leave_out_two();
            if size(&self.plan) == before || self.is_over() {
                break;
            }
        }
    }

    const fn is_over(&self) -> bool {
        self.tries >= self.most
    }

    /// Takes this one instead if it breaks the same rule.
    fn takes(&mut self, mut candidate: Plan) -> bool {
        if self.is_over() {
            return false;
        }
        self.tries += 1;
        let played = play(&candidate, self.law, false, true);
        let takes = played.outcome.breach.is_some_and(|breach| breach.property == self.rule);
        if takes {
            cut(&mut candidate, &played);
            self.plan = candidate;
        }
        (self.progress)(Progress { tries: self.tries, acts: self.plan.acts.len() });
        takes
    }

    fn takes_acts(&mut self, acts: Vec<Doing>) -> bool {
        let candidate = Plan { acts, ..self.plan.clone() };
        self.takes(candidate)
    }

    /// All that is about one handoff, with what becomes of its operations.
    fn leave_out_handoffs(&mut self) {
        let handoffs: BTreeSet<String> =
            self.plan.acts.iter().filter_map(|doing| about(&doing.act)).collect();
        for handoff in handoffs {
            let mut gone = BTreeSet::new();
            let mut acts = self.plan.acts.clone();
            acts.retain(|Doing { act, began, .. }| {
                let of_it = about(act).is_some_and(|about| about == handoff);
                if of_it {
                    gone.extend(*began);
                }
                let means = meant(act).is_some_and(|operation| gone.contains(&operation));
                !of_it && !means
            });
            if acts.len() < self.plan.acts.len() {
                self.takes_acts(acts);
            }
        }
    }

    /// Ever smaller parts of the list, from its end, down to single acts, until none of these can be left out.
    fn leave_out_acts(&mut self) {
        let mut part = self.plan.acts.len().div_ceil(2).max(1);
        loop {
            let before = self.plan.acts.len();
            let mut end = before;
            while end > 0 && !self.is_over() {
                let from = end.saturating_sub(part);
                let mut acts = self.plan.acts.clone();
                acts.drain(from..end);
                self.takes_acts(acts);
                end = from.min(self.plan.acts.len());
            }
            let goes_on = part > 1 || self.plan.acts.len() < before;
            if !goes_on || self.is_over() {
                break;
            }
            part = part.div_ceil(2);
        }
    }

    /// Of a few acts, two at once: who dies and begins again, or is asked and writes.
    fn leave_out_two(&mut self) {
        if self.plan.acts.len() > FEW {
            return;
        }
        let mut second = self.plan.acts.len();
        while second > 1 {
            second -= 1;
            for first in (0..second).rev() {
                let mut acts = self.plan.acts.clone();
                acts.remove(second);
                acts.remove(first);
                if self.takes_acts(acts) {
                    break;
                }
            }
            second = second.min(self.plan.acts.len());
        }
    }

    fn leave_out_open(&mut self) {
        for at in (0..self.plan.open.len()).rev() {
            // A finale that is not held any more has no questions.
            if at < self.plan.open.len() {
                let mut candidate = self.plan.clone();
                candidate.open.remove(at);
                self.takes(candidate);
            }
        }
    }

    /// Each knob as it is by default.
    fn simplify_setup(&mut self) {
        let plain = Setup::default();
        let knobs: [fn(&mut Setup, &Setup); 9] = [
            |setup, plain| setup.block_bytes = plain.block_bytes,
            |setup, plain| setup.journal_bytes = plain.journal_bytes,
            |setup, plain| setup.segment_bytes = plain.segment_bytes,
            |setup, plain| setup.retain = plain.retain,
            |setup, plain| setup.epsilon = plain.epsilon,
            |setup, plain| setup.bound = plain.bound,
            |setup, plain| setup.slip = plain.slip,
            |setup, _| setup.drift.fill(0),
            |setup, _| {
                if let Hubs::Several(hubs @ 2..) = &mut setup.hubs {
                    *hubs -= 1;
                    setup.drift.truncate(*hubs);
                }
            },
        ];
        for knob in knobs {
            let mut candidate = self.plan.clone();
            knob(&mut candidate.setup, &plain);
            if candidate.setup != self.plan.setup {
                self.takes(candidate);
            }
        }
    }

    /// All on the first hub; or else on the first few, with none between them to which nothing is done.
    fn simplify_hubs(&mut self) {
        let mut one = self.plan.acts.clone();
        let used: BTreeSet<usize> =
            one.iter_mut().filter_map(|doing| hub(&mut doing.act)).map(std::mem::take).collect();
        let mut few = self.plan.acts.clone();
        for hub in few.iter_mut().filter_map(|doing| hub(&mut doing.act)) {
            *hub = used.range(..*hub).count();
        }
        for acts in [one, few] {
            if acts != self.plan.acts && self.takes_acts(acts) {
                break;
            }
        }
    }

    /// As simple as this one act can be.
    fn simplify_act(&mut self, at: usize) {
        let mut tried = 0;
        while let Some(doing) = self.plan.acts.get(at) {
            let Some(act) = simpler(&self.plan, &doing.act).into_iter().nth(tried) else { break };
            let mut acts = self.plan.acts.clone();
            acts[at].act = act;
            if !self.takes_acts(acts) {
                tried += 1;
            }
        }
    }

    /// Each act as something simpler, and at the time of the one before.
    fn simplify_acts(&mut self) {
        let mut at = 0;
        while at < self.plan.acts.len() && !self.is_over() {
            self.simplify_act(at);
            let before = at.checked_sub(1).and_then(|before| self.plan.acts.get(before));
            let earlier = before.map_or(BEGINS, |doing| doing.at);
            if self.plan.acts.get(at).is_some_and(|doing| earlier < doing.at) {
                let mut acts = self.plan.acts.clone();
                acts[at].at = earlier;
                self.takes_acts(acts);
            }
            at += 1;
        }
        let last = self.plan.acts.last().map_or(BEGINS, |doing| doing.at);
        if self.plan.faults_stop.is_some_and(|stop| last < stop) {
            let candidate = Plan { faults_stop: Some(last), ..self.plan.clone() };
            self.takes(candidate);
        }
    }
}

/// The handoff that an act is about, if it is about one.
fn about(act: &Act) -> Option<String> {
    match act {
        Act::Ask(asked) => match &asked.demand {
            Demand::Command { handoff, .. } | Demand::Read { handoff, .. } => Some(handoff.to_string()),
            Demand::Poll { .. } => None,
        },
        Act::Sweep { handoff, .. }
        | Act::Deed(Deed::Claims(handoff) | Deed::Completes(handoff) | Deed::Rejects(handoff)) => {
            Some(handoff.to_string())
        }
        Act::Deed(Deed::Drops(said)) => Some(said.handoff.clone()),
        Act::Deed(Deed::DeletesLog)
        | Act::LookAround { .. }
        | Act::Work { .. }
        | Act::Doom { .. }
        | Act::Die { .. }
        | Act::Restart { .. }
        | Act::SetClock { .. }
        | Act::Trouble(_)
        | Act::Heal
        | Act::Effect { .. }
        | Act::Hear { .. }
        | Act::Follow { .. } => None,
    }
}

/// Which hub it is done to, if to one.
const fn hub(act: &mut Act) -> Option<&mut usize> {
    match act {
        Act::Ask(asked) => Some(&mut asked.hub),
        Act::LookAround { hub }
        | Act::Work { hub }
        | Act::Doom { hub, .. }
        | Act::Die { hub, .. }
        | Act::Restart { hub }
        | Act::SetClock { hub, .. }
        | Act::Sweep { hub, .. } => Some(hub),
        Act::Deed(_)
        | Act::Trouble(_)
        | Act::Heal
        | Act::Effect { .. }
        | Act::Hear { .. }
        | Act::Follow { .. } => None,
    }
}

/// Two plans of one size are alike, as far as this goes: whoever gets smaller by what is tried tries on.
fn size(plan: &Plan) -> (usize, usize) {
    (plan.acts.len(), plan.open.len())
}

/// The operation that it goes on with.
const fn meant(act: &Act) -> Option<u32> {
    match act {
        Act::Effect { operation, .. } | Act::Hear { operation } | Act::Follow { operation } => {
            Some(*operation)
        }
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
        | Act::Sweep { .. } => None,
    }
}

/// What could be done instead, each simpler than it, the simplest last.
fn simpler(plan: &Plan, act: &Act) -> Vec<Act> {
    let mut all: Vec<Act> = match act {
        Act::Ask(asked) => asked_simpler(plan, asked),
        Act::Doom { hub, after, death } => {
            let mut all = vec![Act::Doom { hub: *hub, after: *after, death: Death::Killed }];
            all.push(Act::Die { hub: *hub, death: *death });
            all.push(Act::Die { hub: *hub, death: Death::Killed });
            all
        }
        Act::Die { hub, .. } => vec![Act::Die { hub: *hub, death: Death::Killed }],
        Act::SetClock { hub, .. } => vec![Act::SetClock { hub: *hub, ahead: 0 }],
        Act::Effect { operation, fate, .. } => vec![
            Act::Effect { operation: *operation, fate: *fate, held: false },
            Act::Effect { operation: *operation, fate: Fate::Answered, held: false },
        ],
        Act::Sweep { handoff, .. } => vec![Act::Sweep { hub: 0, handoff: *handoff }],
        Act::LookAround { .. }
        | Act::Work { .. }
        | Act::Restart { .. }
        | Act::Deed(_)
        | Act::Trouble(_)
        | Act::Heal
        | Act::Hear { .. }
        | Act::Follow { .. } => Vec::new(),
    };
    all.retain(|other| other != act);
    all
}

/// To the first hub, without waiting, without receipts, and of few bytes.
fn asked_simpler(plan: &Plan, asked: &Asked) -> Vec<Act> {
    let Asked { demand, .. } = asked;
    let with = |demand: Demand| Act::Ask(Box::new(Asked { demand, ..asked.clone() }));
    let mut all = vec![Act::Ask(Box::new(Asked { hub: 0, ..asked.clone() }))];
    match demand {
        Demand::Poll { target, .. } => all.push(with(Demand::Poll { target: *target, wait: Millis(0) })),
        Demand::Read { .. } => {}
        Demand::Command { handoff, command } => {
            let mut said = text::ask(&plan.cast, command);
            match &mut said {
                Ask::Start { artifact, .. } => "d0".clone_into(&mut artifact.digest),
                Ask::Accept { receipt, .. } | Ask::Complete { receipt, .. } | Ask::Reject { receipt, .. } => {
                    *receipt = None;
                }
                Ask::Sweep => {}
            }
            let command = text::command(&plan.cast, &said).ok();
            all.extend(command.map(|command| with(Demand::Command { handoff: *handoff, command })));
        }
    }
    all
}
