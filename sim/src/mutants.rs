//! Mutants: what the simulator finds when a law or a store is not what it should be. A batch that never fails shows
//! nothing; one that finds every seeded fault shows what it would have found.
//!
//! What finds each of them is on a [list](recorded), which is held to its word in seconds.

pub mod recorded;

use handoff_hub::store::Slip;
use handoff_kernel::law::Protocol;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_spec::model::{Breach, Property};

use crate::act::Setup;
use crate::live;
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
        let swarm = Swarm::draw(seed, profile);
        match self {
            Self::Law(fault) => live::run(&Variant::with(fault), &swarm, false).breach,
            Self::Store(slip) => {
                let setup = Setup { slip: Some(slip), ..swarm.setup };
                live::run(&Protocol, &Swarm { setup, ..swarm }, false).breach
            }
        }
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
