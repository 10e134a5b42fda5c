//! What only tests, models and fuzz targets use. Never on in anything that ships.

pub mod artifact;
pub mod small;
pub mod table;
pub mod variant;
pub mod walk;

use crate::ident::Names;
use crate::record::{Record, Rejection, State};

/// The same record, but for what a hub keeps in memory only: the nonce of a claim. What a hub that begins again knows of it.
#[must_use]
pub fn as_on_disk<N: Names>(record: &Record<N>) -> Record<N> {
    let mut record = record.clone();
    if let State::Claimed(claim)
    | State::Completed { claim, .. }
    | State::Rejected(
        Rejection::ClaimExpired { claim, .. } | Rejection::Declined { claim: Some(claim), .. },
    ) = &mut record.state
    {
        claim.attempt = None;
    }
    record
}
