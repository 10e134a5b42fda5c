//! The network: it delays, loses, doubles and reorders, is cut in two, and heals.

use std::collections::BTreeSet;

use crate::chance::Chance;
use crate::reached::{Case, Reached};

/// Whoever sends and receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// A client.
    Client(usize),
    /// A hub.
    Hub(usize),
    /// The store of several hubs.
    Store,
}

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// The shortest delay of a message, in milliseconds.
    pub least: u64,
    /// The longest one.
    pub most: u64,
    /// So many messages in a thousand are lost.
    pub loses: u64,
    /// So many are delivered twice.
    pub doubles: u64,
}

/// A cut through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// In two parts that hear nothing of each other.
    Split,
    /// What one part sends does not come to the other; the other way it does.
    OneWay,
    /// One host hears nothing and is not heard.
    Isolated,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Network {
    manners: Manners,
    blocked: BTreeSet<(Host, Host)>,
    /// When the last message on its way arrives, to know what overtakes it.
    latest: u64,
}

impl Network {
    /// A network that is whole.
    #[must_use]
    pub const fn new(manners: Manners) -> Self {
        Self { manners, blocked: BTreeSet::new(), latest: 0 }
    }

    /// Whether a message from here comes there, as long as chance does not lose it.
    #[must_use]
    pub fn lets(&self, from: Host, to: Host) -> bool {
        !self.blocked.contains(&(from, to))
    }

    /// When a message that is sent now arrives: not at all, once or twice.
    pub fn send(
        &mut self,
        now: u64,
        from: Host,
        to: Host,
        chance: &mut Chance,
        reached: &mut Reached,
    ) -> [Option<u64>; 2] {
        let Manners { least, most, loses, doubles } = self.manners;
        if !self.lets(from, to) || chance.permille(loses) {
            reached.note(Case::Lost);
            return [None, None];
        }
        let first = now + chance.between(least, most);
        if first < self.latest {
            reached.note(Case::Overtaken);
        }
        self.latest = self.latest.max(first);
        let second = chance.permille(doubles).then(|| now + chance.between(least, most * 3));
        if second.is_some() {
            reached.note(Case::Doubled);
        }
        [Some(first), second]
    }

    /// It is cut, so, among these hosts.
    pub fn cut(&mut self, cut: Cut, hosts: &[Host], chance: &mut Chance, reached: &mut Reached) {
        self.blocked.clear();
        let one = *chance.pick(hosts);
        let here: BTreeSet<Host> = match cut {
            Cut::Isolated => BTreeSet::from([one]),
            Cut::Split | Cut::OneWay => {
                // Somebody is always on each side.
                hosts.iter().copied().filter(|host| *host == one || chance.permille(400)).collect()
            }
        };
        reached.note(match cut {
            Cut::Split => Case::Split,
            Cut::OneWay => Case::OneWay,
            Cut::Isolated => Case::Isolated,
        });
        for a in &here {
            for b in hosts.iter().filter(|b| !here.contains(b)) {
                self.blocked.insert((*a, *b));
                if cut != Cut::OneWay {
                    self.blocked.insert((*b, *a));
                }
            }
        }
    }

    /// It is whole again.
    pub fn heal(&mut self, reached: &mut Reached) {
        if !self.blocked.is_empty() {
            reached.note(Case::Healed);
        }
        self.blocked.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [Host; 4] = [Host::Client(0), Host::Client(1), Host::Hub(0), Host::Store];

    fn quick() -> Network {
        Network::new(Manners { least: 1, most: 5, loses: 0, doubles: 0 })
    }

    fn pairs(network: &Network) -> Vec<(Host, Host)> {
        let all = HOSTS.into_iter().flat_map(|a| HOSTS.map(|b| (a, b)));
        all.filter(|(a, b)| !network.lets(*a, *b)).collect()
    }

    #[test]
    fn each_cut_blocks_what_it_says_and_healing_lets_everything_through() {
        let (mut chance, mut reached) = (Chance::of(1), Reached::default());
        for _ in 0..50 {
            let mut network = quick();
            network.cut(Cut::Isolated, &HOSTS, &mut chance, &mut reached);
            assert_eq!(pairs(&network).len(), 6, "one of four: three there, three back");
            network.cut(Cut::Split, &HOSTS, &mut chance, &mut reached);
            let blocked = pairs(&network);
            assert!(blocked.iter().all(|(a, b)| blocked.contains(&(*b, *a))));
            network.cut(Cut::OneWay, &HOSTS, &mut chance, &mut reached);
            let blocked = pairs(&network);
            assert!(blocked.iter().all(|(a, b)| !blocked.contains(&(*b, *a))));
            network.heal(&mut reached);
            assert_eq!(pairs(&network), []);
        }
    }

    #[test]
    fn a_message_is_lost_doubled_or_delayed_as_the_manners_have_it() {
        let (mut chance, mut reached) = (Chance::of(2), Reached::default());
        let mut send = |network: &mut Network| {
            network.send(100, Host::Client(0), Host::Hub(0), &mut chance, &mut reached)
        };
        for _ in 0..100 {
            let [first, second] = send(&mut quick());
            assert!(first.is_some_and(|at| (101..=105).contains(&at)) && second.is_none());
        }
        let always = Manners { least: 1, most: 5, loses: 1000, doubles: 0 };
        assert_eq!(send(&mut Network::new(always)), [None, None]);
        let twice = Manners { least: 1, most: 5, loses: 0, doubles: 1000 };
        assert!(send(&mut Network::new(twice)).iter().all(Option::is_some));
    }
}
