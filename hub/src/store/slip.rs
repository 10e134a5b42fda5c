//! Slips: what a store must never do. A test makes one by name and sees it noticed; what ships makes none.

/// One thing that durability rests on, left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slip {
    /// The journal is cut before the directories have been flushed.
    CutsTooEarly,
    /// An answer goes out before its batch has been flushed.
    AnswersTooEarly,
    /// A file is renamed before the journal that says so has been flushed.
    RenamesTooEarly,
    /// What is redone is written behind what is there, not where it was written.
    RedoesBehind,
    /// A frame of the journal is believed whatever its checksum.
    TrustsTheJournal,
    /// A line says that the artifact is one byte longer than it is.
    MiscountsTheArtifact,
}

impl Slip {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CutsTooEarly,
        Self::AnswersTooEarly,
        Self::RenamesTooEarly,
        Self::RedoesBehind,
        Self::TrustsTheJournal,
        Self::MiscountsTheArtifact,
    ];
}

/// Which slip a store makes: none, but where a test says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slips {
    #[cfg(any(test, feature = "testing"))]
    made: Option<Slip>,
}

impl Slips {
    /// None at all.
    pub const NONE: Self = Self {
        #[cfg(any(test, feature = "testing"))]
        made: None,
    };

    /// This one alone.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub const fn only(slip: Slip) -> Self {
        Self { made: Some(slip) }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn makes(self, slip: Slip) -> bool {
        self.made == Some(slip)
    }

    #[cfg(not(any(test, feature = "testing")))]
    #[expect(clippy::unused_self, reason = "what ships makes none, and has no room for one")]
    pub(super) const fn makes(self, _: Slip) -> bool {
        false
    }
}
