//! The target's own disk, as far as bootstraps lie on it: what each effect does there, and what is told of it.

use handoff_kernel::bootstrap::{Contents, Effect, Outcome, Place, Session};

/// What becomes of one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It takes effect and is answered.
    Answered,
    /// It takes effect, and the answer is lost.
    LostAfter,
    /// It never takes effect, and nobody says so.
    LostBefore,
    /// It has not taken effect yet, and nobody says so.
    Delayed,
    /// It does not take effect, and the disk says so.
    Failed,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 5] =
        [Self::Answered, Self::LostAfter, Self::LostBefore, Self::Delayed, Self::Failed];

    /// Its name in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::LostAfter => "lost_after",
            Self::LostBefore => "lost_before",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
        }
    }
}

/// Where a bootstrap lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lies {
    /// Where the client left it: `bootstrap/<handoff_id>.json`.
    Left,
    /// Under a session's own name.
    Taken(Session),
    /// Where refused ones stay, under the name of the session that refused it.
    Aside(Session),
}

/// A rename that may still take effect although its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Late {
    /// From where.
    pub from: Lies,
    /// To where.
    pub to: Lies,
}

/// All bootstraps of one handoff, and where they lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Disk {
    files: std::collections::BTreeMap<Lies, Contents>,
    late: std::collections::BTreeSet<Late>,
}

impl Disk {
    /// What lies there.
    #[must_use]
    pub fn at(&self, place: Lies) -> Option<Contents> {
        self.files.get(&place).copied()
    }

    /// The renames that may still take effect.
    pub fn late(&self) -> impl Iterator<Item = Late> + '_ {
        self.late.iter().copied()
    }

    /// The client leaves a bootstrap. False when one lies there already: then nothing changes.
    pub fn leave(&mut self, contents: Contents) -> bool {
        let free = !self.files.contains_key(&Lies::Left);
        if free {
            self.files.insert(Lies::Left, contents);
        }
        free
    }

    /// A late rename comes to the disk after all. Whether it takes effect.
    pub fn follow(&mut self, late: Late) -> bool {
        self.late.remove(&late) && self.rename(late)
    }

    /// A session's effect meets its fate. What the session is told.
    pub fn carry_out(&mut self, session: Session, effect: Effect, fate: Fate) -> Outcome {
        let wanted = match effect {
            Effect::Read(place) => {
                let place = match place {
                    Place::Left => Lies::Left,
                    Place::Taken => Lies::Taken(session),
                };
                return match fate {
                    Fate::Answered => self.at(place).map_or(Outcome::Missing, Outcome::Contents),
                    Fate::LostAfter | Fate::LostBefore | Fate::Delayed => Outcome::Unknown,
                    Fate::Failed => Outcome::Failed,
                };
            }
            Effect::Take => Late { from: Lies::Left, to: Lies::Taken(session) },
            Effect::SetAside => Late { from: Lies::Taken(session), to: Lies::Aside(session) },
        };
        match fate {
            // Replacing nothing: the disk says that the name is taken.
            Fate::Answered if self.at(wanted.from).is_some() && self.at(wanted.to).is_some() => {
                Outcome::Failed
            }
            Fate::Answered if self.rename(wanted) => Outcome::Moved,
            Fate::Answered => Outcome::Missing,
            Fate::LostAfter => {
                self.rename(wanted);
                Outcome::Unknown
            }
            Fate::LostBefore => Outcome::Unknown,
            Fate::Delayed => {
                self.late.insert(wanted);
                Outcome::Unknown
            }
            Fate::Failed => Outcome::Failed,
        }
    }

    /// Atomic, and replaces nothing.
    fn rename(&mut self, Late { from, to }: Late) -> bool {
        if self.files.contains_key(&to) {
            return false;
        }
        match self.files.remove(&from) {
            Some(contents) => {
                self.files.insert(to, contents);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use handoff_kernel::time::Time;

    use super::*;

    #[test]
    fn a_rename_moves_one_file_and_replaces_none() {
        let (old, new) = (Contents::Dated(Time(1)), Contents::Dated(Time(2)));
        let mut disk = Disk::default();
        assert_eq!(disk.carry_out(Session(1), Effect::Take, Fate::Answered), Outcome::Missing);
        assert!(disk.leave(old) && !disk.leave(new));
        assert_eq!(disk.carry_out(Session(1), Effect::Take, Fate::Delayed), Outcome::Unknown);
        assert_eq!(disk.at(Lies::Left), Some(old));
        assert_eq!(disk.carry_out(Session(1), Effect::Take, Fate::LostAfter), Outcome::Unknown);
        assert_eq!((disk.at(Lies::Left), disk.at(Lies::Taken(Session(1)))), (None, Some(old)));
        assert!(disk.leave(new));
        let late = disk.late().next().unwrap();
        assert!(!disk.follow(late), "its name is taken");
        assert_eq!(disk.carry_out(Session(1), Effect::Take, Fate::Answered), Outcome::Failed);
        assert_eq!((disk.at(Lies::Left), disk.at(Lies::Taken(Session(1)))), (Some(new), Some(old)));
        assert_eq!(disk.late().next(), None);
    }
}
