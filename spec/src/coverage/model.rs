//! What the models of hubs can show: the truth that a run is held against.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::thread;

use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::operation::{Effect, Outcome};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::label::{Deadline, Label, Verdict, Wrote};
use super::situation::{Kind, Place, Situation, Work};
use super::watcher::Then;
use super::{Edge, Seen, Stage};
use crate::explorer::Visited;
use crate::hubs::{self, Action, Asker, Config, Fate, Hubs, Late, Running, State};
use crate::model::{Model, Story};
use crate::profile::Profile;

/// The configurations whose steps count: those in which everything that the protocol assumes holds.
#[must_use]
pub fn configurations(profile: Profile) -> Vec<(String, Config)> {
    let passes: Vec<_> = hubs::bounds().into_iter().map(|bound| bound.pass.name).collect();
    let counts = |id: &str, config: &Config| match id.split_once('/') {
        Some(("hubs" | "live", _)) => true,
        Some(("bound", _)) => passes.contains(&config.name),
        Some(_) | None => false,
    };
    hubs::configurations(profile).into_iter().filter(|(id, config)| counts(id, config)).collect()
}

/// What was found in one configuration.
#[derive(Debug, Clone)]
pub struct Explored {
    /// The id of its check.
    pub id: String,
    /// How many states were looked at.
    pub states: u64,
    /// What they show.
    pub seen: Seen,
}

/// Everything that can happen to one handoff in the configurations of this profile, each looked through whole, on all
/// cores. In the order of [`configurations`].
#[must_use]
pub fn explore_all(profile: Profile) -> Vec<Explored> {
    let open = Mutex::new(configurations(profile).into_iter().enumerate());
    let next = || open.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut found = Vec::new();
        while let Some((number, (id, config))) = next() {
            let (seen, states) = explore(&config);
            found.push((number, Explored { id, states, seen }));
        }
        found
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let found = workers.into_iter().map(|worker| worker.join().expect("a model does not panic"));
        found.flatten().collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, explored)| explored).collect()
}

/// Everything that can happen to one handoff in this configuration, looked through whole, and in how many states.
///
/// It does without the history checkers, which decide nothing and only tell states apart, and takes for one what differs
/// in the order of the hubs only.
#[must_use]
pub fn explore(config: &Config) -> (Seen, u64) {
    let model = Hubs { law: Protocol, config: Config { history: false, ..config.clone() } };
    let mut seen = Seen::default();
    let mut visited = Visited::default();
    let mut open = Vec::new();
    for state in model.initial() {
        let state = model.canonical(state);
        if visited.insert(&state).1 {
            open.push(state);
        }
    }
    let mut actions = Vec::new();
    while let Some(state) = open.pop() {
        actions.clear();
        model.actions(&state, &mut actions);
        for action in &actions {
            let next = model.next(&state, action, &mut Story::quiet());
            project(&model, &state, action, &next, &mut |edge| seen.add(edge));
            let next = model.canonical(next);
            if visited.insert(&next).1 {
                open.push(next);
            }
        }
    }
    (seen, visited.len() as u64)
}

/// Where this handoff stands.
fn situation<L: Law>(state: &State<L>, handoff: u8) -> Situation {
    let register = &state.registers[usize::from(handoff)];
    let mut work = Work::default();
    for running in state.hubs.iter().flat_map(|hub| &hub.running) {
        if *running.operation.handoff() == handoff {
            work.add(Kind::of(running.operation.command()), stage(running));
        }
    }
    Situation::new(Place::of(register.record(), register.pruned), &work)
}

fn stage<L: Law>(running: &Running<L>) -> Stage {
    match (&running.heard, running.operation.effect()) {
        (Some(_), _) => Stage::Heard,
        (None, Effect::Load) => Stage::ToLoad,
        (None, Effect::Insert { .. } | Effect::Swap { .. }) => Stage::ToWrite,
    }
}

/// What this step of the model is to each handoff that it is a step of.
pub fn project<L: Law + Ord>(
    model: &Hubs<L>,
    state: &State<L>,
    action: &Action,
    next: &State<L>,
    saw: &mut dyn FnMut(Edge),
) {
    let mut step = |handoff: u8, label: Label| {
        saw(Edge { before: situation(state, handoff), label, after: situation(next, handoff) });
    };
    match action {
        Action::Effect(hub, asker, fate) => {
            if let Some(running) = running(state, *hub, *asker) {
                let handoff = *running.operation.handoff();
                step(handoff, effect(model, state, next, (*hub, running), *fate));
            }
        }
        Action::Hear(hub, asker) => {
            if let Some(running) = running(state, *hub, *asker) {
                step(*running.operation.handoff(), hears(model, state, next, (*hub, running)));
            }
        }
        Action::Follow(late) => {
            let Late { command, next: written, .. } = &state.late[*late];
            let took_effect = was_written(state, next, written.id);
            step(written.id, Label::Follows(Kind::of(command), took_effect));
        }
        Action::Crash(hub) => {
            let in_hand = state.hubs[*hub].running.iter().filter(|running| stage(running) != Stage::ToLoad);
            let gone: BTreeSet<u8> = in_hand.map(|running| *running.operation.handoff()).collect();
            gone.into_iter().for_each(|handoff| step(handoff, Label::Crashes));
        }
        Action::Prune(_, handoff) => step(*handoff, Label::Prunes),
        Action::Tick
        | Action::Ask(..)
        | Action::Deliver(..)
        | Action::Sweep(..)
        | Action::Send(_)
        | Action::Receive(..)
        | Action::Lose(_)
        | Action::Restart(_)
        | Action::Cut(_)
        | Action::Heal(_)
        | Action::SetClock(..)
        | Action::ShareClock(_)
        | Action::Look(_)
        | Action::Log(_)
        | Action::Forget(_) => {}
    }
}

fn running<L: Law>(state: &State<L>, hub: usize, asker: Asker) -> Option<&Running<L>> {
    let hub = &state.hubs[hub];
    hub.working_for(asker).map(|slot| &*hub.running[slot])
}

/// Whether the step wrote this handoff's record.
fn was_written<L: Law>(state: &State<L>, next: &State<L>, handoff: u8) -> bool {
    let version = |state: &State<L>| state.registers[usize::from(handoff)].next_version;
    version(state) != version(next)
}

fn effect<L: Law + Ord>(
    model: &Hubs<L>,
    state: &State<L>,
    next: &State<L>,
    (hub, running): (usize, &Running<L>),
    fate: Fate,
) -> Label {
    let (kind, handoff) = (Kind::of(running.operation.command()), *running.operation.handoff());
    let loads = stage(running) == Stage::ToLoad;
    let took_effect = was_written(state, next, handoff);
    match fate {
        Fate::Fails => Label::Fails(kind, stage(running)),
        Fate::Held if loads => Label::LoadHeld(kind),
        Fate::Answered if loads => {
            let stored = state.registers[usize::from(handoff)].stored.clone();
            decides(model, (state, next), (hub, running), false, Outcome::Loaded(stored))
        }
        Fate::RequestLost | Fate::AnswerLost | Fate::Delayed if loads => Label::LoadLost(kind),
        Fate::Answered | Fate::Held => {
            let wrote = if took_effect { Wrote::Written } else { Wrote::Conflict };
            Label::Writes(kind, wrote, fate == Fate::Held)
        }
        Fate::AnswerLost if took_effect => Label::Writes(kind, Wrote::AnswerLost, false),
        Fate::AnswerLost | Fate::RequestLost => Label::Writes(kind, Wrote::Lost, false),
        Fate::Delayed => Label::Writes(kind, Wrote::Delayed, false),
    }
}

fn hears<L: Law + Ord>(
    model: &Hubs<L>,
    state: &State<L>,
    next: &State<L>,
    (hub, running): (usize, &Running<L>),
) -> Label {
    let kind = Kind::of(running.operation.command());
    match &running.heard {
        Some(Outcome::Written) => Label::Hears(kind, Wrote::Written),
        Some(Outcome::Conflict) => Label::Hears(kind, Wrote::Conflict),
        Some(Outcome::Loaded(_) | Outcome::Unknown | Outcome::Failed) | None => {
            let heard = running.heard.clone().unwrap_or(Outcome::Unknown);
            decides(model, (state, next), (hub, running), true, heard)
        }
    }
}

/// What a hub makes of the record that it is shown. What it answers nobody keeps, so that the operation is asked.
fn decides<L: Law + Ord>(
    model: &Hubs<L>,
    (state, next): (&State<L>, &State<L>),
    (hub, running): (usize, &Running<L>),
    held: bool,
    shown: Outcome<Small>,
) -> Label {
    let kind = Kind::of(running.operation.command());
    let now = Time(state.hubs[hub].now(&model.law, state.time));
    let record = match &shown {
        Outcome::Loaded(stored) => stored.as_ref().map(|stored| &stored.record),
        Outcome::Written | Outcome::Conflict | Outcome::Unknown | Outcome::Failed => None,
    };
    let deadline = Deadline::that_matters(kind, Deadline::brought(running.operation.command()), record);
    let deadline = Deadline::held_against(deadline, now);
    let goes_on = next.hubs[hub].working_for(running.asker).is_some();
    let answers: Option<Verdict> = if goes_on {
        None
    } else {
        match Then::of(&running.operation.clone().next(shown, now)) {
            Then::Answers(verdict) => Some(verdict),
            Then::Held | Then::GoesOn => None,
        }
    };
    Label::Decides { kind, held, deadline, answers }
}
