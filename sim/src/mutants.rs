//! Mutants: what the simulator finds when a law or a store is not what it should be. A batch that never fails shows
//! nothing; one that finds every seeded fault shows what it would have found.
//!
//! What finds each of them is on a [list](recorded), which is held to its word in seconds.

pub mod recorded;

use handoff_hub::store::Slip;
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_spec::model::{Breach, Property};

use crate::act::Setup;
use crate::live;
use crate::run::Outcome;
use crate::swarm::{Profile, Swarm};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The law that all hubs decide by.
    Law(Fault),
    /// The order in which the directory store does things.
    Store(Slip),
}

/// Where a mutant was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// In which worlds.
    pub profile: Profile,
    /// The seed.
    pub seed: u64,
    /// How many runs it took, those of the profiles before among them.
    pub runs: u64,
    /// What broke.
    pub breach: Breach,
}

/// What runs are run under: a law, and perhaps what the directory store lets slip besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried {
    /// The law that all hubs decide by.
    pub law: Variant,
    /// What the store lets slip.
    pub slip: Option<Slip>,
}

impl Tried {
    /// The law of this name, or the protocol with the slip of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if let Some(law) = Variant::named(name) {
            return Some(Self { law, slip: None });
        }
        let slip = Slip::ALL.into_iter().find(|slip| format!("{slip:?}").eq_ignore_ascii_case(name))?;
        Some(Self { slip: Some(slip), ..Self::default() })
    }

    /// Its name, by which it is found again.
    #[must_use]
    pub fn name(&self) -> String {
        self.slip.map_or_else(|| self.law.name(), |slip| format!("{slip:?}"))
    }

    /// What comes of this under it.
    #[must_use]
    pub fn run(&self, swarm: &Swarm, tell: bool) -> Outcome {
        if self.slip.is_none() {
            return live::run(&self.law, swarm, tell);
        }
        let setup = Setup { slip: self.slip, ..swarm.setup.clone() };
        live::run(&self.law, &Swarm { setup, ..swarm.clone() }, tell)
    }
}

impl Mutant {
    /// All that can be wrong with what is simulated: of the bootstrap there is nothing here.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let faults = Fault::ALL.into_iter().filter(|fault| fault.machine() != Machine::Bootstrap);
        faults.map(Self::Law).chain(Slip::ALL.map(Self::Store)).collect()
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Law(fault) => fault.name().to_owned(),
            Self::Store(slip) => format!("{slip:?}"),
        }
    }

    /// Of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|mutant| mutant.name().eq_ignore_ascii_case(name))
    }

    /// The worlds in which it is looked for, in order.
    #[must_use]
    pub const fn profiles(self) -> &'static [Profile] {
        match self {
            Self::Law(_) => &[Profile::Directory, Profile::Several, Profile::Races],
            Self::Store(_) => &[Profile::Directory],
        }
    }

    /// Whether a breach is of the rule that is named for it. A slip of the store is named for none.
    #[must_use]
    pub fn is_named(self, breach: &Breach) -> bool {
        match self {
            Self::Law(fault) => breach.property == Property::Rule(fault.caught_by()),
            Self::Store(_) => true,
        }
    }

    /// What comes of this seed with it.
    #[must_use]
    pub fn breaks(self, seed: u64, profile: Profile) -> Option<Breach> {
        let tried = match self {
            Self::Law(fault) => Tried { law: Variant::with(fault), slip: None },
            Self::Store(slip) => Tried { slip: Some(slip), ..Tried::default() },
        };
        tried.run(&Swarm::draw(seed, profile), false).breach
    }

    /// What this seed breaks with it and does not break without it.
    #[must_use]
    pub fn found_by(self, seed: u64, profile: Profile) -> Option<Breach> {
        let breach = self.breaks(seed, profile)?;
        let sound = live::run(&Protocol, &Swarm::draw(seed, profile), false).breach.is_none();
        sound.then_some(breach)
    }

    /// The first seed that finds it, of so many of each profile; `ran` is told after each run. A seed that breaks a rule
    /// without it finds nothing.
    pub fn hunt(self, seeds: u64, mut ran: impl FnMut(u64)) -> Option<Found> {
        let mut runs = 0;
        for &profile in self.profiles() {
            for seed in 0..seeds {
                runs += 1;
                ran(runs);
                if let Some(breach) = self.found_by(seed, profile) {
                    return Some(Found { profile, seed, runs, breach });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_is_found_by_its_name_whether_it_is_a_law_or_a_slip() {
        let laws = ["protocol", "everybody_wins", "everybody_wins+grace_ms=5"];
        let slips = Slip::ALL.map(|slip| format!("{slip:?}"));
        for name in laws.into_iter().chain(slips.iter().map(String::as_str)) {
            assert_eq!(Tried::named(name).map(|tried| tried.name()).as_deref(), Some(name));
        }
        assert_eq!(Tried::named("protocol"), Some(Tried::default()));
        let slips = Tried { slip: Some(Slip::CutsTooEarly), ..Tried::default() };
        assert_eq!(Tried::named("cutstooearly"), Some(slips));
        assert_eq!(Tried::named("nothing"), None);
    }

    #[test]
    fn a_slip_that_is_tried_breaks_what_the_mutant_breaks_and_its_trace_says_so() {
        let (slip, seed, profile) = (Slip::MiscountsTheArtifact, 0, Profile::Directory);
        let found = Mutant::Store(slip).breaks(seed, profile);
        let tried = Tried { slip: Some(slip), ..Tried::default() };
        let outcome = tried.run(&Swarm::draw(seed, profile), true);
        assert!(found.is_some());
        assert_eq!(outcome.breach, found);
        let trace = outcome.trace.unwrap().to_ndjson();
        assert!(trace.contains("\"slip\":\"MiscountsTheArtifact\""), "shrink and replay need it");
    }
}
