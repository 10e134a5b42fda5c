//! How many names a proof is over, and every record and command that can be made of them.
//!
//! The kernel compares names and copies them. Two results and two reasons are the one that is there and another; a
//! claim carries its driver's nonce or a receipt, and a command a receipt or none, so that one that went missing
//! would be seen.

use handoff_kernel::command::{Command, Start};
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

/// How large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// So many agents, each in every role. Three are an author, a target and a stranger.
    pub agents: u8,
    /// So many names of claims, besides none.
    pub claims: u8,
    /// From how far ahead on all deadlines are alike. One is enough to tell what is before a deadline, at it, and
    /// past.
    pub cap: u8,
}

impl Size {
    /// Three agents, two claim ids, deadlines by their side.
    pub const QUICK: Self = Self { agents: 3, claims: 2, cap: 1 };
    /// More of each.
    pub const STANDARD: Self = Self { agents: 3, claims: 3, cap: 3 };
    /// The most.
    pub const DEEP: Self = Self { agents: 4, claims: 4, cap: 4 };

    fn claim_ids(self) -> Vec<Option<u8>> {
        [None].into_iter().chain((1..=self.claims).map(Some)).collect()
    }

    /// Every author with every target. One that hands over to itself is type-correct too, but comes last: it makes
    /// the stranger counterexamples.
    fn parties(self) -> Vec<(u8, u8)> {
        let mut all: Vec<_> = (0..self.agents)
            .flat_map(|author| (0..self.agents).map(move |target| (author, target)))
            .collect();
        all.sort_by_key(|(author, target)| author == target);
        all
    }

    /// Every record of handoff 0, reachable or not, but for its times.
    #[must_use]
    pub fn names(self) -> Vec<Record<Small>> {
        let mut all = Vec::new();
        for (author, target) in self.parties() {
            all.extend(self.states().into_iter().map(|state| Record {
                id: 0,
                author,
                target,
                digest: 0,
                started_at: Time(0),
                expires_at: Time(0),
                claim_ttl: None,
                state,
            }));
        }
        all
    }

    fn states(self) -> Vec<State<Small>> {
        let at = Time(0);
        let ids = self.claim_ids();
        let mut all = vec![State::Pending, State::Rejected(Rejection::Expired { at })];
        let declines = |claim: Option<&Claim<Small>>| {
            let mut all = Vec::new();
            for &claim_id in &ids {
                for reason in [0, 1] {
                    let decline = Decline { at, claim_id, reason, receipt: None };
                    all.push(State::Rejected(Rejection::Declined { claim: claim.cloned(), decline }));
                }
            }
            all
        };
        all.extend(declines(None));
        for &id in &ids {
            for (attempt, receipt) in [(Some(9), None), (None, Some(5))] {
                let claim = Claim { id, at, attempt, receipt };
                all.push(State::Claimed(claim.clone()));
                for result in [None, Some(0), Some(1)] {
                    let completion = Completion { at, result, receipt: None };
                    all.push(State::Completed { claim: claim.clone(), completion });
                }
                all.extend(declines(Some(&claim)));
                all.push(State::Rejected(Rejection::ClaimExpired { claim, at }));
            }
        }
        all
    }

    /// Every command on handoff 0; a start offers each of these, in other bytes than those on record.
    ///
    /// A start of the bytes on record is no free choice: [`Self::again`].
    #[must_use]
    pub fn commands(self, offers: &[(Time, Option<Millis>)]) -> Vec<Command<Small>> {
        let mut all = vec![Command::Sweep];
        for by in 0..self.agents {
            for receipt in [None, Some(7)] {
                for claim_id in self.claim_ids() {
                    all.push(Command::Accept { by, claim_id, attempt: 1, receipt });
                    for result in [None, Some(0), Some(1)] {
                        all.push(Command::Complete { by, claim_id, result, receipt });
                    }
                    for reason in [0, 1] {
                        all.push(Command::Reject { by, claim_id, reason, receipt });
                    }
                }
            }
            all.extend(self.starts(by, offers));
        }
        all
    }

    fn starts(self, sender: u8, offers: &[(Time, Option<Millis>)]) -> Vec<Command<Small>> {
        let mut all = Vec::new();
        for (author, target) in self.parties() {
            for &(expires_at, claim_ttl) in offers {
                let artifact = Start { id: 0, author, target, digest: 1, expires_at, claim_ttl };
                all.push(Command::Start { sender, artifact });
            }
        }
        all
    }

    /// A start of the very bytes that are on record, by anybody.
    ///
    /// **Assumed**: a digest is of one artifact only, so that what has the digest on record also says what is on
    /// record. It is all that a proof over digests assumes, and without it S13 does not follow: somebody else's
    /// artifact of the same digest would be acknowledged as a repeat.
    #[must_use]
    pub fn again(self, record: &Record<Small>) -> Vec<Command<Small>> {
        let artifact = Start::of(record);
        (0..self.agents).map(|sender| Command::Start { sender, artifact: artifact.clone() }).collect()
    }
}
