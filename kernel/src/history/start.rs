//! Starts, as they were acknowledged.

use alloc::collections::{BTreeMap, BTreeSet};

use super::{Broken, Rules, Seen, ways};
use crate::command::{Command, Start};
use crate::ident::Names;
use crate::refusal::Refusal;

/// S13: what is started, and acknowledged as started, is in the name of who sent it. It needs no memory.
pub(super) fn true_author<N: Names>(rules: Rules, seen: &Seen<'_, N>) -> Result<(), Broken> {
    let (sender, author) = match seen {
        Seen::Committed { command: Command::Start { sender, .. }, next, .. } => (sender, &next.author),
        Seen::Answered { command: Command::Start { sender, artifact }, verdict: Ok(_), .. } => {
            (sender, &artifact.author)
        }
        _ => return Ok(()),
    };
    rules.demand(sender == author, ways::IN_ANOTHER_NAME)
}

/// S7 and S8: what was acknowledged as started is there, once, with the same bytes. And S4, as far as retention goes:
/// what it removed does not come back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kept<N: Names> {
    /// The bytes and the parties of each acknowledged start.
    started: BTreeMap<N::Handoff, Told<N>>,
    /// What retention has removed: all were terminal, and stay so.
    pruned: BTreeSet<N::Handoff>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Told<N: Names> {
    digest: N::Digest,
    author: N::Agent,
    target: N::Agent,
}

impl<N: Names> Told<N> {
    fn of(artifact: &Start<N>) -> Self {
        Self {
            digest: artifact.digest.clone(),
            author: artifact.author.clone(),
            target: artifact.target.clone(),
        }
    }
}

impl<N: Names> Kept<N> {
    pub(super) const fn new() -> Self {
        Self { started: BTreeMap::new(), pruned: BTreeSet::new() }
    }

    /// Whether it was acknowledged that this handoff was started, and it must be there since.
    pub(super) fn acknowledged(&self, handoff: &N::Handoff) -> bool {
        self.started.contains_key(handoff)
    }

    /// `acknowledged` is whether it was when what is answered was asked: what was asked before may have looked before.
    pub(super) fn observe(
        &mut self,
        rules: Rules,
        seen: &Seen<'_, N>,
        acknowledged: bool,
    ) -> Result<(), Broken> {
        match seen {
            Seen::Answered { handoff, command: Command::Start { artifact, .. }, verdict: Ok(_), .. } => {
                let told = Told::of(artifact);
                let first = self.started.insert((*handoff).clone(), told.clone());
                rules.demand(first.is_none_or(|first| first == told), ways::TWO_ARTIFACTS)
            }
            Seen::Answered { handoff, command, verdict: Err(Refusal::NotFound), .. } if acknowledged => {
                let (Some(told), Some(asker)) = (self.started.get(*handoff), command.actor()) else {
                    return Ok(());
                };
                rules.demand(told.target != *asker, ways::LOST_TO_TARGET)?;
                rules.demand(told.author != *asker, ways::LOST_TO_AUTHOR)
            }
            Seen::Located { handoff, statuses } => {
                rules.demand(statuses.len() <= 1, ways::IN_TWO_STATUSES)?;
                rules.demand(!statuses.is_empty() || !self.acknowledged(handoff), ways::IN_NO_STATUS)
            }
            Seen::Delivered { handoff, digest } => {
                let known = self.started.get(*handoff);
                rules.demand(known.is_none_or(|known| known.digest == **digest), ways::OTHER_BYTES)
            }
            Seen::Committed { next, .. } => rules.demand(!self.pruned.contains(&next.id), ways::CAME_BACK),
            Seen::Pruned(handoff) => {
                self.started.remove(*handoff);
                self.pruned.insert((*handoff).clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
