//! The few things that the store does with files, over and over. Nothing here knows what a handoff is.

use std::collections::BTreeSet;
use std::io;

use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;

use crate::disk::{Disk, DiskFile, Kind, Mode};

/// The directory for what is being made. What lies there is a copy, or half of one.
pub(super) const MAKING: &str = "tmp";

/// Where files go that cannot be understood.
pub(super) const ASIDE: &str = "quarantine";

/// The longest name, in bytes, that a file keeps in `quarantine/`: room is left for what is added to it.
const LONGEST_NAME: usize = 230;

/// Why something could not be made durable.
#[derive(Debug)]
pub(super) enum NotDurable {
    /// It is not there, or cannot be written now. Nothing was flushed.
    NotNow(io::Error),
    /// A flush failed: nobody knows what is durable, and asking again may lie.
    Final(io::Error),
}

/// What the store does with a disk.
pub(super) trait Files: Disk {
    /// Whether there is anything of this name.
    ///
    /// # Errors
    /// When the system cannot say.
    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.about(name)?.is_some())
    }

    /// The names in a directory, sorted.
    fn list(&self, directory: &str) -> io::Result<BTreeSet<String>> {
        self.walk(directory)?.collect()
    }

    /// Writes a whole file that nobody else looks at yet, dated so. One of that name is left from a crash, or is
    /// somebody's trap: it is not written into, in any case.
    fn write_new(&self, name: &str, bytes: &[u8], modified: Option<Time>) -> io::Result<Self::File> {
        let file = match self.open(name, Mode::New) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(name)?;
                self.open(name, Mode::New)?
            }
            result => result?,
        };
        file.write_all_at(0, bytes)?;
        if let Some(modified) = modified {
            file.set_modified(modified)?;
        }
        Ok(file)
    }

    /// Replaces a small file of the hub's own, whole or not at all. Durable once its directory is.
    ///
    /// # Errors
    /// What the system says; the file is as it was.
    fn replace_whole(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{MAKING}/{name}");
        self.write_new(&new, bytes, None)?.flush()?;
        self.replace(&new, name)
    }

    /// Makes one file durable that somebody else wrote, its time, which is when it arrived, and its name.
    ///
    /// # Errors
    /// [`NotDurable::Final`] when a flush failed.
    fn settle(&self, name: &str) -> Result<(), NotDurable> {
        let file = self.open(name, Mode::Read).map_err(NotDurable::NotNow)?;
        file.flush_with_time().map_err(NotDurable::Final)?;
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.flush_directory(directory).map_err(NotDurable::Final)
    }

    /// Moves a file to `quarantine/` and says why beside it. Returns where it went; none when it was gone already.
    fn put_aside(&self, file: &str, why: &str, now: Time) -> io::Result<Option<String>> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let why = why.trim_end_matches('.');
        // A name may be as long as names can be, and this adds to it.
        let name: String = if name.len() > LONGEST_NAME {
            name.chars().take(LONGEST_NAME / 4).collect()
        } else {
            name.to_owned()
        };
        for n in 0_u32.. {
            let to = if n == 0 { format!("{ASIDE}/{name}") } else { format!("{ASIDE}/{name}.{n}") };
            let because = format!("{to}.why");
            // Somebody else's word about another file.
            if self.exists(&because)? {
                continue;
            }
            match self.rename(file, &to) {
                Ok(()) => {
                    let at = Rfc3339(now).to_string();
                    let reason = serde_json::json!({ "at": at, "from": file, "why": why });
                    self.write_new(&because, format!("{reason}\n").as_bytes(), Some(now))?;
                    return Ok(Some(to));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Gone already; or else it is `quarantine/` that is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.exists(file)? => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Removes what lies under `tmp/`: copies of what is elsewhere. What cannot be removed is in nobody's way.
    fn sweep_out(&self) -> io::Result<()> {
        for left in self.list(MAKING)? {
            let left = format!("{MAKING}/{left}");
            if self.about(&left)?.is_some_and(|about| about.kind != Kind::Directory) {
                let _ = self.remove(&left);
            }
        }
        Ok(())
    }
}

impl<D: Disk> Files for D {}
