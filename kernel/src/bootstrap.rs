//! The consumption machine: how a session of the target takes up the bootstrap of a handoff that was accepted.
//!
//! After accepting, a target's client leaves `bootstrap/<handoff_id>.json` on its own disk. A session that begins
//! consumes it, once, or is refused. This machine is that conversation with the disk, sans IO: it asks for one
//! [`Effect`] at a time and is told its [`Outcome`]; whoever drives it has no decision left to make, and hands what
//! it read to its session only on [`Done::Consumed`].
//!
//! ```text
//!   new --> Take --moved--> Read --fresh-----------------------------> Consumed
//!            |               |
//!            |               +--stale, future, malformed--> SetAside --> Refused
//!            +--missing------------------------------------------------> Refused
//! ```
//!
//! It is renamed away first and read after: of two sessions that reach for it, one finds it missing. An answer that
//! is lost is asked for again, and the file under the session's own name tells which rename took effect.
//!
//! A session that dies before its first rename leaves the bootstrap for the next. One that dies after it, at any
//! point up to the end, leaves the file under its own name: it may not have been consumed, and no other session ever
//! consumes it by itself. That is the price of *at most once* (rule S11), and the file is there for a person to see.
//!
//! What the machine relies on: a rename is atomic and replaces nothing; no two sessions have the same name, not even
//! a session and the one that is started in its place; and a client leaves one bootstrap a handoff, once.

use crate::law::Law;
use crate::time::{Millis, Time};

/// How old a bootstrap may be unless the operator says otherwise: 300 seconds. At that age it is fresh still.
pub const RESUME_WINDOW: Millis = Millis::from_secs(300);

/// A session's name, which no other session has or ever had: its driver draws it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

/// Where a session looks for the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Where the client left it, and every session finds it. Only a mutant reads there.
    Left,
    /// Under this session's own name, where no other looks.
    Taken,
}

/// What the machine asks its driver to do, always with the bootstrap of one handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Rename it from where it was left to this session's own name, atomically, replacing nothing. Answered by
    /// [`Outcome::Moved`] or [`Outcome::Missing`].
    Take,
    /// Read it. Answered by [`Outcome::Contents`] or [`Outcome::Missing`].
    Read(Place),
    /// Rename it from this session's own name to where refused ones stay for a person, replacing nothing. Answered
    /// as [`Effect::Take`] is.
    SetAside,
}

/// What a bootstrap says of its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contents {
    /// Well-formed, with the time of the accept by the client's clock.
    Dated(Time),
    /// Well-formed, but that it does not say when it was accepted.
    Undated,
    /// Not well-formed, or of another handoff.
    Malformed,
}

/// What came of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The rename took effect.
    Moved,
    /// There is nothing where it should be; nothing changed.
    Missing,
    /// What was read.
    Contents(Contents),
    /// Nobody knows: the answer was lost. A rename may have taken effect, or may still.
    Unknown,
    /// It did not take effect and will not: the disk cannot do it now, or the name is taken.
    Failed,
}

/// Why a bootstrap is not consumed. Never "fresh by default".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// There is none, or another session has it.
    Missing,
    /// It cannot be understood, or does not say when it was accepted.
    Malformed,
    /// It is older than the resume window.
    Stale {
        /// How old.
        age: Millis,
        /// How old it might be.
        window: Millis,
    },
    /// It says that it was accepted in the future. Its age is unknown, and taking that for zero would keep it fresh
    /// for as long as the clock was wrong, and the window more.
    Future {
        /// How far ahead.
        ahead: Millis,
    },
}

/// The end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Done {
    /// It is this session's, and no other's ever. The file stays under this session's name.
    Consumed {
        /// When that was decided, by the deciding clock.
        at: Time,
    },
    /// It is not consumed. One that was found is out of the way of the next, for a person to see: set aside, or, when
    /// the disk could not do that, under this session's name.
    Refused(Refusal),
    /// The disk could not do it now. Where it was found is where it stays: if under this session's name, no session
    /// consumes it any more.
    Unavailable,
}

/// What follows an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next<L: Law> {
    /// There is another effect to carry out.
    Effect(Consume<L>),
    /// That was all.
    Done(Done),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    /// Waiting for the rename; whether an earlier one may have taken effect.
    Taking { in_doubt: bool },
    /// Waiting for what it says.
    Reading { place: Place },
    /// Waiting for the rename of one that was already read and found fresh: only under a law that reads first.
    Removing { decided: Time },
    /// Waiting for a refused one to be out of the way.
    SettingAside { why: Refusal },
}

/// One session's attempt at the bootstrap of one handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consume<L: Law> {
    law: L,
    window: Millis,
    phase: Phase,
}

impl<L: Law> Consume<L> {
    /// An attempt that takes a bootstrap of at most this age: [`RESUME_WINDOW`] unless the operator says otherwise.
    pub fn new(law: L, window: Millis) -> Self {
        let phase = if law.takes_first() {
            Phase::Taking { in_doubt: false }
        } else {
            Phase::Reading { place: Place::Left }
        };
        Self { law, window, phase }
    }

    /// What is to be done now. Asking again gives the same.
    pub const fn effect(&self) -> Effect {
        match self.phase {
            Phase::Taking { .. } | Phase::Removing { .. } => Effect::Take,
            Phase::Reading { place } => Effect::Read(place),
            Phase::SettingAside { .. } => Effect::SetAside,
        }
    }

    /// What follows from the outcome of [`Self::effect`]. `now` is the deciding clock: this machine's own, the one
    /// that dated the bootstrap, read right after the outcome, so that no age is told younger than it was.
    ///
    /// Total: an outcome that does not fit the effect is as good as an unknown one.
    #[must_use]
    pub fn next(self, outcome: Outcome, now: Time) -> Next<L> {
        let phase = self.phase;
        match (phase, outcome) {
            (Phase::Taking { .. }, Outcome::Moved)
            // Missing, because an earlier rename whose answer was lost has moved it? Its own name tells.
            | (Phase::Taking { in_doubt: true }, Outcome::Missing) => {
                self.goes_on(Phase::Reading { place: Place::Taken })
            }
            (Phase::Taking { in_doubt: false } | Phase::Reading { .. }, Outcome::Missing) => {
                Next::Done(Done::Refused(Refusal::Missing))
            }
            (Phase::Taking { .. }, Outcome::Unknown | Outcome::Contents(_)) => {
                self.goes_on(Phase::Taking { in_doubt: true })
            }
            (Phase::Reading { place }, Outcome::Contents(contents)) => self.judge(place, contents, now),
            (Phase::Removing { decided }, Outcome::Moved | Outcome::Missing) => {
                Next::Done(Done::Consumed { at: decided })
            }
            // Missing: moved by a rename whose answer was lost, or by a person. It is out of the way.
            (Phase::SettingAside { why }, Outcome::Moved | Outcome::Missing | Outcome::Failed) => {
                Next::Done(Done::Refused(why))
            }
            (Phase::Reading { .. }, Outcome::Unknown | Outcome::Moved)
            | (
                Phase::Removing { .. } | Phase::SettingAside { .. },
                Outcome::Unknown | Outcome::Contents(_),
            ) => self.goes_on(phase),
            (Phase::Taking { .. } | Phase::Reading { .. } | Phase::Removing { .. }, Outcome::Failed) => {
                Next::Done(Done::Unavailable)
            }
        }
    }

    fn judge(self, place: Place, contents: Contents, now: Time) -> Next<L> {
        match (fresh(&self.law, self.window, contents, now), place) {
            (Ok(()), Place::Taken) => Next::Done(Done::Consumed { at: now }),
            (Ok(()), Place::Left) => self.goes_on(Phase::Removing { decided: now }),
            (Err(why), Place::Taken) => self.goes_on(Phase::SettingAside { why }),
            (Err(why), Place::Left) => Next::Done(Done::Refused(why)),
        }
    }

    fn goes_on(self, phase: Phase) -> Next<L> {
        Next::Effect(Self { phase, ..self })
    }
}

fn fresh<L: Law>(law: &L, window: Millis, contents: Contents, now: Time) -> Result<(), Refusal> {
    match contents {
        Contents::Malformed => Err(Refusal::Malformed),
        Contents::Undated if law.undated_is_fresh() => Ok(()),
        Contents::Undated => Err(Refusal::Malformed),
        Contents::Dated(accepted_at) if law.dated_ahead(accepted_at, now) => {
            Err(Refusal::Future { ahead: accepted_at.since(now) })
        }
        Contents::Dated(accepted_at) if law.stale(accepted_at, window, now) => {
            Err(Refusal::Stale { age: now.since(accepted_at), window })
        }
        Contents::Dated(_) => Ok(()),
    }
}
