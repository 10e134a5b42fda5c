//! Mutants: what the simulator finds when a law or a store is not what it should be. A batch that never fails shows
//! nothing; one that finds every seeded fault shows what it would have found.

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

/// What a relay and a store that ship cannot get wrong, whatever their law says; and what nobody here looks at, which is
/// a gap.
const SILENT: [(Fault, &str); 10] = [
    (Fault::PollClaims, "the relay that ships never asks the law whether a poll claims: it has no such code"),
    (Fault::LogsFirst, "the store that ships writes one line for both: there is no order to turn around"),
    (Fault::DecidesByLog, "the relay that ships decides by the records in its memory, and never by the log"),
    (Fault::RenewsClaims, "the store that ships reads claimed_at back as it was written"),
    (Fault::SharesPlaces, "the store that ships keeps claims by their handoff's id"),
    (
        Fault::ClockReadOnce,
        "the relay reads its clock each time; where a store is asked from afar nobody bounds how late a claim is in true time",
    ),
    (
        Fault::ConflictRetriedAsIs,
        "a gap: whoever is not answered asks anew, which is answered; nobody looks at the operation that never ends",
    ),
    (Fault::RemovesEarly, RETENTION),
    (Fault::RemovesUnfinished, RETENTION),
    (Fault::LapseWraps, "an author here limits claims to seconds: no such time is near the end of time"),
];

const RETENTION: &str = "a gap: what retention may remove is asked of the same law, and not of the protocol";

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

    /// Why no run can show it, if none can.
    #[must_use]
    pub fn is_silent(self) -> Option<&'static str> {
        let Self::Law(fault) = self else { return None };
        SILENT.iter().find(|(silent, _)| *silent == fault).map(|(_, why)| *why)
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

    /// The first seed that finds it, of so many of each profile; `ran` is told after each run. A seed that breaks a rule
    /// without it finds nothing.
    pub fn hunt(self, seeds: u64, mut ran: impl FnMut(u64)) -> Option<Found> {
        let mut runs = 0;
        for &profile in self.profiles() {
            for seed in 0..seeds {
                runs += 1;
                ran(runs);
                let Some(breach) = self.breaks(seed, profile) else { continue };
                if live::run(&Protocol, &Swarm::draw(seed, profile), false).breach.is_none() {
                    return Some(Found { profile, seed, runs, breach });
                }
            }
        }
        None
    }
}
