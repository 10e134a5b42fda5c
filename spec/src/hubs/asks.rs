//! Who asks what, in few words.

use handoff_kernel::command::{Command, Start};
use handoff_kernel::record::{Claim, Record, State};
use handoff_kernel::testing::small::{ALICE, BOB, Small, record, start};
use handoff_kernel::time::{Millis, Time};

use super::config::{Ask, Client};

pub(crate) fn on(handoff: u8, command: Command<Small>) -> Ask {
    Ask::Command { handoff, command }
}

pub(crate) fn accept(claim_id: Option<u8>) -> Ask {
    on(0, Command::Accept { by: ALICE, claim_id, attempt: 0, receipt: None })
}

pub(crate) fn complete(claim_id: Option<u8>) -> Ask {
    on(0, Command::Complete { by: ALICE, claim_id, result: Some(0), receipt: None })
}

pub(crate) fn reject(claim_id: Option<u8>) -> Ask {
    on(0, Command::Reject { by: ALICE, claim_id, reason: 0, receipt: None })
}

/// Bob starts handoff 0 with these bytes.
pub(crate) fn begin(digest: u8, expires_at: u64, claim_ttl: Option<u64>) -> Ask {
    let artifact = start(digest, Time(expires_at), claim_ttl.map(Millis));
    on(0, Command::Start { sender: BOB, artifact })
}

/// Asked once.
pub(crate) fn once(agent: u8, asks: &[Ask]) -> Client {
    Client { agent, asks: asks.to_vec(), sends: Some(1) }
}

/// Asked, and asked once more when no answer comes.
pub(crate) fn twice(agent: u8, asks: &[Ask]) -> Client {
    Client { agent, asks: asks.to_vec(), sends: Some(2) }
}

/// Asked until an answer comes.
pub(crate) fn stubborn(agent: u8, asks: &[Ask]) -> Client {
    Client { agent, asks: asks.to_vec(), sends: None }
}

pub(crate) fn pending(expires_at: u64) -> Option<Record<Small>> {
    Some(record(Time(expires_at), None, State::Pending))
}

pub(crate) fn claimed(id: Option<u8>, at: u64, ttl: u64) -> Option<Record<Small>> {
    let claim = Claim { id, at: Time(at), attempt: Some(99), receipt: None };
    Some(record(Time(9), Some(Millis(ttl)), State::Claimed(claim)))
}

/// The second handoff, which arrived later.
pub(crate) fn second(record: Option<Record<Small>>) -> Option<Record<Small>> {
    record.map(|record| Record { id: 1, started_at: Time(1), ..record })
}

/// Bob starts handoff 1.
pub(crate) fn begin_second(expires_at: u64) -> Ask {
    let artifact = Start { id: 1, ..start(0, Time(expires_at), None) };
    on(1, Command::Start { sender: BOB, artifact })
}

/// Alice completes handoff 1 without a result.
pub(crate) fn complete_second(claim_id: Option<u8>) -> Ask {
    on(1, Command::Complete { by: ALICE, claim_id, result: None, receipt: None })
}

/// Alice accepts handoff 1.
pub(crate) fn accept_second(claim_id: Option<u8>) -> Ask {
    on(1, Command::Accept { by: ALICE, claim_id, attempt: 0, receipt: None })
}
