//! The cast: who and what the small names of a trace are on the wire, and when its times are.
//!
//! A trace's millisecond is one on the wire too, unless the trace has time limits for claims that are no whole seconds:
//! nothing else can be said there, so then it is a second, and every boundary stays exact. Each trace has ids and a time
//! of its own, so that many can be played on one hub.

use std::sync::Arc;

use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::{Answer, Command, Start};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Mac, Wire};
use handoff_kernel::json::Document;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::seal::{self, Key};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;
use handoff_spec::trace::{self, Ask, ClaimText, Event, RecordText, StatusText, Told, Trace, handoff_number};

use super::deeds;
use crate::plan;

/// A second, in milliseconds.
const SECOND: u64 = 1000;

/// So long before the trace begins, every artifact in it says that it was initiated.
const BEFORE: u64 = 3_600_000;

/// The key of every pair: no hub has it, and so none can tell that it is one.
const KEY: &[u8] = b"the key of every pair of a trace";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Cast {
    prefix: String,
    base: u64,
    first: u64,
    scale: u64,
    last: u64,
}

/// A command as it goes over the wire, and the artifact's bytes if it is a start.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) handoff: HandoffId,
    pub(super) command: Command<Wire>,
    pub(super) bytes: Vec<u8>,
}

impl Cast {
    /// Of this trace, whose ids begin with `prefix` and whose time begins at `base`.
    pub(super) fn of(trace: &Trace, prefix: String, base: u64) -> Self {
        let (mut times, mut limits) = (Vec::new(), Vec::new());
        for record in &trace.header.records {
            times.extend([record.started_at, record.expires_at]);
            times.extend(moments(&record.state));
            limits.extend(record.claim_ttl);
        }
        for line in &trace.lines {
            times.push(line.time);
            times.extend(line.clock);
            let mut said = |artifact: &trace::Artifact| {
                times.push(artifact.expires_at);
                limits.extend(artifact.claim_ttl);
            };
            if let Event::Begins { command, .. } | Event::Receives { command, .. } = &line.event
                && let Ask::Start { artifact, .. } = command
            {
                said(artifact);
            } else if let Event::Tells { does, with } = &line.event
                && does == deeds::DROPS
                && let Ok(artifact) = plan::dropped(with)
            {
                said(&artifact);
            }
        }
        let first = times.iter().min().copied().unwrap_or_default();
        let scale = if limits.iter().all(|limit| limit % SECOND == 0) { 1 } else { SECOND };
        let mut cast = Self { prefix, base, first, scale, last: base };
        cast.last = times.into_iter().map(|at| cast.time(at).0).max().unwrap_or(base);
        cast
    }

    /// A time of the trace.
    pub(super) fn time(&self, at: u64) -> Time {
        Time(self.base.saturating_add(at.saturating_sub(self.first).saturating_mul(self.scale)))
    }

    /// The last time of which the trace speaks.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// A handoff: those of smaller numbers sort first. The simulator has others besides, each under its own name.
    pub(super) fn handoff(&self, name: &str) -> Result<HandoffId, String> {
        let named = handoff_number(name).map_or_else(|_| name.to_owned(), |number| format!("h{number:03}"));
        HandoffId::parse(&format!("{}-{named}", self.prefix)).map_err(|bad| format!("{name:?}: {bad}"))
    }

    /// What is asked, by whom it really is: the hub knows by the token.
    pub(super) fn order(
        &self,
        ask: &Ask,
        handoff: &str,
        really: &str,
        attempt: u64,
    ) -> Result<Order, String> {
        let by = agent(really)?;
        let mut bytes = Vec::new();
        let mut id = self.handoff(handoff)?;
        let command = match ask {
            Ask::Start { artifact, .. } => {
                let start = self.artifact(artifact, &mut bytes)?;
                id = start.id;
                Command::Start { sender: by, artifact: start }
            }
            Ask::Accept { claim_id, receipt, .. } => Command::Accept {
                by,
                claim_id: claim(claim_id.as_deref())?,
                attempt,
                receipt: receipt.as_deref().map(mac),
            },
            Ask::Complete { claim_id, result, receipt, .. } => Command::Complete {
                by,
                claim_id: claim(claim_id.as_deref())?,
                result: result.as_deref().map(text),
                receipt: receipt.as_deref().map(mac),
            },
            Ask::Reject { claim_id, reason, receipt, .. } => Command::Reject {
                by,
                claim_id: claim(claim_id.as_deref())?,
                reason: text(reason),
                receipt: receipt.as_deref().map(mac),
            },
            Ask::Sweep => Command::Sweep,
        };
        Ok(Order { handoff: id, command, bytes })
    }

    /// What was told, if it is something that anybody can be told over the wire.
    pub(super) fn told(&self, told: &Told) -> Result<Result<Answer<Wire>, NotDone>, String> {
        Ok(match told {
            Told::Started { expires_at } => Ok(Answer::Started { expires_at: self.time(*expires_at) }),
            Told::Claimed { claim_id, claimed_at, claim_expires_at } => Ok(Answer::Claimed {
                claim_id: claim(claim_id.as_deref())?,
                claimed_at: self.time(*claimed_at),
                claim_expires_at: claim_expires_at.map(|at| self.time(at)),
            }),
            Told::Completed { at } => Ok(Answer::Completed { at: self.time(*at) }),
            Told::Rejected { at } => Ok(Answer::Rejected { at: self.time(*at) }),
            // Refusals and the like name nobody and no time: the small ones are the same.
            Told::Swept | Told::Refused(_) | Told::Unavailable | Told::Broken(_) => {
                let small = Result::<Answer<handoff_kernel::testing::small::Small>, NotDone>::try_from(told)?;
                match small {
                    Ok(_) => Ok(Answer::Swept),
                    Err(why) => Err(why),
                }
            }
        })
    }

    /// A record, and the bytes of its artifact.
    pub(super) fn record(&self, told: &RecordText) -> Result<(Record<Wire>, Vec<u8>), String> {
        let mut bytes = Vec::new();
        let artifact = trace::Artifact {
            handoff: told.handoff.clone(),
            author: told.author.clone(),
            target: told.target.clone(),
            digest: told.digest.clone(),
            expires_at: told.expires_at,
            claim_ttl: told.claim_ttl,
        };
        let start = self.artifact(&artifact, &mut bytes)?;
        let claimed = |it: &ClaimText| -> Result<Claim<Wire>, String> {
            Ok(Claim {
                id: claim(it.id.as_deref())?,
                at: self.time(it.at),
                attempt: None,
                receipt: it.receipt.as_deref().map(mac),
            })
        };
        let state = match &told.state {
            StatusText::Pending => State::Pending,
            StatusText::Claimed { claim } => State::Claimed(claimed(claim)?),
            StatusText::Completed { claim, at, result, receipt } => State::Completed {
                claim: claimed(claim)?,
                completion: Completion {
                    at: self.time(*at),
                    result: result.as_deref().map(text),
                    receipt: receipt.as_deref().map(mac),
                },
            },
            StatusText::Declined { claim: held, at, claim_id, reason, receipt } => {
                State::Rejected(Rejection::Declined {
                    claim: held.as_ref().map(claimed).transpose()?,
                    decline: Decline {
                        at: self.time(*at),
                        claim_id: claim(claim_id.as_deref())?,
                        reason: text(reason),
                        receipt: receipt.as_deref().map(mac),
                    },
                })
            }
            StatusText::Expired { at } => State::Rejected(Rejection::Expired { at: self.time(*at) }),
            StatusText::ClaimExpired { claim, at } => {
                State::Rejected(Rejection::ClaimExpired { claim: claimed(claim)?, at: self.time(*at) })
            }
        };
        Ok((start.pending(self.time(told.started_at)).with(state), bytes))
    }

    /// The artifact of this content, and its bytes.
    pub(super) fn artifact(
        &self,
        told: &trace::Artifact,
        bytes: &mut Vec<u8>,
    ) -> Result<Start<Wire>, String> {
        let limit = match told.claim_ttl {
            Some(ms) => {
                let on_the_wire = Millis(ms.saturating_mul(self.scale));
                format!(r#","claim_ttl_seconds":{}"#, on_the_wire.0 / SECOND)
            }
            None => String::new(),
        };
        // The digest's name stands for all else that an artifact says.
        let unsigned = format!(
            r#"{{"protocol_version":1,"handoff_id":"{}","from_agent":"{}","to_agent":"{}","reason":"{}","initiated_at":"{}","expires_at":"{}"{limit}}}"#,
            self.handoff(&told.handoff)?,
            agent(&told.author)?,
            agent(&told.target)?,
            told.digest,
            Rfc3339(Time(self.base.saturating_sub(BEFORE))),
            Rfc3339(self.time(told.expires_at)),
        );
        let document = Document::parse(unsigned.as_bytes()).map_err(|error| error.to_string())?;
        let key = Key::new(KEY).map_err(|short| short.to_string())?;
        *bytes = seal::seal(&key, &document).into_bytes();
        let artifact = Artifact::parse(bytes).map_err(|error| format!("{told:?} is no artifact: {error}"))?;
        Ok(artifact.header().start())
    }
}

/// An agent, whose name is the same on the wire.
pub(super) fn agent(name: &str) -> Result<AgentId, String> {
    AgentId::parse(name).map_err(|bad| format!("{name:?}: {bad}"))
}

fn claim(name: Option<&str>) -> Result<Option<ClaimId>, String> {
    name.map(|name| ClaimId::parse(name).map_err(|bad| format!("{name:?}: {bad}"))).transpose()
}

/// A result or a reason: a string, as canonical JSON.
fn text(name: &str) -> Arc<str> {
    format!("\"{name}\"").into()
}

fn mac(name: &str) -> Mac {
    Mac(Digest::of(name.as_bytes()).0)
}

fn moments(state: &StatusText) -> Vec<u64> {
    match state {
        StatusText::Pending => Vec::new(),
        StatusText::Claimed { claim } => vec![claim.at],
        StatusText::Completed { claim, at, .. } | StatusText::ClaimExpired { claim, at } => {
            vec![claim.at, *at]
        }
        StatusText::Declined { claim, at, .. } => claim.iter().map(|claim| claim.at).chain([*at]).collect(),
        StatusText::Expired { at } => vec![*at],
    }
}
