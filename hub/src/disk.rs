//! The disk: everything that the store does with files goes through here.
//!
//! ```text
//!   names    walk, about, rename, replace, remove      durable by flush_directory, or with everything
//!   files    read_at, write_at, set_len, reserve       durable by flush
//!   all      flush_all, begin_flush_all                everything that was done before it began
//! ```
//!
//! Nothing here knows what a handoff is. There are two of them: [`RealDisk`], and, with feature `testing`, the
//! simulated one, which keeps apart what is written and what is durable. A name is relative to the data directory,
//! with `/` between its parts; `""` is the data directory itself.
//!
//! What the store rests on, and what a file system must give: a rename is one step, also after a power cut (its two
//! names are never both there, nor both missing), it never replaces a file unless that was asked for, and a flush that
//! says it is done is done.

mod real;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use handoff_kernel::time::Time;

pub use real::RealDisk;

/// How a file is opened. No link is followed, and nothing but a regular file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To be read; it is there.
    Read,
    /// To be written; it is there. What is written goes into this very file, wherever it is renamed meanwhile.
    Write,
    /// To be read and written; made, empty, if it is missing.
    Create,
    /// To be written; it must not be there yet.
    New,
}

/// A file's bytes and when they were last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The bytes, as many as were asked for.
    pub bytes: Vec<u8>,
    /// When the file was last written.
    pub modified: Time,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with bytes.
    Regular,
    /// A directory.
    Directory,
    /// A link, a pipe, a socket: nothing that belongs in a data directory.
    Other,
}

/// What the system says about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What it stands for.
    pub kind: Kind,
    /// How long it is, in bytes.
    pub len: u64,
    /// When it was last written.
    pub modified: Time,
}

/// What happened in the watched directories since it was last asked. A hint: it may be late, double, or lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Names that came, went or were written.
    pub names: BTreeSet<String>,
    /// More happened than could be kept: only a listing tells.
    pub lost: bool,
}

/// A data directory. Whoever has it has its lock.
pub trait Disk: fmt::Debug {
    /// A file that is open.
    type File: DiskFile;
    /// The names in a directory, one after the other, in no order.
    type Walk: Iterator<Item = io::Result<String>> + fmt::Debug;
    /// A flush that goes on by itself.
    type Flushing: Flushing;

    /// What a name stands for; none when there is nothing of this name. No link is followed.
    ///
    /// # Errors
    /// What the system says.
    fn about(&self, name: &str) -> io::Result<Option<About>>;

    /// A regular file's bytes, at most `limit + 1` of them; none when there is nothing of this name.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for what is not a regular file; otherwise what the system says.
    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Contents>>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], [`io::ErrorKind::AlreadyExists`]; otherwise what the system says.
    fn open(&self, name: &str, mode: Mode) -> io::Result<Self::File>;

    /// Goes through the names in a directory, each the bare name. One that comes or goes meanwhile may or may not be
    /// among them.
    ///
    /// # Errors
    /// What the system says.
    fn walk(&self, directory: &str) -> io::Result<Self::Walk>;

    /// Makes a directory, unless it is there.
    ///
    /// # Errors
    /// What the system says.
    fn make_directory(&self, name: &str) -> io::Result<()>;

    /// Renames, and never replaces.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when `from` is gone, [`io::ErrorKind::AlreadyExists`] when `to` is there; otherwise
    /// what the system says. Nothing has changed then.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Renames in place of what is there. For the hub's own small files.
    ///
    /// # Errors
    /// What the system says.
    fn replace(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which names are in a directory.
    ///
    /// # Errors
    /// Final: what is durable of it is not known, and asking again may lie.
    fn flush_directory(&self, name: &str) -> io::Result<()>;

    /// Makes everything durable that has been done.
    ///
    /// # Errors
    /// Final: what is durable of it is not known, and asking again may lie.
    fn flush_all(&self) -> io::Result<()>;

    /// Begins to make everything durable that has been done, and goes on with it by itself.
    ///
    /// # Errors
    /// When it cannot even begin. Nothing has changed then.
    fn begin_flush_all(&self) -> io::Result<Self::Flushing>;

    /// Lets [`Self::hints`] tell of this directory. Where the system cannot do that, it never tells of anything, and
    /// says so.
    ///
    /// # Errors
    /// When there will be no hints: listing has to do.
    fn watch(&mut self, directory: &str) -> io::Result<()>;

    /// What has happened in the watched directories since this was last asked. Never waits.
    fn hints(&mut self) -> Hints;
}

/// A file that is open.
pub trait DiskFile: fmt::Debug {
    /// Reads at most as many bytes as fit, from this offset on; fewer than asked for is no error, none is the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes some of these bytes at this offset, and says how many.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// How long it is, in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Cuts it, or fills it up with zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Takes the space for these many bytes from an offset on, so that writing them cannot fail for want of it. The
    /// length stays. A file system that knows no such thing says nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no such space; otherwise what the system says.
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Sets when it was last written.
    ///
    /// # Errors
    /// What the system says.
    fn set_modified(&self, modified: Time) -> io::Result<()>;

    /// Makes its bytes and its length durable. Not its name, and not its time.
    ///
    /// # Errors
    /// Final: what is durable of it is not known, and asking again may lie.
    fn flush(&self) -> io::Result<()>;

    /// Makes its bytes, its length and its time durable. Not its name.
    ///
    /// # Errors
    /// Final: what is durable of it is not known, and asking again may lie.
    fn flush_with_time(&self) -> io::Result<()>;

    /// Writes all of these bytes at this offset. Writing them again changes nothing.
    ///
    /// # Errors
    /// What the system says; some of them may have been written.
    fn write_all_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(offset, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from this offset to the end, at most `limit` bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read_to_end_at(&self, mut offset: u64, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        while (bytes.len() as u64) < limit {
            let room = usize::try_from(limit - bytes.len() as u64).unwrap_or(usize::MAX).min(chunk.len());
            match self.read_at(offset, &mut chunk[..room]) {
                Ok(0) => break,
                Ok(read) => {
                    bytes.extend_from_slice(&chunk[..read]);
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }
}

/// A flush that goes on by itself.
pub trait Flushing: fmt::Debug + Send {
    /// How it ended, if it has; once told, never again.
    fn poll(&mut self) -> Option<io::Result<()>>;

    /// Waits for its end.
    ///
    /// # Errors
    /// Final: what is durable is not known, and asking again may lie.
    fn wait(self) -> io::Result<()>;
}
