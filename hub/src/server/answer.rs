//! Answers: what the hub says when all is well. Times are RFC 3339 in UTC.

use std::sync::Arc;

use handoff_kernel::command;
use handoff_kernel::command::EventKind;
use handoff_kernel::ident::{HandoffId, Mac, Wire};
use handoff_kernel::record::{Record, Rejection, State, Status};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;
use http_body_util::Full;
use hyper::body::{Body as _, Bytes};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::query;
use crate::request::{Page, Shown, Story};

/// A whole response: nothing is streamed here.
pub(super) type Answer = Response<Full<Bytes>>;

const HANDOFF_ID: HeaderName = HeaderName::from_static("handoff-id");
const HANDOFF_DIGEST: HeaderName = HeaderName::from_static("handoff-digest");

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let text = serde_json::to_string(body).expect("structs of strings, numbers and canonical JSON are JSON");
    json_text(status, text)
}

fn json_text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fresh(answer)
}

/// Every answer is of its moment.
fn fresh(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same answer to a `HEAD`: all of it but its body, which hyper would send over HTTP/2.
pub(super) fn head(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Full::default())
}

/// An answer that says nothing but this.
pub(super) fn plain(status: StatusCode, word: &'static str) -> Answer {
    #[derive(Serialize)]
    struct Body {
        status: &'static str,
    }
    json(status, &Body { status: word })
}

/// The answer to a command that was carried out, now or before: always as it was the first time (rule S9).
pub(super) fn done(handoff: &HandoffId, answer: &command::Answer<Wire>, changed: bool) -> Answer {
    #[derive(Serialize)]
    struct Started<'a> {
        handoff_id: &'a str,
        status: &'static str,
        expires_at: String,
    }
    #[derive(Serialize)]
    struct Claimed<'a> {
        handoff_id: &'a str,
        status: &'static str,
        claim_id: Option<&'a str>,
        claimed_at: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        claim_expires_at: Option<String>,
    }
    #[derive(Serialize)]
    struct Completed<'a> {
        handoff_id: &'a str,
        status: &'static str,
        completed_at: String,
    }
    #[derive(Serialize)]
    struct Rejected<'a> {
        handoff_id: &'a str,
        status: &'static str,
        rejected_at: String,
    }
    let handoff_id = handoff.as_str();
    match answer {
        command::Answer::Started { expires_at } => {
            let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
            let expires_at = text(*expires_at);
            json(status, &Started { handoff_id, status: Status::Pending.name(), expires_at })
        }
        command::Answer::Claimed { claim_id, claimed_at, claim_expires_at } => json(
            StatusCode::OK,
            &Claimed {
                handoff_id,
                status: Status::Claimed.name(),
                claim_id: claim_id.as_ref().map(|id| id.as_str()),
                claimed_at: text(*claimed_at),
                claim_expires_at: claim_expires_at.map(text),
            },
        ),
        command::Answer::Completed { at } => {
            let completed_at = text(*at);
            json(StatusCode::OK, &Completed { handoff_id, status: Status::Completed.name(), completed_at })
        }
        command::Answer::Rejected { at } => {
            let rejected_at = text(*at);
            json(StatusCode::OK, &Rejected { handoff_id, status: Status::Rejected.name(), rejected_at })
        }
        // Nobody outside can ask for a sweep.
        command::Answer::Swept => plain(StatusCode::OK, "swept"),
    }
}

/// The answer to a poll: the artifact verbatim, or nothing.
pub(super) fn polled(shown: Option<&Shown>) -> Answer {
    let Some(shown) = shown else {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        return fresh(answer);
    };
    let mut answer = Response::new(Full::from(Bytes::from_owner(Arc::clone(&shown.bytes))));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let value = |text: &str| HeaderValue::from_str(text).expect("ids and hex are visible ASCII");
    headers.insert(HANDOFF_ID, value(shown.handoff.as_str()));
    headers.insert(HANDOFF_DIGEST, value(&shown.digest.to_string()));
    fresh(answer)
}

/// A record, as lists show it.
#[derive(Serialize)]
struct Summary<'a> {
    handoff_id: &'a str,
    from_agent: &'a str,
    to_agent: &'a str,
    status: &'static str,
    digest: String,
    started_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_ttl_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<ClaimBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// `declined`, `expired` or `claim_expired`, as in the file's last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
}

/// The claim that it is or was under; anonymous when `claim_id` is null.
#[derive(Serialize)]
struct ClaimBody<'a> {
    claim_id: Option<&'a str>,
    claimed_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_expires_at: Option<String>,
}

impl<'a> Summary<'a> {
    fn of(record: &'a Record<Wire>) -> Self {
        Self {
            handoff_id: record.id.as_str(),
            from_agent: record.author.as_str(),
            to_agent: record.target.as_str(),
            status: record.status().name(),
            digest: record.digest.to_string(),
            started_at: text(record.started_at),
            expires_at: text(record.expires_at),
            claim_ttl_seconds: record.claim_ttl.map(|Millis(ttl)| ttl / 1000),
            claim: record.claim().map(|claim| ClaimBody {
                claim_id: claim.id.as_ref().map(|id| id.as_str()),
                claimed_at: text(claim.at),
                claim_expires_at: record.claim_expires_at(claim).map(text),
            }),
            finished_at: record.finished_at().map(text),
            cause: match &record.state {
                State::Rejected(rejection) => Some(rejection.name()),
                State::Pending | State::Claimed(_) | State::Completed { .. } => None,
            },
        }
    }
}

/// One thing that happened.
#[derive(Serialize)]
struct Happened<'a> {
    event: &'static str,
    at: String,
    /// None when a deadline did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
}

/// What the target signed, by what it did.
#[derive(Serialize)]
struct Receipts {
    #[serde(skip_serializing_if = "Option::is_none")]
    accept: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject: Option<String>,
}

#[derive(Serialize)]
struct StoryBody<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    /// The `claim_id` of the claim, or else of the decline.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a RawValue>,
    history: Vec<Happened<'a>>,
    receipts: Receipts,
}

/// The answer to a get. An artifact that was asked for is the last member, raw: what stands between `"artifact":`
/// and the last `}` is the author's bytes, verbatim.
pub(super) fn story(story: &Story) -> Answer {
    let record = &story.record;
    let (mut result, mut reason) = (None, None);
    let mut claim_id = record.claim().and_then(|claim| claim.id.as_ref());
    let mut receipts =
        Receipts { accept: base64(record.claim().and_then(|c| c.receipt)), complete: None, reject: None };
    match &record.state {
        State::Completed { completion, .. } => {
            result = completion.result.as_deref().map(raw);
            receipts.complete = base64(completion.receipt);
        }
        State::Rejected(Rejection::Declined { decline, .. }) => {
            reason = Some(raw(&decline.reason));
            claim_id = claim_id.or(decline.claim_id.as_ref());
            receipts.reject = base64(decline.receipt);
        }
        State::Pending
        | State::Claimed(_)
        | State::Rejected(Rejection::Expired { .. } | Rejection::ClaimExpired { .. }) => {}
    }
    let body = StoryBody {
        summary: Summary::of(record),
        claim_id: claim_id.map(|id| id.as_str()),
        result,
        reason,
        history: history(record),
        receipts,
    };
    let mut text = serde_json::to_string(&body).expect("structs of strings and canonical JSON are JSON");
    if let Some(artifact) = &story.artifact {
        text.truncate(text.len() - 1);
        text.push_str(",\"artifact\":");
        text.push_str(&String::from_utf8_lossy(artifact));
        text.push('}');
    }
    json_text(StatusCode::OK, text)
}

/// What happened, in order. A record remembers one thing of each kind, and none of them twice.
fn history(record: &Record<Wire>) -> Vec<Happened<'_>> {
    let target = Some(record.target.as_str());
    let event = |kind: EventKind, at, by| Happened { event: kind.name(), at: text(at), by };
    let mut history = vec![event(EventKind::Started, record.started_at, Some(record.author.as_str()))];
    if let Some(claim) = record.claim() {
        history.push(event(EventKind::Claimed, claim.at, target));
    }
    if let Some(at) = record.finished_at() {
        let kind = EventKind::of(&record.state);
        let by = match kind {
            EventKind::Expired | EventKind::ClaimExpired => None,
            EventKind::Started | EventKind::Claimed | EventKind::Completed | EventKind::Rejected => target,
        };
        history.push(event(kind, at, by));
    }
    history
}

/// The answer to a list.
pub(super) fn listed(page: &Page) -> Answer {
    #[derive(Serialize)]
    struct Body<'a> {
        handoffs: Vec<Summary<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_cursor: Option<String>,
    }
    let handoffs = page.records.iter().map(Summary::of).collect();
    json(StatusCode::OK, &Body { handoffs, next_cursor: page.next.as_ref().map(query::show_cursor) })
}

fn text(time: Time) -> String {
    Rfc3339(time).to_string()
}

fn base64(receipt: Option<Mac>) -> Option<String> {
    receipt.map(|mac| mac.to_base64())
}

fn raw(canonical: &str) -> &RawValue {
    serde_json::from_str(canonical).expect("canonical JSON is JSON")
}
