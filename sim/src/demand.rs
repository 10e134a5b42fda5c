//! Demands: what a client asks of a hub, and what it hears.

use handoff_hub::request::{Asker, Reply, Request};
use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{AgentId, Digest, HandoffId, Wire};
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Millis;

use crate::cast::Cast;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most are commands, and a box for each would cost more")]
pub enum Demand {
    /// A command, with attempt 0: the hub draws its own.
    Command {
        /// On which handoff.
        handoff: HandoffId,
        /// What.
        command: Command<Wire>,
    },
    /// The oldest pending handoff.
    Poll {
        /// Whose.
        target: AgentId,
        /// For how long to wait for one.
        wait: Millis,
    },
    /// One handoff's record and artifact.
    Read {
        /// Who asks.
        by: AgentId,
        /// Which.
        handoff: HandoffId,
    },
}

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// To a command.
    Verdict(Result<Answer<Wire>, NotDone>),
    /// To a poll: the handoff, and the digest of the bytes that came with it.
    Shown(Option<(HandoffId, Digest)>),
    /// To a read: the record, and the digest of the bytes that came with it.
    Read(Result<Box<(Record<Wire>, Digest)>, Refusal>),
    /// The hub cannot do it now.
    Unavailable,
}

impl Heard {
    /// Whether the asker knows now, and need not ask again.
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        match self {
            Self::Verdict(Ok(_) | Err(NotDone::Refused(_))) | Self::Shown(_) | Self::Read(_) => true,
            Self::Verdict(Err(NotDone::Unavailable | NotDone::Broken(_))) | Self::Unavailable => false,
        }
    }

    /// What a relay replied.
    #[must_use]
    pub fn of(reply: Reply) -> Self {
        match reply {
            Reply::Done(done) => Self::Verdict(done.verdict),
            Reply::Polled(shown) => Self::Shown(shown.map(|shown| (shown.handoff, Digest::of(&shown.bytes)))),
            Reply::Got(Ok(story)) => {
                let digest = story.artifact.as_deref().map_or(story.record.digest, Digest::of);
                Self::Read(Ok(Box::new((story.record, digest))))
            }
            Reply::Got(Err(refusal)) => Self::Read(Err(refusal)),
            // Nobody here asks for these.
            Reply::Listed(_) | Reply::Health(_) | Reply::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl Demand {
    /// The agent in whose name it is asked.
    #[must_use]
    pub fn by(&self) -> Option<&AgentId> {
        match self {
            Self::Command { command, .. } => command.actor(),
            Self::Poll { target: by, .. } | Self::Read { by, .. } => Some(by),
        }
    }

    /// What the relay is asked by somebody whose token is `agent`'s. The hub authenticates: what the command says of its
    /// sender is not believed, but what an artifact says of its author is what it says.
    #[must_use]
    pub fn request(&self, cast: &Cast, agent: AgentId) -> Request {
        let by = Asker { agent, named: None };
        match self {
            Self::Command { handoff, command } => {
                let handoff = *handoff;
                match command.clone() {
                    Command::Start { artifact, .. } => {
                        let bytes = cast.made(&artifact.digest).map(|made| made.bytes).unwrap_or_default();
                        Request::Start { sender: agent, start: artifact, bytes, target_known: true }
                    }
                    Command::Accept { claim_id, receipt, .. } => {
                        Request::Accept { by, handoff, claim_id, receipt }
                    }
                    Command::Complete { claim_id, result, receipt, .. } => {
                        Request::Complete { by, handoff, claim_id, result, receipt }
                    }
                    Command::Reject { claim_id, reason, receipt, .. } => {
                        Request::Reject { by, handoff, claim_id, reason, receipt }
                    }
                    // Nobody can ask for one from outside; a read is the nearest that changes nothing.
                    Command::Sweep => Request::Get { by: agent, handoff, artifact: false },
                }
            }
            Self::Poll { wait, .. } => Request::Poll { by: agent, wait: *wait },
            Self::Read { handoff, .. } => Request::Get { by: agent, handoff: *handoff, artifact: true },
        }
    }
}
