//! Lines: each transition appends one JSON line to the handoff's own file, so that the file tells its whole
//! story.
//!
//! A line says what happened, when, by whom, with what result or reason and receipt; and the length and SHA-256 of
//! the artifact that begins the file, so that where the verbatim bytes end is never a guess.

use std::sync::Arc;

use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::Start;
use handoff_kernel::ident::{ClaimId, Digest, Mac, Wire};
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::{self, Rfc3339};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a line says, field by field, in the order in which a person reads it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event: EventName,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_id: Option<String>,
    /// `declined`, `expired` or `claim_expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    reason: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    started_at: String,
    artifact_bytes: usize,
    artifact_sha256: String,
}

/// What is there is there: a result of `null` is a result.
fn there<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(value).map(Some)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EventName {
    Claimed,
    Completed,
    Rejected,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cause {
    Declined,
    Expired,
    ClaimExpired,
}

/// The line that tells how this record came into its state, with the breaks around it: the first in a file ends
/// the artifact's last line, if need be, by a break of its own.
pub(super) fn write(record: &Record<Wire>, artifact_bytes: usize, first: bool) -> String {
    let target = Some(record.target.to_string());
    let mut line = Line {
        event: EventName::Claimed,
        at: String::new(),
        by: None,
        claim_id: None,
        cause: None,
        result: None,
        reason: None,
        receipt: None,
        started_at: text(record.started_at),
        artifact_bytes,
        artifact_sha256: record.digest.to_string(),
    };
    match &record.state {
        State::Pending => {}
        State::Claimed(claim) => {
            line.at = text(claim.at);
            line.by = target;
            line.claim_id = claim.id.map(|id| id.to_string());
            line.receipt = claim.receipt.map(|r| r.to_base64());
        }
        State::Completed { completion, .. } => {
            line.event = EventName::Completed;
            line.at = text(completion.at);
            line.by = target;
            line.result = completion.result.as_ref().map(raw);
            line.receipt = completion.receipt.map(|r| r.to_base64());
        }
        State::Rejected(Rejection::Declined { decline, .. }) => {
            line.event = EventName::Rejected;
            line.at = text(decline.at);
            line.by = target;
            line.claim_id = decline.claim_id.map(|id| id.to_string());
            line.cause = Some(Cause::Declined);
            line.reason = Some(raw(&decline.reason));
            line.receipt = decline.receipt.map(|r| r.to_base64());
        }
        State::Rejected(Rejection::Expired { at }) => {
            (line.event, line.at, line.cause) = (EventName::Expired, text(*at), Some(Cause::Expired));
        }
        State::Rejected(Rejection::ClaimExpired { at, .. }) => {
            (line.event, line.at, line.cause) = (EventName::Expired, text(*at), Some(Cause::ClaimExpired));
        }
    }
    let json = serde_json::to_string(&line).expect("a struct of strings and canonical JSON");
    if first { format!("\n{json}\n") } else { format!("{json}\n") }
}

fn text(time: Time) -> String {
    Rfc3339(time).to_string()
}

fn raw(canonical: &Arc<str>) -> Box<RawValue> {
    RawValue::from_string(canonical.to_string()).expect("canonical JSON is JSON")
}

/// A file, understood.
#[derive(Debug)]
pub(super) struct Told {
    /// What its artifact asks to be started.
    pub(super) start: Start<Wire>,
    /// The record that the file tells of.
    pub(super) record: Record<Wire>,
    /// How many of its bytes are the artifact.
    pub(super) artifact_bytes: usize,
}

/// Why a file cannot be understood, as a sentence.
pub(super) type Why = String;

/// Reads a file: the artifact, verbatim, and then a line for each transition. Without a line, the handoff is
/// pending and arrived at `arrived`.
pub(super) fn read(bytes: &[u8], arrived: Time) -> Result<Told, Why> {
    let (artifact, lines) = split(bytes);
    let start = Artifact::parse(artifact).map_err(|e| e.to_string())?.header().start();
    let mut record = start.pending(arrived);
    for line in lines.unwrap_or_default().split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        let line: Line =
            serde_json::from_slice(line).map_err(|e| format!("a line is not as the hub writes it: {e}"))?;
        record.started_at = time(&line.started_at)?;
        record.state = follow(&record, &line)?;
    }
    Ok(Told { start, record, artifact_bytes: artifact.len() })
}

/// The artifact and the lines after it; no lines when the last line is not one of ours that fits.
///
/// An artifact cannot end in such a line itself: it is one JSON object, so all before its last line would have to
/// be white space, and the object on that line would need an artifact's fields, which a line has none of.
fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let last = end.rsplit(|&b| b == b'\n').next().unwrap_or(end);
    let fits = serde_json::from_slice::<Line>(last).ok().and_then(|line| {
        let (artifact, lines) = bytes.split_at_checked(line.artifact_bytes)?;
        (Digest::of(artifact).to_string() == line.artifact_sha256).then_some((artifact, lines))
    });
    match fits {
        Some((artifact, lines)) => (artifact, Some(lines)),
        None => (bytes, None),
    }
}

/// Why the last line does not fit what is before it, if it is one of ours and that is what is wrong.
pub(super) fn misfit(bytes: &[u8]) -> Option<Why> {
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let last = end.rsplit(|&b| b == b'\n').next().unwrap_or(end);
    let line: Line = serde_json::from_slice(last).ok()?;
    let says = format!("its last line says that the artifact is its first {} bytes", line.artifact_bytes);
    let before = end.len() - last.len();
    let Some(artifact) = bytes.get(..line.artifact_bytes).filter(|_| line.artifact_bytes <= before) else {
        return Some(format!("{says}, and only {before} are before it"));
    };
    let digest = Digest::of(artifact).to_string();
    (digest != line.artifact_sha256)
        .then(|| format!("{says} with the SHA-256 {}, and theirs is {digest}", line.artifact_sha256))
}

/// The state that a line leads to.
fn follow(record: &Record<Wire>, line: &Line) -> Result<State<Wire>, Why> {
    let at = time(&line.at)?;
    let receipt = match &line.receipt {
        Some(text) => Some(Mac::from_base64(text).ok_or("a receipt is not base64 of 32 bytes")?),
        None => None,
    };
    let claim_id = match &line.claim_id {
        Some(text) => Some(ClaimId::parse(text).map_err(|e| format!("a claim_id {e}"))?),
        None => None,
    };
    let by_target = line.by.as_deref() == Some(record.target.as_str());
    let text = |raw: &RawValue| Arc::<str>::from(raw.get());
    let claim = record.claim().cloned();
    match (&record.state, line.event, line.cause) {
        (State::Pending, EventName::Claimed, None) if by_target => {
            Ok(State::Claimed(Claim { id: claim_id, at, attempt: None, receipt }))
        }
        (State::Claimed(claim), EventName::Completed, None) if by_target => Ok(State::Completed {
            claim: claim.clone(),
            completion: Completion { at, result: line.result.as_deref().map(text), receipt },
        }),
        (State::Pending | State::Claimed(_), EventName::Rejected, Some(Cause::Declined)) if by_target => {
            let reason = line.reason.as_deref().map(text).ok_or("a decline has no reason")?;
            Ok(State::Rejected(Rejection::Declined {
                claim,
                decline: Decline { at, claim_id, reason, receipt },
            }))
        }
        (State::Pending, EventName::Expired, Some(Cause::Expired)) => {
            Ok(State::Rejected(Rejection::Expired { at }))
        }
        (State::Claimed(claim), EventName::Expired, Some(Cause::ClaimExpired)) => {
            Ok(State::Rejected(Rejection::ClaimExpired { claim: claim.clone(), at }))
        }
        (_, event, _) => Err(format!("the line `{event:?}` does not follow from what is before it")),
    }
}

fn time(text: &str) -> Result<Time, Why> {
    timestamp::parse(text).map_err(|e| format!("the time {text:?} is not one: {e}"))
}
