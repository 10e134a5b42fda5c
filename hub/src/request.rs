//! What can be asked of the relay, and what it replies. No HTTP here: the server translates at the edge, and
//! whatever arrives is already legal by construction.

use std::sync::Arc;

use handoff_kernel::command::Start;
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Mac, Wire};
use handoff_kernel::operation::Done;
use handoff_kernel::record::{Record, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::Rule;
use handoff_kernel::time::{Millis, Time};

/// Names one request, so that its reply finds its way back. Chosen by whoever submits; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Who asks: the agent whose token it is, and the name that the request itself gives, if it gives one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The authenticated agent.
    pub agent: AgentId,
    /// The `agent` of the body or query; another name than the authenticated one is `wrong_agent`.
    pub named: Option<AgentId>,
}

/// One request by an authenticated agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Hand over.
    Start {
        /// The authenticated sender.
        sender: AgentId,
        /// What its artifact says.
        start: Start<Wire>,
        /// The artifact, verbatim.
        bytes: Arc<[u8]>,
        /// Whether the hub knows the target: only then may a handoff be started; a repeat is answered all the same.
        target_known: bool,
    },
    /// Take over.
    Accept {
        /// Who asks.
        by: Asker,
        /// Which handoff.
        handoff: HandoffId,
        /// The claim's name; none for an anonymous claim.
        claim_id: Option<ClaimId>,
        /// The target's receipt.
        receipt: Option<Mac>,
    },
    /// Done.
    Complete {
        /// Who asks.
        by: Asker,
        /// Which handoff.
        handoff: HandoffId,
        /// The claim it holds.
        claim_id: Option<ClaimId>,
        /// The result, as canonical JSON.
        result: Option<Arc<str>>,
        /// The target's receipt.
        receipt: Option<Mac>,
    },
    /// Decline.
    Reject {
        /// Who asks.
        by: Asker,
        /// Which handoff.
        handoff: HandoffId,
        /// The claim it holds, if it does.
        claim_id: Option<ClaimId>,
        /// Why, as a canonical JSON string, quotes and all.
        reason: Arc<str>,
        /// The target's receipt.
        receipt: Option<Mac>,
    },
    /// The oldest pending handoff of this agent (rule S12). Changes nothing.
    Poll {
        /// Whose.
        by: AgentId,
        /// How long to wait for one; zero answers at once.
        wait: Millis,
    },
    /// One handoff's record.
    Get {
        /// Who asks; only a party gets it.
        by: AgentId,
        /// Which handoff.
        handoff: HandoffId,
        /// Whether to read the artifact's bytes as well.
        artifact: bool,
    },
    /// A page of handoffs that the asker is a party to.
    List {
        /// Who asks.
        by: AgentId,
        /// Which ones.
        filter: Filter,
        /// At most this many.
        limit: usize,
        /// Only those after this place in the order of the list.
        after: Option<Cursor>,
    },
    /// How the relay is.
    Health,
}

/// Which handoffs a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// In this status.
    pub status: Status,
    /// Addressed to this agent.
    pub target: Option<AgentId>,
    /// From this agent.
    pub author: Option<AgentId>,
}

/// A place in the order of a list: by arrival, then by id, for the live ones; by id for the terminal ones, whose
/// arrival is zero here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the last one shown arrived.
    pub arrived: Time,
    /// The id of the last one shown.
    pub handoff: HandoffId,
}

/// What the relay replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To a command: how it ended.
    Done(Box<Done<Wire>>),
    /// To a poll: the oldest pending handoff, or none.
    Polled(Option<Shown>),
    /// To a get.
    Got(Result<Box<Story>, Refusal>),
    /// To a list.
    Listed(Page),
    /// To a health check.
    Health(Health),
    /// The hub cannot do it now: the disk refused, or it is shutting down. Whether anything has changed is not
    /// known; asking again with the same ids is safe (rule S9).
    Unavailable(Arc<str>),
}

/// What a poll shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub handoff: HandoffId,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// The artifact, verbatim.
    pub bytes: Arc<[u8]>,
}

/// One handoff, as a party may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The record.
    pub record: Record<Wire>,
    /// The artifact's bytes, if they were asked for.
    pub artifact: Option<Arc<[u8]>>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<Record<Wire>>,
    /// Where the next page begins; none when this was the last.
    pub next: Option<Cursor>,
}

/// How the relay is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It takes requests.
    Ready,
    /// A decision broke this rule: the change was not made, and somebody must look.
    RuleBroken(Rule),
}
