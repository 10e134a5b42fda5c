//! What happens to one handoff in one step.

use core::fmt;
use std::collections::BTreeMap;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::Names;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::time::Time;

use super::situation::{Kind, Stage};

/// Where the deciding clock stands to the deadline that matters: of a pending handoff its `expires_at`, of a claim the
/// end of its time, and of a start that finds nothing the `expires_at` that it brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// There is none.
    None,
    /// Before it.
    Before,
    /// At the very millisecond: still in time.
    At,
    /// After it.
    After,
}

impl Deadline {
    const ALL: [Self; 4] = [Self::None, Self::Before, Self::At, Self::After];

    /// Where this time stands to the deadline.
    #[must_use]
    pub fn held_against(deadline: Option<Time>, now: Time) -> Self {
        match deadline.map(|deadline| now.cmp(&deadline)) {
            None => Self::None,
            Some(core::cmp::Ordering::Less) => Self::Before,
            Some(core::cmp::Ordering::Equal) => Self::At,
            Some(core::cmp::Ordering::Greater) => Self::After,
        }
    }

    /// The `expires_at` that a start brings along.
    pub(super) const fn brought<N: Names>(command: &Command<N>) -> Option<Time> {
        match command {
            Command::Start { artifact, .. } => Some(artifact.expires_at),
            Command::Accept { .. } | Command::Complete { .. } | Command::Reject { .. } | Command::Sweep => {
                None
            }
        }
    }

    /// The deadline that matters to a command of this kind on this record. `brought` is the `expires_at` that a start
    /// brings along.
    #[must_use]
    pub fn that_matters<N: Names>(
        kind: Kind,
        brought: Option<Time>,
        record: Option<&Record<N>>,
    ) -> Option<Time> {
        match (kind, record) {
            (Kind::Start, None) => brought,
            // What is known is answered by its bytes, whatever its deadlines.
            (Kind::Start, Some(_)) => None,
            (Kind::Accept | Kind::Complete | Kind::Reject | Kind::Sweep, record) => record?.deadline(),
        }
    }
}

/// With a space before it; nothing where there is no deadline.
impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Before => " before the deadline",
            Self::At => " at the deadline",
            Self::After => " after the deadline",
        })
    }
}

/// What an asker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Yes.
    Done,
    /// No, and why.
    Refused(Refusal),
    /// The store could not do it now.
    Unavailable,
    /// The decision broke a rule and was not carried out.
    Broken,
}

impl<N: Names> From<&Result<Answer<N>, NotDone>> for Verdict {
    fn from(verdict: &Result<Answer<N>, NotDone>) -> Self {
        match verdict {
            Ok(_) => Self::Done,
            Err(NotDone::Refused(refusal)) => Self::Refused(*refusal),
            Err(NotDone::Unavailable) => Self::Unavailable,
            Err(NotDone::Broken(_)) => Self::Broken,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(refusal) => f.write_str(refusal.name()),
            Self::Unavailable => f.write_str("unavailable"),
            Self::Broken => f.write_str("broken"),
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrote {
    /// It took effect, and the hub is told.
    Written,
    /// It did not, and the hub is told: something else is there.
    Conflict,
    /// It took effect, and the answer is lost.
    AnswerLost,
    /// It did not and will not, and the hub is not told.
    Lost,
    /// It may take effect later, and the hub is not told.
    Delayed,
}

impl Wrote {
    const ALL: [Self; 5] = [Self::Written, Self::Conflict, Self::AnswerLost, Self::Lost, Self::Delayed];
}

impl fmt::Display for Wrote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written => "written",
            Self::Conflict => "conflict",
            Self::AnswerLost => "written, answer lost",
            Self::Lost => "lost",
            Self::Delayed => "delayed",
        })
    }
}

/// What happens to one handoff in one step. Ticks, clocks, messages and polls change nothing here, nor does a command
/// that begins, nor the death of a hub that has nothing in hand of it: they are no labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The hub decides on the record that the store shows it.
    Decides {
        /// What it carries out.
        kind: Kind,
        /// Whether the store showed it a while ago, and the hub takes it only now.
        held: bool,
        /// Where its clock stands.
        deadline: Deadline,
        /// What it answers; none when it goes on to a write.
        answers: Option<Verdict>,
    },
    /// The store shows the record, and the hub takes it later.
    LoadHeld(Kind),
    /// The record that the store shows is lost on the way.
    LoadLost(Kind),
    /// What became of a write, and whether the hub takes the answer later.
    Writes(Kind, Wrote, bool),
    /// The hub takes the answer to its write that was held.
    Hears(Kind, Wrote),
    /// The store cannot, and says so: of a load, or of a write.
    Fails(Kind, Stage),
    /// A write of long ago comes to the store; whether it takes effect.
    Follows(Kind, bool),
    /// A hub dies, and what it had in hand of this handoff is gone.
    Crashes,
    /// Retention removes it.
    Prunes,
}

impl Label {
    /// Every one that can be.
    fn all() -> Vec<Self> {
        let refusals = Refusal::PLAIN.into_iter().chain([Refusal::Invalid(Field::ExpiresAt)]);
        let verdicts = [None, Some(Verdict::Done), Some(Verdict::Broken)].into_iter();
        let answers: Vec<_> =
            verdicts.chain(refusals.map(|refusal| Some(Verdict::Refused(refusal)))).collect();
        let both = [false, true];
        let mut all = vec![Self::Crashes, Self::Prunes];
        for kind in Kind::ALL {
            all.extend([Self::LoadHeld(kind), Self::LoadLost(kind)]);
            all.extend([Stage::ToLoad, Stage::ToWrite].map(|stage| Self::Fails(kind, stage)));
            all.extend(both.map(|took_effect| Self::Follows(kind, took_effect)));
            for wrote in Wrote::ALL {
                all.extend(both.map(|held| Self::Writes(kind, wrote, held)));
                all.push(Self::Hears(kind, wrote));
            }
            for deadline in Deadline::ALL {
                let decides = |held| {
                    let decides = move |&answers| Self::Decides { kind, held, deadline, answers };
                    answers.iter().map(decides)
                };
                all.extend(both.into_iter().flat_map(decides));
            }
        }
        all
    }

    /// Every one by its text.
    pub(super) fn by_text() -> BTreeMap<String, Self> {
        Self::all().into_iter().map(|label| (label.to_string(), label)).collect()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Decides { kind, held, deadline, answers } => {
                let takes = if held { "hears" } else { "loads" };
                write!(f, "{kind} {takes}{deadline}: ")?;
                match answers {
                    Some(verdict) => write!(f, "answers {verdict}"),
                    None => write!(f, "goes on to {}", kind.write()),
                }
            }
            Self::LoadHeld(kind) => write!(f, "{kind} loads: held"),
            Self::LoadLost(kind) => write!(f, "{kind} loads: lost"),
            Self::Writes(kind, wrote, held) => {
                write!(f, "{kind} {}s: {wrote}{}", kind.write(), if held { ", held" } else { "" })
            }
            Self::Hears(kind, wrote) => write!(f, "{kind} hears: {wrote}"),
            Self::Fails(kind, Stage::ToLoad) => write!(f, "{kind} loads: failed"),
            Self::Fails(kind, Stage::ToWrite | Stage::Heard) => write!(f, "{kind} {}s: failed", kind.write()),
            Self::Follows(kind, true) => write!(f, "a delayed {kind} takes effect"),
            Self::Follows(kind, false) => write!(f, "a delayed {kind} comes too late"),
            Self::Crashes => f.write_str("a hub crashes"),
            Self::Prunes => f.write_str("retention removes it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_labels_read_alike() {
        assert_eq!(Label::by_text().len(), Label::all().len());
    }
}
