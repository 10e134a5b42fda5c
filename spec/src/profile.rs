//! How much is checked: `quick` while one works, `ci` before anything lands, `deep` when there is time.

use core::fmt;

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// In seconds.
    Quick,
    /// In minutes.
    Ci,
    /// In the time that it takes; `spec/README.md` says how long that was.
    Deep,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Ci, Self::Deep];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Ci => "ci",
            Self::Deep => "deep",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
