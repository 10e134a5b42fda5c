//! The atlas: what the models of hubs show, as a map. Where a handoff can stand are its places, the steps between them its
//! ways; so whoever wants to see one particular step knows how to get to where it begins.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use handoff_spec::coverage::{Edge, Label, Place, Situation, Truth};
use handoff_spec::profile::Profile;

static COMMITTED: LazyLock<Atlas> = LazyLock::new(|| {
    let truth = Truth::committed().expect("a test reads what is committed");
    Atlas::of(truth.edges(Profile::Ci).copied())
});

/// No way leads there.
const NEVER: u16 = u16::MAX;

/// A step that can be had only where something else was before: what a hub was shown a while ago.
const DEAR: u16 = 6;

/// One that hangs on a write that may still follow, which is in no situation: where no other way leads.
const DEAREST: u16 = 20;

/// See the module. For handoffs whose claims are bounded by their author, and for those whose are not.
#[derive(Debug)]
pub(super) struct Atlas {
    numbers: BTreeMap<Situation, usize>,
    edges: Vec<Way>,
    /// By the number of a situation, the edges that begin there, and those that end there.
    out: Vec<Vec<usize>>,
    into: Vec<Vec<usize>>,
    /// The edges at which this happens.
    labelled: BTreeMap<Label, Vec<usize>>,
    /// How far it is to a situation, from each: found when it is first asked for.
    far: [Vec<OnceLock<Vec<u16>>>; 2],
}

#[derive(Debug)]
struct Way {
    from: usize,
    edge: Edge,
    costs: Option<u16>,
}

impl Atlas {
    /// That of what is committed.
    pub(super) fn committed() -> &'static Self {
        &COMMITTED
    }

    fn of(edges: impl Iterator<Item = Edge>) -> Self {
        let mut atlas = Self {
            numbers: BTreeMap::new(),
            edges: Vec::new(),
            out: Vec::new(),
            into: Vec::new(),
            labelled: BTreeMap::new(),
            far: [Vec::new(), Vec::new()],
        };
        for edge in edges {
            // Retention is a directory store's: no way here leads over it.
            if edge.label == Label::Prunes || edge.before.place() == Place::Pruned {
                continue;
            }
            let [from, to] = [edge.before, edge.after].map(|situation| atlas.enter(situation));
            atlas.out[from].push(atlas.edges.len());
            atlas.into[to].push(atlas.edges.len());
            atlas.labelled.entry(edge.label).or_default().push(atlas.edges.len());
            atlas.edges.push(Way { from, edge, costs: costs(edge.label) });
        }
        let none = || atlas.out.iter().map(|_| OnceLock::new()).collect();
        atlas.far = [none(), none()];
        atlas
    }

    fn enter(&mut self, situation: Situation) -> usize {
        let next = self.numbers.len();
        let number = *self.numbers.entry(situation).or_insert(next);
        if number == next {
            self.out.push(Vec::new());
            self.into.push(Vec::new());
        }
        number
    }

    /// How many steps there are.
    pub(super) const fn len(&self) -> usize {
        self.edges.len()
    }

    /// The step of this number.
    pub(super) fn edge(&self, number: usize) -> &Edge {
        &self.edges[number].edge
    }

    /// The numbers of the steps at which this happens.
    pub(super) fn labelled(&self, label: Label) -> &[usize] {
        self.labelled.get(&label).map(|edges| &**edges).unwrap_or_default()
    }

    /// The steps that begin here; none where no model has ever been.
    pub(super) fn from(&self, here: &Situation) -> impl Iterator<Item = &Edge> {
        let out = self.numbers.get(here).map(|number| &*self.out[*number]).unwrap_or_default();
        out.iter().map(|edge| self.edge(*edge))
    }

    /// How far it is from here to there, if there is a way, of a handoff whose claims are bounded or are not.
    pub(super) fn far(&self, bounded: bool, here: &Situation, there: &Situation) -> Option<u16> {
        if !can_be(bounded, there) {
            return None;
        }
        let there = *self.numbers.get(there)?;
        let far = self.far[usize::from(bounded)][there].get_or_init(|| self.distances(bounded, there));
        let far = far[*self.numbers.get(here)?];
        (far != NEVER).then_some(far)
    }

    /// From everywhere, the shortest way's length: by rings, each of those that are as far.
    fn distances(&self, bounded: bool, there: usize) -> Vec<u16> {
        let mut far = vec![NEVER; self.out.len()];
        far[there] = 0;
        let mut rings = vec![vec![there]];
        let mut ring = 0;
        while let Some(these) = rings.get_mut(ring).map(std::mem::take) {
            for at in these {
                // A shorter way there was found since.
                if usize::from(far[at]) != ring {
                    continue;
                }
                for Way { from, edge, costs } in self.into[at].iter().map(|edge| &self.edges[*edge]) {
                    let Some(costs) = costs.filter(|_| can_be(bounded, &edge.before)) else { continue };
                    let along = far[at] + costs;
                    if along < far[*from] {
                        far[*from] = along;
                        let ring = usize::from(along);
                        rings.resize_with(rings.len().max(ring + 1), Vec::new);
                        rings[ring].push(*from);
                    }
                }
            }
            ring += 1;
        }
        far
    }
}

/// Whether a handoff can stand there whose claims are bounded, or are not.
const fn can_be(bounded: bool, situation: &Situation) -> bool {
    match situation.place() {
        Place::Claimed { bounded: of, .. } => of == bounded,
        Place::ClaimExpired => bounded,
        Place::Nothing
        | Place::Pruned
        | Place::Pending
        | Place::Completed
        | Place::Declined { .. }
        | Place::Expired => true,
    }
}

/// What it takes to go this way; none, if nobody here can.
const fn costs(label: Label) -> Option<u16> {
    match label {
        Label::Prunes => None,
        Label::Follows(..) => Some(DEAREST),
        Label::Decides { held: true, .. } | Label::Hears(..) | Label::Crashes => Some(DEAR),
        Label::Decides { held: false, .. }
        | Label::LoadHeld(_)
        | Label::LoadLost(_)
        | Label::Writes(..)
        | Label::Fails(..) => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_nothing_there_is_a_way_to_everywhere_and_each_step_on_it_is_nearer() {
        let atlas = Atlas::committed();
        let nothing: Situation = "nothing".parse().unwrap();
        assert!(atlas.len() > 7_000, "{}", atlas.len());
        for edge in (0..atlas.len()).map(|number| atlas.edge(number)) {
            let (mut at, there) = (nothing, edge.before);
            let bounded = [true, false].into_iter().find(|is| atlas.far(*is, &nothing, &there).is_some());
            let bounded = bounded.unwrap_or_else(|| panic!("no way to {edge}"));
            while at != there {
                let far = atlas.far(bounded, &at, &there);
                let nearer = |step: &&Edge| {
                    let left = atlas.far(bounded, &step.after, &there);
                    left.is_some() && left < far
                };
                let step = atlas.from(&at).find(nearer).copied();
                at = step.unwrap_or_else(|| panic!("lost at {at}")).after;
            }
        }
    }

    #[test]
    fn a_claim_that_is_not_bounded_never_lapses() {
        let atlas = Atlas::committed();
        let [nothing, lapsed, pruned] =
            ["nothing", "claim expired", "pruned"].map(|text| text.parse::<Situation>().unwrap());
        assert_eq!(atlas.far(false, &nothing, &lapsed), None);
        assert!(atlas.far(true, &nothing, &lapsed).is_some());
        assert_eq!((atlas.from(&pruned).count(), atlas.far(true, &nothing, &pruned)), (0, None));
    }
}
