//! The rules that need a memory: incremental checkers, fed one [`Seen`] at a time.
//!
//! The model, the simulator, the fuzz targets and whoever listens to a running hub feed the same checkers. Each is
//! small, ordered and comparable, so that it can be part of a model's state. They believe nothing that they have
//! not seen: a history that begins in the middle is judged from there.
//!
//! Not checked here: what a step may do ([`crate::rules`]), and whether anything happens at all (L1 to L3).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a checker names what it looks at, and passes over the rest"
)]

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::bootstrap::Session;
use crate::command::{Answer, Command, Event, EventKind};
use crate::ident::Names;
use crate::record::{Claim, Record, State, Status};
use crate::refusal::{Field, Refusal};
pub use crate::rules::Broken;
use crate::rules::{Rule, outlived};
use crate::time::{Millis, Time};

/// Something that was seen to happen.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a, N: Names> {
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
    /// Retention removed a handoff.
    Pruned(&'a N::Handoff),
}

/// All checkers together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct History<N: Names> {
    single_winner: SingleWinner<N>,
    kept: Kept<N>,
    repeatable: Repeatable<N>,
    log_agrees: LogAgrees<N>,
    oldest_first: OldestFirst<N>,
}

impl<N: Names> Default for History<N> {
    fn default() -> Self {
        Self {
            single_winner: SingleWinner { claims: BTreeMap::new(), winners: BTreeMap::new() },
            kept: Kept { started: BTreeMap::new(), pruned: BTreeSet::new() },
            repeatable: Repeatable { handoffs: BTreeMap::new() },
            log_agrees: LogAgrees { unlogged: BTreeMap::new() },
            oldest_first: OldestFirst { pending: BTreeMap::new() },
        }
    }
}

impl<N: Names> History<N> {
    /// Takes note of what was seen.
    ///
    /// # Errors
    /// The first rule that it breaks. The history is not to be fed any further then.
    pub fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        self.single_winner.observe(seen)?;
        true_author(seen)?;
        self.kept.observe(seen)?;
        self.repeatable.observe(seen)?;
        self.log_agrees.observe(seen)?;
        self.oldest_first.observe(seen)
    }

    /// At rest, when nothing is under way any more: what should have happened by now.
    ///
    /// # Errors
    /// The rule that is broken if nothing more happens.
    pub fn settle(&self) -> Result<(), Broken> {
        self.log_agrees.settle()
    }
}

fn demand(holds: bool, rule: Rule, how: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken { rule, how }) }
}

/// S1: one claim a handoff, on the record and in what was answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SingleWinner<N: Names> {
    claims: BTreeMap<N::Handoff, Claim<N>>,
    winners: BTreeMap<N::Handoff, (Option<N::Claim>, Time)>,
}

impl<N: Names> SingleWinner<N> {
    fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Committed { next, .. } => {
                let was = self.claims.get(&next.id);
                let is = next.claim();
                demand(was.is_none() || was == is, Rule::S1, "a record's claim changed")?;
                if let Some(claim) = is {
                    self.claims.insert(next.id.clone(), claim.clone());
                }
                Ok(())
            }
            Seen::Answered { handoff, verdict: Ok(Answer::Claimed { claim_id, claimed_at, .. }), .. } => {
                let told = (claim_id.clone(), *claimed_at);
                let first = self.winners.insert((*handoff).clone(), told.clone());
                let again = first.is_none_or(|first| first == told && told.0.is_some());
                demand(again, Rule::S1, "two claims of one handoff were acknowledged")
            }
            _ => Ok(()),
        }
    }
}

/// S13: what is started, and acknowledged as started, is in the name of who sent it. It needs no memory.
fn true_author<N: Names>(seen: &Seen<'_, N>) -> Result<(), Broken> {
    let (sender, author) = match seen {
        Seen::Committed { command: Command::Start { sender, .. }, next, .. } => (sender, &next.author),
        Seen::Answered { command: Command::Start { sender, artifact }, verdict: Ok(_), .. } => {
            (sender, &artifact.author)
        }
        _ => return Ok(()),
    };
    demand(sender == author, Rule::S13, "a handoff was started in the name of another than its sender")
}

/// S7 and S8: what was acknowledged as started is there, once, with the same bytes. And S4, as far as retention goes:
/// what it removed does not come back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Kept<N: Names> {
    /// The digest and the target of each acknowledged start.
    started: BTreeMap<N::Handoff, (N::Digest, N::Agent)>,
    /// What retention has removed: all were terminal, and stay so.
    pruned: BTreeSet<N::Handoff>,
}

impl<N: Names> Kept<N> {
    fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Answered { handoff, command: Command::Start { artifact, .. }, verdict: Ok(_), .. } => {
                let told = (artifact.digest.clone(), artifact.target.clone());
                let first = self.started.insert((*handoff).clone(), told.clone());
                let same = first.is_none_or(|first| first == told);
                demand(same, Rule::S8, "one id was acknowledged for two artifacts")
            }
            Seen::Answered { handoff, command, verdict: Err(Refusal::NotFound), .. } => {
                let target = self.started.get(*handoff).map(|(_, target)| target);
                let lost = target.is_some() && target == command.actor();
                demand(!lost, Rule::S7, "an acknowledged start was not found by its target")
            }
            Seen::Located { handoff, statuses } => {
                demand(statuses.len() <= 1, Rule::S7, "a handoff is in two statuses at once")?;
                let lost = statuses.is_empty() && self.started.contains_key(*handoff);
                demand(!lost, Rule::S7, "an acknowledged start is in no status")
            }
            Seen::Delivered { handoff, digest } => {
                let same = self.started.get(*handoff).is_none_or(|(known, _)| known == *digest);
                demand(same, Rule::S8, "other bytes were delivered than were started")
            }
            Seen::Committed { next, .. } => {
                let back = self.pruned.contains(&next.id);
                demand(!back, Rule::S4, "a handoff that retention had removed came back")
            }
            Seen::Pruned(handoff) => {
                self.started.remove(*handoff);
                self.pruned.insert((*handoff).clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// S9: the same request again, with nothing in between, changes nothing and is answered alike. Two anonymous accepts
/// are two attempts at one claim: one wins, and it is never repeatable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Repeatable<N: Names> {
    /// Boxed, for a map's node has room for eleven, and a model keeps millions of histories of one or two.
    handoffs: BTreeMap<N::Handoff, Box<Asked<N>>>,
}

/// What was asked of one handoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Asked<N: Names> {
    /// The record, as last committed.
    record: Option<Record<N>>,
    /// How many commands have taken effect.
    changes: u32,
    /// The commands that took effect.
    effective: Vec<Effective<N>>,
    /// The first answer to each command in each of the handoff's situations.
    answers: Vec<Told<N>>,
}

/// The first answer to a command in one situation.
type Told<N> = (Command<N>, Situation, Result<Answer<N>, Refusal>);

/// A command that took effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Effective<N: Names> {
    command: Command<N>,
    /// How many commands had taken effect, with this one.
    changes: u32,
    /// Whether it did what it asked for, rather than find a deadline passed.
    as_asked: bool,
}

/// In the same situation the same request gets the same answer: nothing has taken effect since, and no deadline
/// has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Situation {
    changes: u32,
    past_deadline: bool,
}

impl<N: Names> Repeatable<N> {
    fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Committed { command, next, event } => {
                let asked =
                    self.handoffs.entry(next.id.clone()).or_insert_with(|| Box::new(Asked::nothing()));
                // A deadline that a repeat finds passed takes effect through it, but that is not what it asked.
                let as_asked = !matches!(event.kind, EventKind::Expired | EventKind::ClaimExpired);
                let again =
                    asked.effective.iter().any(|done| done.as_asked && done.command.same_request(command));
                demand(!(as_asked && again), Rule::S9, "a repeated command took effect again")?;
                asked.changes += 1;
                let command = (*command).clone();
                asked.effective.push(Effective { command, changes: asked.changes, as_asked });
                asked.record = Some((*next).clone());
                Ok(())
            }
            Seen::Answered { handoff, command, verdict, now } => {
                // Whether a field is in range is settled before there is a command.
                if matches!(verdict, Err(Refusal::Invalid(Field::ExpiresAt))) {
                    return Ok(());
                }
                self.handoffs
                    .entry((*handoff).clone())
                    .or_insert_with(|| Box::new(Asked::nothing()))
                    .answered(command, verdict, *now)
            }
            Seen::Pruned(handoff) => {
                self.handoffs.remove(*handoff);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl<N: Names> Asked<N> {
    const fn nothing() -> Self {
        Self { record: None, changes: 0, effective: Vec::new(), answers: Vec::new() }
    }

    fn answered(
        &mut self,
        command: &Command<N>,
        verdict: &Result<Answer<N>, Refusal>,
        now: Time,
    ) -> Result<(), Broken> {
        // The answer to what took effect belongs to the moment of the effect, however late it comes.
        let effect = self.effective.iter().find(|done| done.command.same_request(command));
        let denied = effect.is_some_and(|done| done.as_asked && done.command == *command) && verdict.is_err();
        demand(!denied, Rule::S9, "a command that took effect was told that it did not")?;
        let changes = match (effect, verdict) {
            (Some(done), Ok(_)) => done.changes,
            (Some(_), Err(_)) | (None, _) => self.changes,
        };
        let situation = Situation { changes, past_deadline: self.past_deadline(command, now) };
        let known = self
            .answers
            .iter()
            .find(|(asked, then, _)| asked.same_request(command) && *then == situation)
            .map(|(_, _, answer)| answer);
        match known {
            None => {
                self.answers.push((command.clone(), situation, verdict.clone()));
                Ok(())
            }
            Some(first) => {
                let one_won = matches!(
                    (first, verdict),
                    (Ok(_), Err(Refusal::AlreadyClaimed)) | (Err(Refusal::AlreadyClaimed), Ok(_))
                );
                let anonymous = matches!(command, Command::Accept { claim_id: None, .. });
                demand(
                    first == verdict || (anonymous && one_won),
                    Rule::S9,
                    "a repeated command was answered differently",
                )
            }
        }
    }

    /// Whether the deadline that this command depends on has passed.
    fn past_deadline(&self, command: &Command<N>, now: Time) -> bool {
        match (self.record.as_ref().map(|r| (r, &r.state)), command) {
            (Some((record, State::Pending)), _) => now > record.expires_at,
            (Some((record, State::Claimed(claim))), _) => outlived(record, claim.at, now),
            (Some((_, State::Completed { .. } | State::Rejected(_))), _) => false,
            (None, Command::Start { artifact, .. }) => now > artifact.expires_at,
            (None, _) => false,
        }
    }
}

/// S10: one event for each transition, in order, and none before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct LogAgrees<N: Names> {
    unlogged: BTreeMap<N::Handoff, VecDeque<Event<N>>>,
}

impl<N: Names> LogAgrees<N> {
    fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Committed { event, .. } => {
                self.unlogged.entry(event.handoff.clone()).or_default().push_back((*event).clone());
                Ok(())
            }
            Seen::Logged(event) => {
                let mut waiting = self.unlogged.remove(&event.handoff).unwrap_or_default();
                let next = waiting.pop_front();
                if !waiting.is_empty() {
                    self.unlogged.insert(event.handoff.clone(), waiting);
                }
                demand(
                    next.as_ref() == Some(*event),
                    Rule::S10,
                    "the log has an event that is not the next transition",
                )
            }
            _ => Ok(()),
        }
    }

    fn settle(&self) -> Result<(), Broken> {
        demand(self.unlogged.is_empty(), Rule::S10, "a transition has no event")
    }
}

/// S12: a poll shows the earliest that can be claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct OldestFirst<N: Names> {
    /// Target and last moment of each pending handoff, by arrival.
    pending: BTreeMap<(Time, N::Handoff), (N::Agent, Time)>,
}

impl<N: Names> OldestFirst<N> {
    fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Committed { next, .. } => {
                let arrival = (next.started_at, next.id.clone());
                if next.status() == Status::Pending {
                    self.pending.insert(arrival, (next.target.clone(), next.expires_at));
                } else {
                    self.pending.remove(&arrival);
                }
                Ok(())
            }
            Seen::Polled { target, shown, now } => {
                let mut open = self.pending.iter().filter(|(_, (to, until))| to == *target && *now <= *until);
                let oldest = open.next().map(|((_, handoff), _)| handoff);
                demand(oldest == *shown, Rule::S12, "a poll showed another handoff than the oldest, or none")
            }
            _ => Ok(()),
        }
    }
}

/// What a session did with the bootstrap of a handoff, as it was seen. Judged apart from [`History`], for it
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
        demand(!twice, Rule::S11, "a session consumed a bootstrap twice")?;
        demand(first.is_none(), Rule::S11, "two sessions consumed one bootstrap")?;
        let Some(accepted_at) = seen.accepted_at else {
            return demand(false, Rule::S11, "a bootstrap without a date was consumed");
        };
        match seen.now.0.checked_sub(accepted_at.0) {
            None => demand(false, Rule::S11, "a bootstrap from the future was consumed"),
            Some(age) => demand(age <= seen.window.0, Rule::S11, "a stale bootstrap was consumed"),
        }
    }

    /// A session refused it as stale.
    ///
    /// # Errors
    /// Rule S11, when it was fresh: at exactly the window it is.
    pub fn refused_as_stale(&self, seen: &Attempted<'_, N>) -> Result<(), Broken> {
        let age = seen.accepted_at.and_then(|accepted_at| seen.now.0.checked_sub(accepted_at.0));
        let stale = age.is_some_and(|age| age > seen.window.0);
        demand(stale, Rule::S11, "a bootstrap that is not stale was refused as stale")
    }
}
