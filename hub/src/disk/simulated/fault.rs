//! A fault: what the caller wants to go wrong.

use std::io;

use rustix::io::Errno;

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`super::super::Disk::about`].
    About,
    /// [`super::super::Disk::read`], [`super::super::DiskFile::read_at`].
    Read,
    /// [`super::super::DiskFile::length`].
    Length,
    /// [`super::super::Disk::walk`].
    Walk,
    /// [`super::super::Disk::watch`].
    Watch,
    /// [`super::super::Disk::open`] of what is there.
    Open,
    /// [`super::super::Disk::open`] of what is not there yet.
    Make,
    /// [`super::super::Disk::make_directory`] of what is not there yet.
    MakeDirectory,
    /// [`super::super::Disk::rename`].
    Rename,
    /// [`super::super::Disk::replace`].
    Replace,
    /// [`super::super::Disk::remove`].
    Remove,
    /// [`super::super::DiskFile::write_at`].
    Write,
    /// [`super::super::DiskFile::set_len`].
    SetLength,
    /// [`super::super::DiskFile::reserve`].
    Reserve,
    /// [`super::super::DiskFile::set_modified`].
    SetModified,
    /// [`super::super::DiskFile::flush`].
    Flush,
    /// [`super::super::Disk::flush_directory`].
    FlushDirectory,
    /// [`super::super::Disk::flush_all`].
    FlushAll,
    /// [`super::super::Disk::begin_flush_all`].
    BeginFlushAll,
    /// The end of what that began.
    EndFlushAll,
}

impl Call {
    /// Whether it may change something, and so counts as an operation. The end of a flush in the background is not
    /// asked for: nobody can die just before it.
    #[must_use]
    pub const fn is_operation(self) -> bool {
        match self {
            Self::About | Self::Read | Self::Length | Self::Walk | Self::Watch | Self::Open => false,
            Self::EndFlushAll => false,
            Self::Make | Self::MakeDirectory | Self::Rename | Self::Replace | Self::Remove => true,
            Self::Write | Self::SetLength | Self::Reserve | Self::SetModified => true,
            Self::Flush | Self::FlushDirectory | Self::FlushAll | Self::BeginFlushAll => true,
        }
    }
}

impl Call {
    /// Whether it makes something durable: when it fails, that is final.
    pub(super) const fn is_flush(self) -> bool {
        matches!(self, Self::Flush | Self::FlushDirectory | Self::FlushAll | Self::EndFlushAll)
    }
}

/// How a call fails. Nothing has been done then, but for [`Self::Short`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no space: `ENOSPC`.
    Full,
    /// The device does not answer: `EIO`.
    Broken,
    /// A signal came: `EINTR`.
    Interrupted,
    /// The file system knows no such thing: `EINVAL`, as for a rename that never replaces.
    Unknown,
    /// Only so many bytes are read or written, and that is no error. For other calls it means nothing.
    Short(usize),
}

impl Failure {
    pub(super) fn error(self) -> Option<io::Error> {
        let errno = match self {
            Self::Full => Errno::NOSPC,
            Self::Broken => Errno::IO,
            Self::Interrupted => Errno::INTR,
            Self::Unknown => Errno::INVAL,
            Self::Short(_) => return None,
        };
        Some(errno.into())
    }

    /// Of so many bytes, so many are read or written.
    pub(super) fn shorten(failure: Option<Self>, bytes: usize) -> usize {
        match failure {
            Some(Self::Short(most)) => bytes.min(most),
            Some(Self::Full | Self::Broken | Self::Interrupted | Self::Unknown) | None => bytes,
        }
    }
}

/// What is to go wrong, once or more often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// At this call.
    pub call: Call,
    /// Of names that begin so; of a file, its name at the time (of a rename: the old name). Everything begins with `""`.
    pub name: String,
    /// After so many such calls that go well.
    pub after: u64,
    /// So many times, one after the other.
    pub times: u64,
    /// In this way.
    pub failure: Failure,
}

impl Fault {
    /// The next such call fails, and no other.
    #[must_use]
    pub const fn next(call: Call, failure: Failure) -> Self {
        Self { call, name: String::new(), after: 0, times: 1, failure }
    }

    /// Of this name only, or of those in this directory.
    #[must_use]
    pub fn of(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Not before so many have gone well.
    #[must_use]
    pub const fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// From then on, always.
    #[must_use]
    pub const fn for_ever(mut self) -> Self {
        self.times = u64::MAX;
        self
    }

    /// Whether this call fails.
    pub(super) fn strikes(&mut self, call: Call, name: &str) -> bool {
        if self.call != call || self.times == 0 || !name.starts_with(&self.name) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// When a flush in the background is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// So many times it says that it goes on still; then it is done.
    AfterPolls(u64),
    /// When somebody waits for it, and not before.
    WhenWaitedFor,
}

/// What comes of hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hinting {
    /// Each is told.
    Told,
    /// None is told, but that there were too many.
    TooMany,
    /// None is told, and nobody says so.
    Silent,
}
