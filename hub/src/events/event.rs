//! What happened, and the one line that says so.
//!
//! ```text
//!   record --> Happened --body()--> {"at":…,"event":…,…}             what the commit journal keeps
//!   seq, body, prev ------line()--> {"seq":7,"at":…,…,"prev":"…"}    what the log keeps
//! ```
//!
//! Each has one spelling: the same event gives the same body, and the same body, number and `prev` give the same line,
//! byte for byte. A line that could have been spelt otherwise is none of ours. Nothing here knows of files.

use std::fmt::Write as _;
use std::sync::Arc;

use handoff_kernel::command::{Event, EventKind};
use handoff_kernel::ident::{AgentId, Digest, HandoffId, Wire};
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::{self, Rfc3339};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One transition, as the log tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// What happened.
    pub kind: EventKind,
    /// When, by the deciding clock.
    pub at: Time,
    /// Which handoff.
    pub handoff: HandoffId,
    /// Who it is from.
    pub from: AgentId,
    /// Who it is addressed to.
    pub to: AgentId,
    /// Who did it; none when a deadline did.
    pub actor: Option<AgentId>,
    /// The SHA-256 of the claim's name; none without a claim, and for an anonymous one. The name itself is what its
    /// holder finishes by, and the log may be read by more people than that.
    pub claim: Option<Digest>,
    /// Why it was declined, as canonical JSON. Which deadline it was, `kind` says.
    pub reason: Option<Arc<str>>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its number.
    pub seq: u64,
    /// What it tells of.
    pub happened: Happened,
    /// Whether it was written afterwards, in place of one that had been lost.
    pub recovered: bool,
    /// The SHA-256 of the line before.
    pub prev: Digest,
}

impl Happened {
    /// What brought this record into the state it is in.
    #[must_use]
    pub fn of(record: &Record<Wire>) -> Self {
        let event = Event::that_made(record).last().expect("every record was started");
        Self::tell(record, &event)
    }

    /// All that made this record, in order.
    #[must_use]
    pub fn that_made(record: &Record<Wire>) -> Vec<Self> {
        Event::that_made(record).map(|event| Self::tell(record, &event)).collect()
    }

    fn tell(record: &Record<Wire>, event: &Event<Wire>) -> Self {
        let claim = match event.kind {
            EventKind::Started => None,
            EventKind::Claimed
            | EventKind::Completed
            | EventKind::Rejected
            | EventKind::Expired
            | EventKind::ClaimExpired => record.claim().and_then(|claim| claim.id),
        };
        let reason = match (event.kind, &record.state) {
            (EventKind::Rejected, State::Rejected(Rejection::Declined { decline, .. })) => {
                Some(Arc::clone(&decline.reason))
            }
            _ => None,
        };
        Self {
            kind: event.kind,
            at: event.at,
            handoff: event.handoff,
            from: record.author,
            to: record.target,
            actor: event.actor,
            claim: claim.map(|id| Digest::of(id.as_str().as_bytes())),
            reason,
        }
    }

    /// The JSON object that tells of it, all but the line's own fields.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = String::with_capacity(256);
        self.write(&mut body).expect("a string takes whatever is written");
        body
    }

    /// Names and times have nothing in them that JSON would escape, and a reason is JSON.
    fn write(&self, body: &mut String) -> std::fmt::Result {
        let name = self.kind.name();
        write!(body, r#"{{"at":"{}","event":"{name}","handoff_id":"{}""#, Rfc3339(self.at), self.handoff)?;
        write!(body, r#","from_agent":"{}","to_agent":"{}""#, self.from, self.to)?;
        if let Some(actor) = &self.actor {
            write!(body, r#","actor":"{actor}""#)?;
        }
        if let Some(claim) = &self.claim {
            write!(body, r#","claim":"{claim}""#)?;
        }
        let reason = match self.kind {
            EventKind::Expired => Some(EXPIRED),
            EventKind::ClaimExpired => Some(CLAIM_EXPIRED),
            EventKind::Started | EventKind::Claimed | EventKind::Completed | EventKind::Rejected => {
                self.reason.as_deref()
            }
        };
        if let Some(reason) = reason {
            write!(body, r#","reason":{reason}"#)?;
        }
        body.push('}');
        Ok(())
    }
}

const EXPIRED: &str = r#""expired""#;
const CLAIM_EXPIRED: &str = r#""claim_expired""#;

/// The line of this number, without its break: the body's fields between the line's own.
pub(super) fn line(seq: u64, body: &str, recovered: bool, prev: &Digest) -> String {
    let fields = body.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(body);
    let mark = if recovered { r#""recovered":true,"# } else { "" };
    format!(r#"{{"seq":{seq},{fields},{mark}"prev":"{prev}"}}"#)
}

/// Whether this can be a line's body: what [`Happened::body`] made can.
pub(super) fn is_body(body: &str) -> bool {
    body.starts_with("{\"") && body.ends_with('}') && !body.contains('\n')
}

/// A line's fields, of which a body has all but the line's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    seq: u64,
    at: &'a str,
    event: &'a str,
    handoff_id: &'a str,
    from_agent: &'a str,
    to_agent: &'a str,
    #[serde(default)]
    actor: Option<&'a str>,
    #[serde(default)]
    claim: Option<&'a str>,
    #[serde(default, borrow)]
    reason: Option<&'a RawValue>,
    #[serde(default)]
    recovered: bool,
    prev: &'a str,
}

impl Logged {
    /// Reads a line without its break; none when it is not as this hub writes one, to the byte.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
        let raw = fields.reason.map(RawValue::get);
        let (kind, reason) = match (fields.event, raw) {
            ("started", None) => (EventKind::Started, None),
            ("claimed", None) => (EventKind::Claimed, None),
            ("completed", None) => (EventKind::Completed, None),
            ("rejected", Some(reason)) => (EventKind::Rejected, Some(Arc::from(reason))),
            ("expired", Some(EXPIRED)) => (EventKind::Expired, None),
            ("expired", Some(CLAIM_EXPIRED)) => (EventKind::ClaimExpired, None),
            _ => return None,
        };
        let actor = match fields.actor {
            Some(name) => Some(AgentId::parse(name).ok()?),
            None => None,
        };
        let claim = match fields.claim {
            Some(hex) => Some(Digest::from_hex(hex)?),
            None => None,
        };
        let happened = Happened {
            kind,
            at: timestamp::parse(fields.at).ok()?,
            handoff: HandoffId::parse(fields.handoff_id).ok()?,
            from: AgentId::parse(fields.from_agent).ok()?,
            to: AgentId::parse(fields.to_agent).ok()?,
            actor,
            claim,
            reason,
        };
        let logged = Self {
            seq: fields.seq,
            happened,
            recovered: fields.recovered,
            prev: Digest::from_hex(fields.prev)?,
        };
        (logged.write().as_bytes() == line).then_some(logged)
    }

    /// The line, without its break.
    #[must_use]
    pub fn write(&self) -> String {
        line(self.seq, &self.happened.body(), self.recovered, &self.prev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::ident::ClaimId;
    use handoff_kernel::record::{Claim, Completion, Decline};
    use handoff_kernel::time::Millis;

    fn record(state: State<Wire>) -> Record<Wire> {
        Record {
            id: HandoffId::parse("h-1").unwrap(),
            author: AgentId::parse("bob").unwrap(),
            target: AgentId::parse("alice").unwrap(),
            digest: Digest::of(b"artifact"),
            started_at: Time(1000),
            expires_at: Time(9000),
            claim_ttl: Some(Millis(500)),
            state,
        }
    }

    fn claim(name: Option<&str>) -> Claim<Wire> {
        let id = name.map(|name| ClaimId::parse(name).unwrap());
        Claim { id, at: Time(2001), attempt: Some(7), receipt: None }
    }

    fn declined(claim: Option<Claim<Wire>>) -> Record<Wire> {
        let reason = Arc::from(r#""no \"time\"\n""#);
        let decline = Decline { at: Time(3000), claim_id: None, reason, receipt: None };
        record(State::Rejected(Rejection::Declined { claim, decline }))
    }

    fn all() -> Vec<Record<Wire>> {
        let completion = Completion { at: Time(3000), result: Some("1".into()), receipt: None };
        vec![
            record(State::Pending),
            record(State::Claimed(claim(None))),
            record(State::Claimed(claim(Some("c")))),
            record(State::Completed { claim: claim(Some("c")), completion }),
            declined(None),
            declined(Some(claim(Some("c")))),
            record(State::Rejected(Rejection::Expired { at: Time(9001) })),
            record(State::Rejected(Rejection::ClaimExpired { claim: claim(Some("c")), at: Time(3000) })),
        ]
    }

    #[test]
    fn a_body_says_who_did_what_when_and_why() {
        let head = |at, event| {
            format!(
                r#"{{"at":"1970-01-01T00:00:{at}Z","event":"{event}","handoff_id":"h-1","from_agent":"bob","to_agent":"alice""#
            )
        };
        // printf c | sha256sum
        let c = "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6";
        let why = r#""reason":"no \"time\"\n""#;
        let expected = [
            format!(r#"{},"actor":"bob"}}"#, head("01", "started")),
            format!(r#"{},"actor":"alice"}}"#, head("02.001", "claimed")),
            format!(r#"{},"actor":"alice","claim":"{c}"}}"#, head("02.001", "claimed")),
            format!(r#"{},"actor":"alice","claim":"{c}"}}"#, head("03", "completed")),
            format!(r#"{},"actor":"alice",{why}}}"#, head("03", "rejected")),
            format!(r#"{},"actor":"alice","claim":"{c}",{why}}}"#, head("03", "rejected")),
            format!(r#"{},"reason":"expired"}}"#, head("09.001", "expired")),
            format!(r#"{},"claim":"{c}","reason":"claim_expired"}}"#, head("03", "expired")),
        ];
        let told: Vec<_> = all().iter().map(|record| Happened::of(record).body()).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_made_a_record_is_told_in_order_and_ends_with_what_happened_last() {
        for record in all() {
            let told = Happened::that_made(&record);
            assert_eq!(told.last(), Some(&Happened::of(&record)));
            assert_eq!(told[0].body(), Happened::of(&all()[0]).body());
            let kinds: Vec<_> = told.iter().map(|happened| happened.kind).collect();
            let events: Vec<_> = Event::that_made(&record).map(|event| event.kind).collect();
            assert_eq!(kinds, events);
            if let Some(claimed) = told.iter().find(|happened| happened.kind == EventKind::Claimed) {
                let named = record.claim().unwrap().id.map(|id| Digest::of(id.as_str().as_bytes()));
                assert_eq!(claimed.claim, named);
            }
        }
    }

    #[test]
    fn a_line_reads_back_and_no_other_spelling_of_it_does() {
        for record in all() {
            for recovered in [false, true] {
                let prev = Digest::of(b"the line before");
                let happened = Happened::of(&record);
                let text = line(7, &happened.body(), recovered, &prev);
                let logged = Logged::read(text.as_bytes()).unwrap();
                assert_eq!(logged, Logged { seq: 7, happened, recovered, prev }, "{text}");
                assert_eq!(logged.write(), text);
                assert!(
                    text.starts_with(r#"{"seq":7,"at":"#) && text.ends_with(&format!(r#""prev":"{prev}"}}"#))
                );
                assert_eq!(text.contains(r#","recovered":true,"prev""#), recovered);
                let spelt = [
                    text.replacen(',', ", ", 1),
                    format!("{text} "),
                    text.replacen(":7,", ":7.0,", 1),
                    text.replacen("Z\"", ".000Z\"", 1),
                    text.replacen("\"prev\"", "\"recovered\":false,\"prev\"", 1),
                    text.replacen("\"prev\"", "\"actor\":null,\"prev\"", 1),
                    text.replacen("\"prev\"", "\"other\":1,\"prev\"", 1),
                    text[..text.len() - 1].to_owned(),
                ];
                for other in spelt {
                    assert_eq!(Logged::read(other.as_bytes()), None, "{other}");
                }
            }
        }
    }
}
