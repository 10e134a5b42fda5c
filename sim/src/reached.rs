//! What was reached: the catalogue of interesting cases, counted. A batch of runs that misses one has not looked
//! everywhere, and fails.

use core::fmt;
use std::collections::BTreeMap;

use handoff_kernel::command::{Answer, Command, EventKind};
use handoff_kernel::ident::Wire;
use handoff_kernel::operation::NotDone;
use handoff_kernel::refusal::Refusal;
use handoff_spec::trace::{EffectKind, OutcomeKind};

use crate::act::{Deed, Hubs, Ill};
use crate::judge::Behalf;

macro_rules! cases {
    ($($case:ident $says:literal $where:ident)*) => {
        /// An interesting case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Case {
            $(#[doc = $says] $case,)*
            /// This went wrong with a disk.
            Trouble(Ill),
            /// This command was answered so: by an answer's name or a refusal's, and whether that was a repeat.
            Verdict(&'static str, &'static str, bool),
            /// This happened, on whose behalf.
            Event(&'static str, &'static str),
            /// This was asked of the store, on whose behalf, and came to this.
            Effect(&'static str, &'static str, &'static str),
            /// A same-host agent did this.
            Deed(&'static str),
        }

        impl Case {
            /// Those without parts, and in which worlds each can be reached.
            const PLAIN: &'static [(Self, Where)] = &[$((Self::$case, Where::$where)),*];

            /// What it is, in a few words, if it has no parts.
            fn says(self) -> Option<&'static str> {
                match self {
                    $(Self::$case => Some($says),)*
                    Self::Trouble(_) | Self::Verdict(..) | Self::Event(..) | Self::Effect(..) | Self::Deed(_) => None,
                }
            }

            /// What it is, if it has parts.
            fn parts(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Trouble(ill) => write!(f, "of a disk: {}", ill.name()),
                    Self::Verdict(command, verdict, false) => write!(f, "{command} is answered {verdict}"),
                    Self::Verdict(command, verdict, true) => write!(f, "{command} is answered {verdict}, again"),
                    Self::Event(kind, behalf) => write!(f, "{kind}, on behalf of {behalf}"),
                    Self::Effect(effect, behalf, outcome) => {
                        write!(f, "{effect} on behalf of {behalf}: {outcome}")
                    }
                    Self::Deed(deed) => write!(f, "a same-host agent {deed}"),
                    $(Self::$case)|* => Ok(()),
                }
            }
        }
    };
}

/// In which worlds a case can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// With one hub on directories.
    Directory,
    /// With several hubs on one store.
    Several,
    /// In any.
    Any,
    /// In none, as long as the hub does what it should.
    Never,
}

cases! {
    Lost "the network loses a message" Any
    Doubled "the network delivers a message twice" Any
    Overtaken "a message overtakes an earlier one" Any
    Split "a partition splits the hosts in two" Any
    OneWay "a partition that lets one direction through" Any
    Isolated "a host is cut off from all others" Any
    Flapping "a partition comes and goes" Any
    Healed "the network is whole again" Any
    Retried "a client asks again, for no answer came" Any
    GaveUp "a client gives up" Any
    ClientDied "a client dies, and comes back with its ids" Any
    LateAnswer "an answer comes when nobody waits for it any more" Any
    Unawaited "a request comes to a hub when nobody waits for its answer any more" Any
    ClockSet "a hub's clock is set" Any
    Paused "a hub pauses, between a decision and its commit" Any
    Killed "a hub's process is killed" Any
    Restarted "a hub begins again" Any
    PowerCut "the power is cut" Directory
    DiedInside "a hub dies between two file operations" Directory
    EffectsAtRisk "the power is cut while something is not durable" Directory
    EffectsLost "a power cut loses something that was written" Directory
    Redone "a hub that begins again finishes what it had decided" Directory
    RefusedToStart "a hub refuses to start on a disk that fails" Directory
    StoreDown "a hub goes down, for its disk failed for good" Directory
    Unavailable "a hub answers that it cannot do it now" Directory
    JanitorLost "what the hub asked for itself came too late" Directory
    Dropped "a hub takes note of a file that a same-host agent dropped" Directory
    Pruned "retention removes a handoff" Directory
    LogRecovered "a missing line of the event log is written afterwards" Directory
    CheckpointWaited "the event log or a checkpoint has to wait" Directory
    JournalFull "the journal takes no more" Directory
    JournalRoom "the journal takes requests again" Directory
    HeldUp "an operation is given up, for something keeps changing its files" Never
    PollShown "a poll shows a handoff" Any
    PollWaits "a poll waits" Any
    PollEmpty "a poll shows nothing" Any
    StoreAnswerLost "the store's answer to a write that took effect is lost" Several
    StoreRequestLost "what a hub asks of the store never comes there" Several
    StoreLate "a write is carried out when its hub has long given up" Several
    StoreTooLate "a late write finds something else there" Several
    StoreFails "the store says that it cannot" Several
    OwnClaimFound "an accept finds its own claim, whose answer was lost" Several
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(says) = self.says() {
            return f.write_str(says);
        }
        self.parts(f)
    }
}

/// How often each case was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached(BTreeMap<Case, u64>);

const fn behalf_name(behalf: Behalf) -> &'static str {
    match behalf {
        Behalf::Client(_) => "a client",
        Behalf::Janitor => "nobody",
        Behalf::Neighbour => "a same-host agent",
    }
}

impl Reached {
    /// It was reached.
    pub fn note(&mut self, case: Case) {
        *self.0.entry(case).or_default() += 1;
    }

    /// Whether it was reached.
    #[must_use]
    pub fn has(&self, case: Case) -> bool {
        self.0.contains_key(&case)
    }

    /// What another run has reached, too.
    pub fn add(&mut self, other: &Self) {
        for (case, count) in &other.0 {
            *self.0.entry(*case).or_default() += count;
        }
    }

    /// All that was reached, and how often.
    pub fn all(&self) -> impl Iterator<Item = (Case, u64)> + '_ {
        self.0.iter().map(|(case, count)| (*case, *count))
    }

    /// How a client's command was answered.
    pub fn verdict(
        &mut self,
        command: &Command<Wire>,
        verdict: &Result<Answer<Wire>, NotDone>,
        changed: bool,
    ) {
        let (name, again) = match verdict {
            Ok(Answer::Started { .. }) => ("started", !changed),
            Ok(Answer::Claimed { .. }) => ("claimed", !changed),
            Ok(Answer::Completed { .. }) => ("completed", !changed),
            Ok(Answer::Rejected { .. }) => ("rejected", !changed),
            Ok(Answer::Swept) => ("swept", false),
            Err(NotDone::Refused(refusal)) => (refusal.name(), false),
            Err(NotDone::Unavailable) => ("unavailable", false),
            Err(NotDone::Broken(_)) => ("broken", false),
        };
        self.note(Case::Verdict(command.name(), name, again));
    }

    /// A transition took effect.
    pub fn event(&mut self, kind: EventKind, behalf: Behalf) {
        let kind = match kind {
            EventKind::Started => "started",
            EventKind::Claimed => "claimed",
            EventKind::Completed => "completed",
            EventKind::Rejected => "rejected",
            EventKind::Expired => "expired",
            EventKind::ClaimExpired => "claim expired",
        };
        self.note(Case::Event(kind, behalf_name(behalf)));
    }

    /// What came of what was asked of the store.
    pub fn effect(&mut self, effect: EffectKind, outcome: OutcomeKind, behalf: Behalf) {
        let effect = match effect {
            EffectKind::Load => "load",
            EffectKind::Insert => "insert",
            EffectKind::Swap => "swap",
        };
        let outcome = match outcome {
            OutcomeKind::Loaded => return,
            OutcomeKind::Written => "written",
            OutcomeKind::Conflict => "conflict",
            OutcomeKind::Unknown => "unknown",
            OutcomeKind::Failed => "failed",
        };
        self.note(Case::Effect(effect, behalf_name(behalf), outcome));
    }

    /// A same-host agent did something, and the system let it.
    pub fn deed(&mut self, deed: &Deed) {
        self.note(Case::Deed(match deed {
            Deed::Drops(_) => "drops a file",
            Deed::Claims(_) => "claims by a rename",
            Deed::Completes(_) => "completes by a rename",
            Deed::Rejects(_) => "rejects by a rename",
            Deed::DeletesLog => "deletes the event log",
        }));
    }

    /// What the hub itself found worth telling.
    pub fn notes(&mut self, notes: &[String]) {
        for note in notes {
            let told = [
                ("has to wait", Case::CheckpointWaited),
                ("journal takes no more", Case::JournalFull),
                ("takes requests again", Case::JournalRoom),
                ("is held up", Case::HeldUp),
            ];
            for (words, case) in told {
                if note.contains(words) {
                    self.note(case);
                }
            }
        }
    }

    /// The cases that a batch of such worlds must reach, and that were not.
    #[must_use]
    pub fn missing(&self, hubs: Hubs) -> Vec<Case> {
        must(hubs).into_iter().filter(|case| !self.has(*case)).collect()
    }
}

/// What each command can be refused as, once it is well-formed and authenticated: the columns of the protocol's table.
const VERDICTS: [(&str, &[Refusal]); 4] = [
    ("start", &[Refusal::WrongSender, Refusal::IdConflict, Refusal::Expired]),
    (
        "accept",
        &[
            Refusal::NotFound,
            Refusal::WrongAgent,
            Refusal::Expired,
            Refusal::ClaimExpired,
            Refusal::AlreadyClaimed,
            Refusal::AlreadyCompleted,
            Refusal::AlreadyRejected,
        ],
    ),
    (
        "complete",
        &[
            Refusal::NotFound,
            Refusal::WrongAgent,
            Refusal::NotClaimed,
            Refusal::Expired,
            Refusal::ClaimExpired,
            Refusal::WrongClaim,
            Refusal::AlreadyCompleted,
            Refusal::AlreadyRejected,
        ],
    ),
    (
        "reject",
        &[
            Refusal::NotFound,
            Refusal::WrongAgent,
            Refusal::Expired,
            Refusal::ClaimExpired,
            Refusal::WrongClaim,
            Refusal::AlreadyCompleted,
            Refusal::AlreadyRejected,
        ],
    ),
];

/// The cases that a batch of such worlds must reach.
#[must_use]
pub fn must(hubs: Hubs) -> Vec<Case> {
    let here = |place: Where| match place {
        Where::Any => true,
        Where::Directory => hubs == Hubs::Directory,
        Where::Several => hubs != Hubs::Directory,
        Where::Never => false,
    };
    let mut must: Vec<Case> =
        Case::PLAIN.iter().filter(|(_, place)| here(*place)).map(|(case, _)| *case).collect();
    for (command, refusals) in VERDICTS {
        must.extend(refusals.iter().map(|refusal| Case::Verdict(command, refusal.name(), false)));
    }
    let answers =
        [("start", "started"), ("accept", "claimed"), ("complete", "completed"), ("reject", "rejected")];
    for (command, answer) in answers {
        must.extend([false, true].map(|again| Case::Verdict(command, answer, again)));
    }
    for kind in ["started", "claimed", "completed", "rejected", "expired", "claim expired"] {
        must.push(Case::Event(kind, "a client"));
    }
    must.extend(["expired", "claim expired"].map(|kind| Case::Event(kind, "nobody")));
    if hubs == Hubs::Directory {
        must.extend(Ill::ALL.map(Case::Trouble));
        must.extend(["claimed", "completed", "rejected"].map(|kind| Case::Event(kind, "a same-host agent")));
        must.extend(
            [
                "drops a file",
                "claims by a rename",
                "completes by a rename",
                "rejects by a rename",
                "deletes the event log",
            ]
            .map(Case::Deed),
        );
        must.push(Case::Effect("swap", "a client", "conflict"));
        must.push(Case::Effect("insert", "a client", "failed"));
    } else {
        for outcome in ["conflict", "unknown", "failed"] {
            must.extend(["insert", "swap"].map(|effect| Case::Effect(effect, "a client", outcome)));
        }
        must.push(Case::Effect("swap", "nobody", "conflict"));
    }
    must.sort_unstable();
    must.dedup();
    must
}
