//! The disk that is there: a directory of the operating system's.

use std::fs::{File, Metadata, OpenOptions, ReadDir};
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::task::Poll;

use handoff_kernel::time::Time;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{self, FallocateFlags, FlockOperation, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::{About, Contents, Disk, DiskFile, Flushing, Hints, Kind, Mode};
use crate::files::{self, NO_SURPRISES};
use crate::link::slot::{Waiter, slot};

/// So many bytes of hints are taken at once.
const HINT_BYTES: usize = 64 * 1024;

/// A directory of the operating system's, and its lock.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    /// Held open for its lock and for flushing the file system it is on.
    lock: File,
    watch: Option<Watch>,
}

/// The directories of which the system tells.
#[derive(Debug)]
struct Watch {
    queue: OwnedFd,
    /// By the number that the system gave them.
    directories: Vec<(i32, String)>,
}

impl RealDisk {
    /// Makes the directory if it is missing, and takes its lock.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds the lock; otherwise what the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        files::private_directory(path)?;
        let lock = files::lock(&path.join("lock"), FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path: path.to_owned(), lock, watch: None })
    }

    /// Looks into a directory that is there, without its lock: a hub may be running on it. Only for reading.
    ///
    /// # Errors
    /// What the system says.
    pub fn look(path: &Path) -> io::Result<Self> {
        let lock = File::open(path)?;
        if !lock.metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is a file, not a directory"));
        }
        Ok(Self { path: path.to_owned(), lock, watch: None })
    }

    /// A directory that is only looked at: nothing is made in it, not even its lock. Where there is no lock, no hub has
    /// ever been, and the directory itself stands for it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds the lock; otherwise what the system says.
    pub fn hold(path: &Path) -> io::Result<Self> {
        let lock = match open(&path.join("lock"), OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(path)?,
            opened => opened?,
        };
        fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path: path.to_owned(), lock, watch: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }
}

impl Disk for RealDisk {
    type File = File;
    type Walk = Walk;
    type Flushing = Background;

    fn about(&self, name: &str) -> io::Result<Option<About>> {
        match self.path(name).symlink_metadata() {
            Ok(about) => Ok(Some(About {
                kind: kind(&about),
                len: about.len(),
                modified: millis(about.mtime(), about.mtime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Contents>> {
        let file = match open(&self.path(name), OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(limit)).unwrap_or(0) + 1);
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(Some(Contents { bytes, modified: millis(about.mtime(), about.mtime_nsec()) }))
    }

    fn open(&self, name: &str, mode: Mode) -> io::Result<File> {
        let mut options = OpenOptions::new();
        match mode {
            Mode::Read => options.read(true),
            Mode::Write => options.write(true),
            Mode::Create => options.read(true).write(true).create(true).truncate(false).mode(0o640),
            Mode::New => options.write(true).create_new(true).mode(0o640),
        };
        open(&self.path(name), &mut options)
    }

    fn walk(&self, directory: &str) -> io::Result<Walk> {
        Ok(Walk(std::fs::read_dir(self.path(directory))?))
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        // Who may look into the data directory may look into those inside.
        match std::fs::create_dir(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.path(name).is_dir() => Ok(()),
            result => result,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        Ok(fs::renameat_with(fs::CWD, &from, fs::CWD, &to, RenameFlags::NOREPLACE)?)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn flush_directory(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
    }

    fn flush_all(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.lock)?)
    }

    fn begin_flush_all(&self) -> io::Result<Background> {
        // Of its own, and not another hold of the lock: that ends with this disk, however long the flush takes.
        let file = File::open(&self.path)?;
        let (tell, told) = slot();
        std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || tell.fill(fs::syncfs(&file).map_err(io::Error::from)))?;
        Ok(Background(told))
    }

    fn watch(&mut self, directory: &str) -> io::Result<()> {
        if self.watch.is_none() {
            let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            self.watch = Some(Watch { queue, directories: Vec::new() });
        }
        let path = self.path(directory);
        if let Some(watch) = &mut self.watch {
            let what = WatchFlags::MOVE | WatchFlags::CLOSE_WRITE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
            let number = inotify::add_watch(&watch.queue, path, what)?;
            watch.directories.push((number, directory.to_owned()));
        }
        Ok(())
    }

    fn hints(&mut self) -> Hints {
        let mut hints = Hints::default();
        let Some(watch) = &self.watch else { return hints };
        let mut buffer = [MaybeUninit::uninit(); HINT_BYTES];
        let mut events = inotify::Reader::new(&watch.queue, &mut buffer);
        loop {
            match events.next() {
                Ok(event) => {
                    hints.lost |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    let directory = watch.directories.iter().find(|(number, _)| *number == event.wd());
                    if let (Some((_, directory)), Some(name)) = (directory, event.file_name()) {
                        hints.names.insert(format!("{directory}/{}", name.to_string_lossy()));
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return hints,
                Err(_) => {
                    hints.lost = true;
                    return hints;
                }
            }
        }
    }
}

/// Opens a regular file, and nothing else.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let not_a_file = || io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file");
    let file = options.custom_flags(NO_SURPRISES).open(path).map_err(|error| {
        // A link that is not followed, a socket, a pipe that nobody reads, a directory to be written.
        let surprise = [Errno::LOOP, Errno::NXIO, Errno::ISDIR];
        if surprise.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
            not_a_file()
        } else {
            error
        }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

fn kind(about: &Metadata) -> Kind {
    if about.is_file() {
        Kind::Regular
    } else if about.is_dir() {
        Kind::Directory
    } else {
        Kind::Other
    }
}

impl DiskFile for File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        match fs::fallocate(self, FallocateFlags::KEEP_SIZE, offset, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            result => Ok(result?),
        }
    }

    fn set_modified(&self, modified: Time) -> io::Result<()> {
        let at = Timespec {
            tv_sec: i64::try_from(modified.0 / 1000).unwrap_or(i64::MAX),
            tv_nsec: (modified.0 % 1000).cast_signed() * 1_000_000,
        };
        Ok(fs::futimens(self, &Timestamps { last_access: at, last_modification: at })?)
    }

    fn flush(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn flush_with_time(&self) -> io::Result<()> {
        self.sync_all()
    }
}

/// The names in a directory.
#[derive(Debug)]
pub struct Walk(ReadDir);

impl Iterator for Walk {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        // A name that is not UTF-8 cannot be a handoff's; shown lossily it matches none either.
        self.0.next().map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
    }
}

/// A flush of everything, in a thread of its own.
#[derive(Debug)]
pub struct Background(Waiter<io::Result<()>>);

impl Flushing for Background {
    fn poll(&mut self) -> Option<io::Result<()>> {
        match self.0.look() {
            Poll::Ready(result) => Some(result.unwrap_or_else(|| Err(gone()))),
            Poll::Pending => None,
        }
    }

    fn wait(self) -> io::Result<()> {
        self.0.wait().unwrap_or_else(|| Err(gone()))
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that flushes has gone without a word")
}

/// A time before 1970 counts as 1970.
fn millis(seconds: i64, nanos: i64) -> Time {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Time(seconds.saturating_mul(1000).saturating_add(u64::try_from(nanos / 1_000_000).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(&dir.path().join("data")).unwrap();
        (dir, disk)
    }

    #[test]
    fn hints_tell_of_what_came_and_went_in_the_watched_directories() {
        let (_dir, mut disk) = disk();
        disk.make_directory("seen").unwrap();
        disk.make_directory("unseen").unwrap();
        disk.watch("seen").unwrap();
        for name in ["seen/a", "unseen/b", "c"] {
            disk.open(name, Mode::New).unwrap();
        }
        disk.rename("c", "seen/c").unwrap();
        disk.rename("seen/c", "unseen/c").unwrap();
        assert_eq!(disk.hints().names, BTreeSet::from(["seen/a".into(), "seen/c".into()]));
        assert_eq!(disk.hints(), Hints::default());
    }

    #[test]
    fn what_is_not_a_regular_file_is_neither_read_nor_opened() {
        let (_dir, disk) = disk();
        disk.make_directory("d").unwrap();
        std::os::unix::fs::symlink("lock", disk.path("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(disk.path("socket")).unwrap();
        for name in ["d", "link", "socket"] {
            assert_eq!(disk.read(name, 1).unwrap_err().kind(), io::ErrorKind::InvalidData, "{name}");
            for mode in [Mode::Read, Mode::Write, Mode::Create] {
                let error = disk.open(name, mode).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name} {mode:?}");
            }
        }
        assert_eq!(disk.read("nothing", 1).unwrap(), None);
    }

    #[test]
    fn a_flush_in_the_background_tells_its_end_once_or_is_waited_for() {
        let (_dir, disk) = disk();
        disk.begin_flush_all().unwrap().wait().unwrap();
        let mut flushing = disk.begin_flush_all().unwrap();
        let end = loop {
            if let Some(end) = flushing.poll() {
                break end;
            }
            std::thread::yield_now();
        };
        end.unwrap();
    }

    #[test]
    fn who_only_looks_takes_no_lock_and_makes_nothing() {
        let (dir, disk) = disk();
        let looks = RealDisk::look(&disk.path).unwrap();
        assert_eq!(looks.about("lock").unwrap().unwrap().kind, Kind::Regular);
        let nowhere = dir.path().join("nowhere");
        assert_eq!(RealDisk::look(&nowhere).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!nowhere.exists());
        let file = disk.path("lock");
        assert_eq!(RealDisk::look(&file).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        drop(disk);
        RealDisk::open(&looks.path).unwrap();
    }

    #[test]
    fn reserved_space_does_not_change_the_length() {
        let (_dir, disk) = disk();
        let file = disk.open("f", Mode::New).unwrap();
        DiskFile::write_all_at(&file, 0, b"abc").unwrap();
        file.reserve(3, 10_000).unwrap();
        assert_eq!(file.length().unwrap(), 3);
    }
}
