//! Where one handoff stands: what its place in the store holds, and what is under way on it.

use core::fmt;
use core::str::FromStr;

use handoff_kernel::command::Command;
use handoff_kernel::ident::Names;
use handoff_kernel::record::{Record, Rejection, State};

use super::BadText;

/// What the place in the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Nothing yet.
    Nothing,
    /// Nothing any more: retention has removed it.
    Pruned,
    /// A handoff that nobody has claimed.
    Pending,
    /// One that is claimed.
    Claimed {
        /// Whether the claim has a `claim_id`; otherwise it is anonymous.
        named: bool,
        /// Whether its author bounded it by `claim_ttl_seconds`.
        bounded: bool,
    },
    /// One that its holder completed.
    Completed,
    /// One that its target declined.
    Declined {
        /// Whether it was claimed before.
        claimed: bool,
    },
    /// One that nobody claimed in time.
    Expired,
    /// One whose claim lapsed.
    ClaimExpired,
}

impl Place {
    /// Every one, with its words.
    const ALL: [(Self, &'static str); 12] = [
        (Self::Nothing, "nothing"),
        (Self::Pruned, "pruned"),
        (Self::Pending, "pending"),
        (Self::Claimed { named: false, bounded: false }, "claimed anonymously"),
        (Self::Claimed { named: false, bounded: true }, "claimed anonymously for a time"),
        (Self::Claimed { named: true, bounded: false }, "claimed"),
        (Self::Claimed { named: true, bounded: true }, "claimed for a time"),
        (Self::Completed, "completed"),
        (Self::Declined { claimed: false }, "declined unclaimed"),
        (Self::Declined { claimed: true }, "declined"),
        (Self::Expired, "expired"),
        (Self::ClaimExpired, "claim expired"),
    ];

    /// What a place holds that has this record, or none, and of which retention once removed one, or did not.
    pub fn of<N: Names>(record: Option<&Record<N>>, pruned: bool) -> Self {
        let Some(record) = record else { return if pruned { Self::Pruned } else { Self::Nothing } };
        match &record.state {
            State::Pending => Self::Pending,
            State::Claimed(claim) => {
                Self::Claimed { named: claim.id.is_some(), bounded: record.claim_ttl.is_some() }
            }
            State::Completed { .. } => Self::Completed,
            State::Rejected(Rejection::Declined { claim, .. }) => Self::Declined { claimed: claim.is_some() },
            State::Rejected(Rejection::Expired { .. }) => Self::Expired,
            State::Rejected(Rejection::ClaimExpired { .. }) => Self::ClaimExpired,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Self::ALL.into_iter().find(|(place, _)| place == self);
        words.map_or(Ok(()), |(_, words)| f.write_str(words))
    }
}

/// What kind of command an operation carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An author hands over.
    Start,
    /// A target instance takes over.
    Accept,
    /// The holder is done.
    Complete,
    /// The target declines.
    Reject,
    /// A janitor asks whether a deadline has passed.
    Sweep,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Start, Self::Accept, Self::Complete, Self::Reject, Self::Sweep];

    /// That of this command.
    pub const fn of<N: Names>(command: &Command<N>) -> Self {
        match command {
            Command::Start { .. } => Self::Start,
            Command::Accept { .. } => Self::Accept,
            Command::Complete { .. } => Self::Complete,
            Command::Reject { .. } => Self::Reject,
            Command::Sweep => Self::Sweep,
        }
    }

    /// How it asks the store for its write: only a start writes where there is nothing.
    pub(super) const fn write(self) -> &'static str {
        match self {
            Self::Start => "insert",
            Self::Accept | Self::Complete | Self::Reject | Self::Sweep => "swap",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Accept => "accept",
            Self::Complete => "complete",
            Self::Reject => "reject",
            Self::Sweep => "sweep",
        })
    }
}

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The store is to show it the record.
    ToLoad,
    /// The store is to carry out its write.
    ToWrite,
    /// The store has answered, and the hub has not taken it yet.
    Heard,
}

impl Stage {
    /// Those at which an operation has something in hand that may be out of date by now.
    const IN_HAND: [Self; 2] = [Self::ToWrite, Self::Heard];

    /// Its place among them, if it is one.
    const fn in_hand(self) -> Option<usize> {
        match self {
            Self::ToLoad => None,
            Self::ToWrite => Some(0),
            Self::Heard => Some(1),
        }
    }
}

/// How many kinds of operations there are, each at each of these stages.
const SLOTS: usize = Kind::ALL.len() * Stage::IN_HAND.len();

/// So many operations that are alike are as good as more.
pub const MANY: u8 = 2;

/// How many operations have something in hand on one handoff, of each kind and at each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work([u16; SLOTS]);

fn slot(kind: Kind, stage: Stage) -> Option<usize> {
    stage.in_hand().map(|place| kind as usize * Stage::IN_HAND.len() + place)
}

impl Work {
    /// One more. An operation that is still [to load](Stage::ToLoad) has nothing in hand and does not count.
    pub fn add(&mut self, kind: Kind, stage: Stage) {
        if let Some(slot) = slot(kind, stage) {
            self.0[slot] = self.0[slot].saturating_add(1);
        }
    }

    /// One fewer.
    pub fn remove(&mut self, kind: Kind, stage: Stage) {
        if let Some(slot) = slot(kind, stage) {
            self.0[slot] = self.0[slot].saturating_sub(1);
        }
    }
}

/// Where one handoff stands: what its place in the store holds, and which operations have something in hand that may be
/// out of date when they use it.
///
/// An operation that is still to load remembers nothing, and is as good as one that has not begun. Of operations that are
/// alike in kind and stage it says none, one, or [`MANY`] or more: who asks, with which names and by which hub, are no
/// matter of it, nor are times. A write that may still follow is in nobody's hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Situation {
    place: Place,
    work: [u8; SLOTS],
}

impl Situation {
    /// That of a handoff with this in its place in the store, and these operations under way.
    #[must_use]
    pub fn new(place: Place, work: &Work) -> Self {
        let most = |count| u8::try_from(count).map_or(MANY, |count| count.min(MANY));
        Self { place, work: work.0.map(most) }
    }

    /// What its place in the store holds.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// How many operations of this kind are at this stage, up to [`MANY`].
    #[must_use]
    pub fn count(&self, kind: Kind, stage: Stage) -> u8 {
        slot(kind, stage).map_or(0, |slot| self.work[slot])
    }

    /// How many operations have something in hand, those that are alike counted up to [`MANY`].
    #[must_use]
    pub fn in_hand(&self) -> u8 {
        self.work.iter().sum()
    }
}

/// `accept to swap`.
fn words(kind: Kind, stage: Stage) -> String {
    match stage {
        Stage::ToLoad => format!("{kind} to load"),
        Stage::ToWrite => format!("{kind} to {}", kind.write()),
        Stage::Heard => format!("{kind} heard"),
    }
}

fn slots() -> impl Iterator<Item = (Kind, Stage)> {
    Kind::ALL.into_iter().flat_map(|kind| Stage::IN_HAND.map(move |stage| (kind, stage)))
}

/// `pending, accept to swap, 2+ sweep heard`.
impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        slots().try_for_each(|(kind, stage)| match self.count(kind, stage) {
            0 => Ok(()),
            1 => write!(f, ", {}", words(kind, stage)),
            most => write!(f, ", {most}+ {}", words(kind, stage)),
        })
    }
}

impl FromStr for Situation {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let bad = || BadText(text.to_owned());
        let mut parts = text.split(", ");
        let place = parts.next().and_then(|words| Place::ALL.into_iter().find(|(_, known)| *known == words));
        let (place, _) = place.ok_or_else(bad)?;
        let mut situation = Self { place, work: [0; SLOTS] };
        let many = format!("{MANY}+ ");
        for part in parts {
            let (count, rest) = part.strip_prefix(&many).map_or((1, part), |rest| (MANY, rest));
            let named =
                slots().zip(&mut situation.work).find(|((kind, stage), _)| words(*kind, *stage) == rest);
            let (_, work) = named.ok_or_else(bad)?;
            *work = count;
        }
        if situation.to_string() == text { Ok(situation) } else { Err(bad()) }
    }
}
