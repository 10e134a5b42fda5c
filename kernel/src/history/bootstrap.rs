//! Bootstraps, as sessions were seen to consume them.

use alloc::collections::BTreeMap;

use super::{Broken, Rules, ways};
use crate::bootstrap::Session;
use crate::ident::Names;
use crate::time::{Millis, Time};

/// What a session did with the bootstrap of a handoff, as it was seen. Judged apart from [`History`](super::History), for it
/// happens on the target's own disk, and by its own clock.
#[derive(Debug, Clone, Copy)]
pub struct Attempted<'a, N: Names> {
    /// Of which handoff.
    pub handoff: &'a N::Handoff,
    /// Which session.
    pub session: Session,
    /// When the handoff was accepted, if the bootstrap says so.
    pub accepted_at: Option<Time>,
    /// How old it might be.
    pub window: Millis,
    /// When it was decided, by the deciding clock.
    pub now: Time,
}

/// S11: a bootstrap is consumed at most once, by at most one session, and never when stale; and none is called stale
/// that is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumedOnce<N: Names> {
    consumed: BTreeMap<N::Handoff, Session>,
}

impl<N: Names> Default for ConsumedOnce<N> {
    fn default() -> Self {
        Self { consumed: BTreeMap::new() }
    }
}

impl<N: Names> ConsumedOnce<N> {
    /// A session consumed it.
    ///
    /// # Errors
    /// Rule S11, when it was consumed before, or was not known to be fresh.
    pub fn consumed(&mut self, seen: &Attempted<'_, N>) -> Result<(), Broken> {
        let first = self.consumed.insert(seen.handoff.clone(), seen.session);
        let twice = first == Some(seen.session);
        Rules::ALL.demand(!twice, ways::CONSUMED_AGAIN)?;
        Rules::ALL.demand(first.is_none(), ways::CONSUMED_BY_TWO)?;
        let Some(accepted_at) = seen.accepted_at else {
            return Rules::ALL.demand(false, ways::UNDATED);
        };
        match seen.now.0.checked_sub(accepted_at.0) {
            None => Rules::ALL.demand(false, ways::FROM_THE_FUTURE),
            Some(age) => Rules::ALL.demand(age <= seen.window.0, ways::STALE),
        }
    }

    /// A session refused it as stale.
    ///
    /// # Errors
    /// Rule S11, when it was fresh: at exactly the window it is.
    pub fn refused_as_stale(&self, seen: &Attempted<'_, N>) -> Result<(), Broken> {
        let age = seen.accepted_at.and_then(|accepted_at| seen.now.0.checked_sub(accepted_at.0));
        let stale = age.is_some_and(|age| age > seen.window.0);
        Rules::ALL.demand(stale, ways::NOT_STALE)
    }
}
