//! A data directory, a log in it, and a disk that fails when it is told to.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use handoff_hub::disk::{Contents, Disk, DiskFile, Hints, Mode, RealDisk};
use handoff_hub::events::{EventLog, Happened, Position};
use handoff_kernel::command::EventKind;
use handoff_kernel::ident::{AgentId, Digest, HandoffId};
use handoff_kernel::time::Time;

/// So small that a few lines fill it.
pub(crate) const SMALL: u64 = 700;

/// A data directory in memory where there is such a place: thousands of images are made here.
pub(crate) fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) struct Data {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) disk: RealDisk,
}

impl Data {
    pub(crate) fn new() -> Self {
        let dir = in_memory();
        let disk = RealDisk::open(dir.path()).unwrap();
        Self { dir, disk }
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.dir.path().join("events")
    }

    /// The log, as it opens without a note.
    pub(crate) fn log(&self) -> EventLog<RealDisk> {
        let (log, notes) = EventLog::open(&self.disk, None).unwrap();
        assert_eq!(notes, [""; 0]);
        log.with_segments_of(SMALL)
    }

    /// The bytes of every segment.
    pub(crate) fn image(&self) -> Image {
        image(&self.events())
    }

    /// Puts an image in place of what is there.
    pub(crate) fn put(&self, image: &Image) {
        let events = self.events();
        let _ = std::fs::remove_dir_all(&events);
        std::fs::create_dir(&events).unwrap();
        for (name, bytes) in image {
            std::fs::write(events.join(name), bytes).unwrap();
        }
    }
}

/// Files by their names.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

pub(crate) fn image(directory: &Path) -> Image {
    let Ok(entries) = std::fs::read_dir(directory) else { return Image::new() };
    let file = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// The event of this number, each different from all others.
pub(crate) fn happened(n: u64) -> Happened {
    let agent = |name: &str| AgentId::parse(name).unwrap();
    let kind = EventKind::ALL[usize::try_from(n % 6).unwrap()];
    let by_deadline = matches!(kind, EventKind::Expired | EventKind::ClaimExpired);
    Happened {
        kind,
        at: Time(1_776_765_600_000 + n),
        handoff: HandoffId::parse(&format!("h-{n}")).unwrap(),
        from: agent("bob"),
        to: agent("alice"),
        actor: (!by_deadline).then(|| agent("alice")),
        claim: (kind == EventKind::Completed).then(|| Digest::of(b"c")),
        reason: (kind == EventKind::Rejected).then(|| r#""no \"time\"""#.into()),
    }
}

pub(crate) fn bodies(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| happened(n).body()).collect()
}

pub(crate) fn append<D: Disk>(log: &mut EventLog<D>, disk: &D, numbers: std::ops::Range<u64>) -> Position {
    let bodies = bodies(numbers);
    log.append(disk, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    log.position()
}

/// The lines of an image, in order, without their breaks.
pub(crate) fn lines(image: &Image) -> Vec<String> {
    let whole: Vec<u8> = image.values().flatten().copied().collect();
    String::from_utf8(whole).unwrap().lines().map(str::to_owned).collect()
}

/// A disk that takes only so many more bytes, and counts writes.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) real: RealDisk,
    pub(crate) left: Rc<Cell<u64>>,
    pub(crate) writes: Rc<Cell<u64>>,
}

#[derive(Debug)]
pub(crate) struct FailingFile {
    file: File,
    left: Rc<Cell<u64>>,
    writes: Rc<Cell<u64>>,
}

impl Failing {
    pub(crate) fn over(real: RealDisk) -> Self {
        Self { real, left: Rc::new(Cell::new(u64::MAX)), writes: Rc::default() }
    }
}

impl DiskFile for FailingFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        DiskFile::read_at(&self.file, offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = DiskFile::write_at(&self.file, offset, &bytes[..room])?;
        self.left.set(self.left.get() - written as u64);
        self.writes.set(self.writes.get() + 1);
        Ok(written)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        DiskFile::set_len(&self.file, len)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.reserve(offset, len)
    }

    fn set_modified(&self, modified: Time) -> io::Result<()> {
        DiskFile::set_modified(&self.file, modified)
    }

    fn flush(&self) -> io::Result<()> {
        panic!("the log is never flushed for its own sake")
    }

    fn flush_with_time(&self) -> io::Result<()> {
        panic!("the log is never flushed for its own sake")
    }
}

impl Disk for Failing {
    type File = FailingFile;
    type Walk = <RealDisk as Disk>::Walk;
    type Flushing = <RealDisk as Disk>::Flushing;

    fn about(&self, name: &str) -> io::Result<Option<handoff_hub::disk::About>> {
        self.real.about(name)
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Contents>> {
        self.real.read(name, limit)
    }

    fn open(&self, name: &str, mode: Mode) -> io::Result<FailingFile> {
        let file = Disk::open(&self.real, name, mode)?;
        Ok(FailingFile { file, left: Rc::clone(&self.left), writes: Rc::clone(&self.writes) })
    }

    fn walk(&self, directory: &str) -> io::Result<Self::Walk> {
        self.real.walk(directory)
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        self.real.make_directory(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.replace(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }

    fn flush_directory(&self, _: &str) -> io::Result<()> {
        panic!("the log is never flushed for its own sake")
    }

    fn flush_all(&self) -> io::Result<()> {
        panic!("the log is never flushed for its own sake")
    }

    fn begin_flush_all(&self) -> io::Result<Self::Flushing> {
        panic!("the log is never flushed for its own sake")
    }

    fn watch(&mut self, directory: &str) -> io::Result<()> {
        self.real.watch(directory)
    }

    fn hints(&mut self) -> Hints {
        self.real.hints()
    }
}
