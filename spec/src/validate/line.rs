//! One line of the log, read as `docs/format.md` has it and in no other spelling.

use handoff_kernel::canonical;
use handoff_kernel::command::EventKind;
use handoff_kernel::ident::{AgentId, BadName, Digest, HandoffId};
use handoff_kernel::json::Document;
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::{self, Rfc3339};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A line's fields, in the order in which they are written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    seq: u64,
    at: &'a str,
    event: &'a str,
    handoff_id: &'a str,
    from_agent: &'a str,
    to_agent: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<&'a str>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    reason: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recovered: bool,
    prev: &'a str,
}

/// What a line says. Its reason is looked at, and not kept: no rule asks what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number.
    pub(super) seq: u64,
    /// When it happened.
    pub(super) at: Time,
    /// What happened.
    pub(super) kind: EventKind,
    /// To which handoff.
    pub(super) handoff: HandoffId,
    /// Whom that is from.
    pub(super) from: AgentId,
    /// Whom it is addressed to.
    pub(super) to: AgentId,
    /// Who did it; none when a deadline did, and only then.
    pub(super) actor: Option<AgentId>,
    /// The SHA-256 of the claim's name.
    pub(super) claim: Option<Digest>,
    /// Whether it was written afterwards.
    pub(super) recovered: bool,
    /// The SHA-256 of the line before.
    pub(super) prev: Digest,
}

impl Line {
    /// Reads a line without its break.
    ///
    /// # Errors
    /// What is not as the format has it, as the end of a sentence.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let written = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
        if written != line {
            return Err("its fields are spelt or ordered in another way than the hub's".into());
        }
        let line = fields.line()?;
        line.agrees_with_itself()?;
        Ok(line)
    }

    /// What a line of its kind has, and what it has not.
    fn agrees_with_itself(&self) -> Result<(), String> {
        let (by_clock, may_be_claimed) = match self.kind {
            EventKind::Started => (false, false),
            EventKind::Claimed | EventKind::Completed | EventKind::Rejected => (false, true),
            EventKind::Expired => (true, false),
            EventKind::ClaimExpired => (true, true),
        };
        if self.actor.is_some() == by_clock {
            return Err("what somebody did has an actor, and what a deadline did has none".into());
        }
        if self.claim.is_some() && !may_be_claimed {
            return Err("it names a claim, and happens before there is one".into());
        }
        if self.from == self.to {
            return Err("from_agent and to_agent are the same, which they are in no artifact".into());
        }
        Ok(())
    }
}

impl Fields<'_> {
    fn line(&self) -> Result<Line, String> {
        let named = |field: &'static str| move |bad: BadName| format!("its {field} {bad}");
        let digest = |field: &str, hex: &str| {
            Digest::from_hex(hex).ok_or_else(|| format!("its {field} must be 64 lower-case hex digits"))
        };
        let at = timestamp::parse(self.at).map_err(|bad| format!("its at: {bad}"))?;
        if Rfc3339(at).to_string() != self.at {
            return Err("its at is spelt in another way than the hub's".into());
        }
        Ok(Line {
            seq: self.seq,
            at,
            kind: self.kind()?,
            handoff: HandoffId::parse(self.handoff_id).map_err(named("handoff_id"))?,
            from: AgentId::parse(self.from_agent).map_err(named("from_agent"))?,
            to: AgentId::parse(self.to_agent).map_err(named("to_agent"))?,
            actor: self.actor.map(AgentId::parse).transpose().map_err(named("actor"))?,
            claim: self.claim.map(|hex| digest("claim", hex)).transpose()?,
            recovered: self.recovered,
            prev: digest("prev", self.prev)?,
        })
    }

    fn kind(&self) -> Result<EventKind, String> {
        match (self.event, self.reason.map(RawValue::get)) {
            ("started", None) => Ok(EventKind::Started),
            ("claimed", None) => Ok(EventKind::Claimed),
            ("completed", None) => Ok(EventKind::Completed),
            ("rejected", Some(reason)) => match Document::parse_any(reason.as_bytes()) {
                Ok(json) if canonical::document(&json) == reason => Ok(EventKind::Rejected),
                Ok(_) | Err(_) => Err("its reason is not canonical JSON".into()),
            },
            ("expired", Some(r#""expired""#)) => Ok(EventKind::Expired),
            ("expired", Some(r#""claim_expired""#)) => Ok(EventKind::ClaimExpired),
            ("started" | "claimed" | "completed" | "rejected" | "expired", _) => {
                Err(format!("its reason is not one of `{}`", self.event))
            }
            (other, _) => Err(format!("there is no event `{other}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"seq":7,"at":"2026-04-21T10:00:00.5Z","event":"rejected","handoff_id":"h-1","from_agent":"bob","to_agent":"alice","actor":"alice","claim":"C","reason":"no \"time\"\n","recovered":true,"prev":"P"}"#;

    fn line() -> String {
        LINE.replace(".5Z", ".500Z")
            .replace("\"C\"", &format!("{:?}", Digest::of(b"c").to_string()))
            .replace("\"P\"", &format!("{:?}", Digest::of(b"before").to_string()))
    }

    #[test]
    fn a_line_is_read_whole() {
        let read = Line::read(line().as_bytes()).unwrap();
        let expected = Line {
            seq: 7,
            at: Time(1_776_765_600_500),
            kind: EventKind::Rejected,
            handoff: HandoffId::parse("h-1").unwrap(),
            from: AgentId::parse("bob").unwrap(),
            to: AgentId::parse("alice").unwrap(),
            actor: Some(AgentId::parse("alice").unwrap()),
            claim: Some(Digest::of(b"c")),
            recovered: true,
            prev: Digest::of(b"before"),
        };
        assert_eq!(read, expected);
        for (reason, kind) in
            [("\"expired\"", EventKind::Expired), ("\"claim_expired\"", EventKind::ClaimExpired)]
        {
            let text = line()
                .replace(r#""rejected""#, r#""expired""#)
                .replace(r#""actor":"alice","#, "")
                .replace(r#""no \"time\"\n""#, reason)
                .replace(
                    &format!(r#""claim":"{}","#, Digest::of(b"c")),
                    if kind == EventKind::Expired { "" } else { r#""claim":"C","# },
                )
                .replace("\"C\"", &format!("{:?}", Digest::of(b"c").to_string()));
            assert_eq!(Line::read(text.as_bytes()).unwrap().kind, kind, "{text}");
        }
    }

    #[test]
    fn whatever_the_hub_does_not_write_is_no_line_and_it_is_said_why() {
        for (from, to, why) in [
            (",\"at\"", ", \"at\"", "spelt"),
            ("\"seq\":7,", "\"seq\":7,\"more\":1,", "unknown field"),
            ("\"recovered\":true,", "\"recovered\":false,", "spelt"),
            ("\"actor\":\"alice\",", "\"actor\":null,", "spelt"),
            (
                "\"handoff_id\":\"h-1\",\"from_agent\":\"bob\"",
                "\"from_agent\":\"bob\",\"handoff_id\":\"h-1\"",
                "ordered",
            ),
            (".500Z", ".5Z", "its at is spelt"),
            (".500Z", ".500", "its at: it has no offset"),
            ("\"h-1\"", "\"-\"", "its handoff_id must be 1 to 128"),
            ("\"bob\"", "\"Bob\"", "its from_agent must be"),
            ("\"to_agent\":\"alice\"", "\"to_agent\":\"bob\"", "the same"),
            ("\"actor\":\"alice\",", "", "has an actor"),
            ("\"rejected\"", "\"declined\"", "there is no event `declined`"),
            ("\"rejected\"", "\"claimed\"", "its reason is not one of `claimed`"),
            ("no \\\"time\\\"", "n\\u006f", "not canonical"),
            ("\"seq\":7", "\"seq\":-7", "invalid"),
            ("\"seq\":7", "\"seq\":7.0", "invalid"),
        ] {
            let text = line().replacen(from, to, 1);
            assert_ne!(text, line(), "{from}");
            let error = Line::read(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{from} -> {to}: {error}");
        }
        let early = line().replace("\"rejected\"", "\"started\"").replace(r#""reason":"no \"time\"\n","#, "");
        assert!(Line::read(early.as_bytes()).unwrap_err().contains("happens before there is one"));
        assert!(Line::read(b"{").is_err() && Line::read(b"").is_err() && Line::read(b"\xff").is_err());
    }
}
