//! What is asked: a few handoffs that all clients want, and what each does about them, by chance.

use std::sync::Arc;

use handoff_kernel::artifact::Artifact;
use handoff_kernel::canonical;
use handoff_kernel::command::{Command, Start};
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Mac, Wire};
use handoff_kernel::json::Document;
use handoff_kernel::seal::{Key, seal};
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;
use serde_json::{Map, Value, json};

use super::later;
use crate::chance::Chance;
use crate::linear::Asked;

pub(super) const AUTHOR: &str = "bob";
pub(super) const TARGET: &str = "alice";
pub(super) const STRANGER: &str = "eve";

/// When a handoff expires, in milliseconds after its history began: short of what steps of the clock bring about.
const DEADLINES: [u64; 4] = [40, 100, 1000, LAST];

/// No handoff expires later than this after its history began.
const LAST: u64 = 60_000;

/// When every handoff of a history is overdue.
pub(super) fn end(begun: Time) -> Time {
    later(begun, LAST + 1)
}

/// One handoff, as its author could start it: these bytes, or others under the same id.
#[derive(Debug, Clone)]
pub(super) struct Matter {
    pub(super) id: HandoffId,
    variants: [(Vec<u8>, Start<Wire>); 2],
}

impl Matter {
    pub(super) fn draw(history: u64, number: u64, begun: Time, chance: &mut Chance) -> Result<Self, String> {
        let id = HandoffId::parse(&format!("n{history}-{number}")).map_err(|error| error.to_string())?;
        let expires_at = later(begun, *chance.pick(&DEADLINES));
        let ttl = chance.permille(400).then_some(1);
        let variants = [variant(id, "this", expires_at, ttl)?, variant(id, "that", expires_at, None)?];
        Ok(Self { id, variants })
    }
}

fn variant(
    id: HandoffId,
    about: &str,
    expires_at: Time,
    ttl: Option<u64>,
) -> Result<(Vec<u8>, Start<Wire>), String> {
    let mut artifact = json!({
        "protocol_version": 1, "handoff_id": id.as_str(), "from_agent": AUTHOR, "to_agent": TARGET, "reason": about,
        "initiated_at": Rfc3339(Time(expires_at.0.saturating_sub(86_400_000))).to_string(),
        "expires_at": Rfc3339(expires_at).to_string(),
    });
    if let Some(seconds) = ttl {
        artifact["claim_ttl_seconds"] = json!(seconds);
    }
    let key = Key::new(b"the key of bob and alice in histories").map_err(|error| error.to_string())?;
    let text = artifact.to_string();
    let document = Document::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    let bytes = seal(&key, &document).into_bytes();
    let start = Artifact::parse(&bytes).map_err(|error| error.to_string())?.header().start();
    Ok((bytes, start))
}

/// A question, and how it is put.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) asked: Asked,
    pub(super) by: AgentId,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// What a client knows when it asks.
#[derive(Debug)]
pub(super) struct Knowledge<'a> {
    pub(super) matters: &'a [Matter],
    pub(super) agents: Agents,
    /// When the history began.
    pub(super) begun: Time,
    /// The client's own name for its claims.
    pub(super) name: String,
    /// The claim that it was told it has, of each.
    pub(super) held: Vec<Option<Option<ClaimId>>>,
    /// How much it has asked.
    pub(super) asked: u64,
}

/// The three who ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agents {
    pub(super) author: AgentId,
    pub(super) target: AgentId,
    pub(super) stranger: AgentId,
}

impl Agents {
    pub(super) fn new() -> Result<Self, String> {
        let agent = |name| AgentId::parse(name).map_err(|error| error.to_string());
        Ok(Self { author: agent(AUTHOR)?, target: agent(TARGET)?, stranger: agent(STRANGER)? })
    }
}

impl Knowledge<'_> {
    /// The next question; none for a step of the clock.
    pub(super) fn draw(&mut self, chance: &mut Chance) -> Option<Ask> {
        self.asked += 1;
        let which = usize::try_from(chance.below(self.matters.len() as u64)).unwrap_or(0);
        if self.asked == 1 && chance.permille(800) {
            return Some(self.start(which, chance));
        }
        match chance.below(100) {
            0..8 => Some(self.start(which, chance)),
            8..38 => Some(self.accept(which, chance)),
            38..60 => Some(self.complete(which, chance)),
            60..67 => Some(self.reject(which, chance)),
            67..84 => {
                let Agents { author, target, stranger } = self.agents;
                let by = if chance.permille(50) { stranger } else { *chance.pick(&[author, target]) };
                Some(self.get(which, by))
            }
            84..92 => Some(self.poll()),
            _ => None,
        }
    }

    /// Where the clock is to be set: to a deadline, right after one, or a little later; and now and then back, where the
    /// hub must not follow.
    pub(super) fn step(&self, now: Time, chance: &mut Chance) -> Time {
        if chance.permille(150) {
            return Time(now.0.saturating_sub(chance.between(1, 1000)));
        }
        let deadline = later(self.begun, *chance.pick(&DEADLINES[..3]));
        let ahead = [deadline, later(deadline, 1), later(now, 1), later(now, 1000), later(now, 1001)];
        // Never to where all of this history is overdue: that is for its end.
        (*chance.pick(&ahead)).max(now).min(later(self.begun, LAST))
    }

    fn start(&self, which: usize, chance: &mut Chance) -> Ask {
        let matter = &self.matters[which];
        let (bytes, start) = &matter.variants[usize::from(chance.permille(100))];
        let by = if chance.permille(30) { self.agents.target } else { self.agents.author };
        let command = Command::Start { sender: by, artifact: start.clone() };
        let asked = Asked::Command(matter.id, Box::new(command));
        Ask { asked, by, method: "POST", path: "/v1/handoffs".to_owned(), body: bytes.clone() }
    }

    fn accept(&self, which: usize, chance: &mut Chance) -> Ask {
        let (by, claim_id, receipt) =
            (self.claimant(chance), self.claim(which, false, chance), receipt(chance));
        let command = Command::Accept { by, claim_id, attempt: 0, receipt };
        self.act(which, command, "accept", Map::new())
    }

    fn complete(&self, which: usize, chance: &mut Chance) -> Ask {
        let (by, claim_id, receipt) =
            (self.claimant(chance), self.claim(which, true, chance), receipt(chance));
        let result = chance.pick(&[None, Some(json!("done")), Some(json!({ "n": [1, 2] }))]).clone();
        let mut body = Map::new();
        if let Some(result) = &result {
            body.insert("result".to_owned(), result.clone());
        }
        let command = Command::Complete { by, claim_id, result: result.as_ref().map(text), receipt };
        self.act(which, command, "complete", body)
    }

    fn reject(&self, which: usize, chance: &mut Chance) -> Ask {
        let (by, claim_id, receipt) =
            (self.claimant(chance), self.claim(which, true, chance), receipt(chance));
        let reason = json!(*chance.pick(&["too much to do", "not mine"]));
        let command = Command::Reject { by, claim_id, reason: text(&reason), receipt };
        self.act(which, command, "reject", Map::from_iter([("reason".to_owned(), reason)]))
    }

    /// A target's command, with what all of them carry.
    fn act(&self, which: usize, command: Command<Wire>, verb: &str, mut body: Map<String, Value>) -> Ask {
        let id = self.matters[which].id;
        let receipt = match &command {
            Command::Accept { receipt, .. }
            | Command::Complete { receipt, .. }
            | Command::Reject { receipt, .. } => receipt.as_ref(),
            Command::Start { .. } | Command::Sweep => None,
        };
        if let Some(receipt) = receipt {
            body.insert("receipt".to_owned(), json!(receipt.to_base64()));
        }
        if let Some(claim_id) = command.claim_id() {
            body.insert("claim_id".to_owned(), json!(claim_id.as_str()));
        }
        let by = command.actor().copied().unwrap_or(self.agents.target);
        let body = Value::Object(body).to_string().into_bytes();
        let path = format!("/v1/handoffs/{id}/{verb}");
        Ask { asked: Asked::Command(id, Box::new(command)), by, method: "POST", path, body }
    }

    pub(super) fn get(&self, which: usize, by: AgentId) -> Ask {
        let id = self.matters[which].id;
        let path = format!("/v1/handoffs/{id}");
        Ask { asked: Asked::Get(id, by), by, method: "GET", path, body: Vec::new() }
    }

    pub(super) fn poll(&self) -> Ask {
        let by = self.agents.target;
        let path = "/v1/handoffs/poll".to_owned();
        Ask { asked: Asked::Poll(by), by, method: "GET", path, body: Vec::new() }
    }

    /// The target, mostly.
    fn claimant(&self, chance: &mut Chance) -> AgentId {
        let Agents { author, target, stranger } = self.agents;
        if chance.permille(60) { *chance.pick(&[author, stranger]) } else { target }
    }

    /// The claim's name: one that others use too, the client's own, the one that it holds, or none.
    fn claim(&self, which: usize, finish: bool, chance: &mut Chance) -> Option<ClaimId> {
        if let Some(held) = self.held[which].filter(|_| finish && chance.permille(600)) {
            return held;
        }
        let name = match chance.below(100) {
            0..15 => return None,
            15..45 => "shared",
            45..60 => "other",
            _ => self.name.as_str(),
        };
        ClaimId::parse(name).ok()
    }
}

fn receipt(chance: &mut Chance) -> Option<Mac> {
    let byte = u8::try_from(chance.below(256)).unwrap_or(0);
    chance.permille(200).then_some(Mac([byte; 32]))
}

/// The canonical bytes of a result or a reason.
fn text(value: &Value) -> Arc<str> {
    let text = value.to_string();
    let canonical = Document::parse_any(text.as_bytes()).map(|document| canonical::value(document.root()));
    canonical.unwrap_or(text).into()
}

/// A step of the clock, as it is asked.
pub(super) fn clock(to: Time, by: AgentId) -> Ask {
    let body = json!({ "now": to.0 }).to_string().into_bytes();
    Ask { asked: Asked::Clock(to), by, method: "PUT", path: "/testing/clock".to_owned(), body }
}
