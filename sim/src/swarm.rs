//! Swarms: one seed draws the whole configuration of a run. Each run has some faults and not others, a few clients or
//! many, so that what only shows when something else does not happen shows as well.

use core::fmt;

use handoff_kernel::time::Millis;

use crate::act::{Hubs, Ill, Setup};
use crate::chance::Chance;
use crate::network::Manners;
use crate::report::counted;

/// Which worlds are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Any: mostly one hub on directories, sometimes several on a store.
    Swarm,
    /// One hub on directories.
    Directory,
    /// Several hubs on one store.
    Several,
    /// Few handoffs that many want at once, several hubs, a store that loses answers: races.
    Races,
    /// Nothing goes wrong, and much is asked: for speed.
    Calm,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Swarm, Self::Directory, Self::Several, Self::Races, Self::Calm];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::Directory => "directory",
            Self::Several => "several",
            Self::Races => "races",
            Self::Calm => "calm",
        }
    }

    /// Of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

/// What befalls a world, and how often: the mean pause between two of a kind, in milliseconds; none is never.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Befalls {
    /// A hub dies, by a kill.
    pub kills: Option<u64>,
    /// The power is cut.
    pub power_cuts: Option<u64>,
    /// A hub's clock is set.
    pub clock_steps: Option<u64>,
    /// The network is cut.
    pub cuts: Option<u64>,
    /// Something of the disk fails; which.
    pub troubles: Option<(u64, Vec<Ill>)>,
    /// A same-host agent does something.
    pub deeds: Option<u64>,
    /// A hub pauses.
    pub pauses: Option<u64>,
    /// A client dies, and comes back.
    pub client_deaths: Option<u64>,
}

/// How the store of several hubs behaves: so many in a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Store {
    /// Answers are lost.
    pub loses_answers: u64,
    /// Requests are lost.
    pub loses_requests: u64,
    /// Writes come when their hub has given up.
    pub delays: u64,
    /// It says that it cannot.
    pub fails: u64,
    /// Its answers take a while: others act meanwhile.
    pub holds: u64,
}

/// All that one seed draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm {
    /// The seed.
    pub seed: u64,
    /// How the hubs are set up.
    pub setup: Setup,
    /// How the network behaves.
    pub network: Manners,
    /// What befalls the world.
    pub befalls: Befalls,
    /// How the store of several hubs behaves.
    pub store: Store,
    /// How many authors, target instances and strangers ask.
    pub clients: [usize; 3],
    /// How many agents have instances that things are addressed to.
    pub targets: usize,
    /// How many handoffs may be started.
    pub handoffs: u64,
    /// How long artifacts live, at the least and at the most, in milliseconds.
    pub lives: (u64, u64),
    /// So many in a thousand have a time limit for claims.
    pub limited: u64,
    /// How long a client thinks between two requests at the most, in milliseconds.
    pub thinks: u64,
    /// How long a client waits for an answer, in milliseconds.
    pub patience: u64,
    /// So many requests in a thousand are not what a sensible client would ask.
    pub odd: u64,
    /// How long a hub takes from a request to its commit at the most, in milliseconds.
    pub service: u64,
    /// For how long things go wrong, in milliseconds.
    pub lasts: u64,
    /// Where there are same-host agents: in so many of a thousand turns of a hub, one does something between what the hub
    /// decides by itself and its commit.
    pub interrupted: u64,
    /// Whether everybody is at one handoff at once: see [`crate::races`].
    pub races: bool,
}

impl Swarm {
    /// What this seed draws.
    #[must_use]
    pub fn draw(seed: u64, profile: Profile) -> Self {
        let mut chance = Chance::of(seed);
        let chance = &mut chance;
        let several = match profile {
            Profile::Swarm => chance.permille(350),
            Profile::Directory | Profile::Calm => false,
            Profile::Several | Profile::Races => true,
        };
        let races =
            profile == Profile::Races || (profile == Profile::Swarm && several && chance.permille(400));
        let hubs = if several { chance.between(1, 3) } else { 1 };
        let epsilon = *chance.pick(&[0, 5, 50, 2_000]);
        let service = *chance.pick(&[0, 1, 5, 20]);
        let most = *chance.pick(&[2, 10, 80, 400]);
        let network = Manners {
            least: chance.below(2),
            most,
            loses: *chance.pick(&[0, 0, 20, 100, 300]),
            doubles: *chance.pick(&[0, 0, 20, 150]),
        };
        let befalls = befalls(chance, several);
        let store = if several { store(chance) } else { Store::default() };
        let paused = befalls.pauses.is_some();
        let count = usize::try_from(hubs).unwrap_or(1);
        let setup = Setup {
            few: 64,
            hubs: if several { Hubs::Several(count) } else { Hubs::Directory },
            block_bytes: *chance.pick(&[512, 512, 4096]),
            journal_bytes: *chance.pick(&[8 * 1024, 32 * 1024, 256 * 1024]),
            segment_bytes: *chance.pick(&[1024, 8 * 1024, 64 * 1024]),
            retain: if several {
                None
            } else {
                *chance.pick(&[None, None, Some(Millis(0)), Some(Millis(20_000))])
            },
            epsilon,
            // Where hubs may pause, and where writes come when their hub has long given up, nobody bounds δ. From a store
            // that is asked from afar it is as far as any message goes.
            bound: (!paused && store.delays == 0)
                .then_some(epsilon + if several { most.max(2) } else { service }),
            drift: (0..count).map(|_| *chance.pick(&[0, 0, 200, -200])).collect(),
            slip: None,
        };
        let clients = if races { [1, 3, 1] } else { [1, 2, 1] };
        let clients = clients.map(|least| usize::try_from(chance.between(least, least + 2)).unwrap_or(1));
        let swarm = Self {
            seed,
            setup,
            network,
            befalls,
            store,
            clients,
            targets: usize::try_from(chance.between(1, 2)).unwrap_or(1),
            handoffs: chance.between(2, 24),
            lives: *chance.pick(&[(500, 3_000), (2_000, 20_000), (20_000, 100_000)]),
            limited: *chance.pick(&[0, 300, 800]),
            thinks: *chance.pick(&[2, 20, 300]),
            patience: *chance.pick(&[most + service + 5, 3 * (most + service) + 20]),
            odd: *chance.pick(&[0, 100, 350]),
            service,
            lasts: *chance.pick(&[3_000, 12_000, 40_000]),
            interrupted: 60,
            races: false,
        };
        let mut swarm = if races { swarm.raced(chance) } else { swarm };
        // In half of the worlds what the system tells is all that a hub has for a while, as if it had much to do.
        swarm.setup.few = *chance.pick(&[64, 0]);
        if profile == Profile::Calm { swarm.calmed() } else { swarm }
    }

    /// The same with everybody at one handoff after the other.
    fn raced(self, chance: &mut Chance) -> Self {
        Self {
            setup: Setup { epsilon: chance.below(3), bound: None, ..self.setup },
            handoffs: chance.between(20, 60),
            store: Store { fails: *chance.pick(&[0, 10, 50]), ..self.store },
            limited: *chance.pick(&[0, 500, 1000]),
            races: true,
            ..self
        }
    }

    /// The same without anything that goes wrong, and with much to do.
    fn calmed(self) -> Self {
        Self {
            setup: Setup {
                retain: None,
                drift: vec![0],
                epsilon: 0,
                bound: None,
                journal_bytes: 256 * 1024,
                segment_bytes: 64 * 1024,
                ..self.setup
            },
            network: Manners { least: 1, most: 5, loses: 0, doubles: 0 },
            befalls: Befalls::default(),
            clients: [2, 4, 0],
            handoffs: 200,
            lives: (50_000, 100_000),
            limited: 0,
            thinks: 5,
            patience: 1_000,
            odd: 0,
            service: 2,
            lasts: 10_000,
            ..self
        }
    }
}

fn befalls(chance: &mut Chance, several: bool) -> Befalls {
    fn often(chance: &mut Chance, pauses: &[u64]) -> Option<u64> {
        if chance.permille(500) { Some(*chance.pick(pauses)) } else { None }
    }
    let ills: Vec<Ill> = Ill::ALL.into_iter().filter(|_| chance.permille(350)).collect();
    let troubles = often(chance, &[400, 2_000, 8_000]).filter(|_| !several && !ills.is_empty());
    Befalls {
        kills: often(chance, &[500, 3_000, 10_000]),
        power_cuts: often(chance, &[500, 3_000, 10_000]).filter(|_| !several),
        clock_steps: often(chance, &[500, 5_000]),
        cuts: often(chance, &[700, 4_000]),
        troubles: troubles.map(|pause| (pause, ills)),
        deeds: often(chance, &[200, 1_000, 5_000]).filter(|_| !several),
        pauses: often(chance, &[1_000, 6_000]),
        client_deaths: often(chance, &[500, 4_000]),
    }
}

fn store(chance: &mut Chance) -> Store {
    Store {
        loses_answers: *chance.pick(&[0, 30, 200]),
        loses_requests: *chance.pick(&[0, 30, 150]),
        delays: *chance.pick(&[0, 30, 200]),
        fails: *chance.pick(&[0, 0, 50]),
        holds: *chance.pick(&[0, 300, 800]),
    }
}

impl fmt::Display for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, setup, network, befalls, store, clients, handoffs, lives, .. } = self;
        let many = |count: usize, what: &str| counted(count as u64, what);
        let hubs = match setup.hubs {
            Hubs::Several(hubs) if self.races => {
                return write!(
                    f,
                    "seed {seed}: {} on one store, everybody at one of {} after the other; {} in 1000 with a time limit; \
                     clocks within {} ms; a store that loses {} answers and {} requests, delays {}, fails {}, holds {} in 1000",
                    many(hubs, "hub"),
                    counted(*handoffs, "handoff"),
                    self.limited,
                    setup.epsilon,
                    store.loses_answers,
                    store.loses_requests,
                    store.delays,
                    store.fails,
                    store.holds
                );
            }
            Hubs::Directory => "one hub on directories".to_owned(),
            Hubs::Several(hubs) => format!("{} on one store", many(hubs, "hub")),
        };
        let [authors, targets, strangers] = clients;
        writeln!(
            f,
            "seed {seed}: {hubs}; {}, {}, {}, up to {}",
            many(*authors, "author"),
            many(*targets, "target instance"),
            many(*strangers, "stranger"),
            counted(*handoffs, "handoff")
        )?;
        writeln!(
            f,
            "  network {}-{} ms, loses {} and doubles {} in 1000; clocks within {} ms; artifacts live {}-{} ms; things go wrong for {} ms",
            network.least,
            network.most,
            network.loses,
            network.doubles,
            setup.epsilon,
            lives.0,
            lives.1,
            self.lasts
        )?;
        let every = |name: &str, pause: Option<u64>| pause.map(|pause| format!("{name} every {pause} ms"));
        let mut what: Vec<String> = [
            every("kills", befalls.kills),
            every("power cuts", befalls.power_cuts),
            every("clock steps", befalls.clock_steps),
            every("partitions", befalls.cuts),
            every("same-host agents", befalls.deeds),
            every("pauses", befalls.pauses),
            every("client deaths", befalls.client_deaths),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let Some((pause, ills)) = &befalls.troubles {
            let ills: Vec<&str> = ills.iter().map(|ill| ill.name()).collect();
            what.push(format!("disk trouble ({}) every {pause} ms", ills.join(", ")));
        }
        if let Hubs::Several(_) = setup.hubs {
            what.push(format!(
                "a store that loses {} answers and {} requests, delays {}, fails {}, holds {} in 1000",
                store.loses_answers, store.loses_requests, store.delays, store.fails, store.holds
            ));
        } else {
            what.push(format!(
                "blocks of {}, journals of {}, segments of {} bytes{}{}",
                setup.block_bytes,
                setup.journal_bytes,
                setup.segment_bytes,
                if setup.few == 0 { ", listed now and then" } else { "" },
                setup.retain.map_or_else(String::new, |retain| format!(", kept for {} ms", retain.0))
            ));
        }
        write!(f, "  {}", what.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_configuration_and_each_kind_is_drawn() {
        let all: Vec<Swarm> = (0..300).map(|seed| Swarm::draw(seed, Profile::Swarm)).collect();
        assert_eq!(all[7], Swarm::draw(7, Profile::Swarm));
        assert_ne!(all[7], Swarm { seed: 7, ..all[8].clone() });
        let several = all.iter().filter(|swarm| swarm.setup.hubs != Hubs::Directory).count();
        assert!((50..200).contains(&several), "{several}");
        assert!(
            all.iter().any(|swarm| swarm.befalls == Befalls::default())
                || all.iter().any(|swarm| swarm.befalls.kills.is_none())
        );
        for profile in Profile::ALL {
            assert_eq!(Profile::named(profile.name()), Some(profile));
            let drawn = Swarm::draw(1, profile);
            let on = match profile {
                Profile::Directory | Profile::Calm => drawn.setup.hubs == Hubs::Directory,
                Profile::Several | Profile::Races => drawn.setup.hubs != Hubs::Directory,
                Profile::Swarm => true,
            };
            assert!(on, "{profile:?}");
        }
    }

    #[test]
    fn what_is_drawn_is_said() {
        let said = Swarm::draw(1, Profile::Directory).to_string();
        assert!(said.starts_with("seed 1: one hub on directories") && said.contains("journals of"), "{said}");
        assert!(Swarm::draw(1, Profile::Several).to_string().contains("on one store"));
    }
}
