//! Clients: authors, target instances, strangers. What they ask next is drawn; what they know is what they have heard.

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Wire};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Millis;
use handoff_spec::trace::Artifact;

use crate::cast::{self, Cast};
use crate::chance::Chance;
use crate::demand::{Demand, Heard};
use crate::swarm::Swarm;

/// What a client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It starts handoffs.
    Author,
    /// It is an instance of a target: it polls, accepts and finishes.
    Target,
    /// It is no party to anything, and asks all the same.
    Stranger,
}

/// What everybody's handoffs are, for those who ask what they should not know.
#[derive(Debug, Clone, Default)]
pub struct Lore {
    started: Vec<(HandoffId, Artifact)>,
    claims: Vec<(HandoffId, ClaimId)>,
    handoffs: u64,
    claim_ids: u64,
}

impl Lore {
    /// The artifact of a handoff that somebody has tried to start.
    #[must_use]
    pub fn some_handoff(&self, chance: &mut Chance) -> Option<&(HandoffId, Artifact)> {
        (!self.started.is_empty()).then(|| chance.pick(&self.started))
    }

    /// Counts one more handoff, of a same-host agent's too.
    pub fn tell(&mut self, id: HandoffId, artifact: Artifact) {
        self.started.push((id, artifact));
    }

    /// A new artifact, which nobody has started.
    pub fn make(&mut self, swarm: &Swarm, author: &str, now: u64, chance: &mut Chance) -> Artifact {
        let number = self.handoffs;
        self.handoffs += 1;
        let (least, most) = swarm.lives;
        let claim_ttl = chance.permille(swarm.limited).then(|| 1000 * chance.between(1, 4));
        // Lengths differ, and so that a start may be repeated with other bytes, no two in a row belong to one handoff.
        let digest = 2 * chance.below(14);
        Artifact {
            handoff: format!("h{number}"),
            author: author.to_owned(),
            target: target_name(usize::try_from(chance.below(swarm.targets as u64)).unwrap_or(0)),
            digest: format!("d{digest}"),
            expires_at: now + chance.between(least, most),
            claim_ttl,
        }
    }
}

/// The author of everything.
const AUTHORS: [&str; 2] = ["bob", "agent3"];

/// The agents that things are addressed to.
fn target_name(number: usize) -> String {
    if number == 0 { "alice".to_owned() } else { format!("agent{}", number + 3) }
}

/// What a client holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    handoff: HandoffId,
    claim: Option<ClaimId>,
}

/// One client.
#[derive(Debug, Clone)]
pub struct Client {
    role: Role,
    /// Who it really is.
    pub agent: AgentId,
    /// The handoffs that it was shown and has not tried to accept.
    shown: Option<HandoffId>,
    held: Vec<Held>,
    /// What it has asked and been answered: asked again, it is answered alike.
    asked: Vec<Demand>,
}

impl Client {
    /// The client of this number.
    ///
    /// # Errors
    /// Never: the names are legal.
    pub fn new(number: usize, swarm: &Swarm) -> Result<Self, String> {
        let [authors, targets, _] = swarm.clients;
        let (role, name) = if number < authors {
            (Role::Author, AUTHORS[number % AUTHORS.len()].to_owned())
        } else if number < authors + targets {
            (Role::Target, target_name((number - authors) % swarm.targets))
        } else {
            (Role::Stranger, "eve".to_owned())
        };
        let agent = cast::agent(&name)?;
        Ok(Self { role, agent, shown: None, held: Vec::new(), asked: Vec::new() })
    }

    /// What it asks next; none when it has nothing to ask.
    pub fn next(
        &mut self,
        swarm: &Swarm,
        lore: &mut Lore,
        cast: &Cast,
        now: u64,
        chance: &mut Chance,
    ) -> Option<Demand> {
        if chance.permille(swarm.odd) {
            return self.odd(lore, cast, now, chance);
        }
        match self.role {
            Role::Author => self.author(swarm, lore, cast, now, chance),
            Role::Target => Some(self.target(lore, chance)),
            Role::Stranger => self.odd(lore, cast, now, chance),
        }
    }

    fn author(
        &self,
        swarm: &Swarm,
        lore: &mut Lore,
        cast: &Cast,
        now: u64,
        chance: &mut Chance,
    ) -> Option<Demand> {
        if lore.handoffs < swarm.handoffs {
            let said = lore.make(swarm, self.agent.as_str(), now, chance);
            return start(self.agent, &said, lore, cast);
        }
        let (handoff, _) = lore.some_handoff(chance)?;
        Some(Demand::Read { by: self.agent, handoff: *handoff })
    }

    fn target(&mut self, lore: &mut Lore, chance: &mut Chance) -> Demand {
        if let Some(handoff) = self.shown.take() {
            return self.accept(handoff, lore, chance);
        }
        if !self.held.is_empty() && chance.permille(700) {
            let at = usize::try_from(chance.below(self.held.len() as u64)).unwrap_or(0);
            let Held { handoff, claim } = self.held.swap_remove(at);
            return self.finish(handoff, claim, chance);
        }
        let wait = if chance.permille(400) { chance.between(10, 2_000) } else { 0 };
        Demand::Poll { target: self.agent, wait: Millis(wait) }
    }

    fn accept(&self, handoff: HandoffId, lore: &mut Lore, chance: &mut Chance) -> Demand {
        let claim_id = if chance.permille(150) {
            None
        } else {
            // Fresh: no two clients ever name a claim alike.
            let number = lore.claim_ids;
            lore.claim_ids += 1;
            cast::claim(&format!("c{number}")).ok()
        };
        lore.claims.extend(claim_id.map(|claim| (handoff, claim)));
        let receipt = chance.permille(200).then(|| cast::receipt("r1").ok()).flatten();
        let command = Command::Accept { by: self.agent, claim_id, attempt: 0, receipt };
        Demand::Command { handoff, command }
    }

    fn finish(&self, handoff: HandoffId, claim_id: Option<ClaimId>, chance: &mut Chance) -> Demand {
        let (by, text) = (self.agent, cast::text(&format!("t{}", chance.below(2))));
        let receipt = chance.permille(200).then(|| cast::receipt("r2").ok()).flatten();
        let command: Command<Wire> = if chance.permille(750) {
            let result = chance.permille(800).then_some(text);
            Command::Complete { by, claim_id, result, receipt }
        } else {
            Command::Reject { by, claim_id, reason: text, receipt }
        };
        Demand::Command { handoff, command }
    }

    /// Something that a sensible client would not ask, or not again.
    fn odd(&mut self, lore: &mut Lore, cast: &Cast, now: u64, chance: &mut Chance) -> Option<Demand> {
        if !self.asked.is_empty() && chance.permille(400) {
            return Some(chance.pick(&self.asked).clone());
        }
        let (handoff, artifact) = lore.some_handoff(chance)?.clone();
        let known = chance.permille(900);
        let handoff = if known { handoff } else { cast::handoff("h-unknown").ok()? };
        match chance.below(8) {
            0 => {
                // The same id with other bytes, or in another's name, or long over.
                let digits: u64 = artifact.digest.get(1..)?.parse().ok()?;
                let said = match chance.below(3) {
                    0 => Artifact { digest: format!("d{}", digits ^ 1), ..artifact },
                    1 => Artifact {
                        handoff: format!("{}-late", artifact.handoff),
                        expires_at: now / 2,
                        ..artifact
                    },
                    _ => artifact,
                };
                start(self.agent, &said, lore, cast)
            }
            1 | 2 => Some(self.accept(handoff, lore, chance)),
            3..=5 => {
                let others = lore.claims.iter().filter(|(of, _)| *of == handoff).map(|(_, claim)| *claim);
                let mut claims: Vec<Option<ClaimId>> = others.map(Some).collect();
                claims.push(None);
                Some(self.finish(handoff, *chance.pick(&claims), chance))
            }
            6 => Some(Demand::Read { by: self.agent, handoff }),
            _ => Some(Demand::Poll { target: self.agent, wait: Millis(0) }),
        }
    }

    /// What it has heard.
    pub fn hears(&mut self, demand: &Demand, heard: &Heard) {
        match (demand, heard) {
            (Demand::Poll { .. }, Heard::Shown(shown)) => {
                if self.role == Role::Target {
                    self.shown = shown.as_ref().map(|(handoff, _)| *handoff);
                }
            }
            (Demand::Command { handoff, .. }, Heard::Verdict(Ok(Answer::Claimed { claim_id, .. }))) => {
                if !self.held.iter().any(|held| held.handoff == *handoff) {
                    self.held.push(Held { handoff: *handoff, claim: *claim_id });
                }
                self.remember(demand);
            }
            (
                Demand::Command { handoff, .. },
                Heard::Verdict(Err(handoff_kernel::operation::NotDone::Refused(refusal))),
            ) => {
                if matches!(refusal, Refusal::ClaimExpired | Refusal::AlreadyCompleted) {
                    self.held.retain(|held| held.handoff != *handoff);
                }
            }
            (Demand::Command { .. }, _) => self.remember(demand),
            (Demand::Poll { .. } | Demand::Read { .. }, _) => {}
        }
    }

    fn remember(&mut self, demand: &Demand) {
        const MOST: usize = 8;
        if self.asked.len() == MOST {
            self.asked.remove(0);
        }
        self.asked.push(demand.clone());
    }
}

/// The start of this artifact, in this agent's name.
fn start(sender: AgentId, said: &Artifact, lore: &mut Lore, cast: &Cast) -> Option<Demand> {
    let made = cast.artifact(said).ok()?;
    let handoff = made.start.id;
    if !lore.started.iter().any(|(id, _)| *id == handoff) {
        lore.tell(handoff, said.clone());
    }
    Some(Demand::Command { handoff, command: Command::Start { sender, artifact: made.start } })
}
