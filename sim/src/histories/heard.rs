//! What an answer says, read strictly: an answer that is not as it should be is an error of its own.

use std::sync::Arc;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Mac, Wire};
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp;
use serde_json::Value;

use crate::linear::{Asked, Heard};
use crate::real::http::Response;

/// What this response says to that question.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn heard(asked: &Asked, response: &Response) -> Result<Heard, String> {
    let read = match response.status {
        // It cannot now, or not say whether it did.
        429 | 503 => Ok(Heard::Unknown),
        200 | 201 | 204 => success(asked, response),
        _ => refusal(response).map(|refusal| match asked {
            Asked::Get(..) => Heard::Seen(Err(refusal)),
            Asked::Command(..) | Asked::Poll(_) | Asked::Clock(_) => Heard::Verdict(Err(refusal)),
        }),
    };
    read.map_err(|why| format!("{asked:?} was answered {} {}: {why}.", response.status, response.text()))
}

fn success(asked: &Asked, response: &Response) -> Result<Heard, String> {
    let body = || response.json().map_err(|error| error.to_string());
    match asked {
        Asked::Clock(_) => Ok(Heard::Set),
        Asked::Poll(_) if response.status == 204 => Ok(Heard::Shown(None)),
        Asked::Poll(_) => {
            let id = response.header("handoff-id");
            let id = HandoffId::parse(id).map_err(|error| format!("a Handoff-Id {error}"))?;
            let digest = Digest::of(&response.body);
            if response.header("handoff-digest") != digest.to_string() {
                return Err("its Handoff-Digest is of other bytes".to_owned());
            }
            Ok(Heard::Shown(Some((id, digest))))
        }
        Asked::Get(id, _) => Ok(Heard::Seen(Ok(Box::new(record(id, &body()?)?)))),
        Asked::Command(id, command) => {
            let body = body()?;
            named(id, &body)?;
            let (status, answer) = answer(command, &body)?;
            if body["status"] != status.name() {
                return Err(format!("its status is not {}", status.name()));
            }
            Ok(if response.status == 201 { Heard::Made(answer) } else { Heard::Verdict(Ok(answer)) })
        }
    }
}

fn answer(command: &Command<Wire>, body: &Value) -> Result<(Status, Answer<Wire>), String> {
    Ok(match command {
        Command::Start { .. } => (Status::Pending, Answer::Started { expires_at: time(body, "expires_at")? }),
        Command::Accept { .. } => {
            let answer = Answer::Claimed {
                claim_id: claim_id(&body["claim_id"])?,
                claimed_at: time(body, "claimed_at")?,
                claim_expires_at: optional(body, "claim_expires_at", time)?,
            };
            (Status::Claimed, answer)
        }
        Command::Complete { .. } => {
            (Status::Completed, Answer::Completed { at: time(body, "completed_at")? })
        }
        Command::Reject { .. } => (Status::Rejected, Answer::Rejected { at: time(body, "rejected_at")? }),
        Command::Sweep => return Err("nobody asks for a sweep".to_owned()),
    })
}

fn refusal(response: &Response) -> Result<Refusal, String> {
    let body = response.json().map_err(|error| error.to_string())?;
    let (reason, field) = (word(&body, "reason")?, body["field"].as_str());
    let invalid = Field::ALL.into_iter().find(|known| reason == "invalid" && Some(known.name()) == field);
    let plain = Refusal::PLAIN.into_iter().find(|refusal| refusal.name() == reason);
    plain.or(invalid.map(Refusal::Invalid)).ok_or_else(|| "no protocol's refusal".to_owned())
}

/// The record that a get shows.
fn record(id: &HandoffId, body: &Value) -> Result<Record<Wire>, String> {
    named(id, body)?;
    let status = Status::from_name(word(body, "status")?).ok_or("no such status")?;
    let digest = Digest::from_hex(word(body, "digest")?).ok_or("no digest")?;
    let receipts = &body["receipts"];
    let claim = body.get("claim").map(|shown| claim(shown, receipts)).transpose()?;
    let cause = body["cause"].as_str();
    let at = || time(body, "finished_at");
    let state = match (status, claim, cause) {
        (Status::Pending, None, None) => State::Pending,
        (Status::Claimed, Some(claim), None) => State::Claimed(claim),
        (Status::Completed, Some(claim), None) => {
            let result = body.get("result").map(|value| Arc::from(value.to_string()));
            let receipt = optional(receipts, "complete", mac)?;
            State::Completed { claim, completion: Completion { at: at()?, result, receipt } }
        }
        (Status::Rejected, claim, Some("declined")) => {
            let decline = Decline {
                at: at()?,
                claim_id: claim_id(&body["claim_id"])?,
                reason: body.get("reason").ok_or("no reason")?.to_string().into(),
                receipt: optional(receipts, "reject", mac)?,
            };
            State::Rejected(Rejection::Declined { claim, decline })
        }
        (Status::Rejected, None, Some("expired")) => State::Rejected(Rejection::Expired { at: at()? }),
        (Status::Rejected, Some(claim), Some("claim_expired")) => {
            State::Rejected(Rejection::ClaimExpired { claim, at: at()? })
        }
        (Status::Pending | Status::Claimed | Status::Completed | Status::Rejected, ..) => {
            return Err("its status, claim and cause do not go together".to_owned());
        }
    };
    Ok(Record {
        id: *id,
        author: agent(body, "from_agent")?,
        target: agent(body, "to_agent")?,
        digest,
        started_at: time(body, "started_at")?,
        expires_at: time(body, "expires_at")?,
        claim_ttl: body["claim_ttl_seconds"].as_u64().map(Millis::from_secs),
        state,
    })
}

fn claim(shown: &Value, receipts: &Value) -> Result<Claim<Wire>, String> {
    let (id, at) = (claim_id(&shown["claim_id"])?, time(shown, "claimed_at")?);
    Ok(Claim { id, at, attempt: Some(0), receipt: optional(receipts, "accept", mac)? })
}

fn named(id: &HandoffId, body: &Value) -> Result<(), String> {
    if body["handoff_id"] == id.as_str() { Ok(()) } else { Err("it is about another handoff".to_owned()) }
}

fn word<'a>(body: &'a Value, field: &str) -> Result<&'a str, String> {
    body[field].as_str().ok_or_else(|| format!("it has no `{field}`"))
}

fn optional<T>(
    body: &Value,
    field: &str,
    read: impl FnOnce(&Value, &str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    body.get(field).map(|_| read(body, field)).transpose()
}

fn time(body: &Value, field: &str) -> Result<Time, String> {
    timestamp::parse(word(body, field)?).map_err(|error| format!("its `{field}` is no time: {error}"))
}

fn mac(body: &Value, field: &str) -> Result<Mac, String> {
    Mac::from_base64(word(body, field)?).ok_or_else(|| format!("its `{field}` is no receipt"))
}

fn agent(body: &Value, field: &str) -> Result<AgentId, String> {
    AgentId::parse(word(body, field)?).map_err(|error| format!("its `{field}` {error}"))
}

fn claim_id(value: &Value) -> Result<Option<ClaimId>, String> {
    let read = value.as_str().map(ClaimId::parse).transpose();
    read.map_err(|error| format!("its claim_id {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id() -> HandoffId {
        HandoffId::parse("h").unwrap()
    }

    fn told(status: u16, body: &Value) -> Response {
        Response { status, headers: Default::default(), body: body.to_string().into_bytes() }
    }

    fn accept() -> Asked {
        let by = AgentId::parse("alice").unwrap();
        Asked::Command(id(), Box::new(Command::Accept { by, claim_id: None, attempt: 0, receipt: None }))
    }

    fn get() -> Asked {
        Asked::Get(id(), AgentId::parse("alice").unwrap())
    }

    fn shown() -> Value {
        json!({
            "handoff_id": "h", "from_agent": "bob", "to_agent": "alice", "status": "claimed",
            "digest": Digest::of(b"").to_string(), "started_at": "2027-01-01T00:00:00Z",
            "expires_at": "2027-01-01T00:00:01Z", "claim_ttl_seconds": 2,
            "claim": { "claim_id": "c", "claimed_at": "2027-01-01T00:00:00.5Z" }, "claim_id": "c",
            "receipts": { "accept": Mac([1; 32]).to_base64() },
        })
    }

    #[test]
    fn an_answer_is_read_whole() {
        let body = json!({ "handoff_id": "h", "status": "claimed", "claim_id": null, "claimed_at": "1970-01-01T00:00:00.007Z" });
        let claimed = Answer::Claimed { claim_id: None, claimed_at: Time(7), claim_expires_at: None };
        assert_eq!(heard(&accept(), &told(200, &body)), Ok(Heard::Verdict(Ok(claimed))));
        let refused = json!({ "reason": "already_claimed" });
        assert_eq!(heard(&accept(), &told(409, &refused)), Ok(Heard::Verdict(Err(Refusal::AlreadyClaimed))));
        let invalid = json!({ "reason": "invalid", "field": "claim_id" });
        let expected = Heard::Verdict(Err(Refusal::Invalid(Field::ClaimId)));
        assert_eq!(heard(&accept(), &told(422, &invalid)), Ok(expected));
        assert_eq!(heard(&accept(), &told(503, &json!({}))), Ok(Heard::Unknown));
        let Ok(Heard::Seen(Ok(record))) = heard(&get(), &told(200, &shown())) else {
            panic!("it is a record")
        };
        let claim = record.claim().unwrap();
        assert_eq!((claim.receipt, record.claim_ttl), (Some(Mac([1; 32])), Some(Millis(2000))));
        assert_eq!(claim.at.since(record.started_at), Millis(500));
    }

    #[test]
    fn an_answer_that_is_not_as_it_should_be_is_an_error() {
        let wrong = |asked: &Asked, status, body: Value, word: &str| {
            let error = heard(asked, &told(status, &body)).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        let with = |field: &str, value: Value| {
            let mut body = shown();
            body[field] = value;
            body
        };
        wrong(&get(), 200, with("handoff_id", json!("g")), "another handoff");
        wrong(&get(), 200, with("status", json!("open")), "no such status");
        wrong(&get(), 200, with("status", json!("pending")), "do not go together");
        wrong(&get(), 200, with("started_at", json!("today")), "`started_at` is no time");
        wrong(&get(), 200, with("receipts", json!({ "accept": "x" })), "no receipt");
        wrong(&accept(), 200, with("claimed_at", json!(null)), "no `claimed_at`");
        let pending = json!({ "handoff_id": "h", "status": "pending", "claimed_at": "1970-01-01T00:00:00Z" });
        wrong(&accept(), 200, pending, "status is not claimed");
        wrong(&accept(), 404, json!({ "reason": "no_such_route" }), "no protocol's refusal");
        wrong(&Asked::Poll(AgentId::parse("alice").unwrap()), 200, json!({}), "a Handoff-Id");
    }

    #[test]
    fn a_poll_shows_the_bytes_of_its_digest_and_no_others() {
        let poll = Asked::Poll(AgentId::parse("alice").unwrap());
        let shown = |digest: &str| {
            let headers = [("handoff-id", "h"), ("handoff-digest", digest)];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            heard(&poll, &Response { status: 200, headers: headers.into(), body: b"bytes".to_vec() })
        };
        let digest = Digest::of(b"bytes");
        assert_eq!(shown(&digest.to_string()), Ok(Heard::Shown(Some((id(), digest)))));
        assert!(shown(&Digest::of(b"other").to_string()).unwrap_err().contains("of other bytes"));
        let none = Response { status: 204, headers: Default::default(), body: Vec::new() };
        assert_eq!(heard(&poll, &none), Ok(Heard::Shown(None)));
    }
}
