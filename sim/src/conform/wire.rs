//! The wire: how a command is asked over HTTP, and what the kernel's answer to it looks like there.
//!
//! Written from the documents and not from the hub's code: this is the other side of the conversation.

use handoff_kernel::command::{Answer, Command, EventKind};
use handoff_kernel::ident::{HandoffId, Mac, Wire};
use handoff_kernel::operation::{Done, NotDone};
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;
use serde_json::{Map, Value, json};

use super::cast::Order;
use crate::real::http::Response;

/// A request, but for its token.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        Self { method: "GET", path, body: Vec::new() }
    }
}

/// What is sent; none for a sweep, which nobody can ask for.
pub(super) fn request(order: &Order) -> Option<Request> {
    let act = |name: &str, claim_id: Option<String>, receipt: Option<Mac>, more: Option<(&str, &str)>| {
        let mut body = Map::new();
        body.extend(claim_id.map(|id| ("claim_id".to_owned(), json!(id))));
        body.extend(receipt.map(|mac| ("receipt".to_owned(), json!(mac.to_base64()))));
        body.extend(more.map(|(field, canonical)| (field.to_owned(), parsed(canonical))));
        let path = format!("/v1/handoffs/{}/{name}", order.handoff);
        Some(Request { method: "POST", path, body: Value::Object(body).to_string().into_bytes() })
    };
    match &order.command {
        Command::Start { .. } => {
            Some(Request { method: "POST", path: "/v1/handoffs".to_owned(), body: order.bytes.clone() })
        }
        Command::Accept { claim_id, receipt, .. } => {
            act("accept", claim_id.map(|id| id.to_string()), *receipt, None)
        }
        Command::Complete { claim_id, result, receipt, .. } => {
            let result = result.as_deref().map(|result| ("result", result));
            act("complete", claim_id.map(|id| id.to_string()), *receipt, result)
        }
        Command::Reject { claim_id, reason, receipt, .. } => {
            act("reject", claim_id.map(|id| id.to_string()), *receipt, Some(("reason", reason)))
        }
        Command::Sweep => None,
    }
}

/// What counts of an answer: its status code, and what it says but for what is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Said {
    /// What the hub said to a command.
    pub(super) fn heard(response: &Response) -> Result<Self, String> {
        let mut body = response.json().map_err(|error| error.to_string())?;
        if response.header("content-type") == "application/problem+json"
            && let Some(members) = body.as_object_mut()
        {
            for for_people in ["type", "title", "detail", "status"] {
                members.remove(for_people);
            }
        }
        Ok(Self { status: response.status, body })
    }

    /// How the kernel's answer is said.
    pub(super) fn of(handoff: &HandoffId, done: &Done<Wire>) -> Self {
        let id = handoff.as_str();
        match &done.verdict {
            Ok(Answer::Started { expires_at }) => Self {
                status: if done.changed { 201 } else { 200 },
                body: json!({ "handoff_id": id, "status": "pending", "expires_at": time(*expires_at) }),
            },
            Ok(Answer::Claimed { claim_id, claimed_at, claim_expires_at }) => {
                let claim_id = claim_id.as_ref().map(|claim_id| claim_id.as_str());
                let mut body = json!({
                    "handoff_id": id, "status": "claimed", "claim_id": claim_id, "claimed_at": time(*claimed_at),
                });
                set(&mut body, "claim_expires_at", claim_expires_at.map(|at| json!(time(at))));
                Self { status: 200, body }
            }
            Ok(Answer::Completed { at }) => Self {
                status: 200,
                body: json!({ "handoff_id": id, "status": "completed", "completed_at": time(*at) }),
            },
            Ok(Answer::Rejected { at }) => Self {
                status: 200,
                body: json!({ "handoff_id": id, "status": "rejected", "rejected_at": time(*at) }),
            },
            Ok(Answer::Swept) => Self { status: 200, body: json!({ "status": "swept" }) },
            Err(why) => {
                let (status, mut body) = match why {
                    NotDone::Refused(refusal) => {
                        let mut body = json!({ "reason": refusal.name() });
                        if let Refusal::Invalid(field) = refusal {
                            set(&mut body, "field", Some(json!(field.name())));
                        }
                        (code(*refusal), body)
                    }
                    NotDone::Unavailable | NotDone::Broken(_) => (503, json!({ "reason": "unavailable" })),
                };
                if let Some(status) = done.status {
                    set(&mut body, "handoff_id", Some(json!(id)));
                    set(&mut body, "handoff_status", Some(json!(status.name())));
                }
                Self { status, body }
            }
        }
    }

    /// How a record is said, to a party that does not ask for the artifact.
    pub(super) fn record(record: &Record<Wire>) -> Self {
        let mut body = json!({
            "handoff_id": record.id.as_str(),
            "from_agent": record.author.as_str(),
            "to_agent": record.target.as_str(),
            "status": record.status().name(),
            "digest": record.digest.to_string(),
            "started_at": time(record.started_at),
            "expires_at": time(record.expires_at),
        });
        let (mut receipts, mut happened) = (json!({}), Vec::new());
        let target = record.target.as_str();
        happened
            .push(json!({ "event": "started", "at": time(record.started_at), "by": record.author.as_str() }));
        set(&mut body, "claim_ttl_seconds", record.claim_ttl.map(|ttl| json!(ttl.0 / 1000)));
        let mut named = None;
        if let Some(claim) = record.claim() {
            named = claim.id;
            let mut held =
                json!({ "claim_id": claim.id.map(|id| id.to_string()), "claimed_at": time(claim.at) });
            set(&mut held, "claim_expires_at", record.claim_expires_at(claim).map(|at| json!(time(at))));
            set(&mut body, "claim", Some(held));
            set(&mut receipts, "accept", claim.receipt.map(|mac| json!(mac.to_base64())));
            happened.push(json!({ "event": "claimed", "at": time(claim.at), "by": target }));
        }
        if let Some(at) = record.finished_at() {
            set(&mut body, "finished_at", Some(json!(time(at))));
            let kind = EventKind::of(&record.state);
            let mut end = json!({ "event": kind.name(), "at": time(at) });
            if !matches!(kind, EventKind::Expired | EventKind::ClaimExpired) {
                set(&mut end, "by", Some(json!(target)));
            }
            happened.push(end);
        }
        match &record.state {
            State::Completed { completion, .. } => {
                set(&mut body, "result", completion.result.as_deref().map(parsed));
                set(&mut receipts, "complete", completion.receipt.map(|mac| json!(mac.to_base64())));
            }
            State::Rejected(rejection) => {
                set(&mut body, "cause", Some(json!(rejection.name())));
                if let Rejection::Declined { decline, .. } = rejection {
                    named = named.or(decline.claim_id);
                    set(&mut body, "reason", Some(parsed(&decline.reason)));
                    set(&mut receipts, "reject", decline.receipt.map(|mac| json!(mac.to_base64())));
                }
            }
            State::Pending | State::Claimed(_) => {}
        }
        set(&mut body, "claim_id", named.map(|id| json!(id.to_string())));
        set(&mut body, "history", Some(Value::Array(happened)));
        set(&mut body, "receipts", Some(receipts));
        Self { status: 200, body }
    }

    /// How it is said that there is nothing for this asker.
    pub(super) fn nothing() -> Self {
        Self { status: 404, body: json!({ "reason": "not_found" }) }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

/// An answer with an artifact at its end, taken apart: what it says, and the author's bytes.
pub(super) fn apart(response: &Response) -> (Vec<u8>, Vec<u8>) {
    const MEMBER: &[u8] = b",\"artifact\":";
    let body = &response.body;
    let Some(at) = body.windows(MEMBER.len()).position(|window| window == MEMBER) else {
        return (body.clone(), Vec::new());
    };
    let (said, rest) = body.split_at(at);
    let artifact = rest.get(MEMBER.len()..rest.len().saturating_sub(1)).unwrap_or_default();
    ([said, b"}"].concat(), artifact.to_vec())
}

const fn code(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::Unauthenticated => 401,
        Refusal::Malformed => 400,
        Refusal::Invalid(_) => 422,
        Refusal::WrongSender | Refusal::WrongAgent => 403,
        Refusal::NotFound => 404,
        Refusal::IdConflict
        | Refusal::AlreadyClaimed
        | Refusal::NotClaimed
        | Refusal::WrongClaim
        | Refusal::AlreadyCompleted
        | Refusal::AlreadyRejected => 409,
        Refusal::Expired | Refusal::ClaimExpired => 410,
    }
}

fn set(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (body.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

fn time(at: Time) -> String {
    Rfc3339(at).to_string()
}

/// Canonical JSON is JSON.
fn parsed(canonical: &str) -> Value {
    serde_json::from_str(canonical).unwrap_or(Value::Null)
}
