//! A walk: what chance alone would hardly bring together is gone to, step by step. A goal is one step that the models show;
//! the [`Atlas`] knows the way to where it begins, and each step on it is [brought about](super::steps).
//!
//! A walk that ends somewhere else than it wanted is a walk all the same: whatever happens is held against the rules.

use handoff_kernel::law::Law;
use handoff_spec::coverage::{Edge, Kind, Label, MANY, Place, Situation, Stage as Stand, Work, Wrote};

use super::atlas::Atlas;
use super::steps::stand_of;
use super::{Focus, Race};
use crate::act::{Act, Death};
use crate::several::OnItsWay;
use crate::stage::Stage as _;

/// So many goals of one walk at the most, so many steps, and so many that could not be brought about.
const GOALS: u32 = 6;
const STEPS: u32 = 120;
const MISSES: u32 = 8;

/// So many in a thousand have a time limit for claims: most of what models show is of those.
const BOUNDED: u64 = 800;

/// So many claimants there are, each with a claim of its own, or an anonymous one.
const CLAIMS: u32 = 4;

/// So often one goal is tried, once the walk is where it begins.
const TRIES: u32 = 4;

/// So many draws of a goal, until one will do that the run has shown already; and of what has to be before it, of which
/// the one that is least out of the way is gone to.
const DRAWS: u32 = 12;

/// So many operations may be left over, before all hubs are begun anew.
const LEFT: usize = 40;

/// Where a walk leads.
#[derive(Debug, Clone, Copy)]
struct Goal {
    /// What has to be before, so that the step can be there at all: somebody is shown a record, or writes late.
    first: Option<Edge>,
    step: Edge,
    tries: u32,
}

impl<L: Law> Race<'_, L> {
    /// One handoff is taken wherever its goals are.
    pub(super) fn walk(&mut self, number: u64) {
        let atlas = Atlas::committed();
        let bounded = self.chance.permille(BOUNDED);
        let mut focus = self.focus(number, bounded);
        for _ in 0..CLAIMS {
            let claim_id = self.next_claim(700);
            focus.accepts.push((self.claimants, claim_id));
        }
        let (mut goals, mut misses, mut goal) = (0, 0, None::<Goal>);
        for _ in 0..STEPS {
            if misses > MISSES || self.watchers.judge.breach().is_some() {
                break;
            }
            let here = self.here(&focus);
            let to = goal.map(|goal| goal.first.unwrap_or(goal.step).before);
            let way = to.and_then(|to| Some((to, atlas.far(bounded, &here, &to)?)));
            let (Some(at), Some((to, far))) = (&mut goal, way) else {
                goals += 1;
                goal = if goals > GOALS { None } else { self.draw(atlas, bounded, &here) };
                if goal.is_none() {
                    break;
                }
                continue;
            };
            let done = match (far, at.first) {
                (0, Some(first)) => {
                    at.first = None;
                    self.prepares(&mut focus, &first, at.step.label)
                }
                (0, None) => {
                    at.tries += 1;
                    let step = at.step;
                    let over = at.tries > TRIES;
                    let done = self.goes(atlas, &mut focus, &step);
                    if over || self.watchers.coverage.seen().edges.contains_key(&step) {
                        goal = None;
                    }
                    done
                }
                (far, _) => {
                    let nearer =
                        |step: &&Edge| atlas.far(bounded, &step.after, &to).is_some_and(|left| left < far);
                    let mut steps: Vec<Edge> = atlas.from(&here).filter(nearer).copied().collect();
                    self.chance.shuffle(&mut steps);
                    steps.iter().any(|step| self.goes(atlas, &mut focus, step))
                }
            };
            if !done {
                misses += 1;
                let steps: Vec<Edge> = atlas.from(&here).copied().collect();
                let _moved = self.brings_about_one_of(&mut focus, steps);
            }
        }
        self.leave(&focus);
    }

    /// A goal that there is a way to, rather one that this run has not shown.
    fn draw(&mut self, atlas: &'static Atlas, bounded: bool, here: &Situation) -> Option<Goal> {
        let mut drawn = None;
        for _ in 0..DRAWS {
            let step = self.any(atlas);
            let unseen = !self.watchers.coverage.seen().edges.contains_key(&step);
            let there = atlas.far(bounded, here, &step.before);
            if there.is_none() || (drawn.is_some() && !unseen) {
                continue;
            }
            drawn = Some(step);
            if unseen {
                break;
            }
        }
        let step = drawn?;
        let (mut first, mut shortest) = (None, u16::MAX);
        let before = needs(step.label).map_or(&[][..], |label| atlas.labelled(label));
        for _ in 0..if before.is_empty() { 0 } else { DRAWS } {
            let edge = atlas.edge(*self.chance.pick(before));
            // Where a late write takes effect, nothing may have been written since.
            if matches!(step.label, Label::Follows(_, true)) && edge.before.place() != step.before.place() {
                continue;
            }
            let there = atlas.far(bounded, here, &edge.before);
            let on = atlas.far(bounded, &edge.after, &step.before);
            if let (Some(there), Some(on)) = (there, on)
                && there + on < shortest
            {
                (first, shortest) = (Some(*edge), there + on);
            }
        }
        Some(Goal { first, step, tries: 0 })
    }

    fn any(&mut self, atlas: &'static Atlas) -> Edge {
        let number = self.chance.below(atlas.len() as u64);
        *atlas.edge(usize::try_from(number).unwrap_or(0))
    }

    fn here(&self, focus: &Focus) -> Situation {
        let known = self.watchers.coverage.situation(&focus.handoff);
        known.unwrap_or_else(|| Situation::new(Place::Nothing, &Work::default()))
    }

    /// Nobody is left at it for ever: some of them go on, and of too many their hubs are begun anew.
    fn leave(&mut self, focus: &Focus) {
        let left: Vec<(u32, bool)> =
            self.stage.on_their_way(&focus.handoff).map(|it| (it.number, it.heard.is_some())).collect();
        for (operation, heard) in left {
            if self.chance.permille(300) {
                self.go_on(operation, heard);
            }
        }
        if self.stage.late().len() > LEFT {
            for operation in self.stage.late() {
                self.act(&Act::Follow { operation });
            }
        }
        if self.stage.under_way().len() > LEFT {
            for hub in 0..self.swarm.setup.count() {
                self.act(&Act::Die { hub, death: Death::Killed });
                self.act(&Act::Restart { hub });
            }
        }
    }

    // ------------------------------------------------------------------------------------------- how many there are

    /// How many operations of this kind stand there.
    fn count(&self, focus: &Focus, (kind, stand): (Kind, Stand)) -> usize {
        let at = |it: &OnItsWay<'_, L>| Kind::of(it.operation.command()) == kind && stand_of(it) == stand;
        self.stage.on_their_way(&focus.handoff).filter(at).count()
    }

    /// Takes this step, or, where it is to leave [`MANY`] of those that it takes one of and there are no more than that,
    /// sees to it that there is one more.
    fn goes(&mut self, atlas: &'static Atlas, focus: &mut Focus, step: &Edge) -> bool {
        if let Some((kind, stand)) = takes(step.label)
            && [step.before, step.after].map(|there| there.count(kind, stand)) == [MANY; 2]
            && self.count(focus, (kind, stand)) == usize::from(MANY)
        {
            return self.adds_to(atlas, focus, step);
        }
        self.brings_about(focus, step)
    }

    /// One more of what the step takes away.
    fn adds_to(&mut self, atlas: &'static Atlas, focus: &mut Focus, step: &Edge) -> bool {
        let Some((kind, stand)) = takes(step.label) else { return false };
        let adds = |step: &&Edge| {
            let one_more = match stand {
                Stand::ToWrite => {
                    matches!(step.label, Label::Decides { kind: of, held: false, answers: None, .. } if of == kind)
                }
                Stand::Heard => step.label == Label::LoadHeld(kind),
                Stand::ToLoad => false,
            };
            one_more && step.before == step.after
        };
        let steps = atlas.from(&step.before).filter(adds).copied().collect();
        self.brings_about_one_of(focus, steps)
    }
}

/// What has to have happened before, if this can only be after something else.
const fn needs(label: Label) -> Option<Label> {
    match label {
        Label::Decides { kind, held: true, .. } => Some(Label::LoadHeld(kind)),
        Label::Hears(kind, wrote) => Some(Label::Writes(kind, wrote, true)),
        Label::Follows(kind, _) => Some(Label::Writes(kind, Wrote::Delayed, false)),
        Label::Decides { held: false, .. }
        | Label::LoadHeld(_)
        | Label::LoadLost(_)
        | Label::Writes(..)
        | Label::Fails(..)
        | Label::Crashes
        | Label::Prunes => None,
    }
}

/// What a step takes away from where it begins.
const fn takes(label: Label) -> Option<(Kind, Stand)> {
    match label {
        Label::Decides { kind, held: true, .. } | Label::Hears(kind, _) => Some((kind, Stand::Heard)),
        Label::Writes(kind, ..) | Label::Fails(kind, Stand::ToWrite) => Some((kind, Stand::ToWrite)),
        Label::Decides { held: false, .. }
        | Label::LoadHeld(_)
        | Label::LoadLost(_)
        | Label::Fails(_, Stand::ToLoad | Stand::Heard)
        | Label::Follows(..)
        | Label::Crashes
        | Label::Prunes => None,
    }
}
