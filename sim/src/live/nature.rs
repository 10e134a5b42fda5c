//! Nature: what befalls a world, and how often.

use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::record::Record;
use handoff_kernel::rules::live;

use super::{Event, Kind, World};
use crate::act::{Act, Death, Deed, Hubs, Ill, Trouble};
use crate::cast::in_a_trace;
use crate::network::{Cut, Host};
use crate::reached::Case;
use crate::stage::Stage;

impl<S: Stage> World<'_, S> {
    pub(super) fn befalls_again(&mut self, kind: Kind) {
        let befalls = &self.swarm.befalls;
        let pause = match kind {
            Kind::Kill => befalls.kills,
            Kind::PowerCut => befalls.power_cuts,
            Kind::ClockStep => befalls.clock_steps,
            Kind::Cut => befalls.cuts,
            Kind::Trouble => befalls.troubles.as_ref().map(|(pause, _)| *pause),
            Kind::Deed => befalls.deeds,
            Kind::Pause => befalls.pauses,
            Kind::ClientDeath => befalls.client_deaths,
        };
        if let Some(pause) = pause {
            let wait = self.chance.between(1, 2 * pause);
            self.after(wait, Event::Befalls(kind));
        }
    }

    fn some_hub(&mut self) -> usize {
        let hubs = self.works_at.len() as u64;
        usize::try_from(self.chance.below(hubs)).unwrap_or(0)
    }

    pub(super) fn befalls(&mut self, kind: Kind) {
        self.befalls_again(kind);
        match kind {
            Kind::Kill => self.death(Death::Killed),
            Kind::PowerCut => {
                let death = Death::PowerCut(self.chance.below(1 << 32));
                self.death(death);
            }
            Kind::ClockStep => {
                let epsilon = self.swarm.setup.epsilon;
                let hub = self.some_hub();
                let ahead = i64::try_from(self.chance.below(2 * epsilon + 1)).unwrap_or(0)
                    - i64::try_from(epsilon).unwrap_or(0);
                self.act(&Act::SetClock { hub, ahead });
            }
            Kind::Cut => {
                let cut = *self.chance.pick(&[Cut::Split, Cut::OneWay, Cut::Isolated]);
                let flaps = if self.chance.permille(250) { self.chance.between(2, 6) } else { 0 };
                self.cut(cut, flaps, 0);
            }
            Kind::Trouble => self.trouble(),
            Kind::Deed => self.deed(),
            Kind::Pause => {
                let hub = self.some_hub();
                self.watchers.reached.note(Case::Paused);
                self.paused_until[hub] = self.truth.now() + self.chance.between(10, 3_000);
            }
            Kind::ClientDeath => self.client_dies(),
        }
    }

    /// A hub dies: now, or between two of its next file operations.
    fn death(&mut self, death: Death) {
        let hub = self.some_hub();
        if !self.stage.is_up(hub) {
            return;
        }
        if self.swarm.setup.hubs == Hubs::Directory && self.chance.permille(700) {
            let after = self.chance.below(40);
            self.act(&Act::Doom { hub, after, death });
            self.work_soon(hub);
        } else {
            self.act(&Act::Die { hub, death });
            self.comes_back(hub);
        }
    }

    pub(super) fn cut(&mut self, cut: Cut, flaps: u64, wait: u64) {
        let clients = (0..self.clients.len()).map(Host::Client);
        let hubs = (0..self.works_at.len()).map(Host::Hub);
        let mut hosts: Vec<Host> = clients.chain(hubs).collect();
        if self.swarm.setup.hubs != Hubs::Directory {
            hosts.push(Host::Store);
        }
        self.network.cut(cut, &hosts, &mut self.chance, &mut self.watchers.reached);
        let lasts = if flaps > 0 { self.chance.between(1, 100) } else { self.chance.between(50, 3_000) };
        self.after(wait + lasts, Event::Heals { flaps, cut });
    }

    fn trouble(&mut self) {
        let Some((_, ills)) = &self.swarm.befalls.troubles else { return };
        let ill = *self.chance.pick(ills);
        let after = if ill == Ill::Full { self.chance.between(2, 60) } else { self.chance.below(12) };
        self.act(&Act::Trouble(Trouble { ill, after }));
        let wait = self.chance.between(20, 1_500);
        self.after(wait, Event::DiskHeals);
    }

    /// A same-host agent does something.
    fn deed(&mut self) {
        let now = self.truth.now();
        let some = self.lore.some_handoff(&mut self.chance).map(|(id, _)| *id);
        let deed = match (self.chance.below(100), some) {
            (0..25, _) | (_, None) => {
                let said = self.lore.make(self.swarm, "bob", now, &mut self.chance);
                if let Ok(made) = self.cast.artifact(&said) {
                    self.lore.tell(made.start.id, said.clone());
                }
                Deed::Drops(Box::new(said))
            }
            (25..55, Some(id)) => Deed::Claims(id),
            (55..75, Some(id)) => Deed::Completes(id),
            (75..97, Some(id)) => Deed::Rejects(id),
            (_, Some(_)) => Deed::DeletesLog,
        };
        self.act(&Act::Deed(deed));
    }

    /// A same-host agent does something while a hub is about to write what it has decided by itself: best to what is due.
    pub(super) fn deed_amid(&mut self) {
        let now = self.truth.now();
        let late = |record: &&Record<Wire>| {
            live::is_unclaimed(record)
                && record.deadline().is_some_and(|deadline| in_a_trace(deadline) <= now)
        };
        let due: Vec<HandoffId> =
            self.watchers.judge.books().values().filter(late).map(|record| record.id).collect();
        if due.is_empty() {
            return self.deed();
        }
        let id = *self.chance.pick(&due);
        let deed = if self.chance.permille(500) { Deed::Claims(id) } else { Deed::Rejects(id) };
        self.act(&Act::Deed(deed));
    }

    /// A client dies, and comes back with its ids: it asks again what it had asked.
    fn client_dies(&mut self) {
        let count = self.clients.len() as u64;
        let client = usize::try_from(self.chance.below(count)).unwrap_or(0);
        if let Some(asking) = &mut self.asking[client] {
            self.watchers.reached.note(Case::ClientDied);
            self.requests += 1;
            asking.request = self.requests;
            let request = self.requests;
            let wait = self.chance.between(1, 2_000);
            self.after(wait, Event::Wake { client, request });
        }
    }
}
