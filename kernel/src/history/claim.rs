//! Claims, as they were seen on record and in answers.

use alloc::collections::BTreeMap;

use super::{Broken, Rules, Seen, ways};
use crate::command::Answer;
use crate::ident::Names;
use crate::record::Claim;
use crate::time::Time;

/// S1: one claim a handoff, the same on the record and in what was answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SingleWinner<N: Names> {
    /// On record.
    claims: BTreeMap<N::Handoff, Claim<N>>,
    /// Acknowledged: its name, and since when.
    winners: BTreeMap<N::Handoff, (Option<N::Claim>, Time)>,
}

impl<N: Names> SingleWinner<N> {
    pub(super) const fn new() -> Self {
        Self { claims: BTreeMap::new(), winners: BTreeMap::new() }
    }

    pub(super) fn observe(&mut self, rules: Rules, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Known(next) | Seen::Committed { next, .. } => {
                let was = self.claims.get(&next.id);
                let is = next.claim();
                rules.demand(was.is_none() || was == is, ways::CLAIM_CHANGED)?;
                if let Some(claim) = is {
                    self.claims.insert(next.id.clone(), claim.clone());
                }
                Ok(())
            }
            Seen::Answered { handoff, verdict: Ok(Answer::Claimed { claim_id, claimed_at, .. }), .. } => {
                let told = (claim_id.clone(), *claimed_at);
                let first = self.winners.insert((*handoff).clone(), told.clone());
                let again = first.is_none_or(|first| first == told && told.0.is_some());
                rules.demand(again, ways::TWO_WINNERS)?;
                self.agree(rules, handoff)
            }
            _ => Ok(()),
        }
    }

    /// Whoever is told of a claim before it is made may still be told the truth; not when all has come to rest.
    pub(super) fn settle(&self, rules: Rules) -> Result<(), Broken> {
        self.winners.keys().try_for_each(|handoff| self.agree(rules, handoff))
    }

    /// What was told of a claim that is on record is what the record says.
    fn agree(&self, rules: Rules, handoff: &N::Handoff) -> Result<(), Broken> {
        match (self.claims.get(handoff), self.winners.get(handoff)) {
            (Some(claim), Some((id, at))) => {
                rules.demand(claim.id == *id && claim.at == *at, ways::CLAIM_NOT_ON_RECORD)
            }
            (None, _) | (_, None) => Ok(()),
        }
    }
}
