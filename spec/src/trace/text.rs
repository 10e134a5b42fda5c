//! The kernel's values as a trace writes them, and back.

use core::fmt;

use handoff_kernel::command::{Answer, Command, Event, EventKind, Start};
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};
use serde::{Deserialize, Serialize};

const AGENTS: [&str; 3] = ["bob", "alice", "eve"];

/// An agent's name.
#[must_use]
pub fn agent(n: u8) -> String {
    AGENTS.get(usize::from(n)).map_or_else(|| format!("agent{n}"), |name| (*name).to_owned())
}

/// A handoff's name.
#[must_use]
pub fn handoff(n: u8) -> String {
    format!("h{n}")
}

/// A claim's name.
#[must_use]
pub fn claim(n: u8) -> String {
    format!("c{n}")
}

/// A digest's name.
#[must_use]
pub fn digest(n: u8) -> String {
    format!("d{n}")
}

/// A result's or a reason's name.
#[must_use]
pub fn text(n: u8) -> String {
    format!("t{n}")
}

fn number(prefix: &str, name: &str) -> Result<u8, String> {
    name.strip_prefix(prefix)
        .and_then(|rest| rest.parse().ok())
        .ok_or_else(|| format!("{name:?} is not {prefix} and a small number"))
}

/// The agent of this name.
///
/// # Errors
/// When it is no agent's name.
pub fn agent_number(name: &str) -> Result<u8, String> {
    match (0..).zip(AGENTS).find(|(_, known)| *known == name) {
        Some((n, _)) => Ok(n),
        None => number("agent", name),
    }
}

/// The handoff of this name.
///
/// # Errors
/// When it is no handoff's name.
pub fn handoff_number(name: &str) -> Result<u8, String> {
    number("h", name)
}

fn optional(prefix: &str, name: Option<&String>) -> Result<Option<u8>, String> {
    name.map(|name| number(prefix, name)).transpose()
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `Command`")]
pub enum Ask {
    /// An author hands over.
    Start { sender: String, artifact: Artifact },
    /// A target instance takes over.
    Accept { by: String, claim_id: Option<String>, attempt: u8, receipt: Option<String> },
    /// The holder is done.
    Complete { by: String, claim_id: Option<String>, result: Option<String>, receipt: Option<String> },
    /// The target declines.
    Reject { by: String, claim_id: Option<String>, reason: String, receipt: Option<String> },
    /// A janitor asks whether a deadline has passed.
    Sweep,
}

/// What an artifact says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `Start`")]
pub struct Artifact {
    pub handoff: String,
    pub author: String,
    pub target: String,
    pub digest: String,
    pub expires_at: u64,
    pub claim_ttl: Option<u64>,
}

impl From<&Start<Small>> for Artifact {
    fn from(start: &Start<Small>) -> Self {
        Self {
            handoff: handoff(start.id),
            author: agent(start.author),
            target: agent(start.target),
            digest: digest(start.digest),
            expires_at: start.expires_at.0,
            claim_ttl: start.claim_ttl.map(|ttl| ttl.0),
        }
    }
}

impl TryFrom<&Artifact> for Start<Small> {
    type Error = String;
    fn try_from(artifact: &Artifact) -> Result<Self, String> {
        Ok(Self {
            id: number("h", &artifact.handoff)?,
            author: agent_number(&artifact.author)?,
            target: agent_number(&artifact.target)?,
            digest: number("d", &artifact.digest)?,
            expires_at: Time(artifact.expires_at),
            claim_ttl: artifact.claim_ttl.map(Millis),
        })
    }
}

impl From<&Command<Small>> for Ask {
    fn from(command: &Command<Small>) -> Self {
        let receipt = |receipt: &Option<u8>| receipt.map(|n| format!("r{n}"));
        match command {
            Command::Start { sender, artifact } => {
                Self::Start { sender: agent(*sender), artifact: artifact.into() }
            }
            Command::Accept { by, claim_id, attempt, receipt: r } => Self::Accept {
                by: agent(*by),
                claim_id: claim_id.map(claim),
                attempt: *attempt,
                receipt: receipt(r),
            },
            Command::Complete { by, claim_id, result, receipt: r } => Self::Complete {
                by: agent(*by),
                claim_id: claim_id.map(claim),
                result: result.map(text),
                receipt: receipt(r),
            },
            Command::Reject { by, claim_id, reason, receipt: r } => Self::Reject {
                by: agent(*by),
                claim_id: claim_id.map(claim),
                reason: text(*reason),
                receipt: receipt(r),
            },
            Command::Sweep => Self::Sweep,
        }
    }
}

impl TryFrom<&Ask> for Command<Small> {
    type Error = String;
    fn try_from(ask: &Ask) -> Result<Self, String> {
        Ok(match ask {
            Ask::Start { sender, artifact } => {
                Self::Start { sender: agent_number(sender)?, artifact: artifact.try_into()? }
            }
            Ask::Accept { by, claim_id, attempt, receipt } => Self::Accept {
                by: agent_number(by)?,
                claim_id: optional("c", claim_id.as_ref())?,
                attempt: *attempt,
                receipt: optional("r", receipt.as_ref())?,
            },
            Ask::Complete { by, claim_id, result, receipt } => Self::Complete {
                by: agent_number(by)?,
                claim_id: optional("c", claim_id.as_ref())?,
                result: optional("t", result.as_ref())?,
                receipt: optional("r", receipt.as_ref())?,
            },
            Ask::Reject { by, claim_id, reason, receipt } => Self::Reject {
                by: agent_number(by)?,
                claim_id: optional("c", claim_id.as_ref())?,
                reason: number("t", reason)?,
                receipt: optional("r", receipt.as_ref())?,
            },
            Ask::Sweep => Self::Sweep,
        })
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under = |claim_id: &Option<String>| match claim_id {
            Some(claim_id) => format!(" under {claim_id}"),
            None => " without a claim_id".into(),
        };
        match self {
            Self::Start { sender, artifact } if *sender == artifact.author => {
                write!(f, "start by {sender}, expires at {}", artifact.expires_at)
            }
            Self::Start { sender, artifact } => {
                write!(f, "start by {sender} as {}, expires at {}", artifact.author, artifact.expires_at)
            }
            Self::Accept { by, claim_id, .. } => write!(f, "accept by {by}{}", under(claim_id)),
            Self::Complete { by, claim_id, result, .. } => {
                write!(f, "complete by {by}{}", under(claim_id))?;
                result.iter().try_for_each(|result| write!(f, " with {result}"))
            }
            Self::Reject { by, claim_id, reason, .. } => {
                write!(f, "reject by {by}{} because of {reason}", under(claim_id))
            }
            Self::Sweep => f.write_str("sweep"),
        }
    }
}

/// What an asker is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `Answer`")]
pub enum Told {
    /// It is started.
    Started { expires_at: u64 },
    /// It is the asker's.
    Claimed { claim_id: Option<String>, claimed_at: u64, claim_expires_at: Option<u64> },
    /// It is completed.
    Completed { at: u64 },
    /// It is declined.
    Rejected { at: u64 },
    /// Whatever was due is dealt with.
    Swept,
    /// No, and why: a refusal's name.
    Refused(String),
    /// The store could not do it now.
    Unavailable,
    /// The decision broke this rule and was not carried out.
    Broken(String),
}

impl From<&Result<Answer<Small>, NotDone>> for Told {
    fn from(verdict: &Result<Answer<Small>, NotDone>) -> Self {
        match verdict {
            Ok(Answer::Started { expires_at }) => Self::Started { expires_at: expires_at.0 },
            Ok(Answer::Claimed { claim_id, claimed_at, claim_expires_at }) => Self::Claimed {
                claim_id: claim_id.map(claim),
                claimed_at: claimed_at.0,
                claim_expires_at: claim_expires_at.map(|at| at.0),
            },
            Ok(Answer::Completed { at }) => Self::Completed { at: at.0 },
            Ok(Answer::Rejected { at }) => Self::Rejected { at: at.0 },
            Ok(Answer::Swept) => Self::Swept,
            Err(NotDone::Refused(refusal)) => Self::Refused(refusal.name().to_owned()),
            Err(NotDone::Unavailable) => Self::Unavailable,
            Err(NotDone::Broken(rule)) => Self::Broken(format!("{rule:?}")),
        }
    }
}

impl TryFrom<&Told> for Result<Answer<Small>, NotDone> {
    type Error = String;
    fn try_from(told: &Told) -> Result<Self, String> {
        Ok(match told {
            Told::Started { expires_at } => Ok(Answer::Started { expires_at: Time(*expires_at) }),
            Told::Claimed { claim_id, claimed_at, claim_expires_at } => Ok(Answer::Claimed {
                claim_id: optional("c", claim_id.as_ref())?,
                claimed_at: Time(*claimed_at),
                claim_expires_at: claim_expires_at.map(Time),
            }),
            Told::Completed { at } => Ok(Answer::Completed { at: Time(*at) }),
            Told::Rejected { at } => Ok(Answer::Rejected { at: Time(*at) }),
            Told::Swept => Ok(Answer::Swept),
            Told::Refused(name) => Err(NotDone::Refused(refusal(name)?)),
            Told::Unavailable => Err(NotDone::Unavailable),
            Told::Broken(name) => {
                let rule = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == *name);
                Err(NotDone::Broken(rule.ok_or_else(|| format!("there is no rule {name:?}"))?))
            }
        })
    }
}

/// The only field that the state machine itself finds invalid is `expires_at`.
fn refusal(name: &str) -> Result<Refusal, String> {
    Refusal::PLAIN
        .into_iter()
        .chain([Refusal::Invalid(Field::ExpiresAt)])
        .find(|refusal| refusal.name() == name)
        .ok_or_else(|| format!("there is no refusal {name:?}"))
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { .. } => f.write_str("started"),
            Self::Claimed { claim_id: Some(claim_id), claimed_at, .. } => {
                write!(f, "claimed at {claimed_at} as {claim_id}")
            }
            Self::Claimed { claim_id: None, claimed_at, .. } => {
                write!(f, "claimed at {claimed_at}, anonymously")
            }
            Self::Completed { at } => write!(f, "completed at {at}"),
            Self::Rejected { at } => write!(f, "rejected at {at}"),
            Self::Swept => f.write_str("swept"),
            Self::Refused(name) => write!(f, "refused: {name}"),
            Self::Unavailable => f.write_str("unavailable"),
            Self::Broken(rule) => write!(f, "that its decision would break {rule}"),
        }
    }
}

/// What is known of one handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `Record`")]
pub struct RecordText {
    pub handoff: String,
    pub author: String,
    pub target: String,
    pub digest: String,
    pub started_at: u64,
    pub expires_at: u64,
    pub claim_ttl: Option<u64>,
    pub state: StatusText,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `Claim`")]
pub struct ClaimText {
    pub id: Option<String>,
    pub at: u64,
    pub attempt: Option<u8>,
    pub receipt: Option<String>,
}

/// A status and what it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `State`")]
pub enum StatusText {
    Pending,
    Claimed {
        claim: ClaimText,
    },
    Completed {
        claim: ClaimText,
        at: u64,
        result: Option<String>,
        receipt: Option<String>,
    },
    Declined {
        claim: Option<ClaimText>,
        at: u64,
        claim_id: Option<String>,
        reason: String,
        receipt: Option<String>,
    },
    Expired {
        at: u64,
    },
    ClaimExpired {
        claim: ClaimText,
        at: u64,
    },
}

impl From<&Claim<Small>> for ClaimText {
    fn from(it: &Claim<Small>) -> Self {
        Self {
            id: it.id.map(claim),
            at: it.at.0,
            attempt: it.attempt,
            receipt: it.receipt.map(|n| format!("r{n}")),
        }
    }
}

impl TryFrom<&ClaimText> for Claim<Small> {
    type Error = String;
    fn try_from(it: &ClaimText) -> Result<Self, String> {
        Ok(Self {
            id: optional("c", it.id.as_ref())?,
            at: Time(it.at),
            attempt: it.attempt,
            receipt: optional("r", it.receipt.as_ref())?,
        })
    }
}

impl From<&Record<Small>> for RecordText {
    fn from(record: &Record<Small>) -> Self {
        let receipt = |receipt: &Option<u8>| receipt.map(|n| format!("r{n}"));
        let state = match &record.state {
            State::Pending => StatusText::Pending,
            State::Claimed(claim) => StatusText::Claimed { claim: claim.into() },
            State::Completed { claim, completion } => StatusText::Completed {
                claim: claim.into(),
                at: completion.at.0,
                result: completion.result.map(text),
                receipt: receipt(&completion.receipt),
            },
            State::Rejected(Rejection::Declined { claim: held, decline }) => StatusText::Declined {
                claim: held.as_ref().map(Into::into),
                at: decline.at.0,
                claim_id: decline.claim_id.map(claim),
                reason: text(decline.reason),
                receipt: receipt(&decline.receipt),
            },
            State::Rejected(Rejection::Expired { at }) => StatusText::Expired { at: at.0 },
            State::Rejected(Rejection::ClaimExpired { claim, at }) => {
                StatusText::ClaimExpired { claim: claim.into(), at: at.0 }
            }
        };
        Self {
            handoff: handoff(record.id),
            author: agent(record.author),
            target: agent(record.target),
            digest: digest(record.digest),
            started_at: record.started_at.0,
            expires_at: record.expires_at.0,
            claim_ttl: record.claim_ttl.map(|ttl| ttl.0),
            state,
        }
    }
}

impl TryFrom<&RecordText> for Record<Small> {
    type Error = String;
    fn try_from(record: &RecordText) -> Result<Self, String> {
        let state = match &record.state {
            StatusText::Pending => State::Pending,
            StatusText::Claimed { claim } => State::Claimed(claim.try_into()?),
            StatusText::Completed { claim, at, result, receipt } => State::Completed {
                claim: claim.try_into()?,
                completion: Completion {
                    at: Time(*at),
                    result: optional("t", result.as_ref())?,
                    receipt: optional("r", receipt.as_ref())?,
                },
            },
            StatusText::Declined { claim, at, claim_id, reason, receipt } => {
                State::Rejected(Rejection::Declined {
                    claim: claim.as_ref().map(Claim::try_from).transpose()?,
                    decline: Decline {
                        at: Time(*at),
                        claim_id: optional("c", claim_id.as_ref())?,
                        reason: number("t", reason)?,
                        receipt: optional("r", receipt.as_ref())?,
                    },
                })
            }
            StatusText::Expired { at } => State::Rejected(Rejection::Expired { at: Time(*at) }),
            StatusText::ClaimExpired { claim, at } => {
                State::Rejected(Rejection::ClaimExpired { claim: claim.try_into()?, at: Time(*at) })
            }
        };
        Ok(Self {
            id: number("h", &record.handoff)?,
            author: agent_number(&record.author)?,
            target: agent_number(&record.target)?,
            digest: number("d", &record.digest)?,
            started_at: Time(record.started_at),
            expires_at: Time(record.expires_at),
            claim_ttl: record.claim_ttl.map(Millis),
            state,
        })
    }
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the kernel's `Event`")]
pub struct EventText {
    pub handoff: String,
    pub kind: String,
    pub at: u64,
    pub actor: Option<String>,
}

const KINDS: [(EventKind, &str); 6] = [
    (EventKind::Started, "started"),
    (EventKind::Claimed, "claimed"),
    (EventKind::Completed, "completed"),
    (EventKind::Rejected, "rejected"),
    (EventKind::Expired, "expired"),
    (EventKind::ClaimExpired, "claim_expired"),
];

impl From<&Event<Small>> for EventText {
    fn from(event: &Event<Small>) -> Self {
        let named = KINDS.into_iter().find(|(kind, _)| *kind == event.kind);
        Self {
            handoff: handoff(event.handoff),
            kind: named.map_or_else(String::new, |(_, name)| name.to_owned()),
            at: event.at.0,
            actor: event.actor.map(agent),
        }
    }
}

impl TryFrom<&EventText> for Event<Small> {
    type Error = String;
    fn try_from(event: &EventText) -> Result<Self, String> {
        let named = KINDS.into_iter().find(|(_, name)| *name == event.kind);
        let (kind, _) = named.ok_or_else(|| format!("there is no event {:?}", event.kind))?;
        Ok(Self {
            handoff: handoff_number(&event.handoff)?,
            kind,
            at: Time(event.at),
            actor: event.actor.as_deref().map(agent_number).transpose()?,
        })
    }
}

impl fmt::Display for ClaimText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "claim {id}, claimed_at {}", self.at),
            None => write!(f, "an anonymous claim, claimed_at {}", self.at),
        }
    }
}

impl fmt::Display for RecordText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.handoff)?;
        match &self.state {
            StatusText::Pending => write!(f, "pending until {}", self.expires_at)?,
            StatusText::Claimed { claim } => write!(f, "claimed, {claim}")?,
            StatusText::Completed { claim, at, .. } => write!(f, "completed at {at}, {claim}")?,
            StatusText::Declined { at, .. } => write!(f, "declined at {at}")?,
            StatusText::Expired { at } => write!(f, "expired at {at}")?,
            StatusText::ClaimExpired { claim, at } => write!(f, "claim expired at {at}, {claim}")?,
        }
        match self.claim_ttl {
            Some(ttl) => write!(f, ", claim_ttl {ttl}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::testing::small::{commands, records};

    #[test]
    fn every_record_and_command_reads_back_from_its_text() {
        for record in records(3).into_iter().flatten() {
            let text = RecordText::from(&record);
            assert_eq!(Record::try_from(&text), Ok(record));
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<RecordText>(&json).unwrap(), text);
        }
        for command in commands(3) {
            let ask = Ask::from(&command);
            assert_eq!(Command::try_from(&ask), Ok(command));
            let json = serde_json::to_string(&ask).unwrap();
            assert_eq!(serde_json::from_str::<Ask>(&json).unwrap(), ask);
        }
    }

    #[test]
    fn every_refusal_reads_back_and_no_other_name_does() {
        for refusal in Refusal::PLAIN.into_iter().chain([Refusal::Invalid(Field::ExpiresAt)]) {
            let verdict = Err(NotDone::Refused(refusal));
            assert_eq!(<Result<Answer<Small>, NotDone>>::try_from(&Told::from(&verdict)), Ok(verdict));
        }
        let unknown = Told::Refused("never".into());
        assert!(<Result<Answer<Small>, NotDone>>::try_from(&unknown).is_err());
        assert!(agent_number("mallory").is_err());
        assert_eq!(agent_number(&agent(7)), Ok(7));
        for (kind, _) in KINDS {
            let event = Event { handoff: 1, kind, at: Time(3), actor: Some(0) };
            assert_eq!(Event::try_from(&EventText::from(&event)), Ok(event));
        }
    }
}
