//! The calls about names, as [`Disk`] has them.

use std::io;

use handoff_kernel::time::Time;

use super::SimulatedDisk;
use super::effect::Inode;
use super::fault::{Call, Failure};
use super::file::SimulatedFile;
use super::flushing::{SimulatedFlushing, finish};
use super::state::{Entry, Reach, State};
use crate::disk::{About, Contents, Disk, Hints, Kind, Mode};

/// The names that were in a directory when it was asked for.
#[derive(Debug)]
pub struct Walk(std::vec::IntoIter<String>);

impl Iterator for Walk {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}

/// A file that is to be moved or removed.
fn movable(state: &State, name: &str) -> io::Result<Inode> {
    match state.look(name)? {
        None => Err(io::ErrorKind::NotFound.into()),
        Some(Entry::Directory) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "no directory is moved on a simulated disk"))
        }
        Some(Entry::File(inode)) => Ok(inode),
    }
}

/// A file that is to leave one name for another; both their directories are there.
fn leaving(state: &State, from: &str, to: &str) -> io::Result<Inode> {
    state.look_at_parent(from)?;
    state.look_at_parent(to)?;
    movable(state, from)
}

impl SimulatedDisk {
    /// Whether nothing is there, as far as it is known: a call that would make it is an operation then.
    fn is_free(&self, name: &str) -> bool {
        let state = self.state();
        state.look_at_parent(name).is_ok() && matches!(state.look(name), Ok(None))
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;
    type Walk = Walk;
    type Flushing = SimulatedFlushing;

    fn about(&self, name: &str) -> io::Result<Option<About>> {
        self.caller().call(Call::About, name, String::new, |state, _| {
            Ok(match state.look(name)? {
                None => None,
                Some(Entry::Directory) => {
                    let modified = state.directories.get(name).copied().unwrap_or(Time(0));
                    Some(About { kind: Kind::Directory, len: 0, modified })
                }
                Some(Entry::File(inode)) => {
                    let seen = &state.file(inode)?.seen;
                    let (len, modified) = (seen.bytes().len() as u64, seen.modified());
                    Some(About { kind: Kind::Regular, len, modified })
                }
            })
        })
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Contents>> {
        self.caller().call(Call::Read, name, String::new, |state, _| match state.look(name)? {
            None => Ok(None),
            Some(Entry::Directory) => Err(not_a_file()),
            Some(Entry::File(inode)) => {
                let seen = &state.file(inode)?.seen;
                let most = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX);
                let bytes = seen.bytes()[..seen.bytes().len().min(most)].to_vec();
                Ok(Some(Contents { bytes, modified: seen.modified() }))
            }
        })
    }

    fn open(&self, name: &str, mode: Mode) -> io::Result<SimulatedFile> {
        let makes = match mode {
            Mode::Read | Mode::Write => false,
            Mode::Create | Mode::New => self.is_free(name),
        };
        let call = if makes { Call::Make } else { Call::Open };
        let more = || format!(" {mode:?}");
        let inode = self.caller().call(call, name, more, |state, _| {
            let there = state.look(name)?;
            let inode = match (there, mode) {
                (Some(_), Mode::New) => return Err(io::ErrorKind::AlreadyExists.into()),
                (Some(Entry::Directory), _) => return Err(not_a_file()),
                (Some(Entry::File(inode)), _) => inode,
                (None, Mode::Read | Mode::Write) => return Err(io::ErrorKind::NotFound.into()),
                (None, Mode::Create | Mode::New) => {
                    state.look_at_parent(name)?;
                    state.make_file(name)?
                }
            };
            state.file_mut(inode)?.opened += 1;
            Ok(inode)
        })?;
        Ok(SimulatedFile::new(self, inode, mode))
    }

    fn walk(&self, directory: &str) -> io::Result<Walk> {
        self.caller().call(Call::Walk, directory, String::new, |state, _| match state.look(directory)? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            Some(Entry::Directory) => Ok(Walk(state.names_in(directory).into_iter())),
        })
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        if matches!(self.state().look(name), Ok(Some(Entry::Directory))) {
            return self.caller().call(Call::About, name, String::new, |_, _| Ok(()));
        }
        self.caller().call(Call::MakeDirectory, name, String::new, |state, _| {
            state.look_at_parent(name)?;
            match state.look(name)? {
                Some(Entry::Directory) => Ok(()),
                Some(Entry::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
                None => state.make_directory(name),
            }
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.caller().call(
            Call::Rename,
            from,
            || format!(" to {to}"),
            |state, _| {
                let inode = leaving(state, from, to)?;
                if state.look(to)?.is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                state.move_file(inode, from, Some(to))
            },
        )
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.caller().call(
            Call::Replace,
            from,
            || format!(" to {to}"),
            |state, _| {
                let inode = leaving(state, from, to)?;
                match state.look(to)? {
                    // As the system has it: not even an ancestor's place is taken.
                    Some(Entry::Directory)
                        if from.strip_prefix(to).is_some_and(|rest| rest.starts_with('/')) =>
                    {
                        Err(io::ErrorKind::DirectoryNotEmpty.into())
                    }
                    Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
                    Some(Entry::File(there)) if there == inode => Ok(()),
                    Some(Entry::File(_)) | None => state.move_file(inode, from, Some(to)),
                }
            },
        )
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.caller().call(Call::Remove, name, String::new, |state, _| match state.look(name)? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Entry::File(inode)) => state.move_file(inode, name, None),
        })
    }

    fn flush_directory(&self, name: &str) -> io::Result<()> {
        self.caller().call(Call::FlushDirectory, name, String::new, |state, failure| {
            match state.look(name)? {
                None => Err(io::ErrorKind::NotFound.into()),
                // As the system has it: what is opened is flushed, whatever it is.
                Some(Entry::File(inode)) => finish(state, Reach::Contents(inode), failure),
                Some(Entry::Directory) => finish(state, Reach::Directory(name), failure),
            }
        })
    }

    fn flush_all(&self) -> io::Result<()> {
        self.caller().call(Call::FlushAll, "", String::new, |state, failure| {
            let reach = Reach::Before(state.next_effect());
            finish(state, reach, failure)
        })
    }

    fn begin_flush_all(&self) -> io::Result<SimulatedFlushing> {
        let begun =
            |state: &mut State, _: Option<Failure>| Ok((state.next_effect(), state.settings.background));
        let (before, background) = self.caller().call(Call::BeginFlushAll, "", String::new, begun)?;
        Ok(SimulatedFlushing::new(self, before, background))
    }

    fn watch(&mut self, directory: &str) -> io::Result<()> {
        let process = self.process;
        self.caller().call(Call::Watch, directory, String::new, |state, _| match state.look(directory)? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            Some(Entry::Directory) => {
                state.processes[process].watch(directory);
                Ok(())
            }
        })
    }

    fn hints(&mut self) -> Hints {
        self.state().processes[self.process].take_hints()
    }
}
