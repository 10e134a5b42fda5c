//! The rules that need a memory: incremental checkers, fed one [`Seen`] at a time.
//!
//! The model, the simulator, the fuzz targets and whoever listens to a running hub feed the same checkers. Each is
//! small, ordered and comparable, so that it can be part of a model's state. They believe nothing that they have
//! not seen: a history that begins in the middle is judged from there, and says with [`Seen::Known`] what was there.
//!
//! Requests overlap: one that is answered now may have been decided before another changed the record. Who sees when
//! each is asked says so with [`Seen::Asked`], and an answer is then held against what was known at that time only.
//!
//! Not checked here: what a step may do ([`crate::rules`]), and whether anything happens at all (L1 to L3).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a checker names what it looks at, and passes over the rest"
)]

mod asking;
mod bootstrap;
mod claim;
mod log;
mod poll;
mod record;
mod repeat;
mod start;
mod ways;

use self::asking::{Asking, UnderWay};
pub use self::bootstrap::{Attempted, ConsumedOnce};
use self::claim::SingleWinner;
use self::log::LogAgrees;
use self::poll::OldestFirst;
use self::record::OnRecord;
use self::repeat::Repeatable;
use self::start::{Kept, true_author};
pub use self::ways::WAYS;
use crate::command::{Answer, Command, Event};
use crate::ident::Names;
use crate::record::{Record, Status};
use crate::refusal::Refusal;
pub use crate::rules::Broken;
use crate::rules::Rules;
use crate::time::Time;

/// Something that was seen to happen.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a, N: Names> {
    /// This was on record before anything was seen: a history that begins in the middle says so first.
    Known(&'a Record<N>),
    /// A command was asked. What is answered later may have been decided at any time since.
    Asked {
        /// The caller's own name for it, by which it is answered: no two at the same time have the same.
        operation: u64,
        /// On which handoff.
        handoff: &'a N::Handoff,
        /// What is asked.
        command: &'a Command<N>,
    },
    /// An operation came to its end without an answer: its hub died, or nobody waits for it any more.
    Gone {
        /// Its name in [`Seen::Asked`].
        operation: u64,
    },
    /// A transition took effect in the store.
    Committed {
        /// The command that made it.
        command: &'a Command<N>,
        /// The record after.
        next: &'a Record<N>,
        /// The event that belongs to it.
        event: &'a Event<N>,
    },
    /// A command was answered: at its decision if it changed nothing, else after its [`Seen::Committed`].
    Answered {
        /// Its name in [`Seen::Asked`]. None, or one that is not known, is judged as if it were asked only now.
        operation: Option<u64>,
        /// On which handoff.
        handoff: &'a N::Handoff,
        /// What was asked.
        command: &'a Command<N>,
        /// What was told.
        verdict: &'a Result<Answer<N>, Refusal>,
        /// When, by the deciding clock.
        now: Time,
    },
    /// The log says that this happened.
    Logged(&'a Event<N>),
    /// Somebody has deleted the log: of what happened before it need say nothing any more.
    LogDeleted,
    /// All statuses in which a handoff was found, when everything was looked through.
    Located {
        /// Which handoff.
        handoff: &'a N::Handoff,
        /// Where it was found: one place, unless something is wrong.
        statuses: &'a [Status],
    },
    /// An artifact's bytes were delivered.
    Delivered {
        /// Of which handoff.
        handoff: &'a N::Handoff,
        /// What the bytes' digest is.
        digest: &'a N::Digest,
    },
    /// A poll was answered.
    Polled {
        /// Whose.
        target: &'a N::Agent,
        /// What was shown.
        shown: Option<&'a N::Handoff>,
        /// When, by the deciding clock.
        now: Time,
    },
    /// A poll was answered by a hub that cannot read every file now: an older one may have been passed over.
    PolledInPart {
        /// Whose.
        target: &'a N::Agent,
        /// What was shown.
        shown: &'a N::Handoff,
        /// When, by the deciding clock.
        now: Time,
    },
    /// A same-host agent has moved a pending handoff's file: it is pending on the books only, until the hub has taken note.
    Moved(&'a N::Handoff),
    /// Retention removed a handoff.
    Pruned(&'a N::Handoff),
}

/// All checkers together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct History<N: Names> {
    rules: Rules,
    under_way: UnderWay<N>,
    single_winner: SingleWinner<N>,
    kept: Kept<N>,
    repeatable: Repeatable<N>,
    on_record: OnRecord<N>,
    log_agrees: LogAgrees<N>,
    oldest_first: OldestFirst<N>,
}

impl<N: Names> Default for History<N> {
    fn default() -> Self {
        Self::asking_for(Rules::ALL)
    }
}

impl<N: Names> History<N> {
    /// Nothing is seen yet, and these rules are asked for.
    #[must_use]
    pub const fn asking_for(rules: Rules) -> Self {
        Self {
            rules,
            under_way: UnderWay::new(),
            single_winner: SingleWinner::new(),
            kept: Kept::new(),
            repeatable: Repeatable::new(),
            on_record: OnRecord::new(),
            log_agrees: LogAgrees::new(),
            oldest_first: OldestFirst::new(),
        }
    }

    /// Takes note of what was seen.
    ///
    /// # Errors
    /// The first rule that it breaks, in one of [`WAYS`]. The history is not to be fed any further then.
    pub fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        let (asking, record) = match seen {
            Seen::Asked { operation, handoff, command } => {
                let asking = self.asking(handoff, command);
                self.under_way.ask(*operation, handoff, asking);
                return Ok(());
            }
            Seen::Answered { operation, handoff, command, .. } => {
                let asked = operation.and_then(|operation| self.under_way.take(operation, handoff));
                let asking = asked.unwrap_or_else(|| self.asking(handoff, command));
                (asking, self.on_record.of(handoff))
            }
            _ => (Asking::default(), None),
        };
        self.under_way.observe(seen);
        let rules = self.rules;
        self.single_winner.observe(rules, seen)?;
        true_author(rules, seen)?;
        self.kept.observe(rules, seen, asking.acknowledged)?;
        self.repeatable.observe(rules, seen, asking, record)?;
        self.on_record.observe(rules, seen)?;
        self.log_agrees.observe(rules, seen)?;
        self.oldest_first.observe(rules, seen)
    }

    /// Calls what is under way by other names, each by one of its own. Whoever names operations after something that it
    /// renames itself renames them here too.
    pub fn rename(&mut self, name: impl Fn(u64) -> u64) {
        self.under_way.rename(name);
    }

    /// Everything under way, by name, each with what was known when it was asked: of use only to tell two that differ in
    /// it apart.
    pub fn under_way(&self) -> impl Iterator<Item = (u64, (bool, u32, usize))> + '_ {
        self.under_way
            .all()
            .map(|(name, asking)| (name, (asking.acknowledged, asking.changes, asking.answers)))
    }

    /// At rest, when nothing is under way any more: what should have happened by now.
    ///
    /// # Errors
    /// The rule that is broken if nothing more happens.
    pub fn settle(&self) -> Result<(), Broken> {
        self.single_winner.settle(self.rules)?;
        self.log_agrees.settle(self.rules)
    }

    /// What is known now to whoever asks this now.
    fn asking(&self, handoff: &N::Handoff, command: &Command<N>) -> Asking {
        let (changes, answers) = self.repeatable.known(handoff, command);
        Asking { acknowledged: self.kept.acknowledged(handoff), changes, answers }
    }
}
