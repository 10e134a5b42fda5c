//! What the promises L1 and L2 speak of, one item each, over one record: what must not stay so for ever.
//!
//! That something comes sooner or later is no predicate over a record; whoever looks at runs says that, the models by
//! lassos and the simulator once its faults are over. What it says it of is here. L3 speaks of clients, not of records.

use crate::ident::Names;
use crate::record::{Record, Status};

/// Nobody has claimed it: sooner or later somebody does, or it is rejected (L1); and while it stays so, a poll of its
/// target that waits is answered (L2).
#[must_use]
pub fn is_unclaimed<N: Names>(record: &Record<N>) -> bool {
    record.status() == Status::Pending
}

/// It is claimed, and its author set a time limit: sooner or later the claim ends, by its holder or by lapsing (L1). A
/// claim without a time limit may stay for ever.
#[must_use]
pub fn is_bounded_claim<N: Names>(record: &Record<N>) -> bool {
    record.status() == Status::Claimed && record.claim_ttl.is_some()
}
