//! Names of one byte, and every type-correct record and command over a few of them: a world small enough to be
//! looked through whole.

use alloc::vec::Vec;

use crate::command::{Command, Start};
use crate::ident::Names;
use crate::record::{Claim, Completion, Decline, Record, Rejection, State};
use crate::time::{Millis, Time};

/// One byte a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Small {}

impl Names for Small {
    type Agent = u8;
    type Handoff = u8;
    type Claim = u8;
    type Digest = u8;
    type Text = u8;
    type Receipt = u8;
    type Attempt = u8;
}

/// The author.
pub const BOB: u8 = 0;
/// The target.
pub const ALICE: u8 = 1;
/// A stranger.
pub const EVE: u8 = 2;

const AGENTS: [u8; 3] = [BOB, ALICE, EVE];
const CLAIMS: [Option<u8>; 3] = [None, Some(1), Some(2)];

/// What an artifact of handoff 0 says that expires then.
#[must_use]
pub const fn start(digest: u8, expires_at: Time, claim_ttl: Option<Millis>) -> Start<Small> {
    Start { id: 0, author: BOB, target: ALICE, digest, expires_at, claim_ttl }
}

/// A record of that artifact in this state.
#[must_use]
pub const fn record(expires_at: Time, claim_ttl: Option<Millis>, state: State<Small>) -> Record<Small> {
    Record { id: 0, author: BOB, target: ALICE, digest: 0, started_at: Time(0), expires_at, claim_ttl, state }
}

/// Every type-correct record of handoff 0 with times below `end`, reachable or not, and none at all.
#[must_use]
pub fn records(end: u64) -> Vec<Option<Record<Small>>> {
    let mut all = alloc::vec![None];
    for expires_at in (0..end).map(Time) {
        for claim_ttl in [None, Some(Millis(1)), Some(Millis(2)), Some(Millis(u64::MAX))] {
            all.extend(states(end).into_iter().map(|state| Some(record(expires_at, claim_ttl, state))));
        }
    }
    all
}

fn states(end: u64) -> Vec<State<Small>> {
    let times = || (0..end).map(Time);
    let claims: Vec<_> =
        times().flat_map(|at| CLAIMS.map(|id| Claim { id, at, attempt: Some(9), receipt: None })).collect();
    let mut all = alloc::vec![State::Pending];
    for at in times() {
        all.push(State::Rejected(Rejection::Expired { at }));
        let declines = CLAIMS
            .iter()
            .flat_map(|&claim_id| [0, 1].map(|reason| Decline { at, claim_id, reason, receipt: None }));
        let declines: Vec<_> = declines.collect();
        for decline in &declines {
            all.push(State::Rejected(Rejection::Declined { claim: None, decline: decline.clone() }));
        }
        for claim in &claims {
            for result in [None, Some(0)] {
                let completion = Completion { at, result, receipt: None };
                all.push(State::Completed { claim: claim.clone(), completion });
            }
            all.push(State::Rejected(Rejection::ClaimExpired { claim: claim.clone(), at }));
            for decline in declines.iter().filter(|d| d.claim_id == claim.id) {
                let claim = Some(claim.clone());
                all.push(State::Rejected(Rejection::Declined { claim, decline: decline.clone() }));
            }
        }
    }
    all.extend(claims.into_iter().map(State::Claimed));
    all
}

/// Every command on handoff 0 over three agents, two claim ids and none, two texts and two artifacts.
#[must_use]
pub fn commands(end: u64) -> Vec<Command<Small>> {
    let mut all = alloc::vec![Command::Sweep];
    for by in AGENTS {
        for digest in [0, 1] {
            for expires_at in (0..end).map(Time) {
                all.push(Command::Start { sender: by, artifact: start(digest, expires_at, None) });
            }
        }
        for claim_id in CLAIMS {
            all.push(Command::Accept { by, claim_id, attempt: 1, receipt: None });
            for result in [None, Some(0), Some(1)] {
                all.push(Command::Complete { by, claim_id, result, receipt: None });
            }
            for reason in [0, 1] {
                all.push(Command::Reject { by, claim_id, reason, receipt: None });
            }
        }
    }
    all
}
