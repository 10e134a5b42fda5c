//! A data directory with a handoff in every state, and what every test does with it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use handoff_hub::clock::TestClock;
use handoff_hub::relay::Relay;
use handoff_hub::store::fsck::{Finding, Summary, Then, fsck};
use handoff_kernel::time::{Millis, Time};

use crate::world::{BEGIN, World, artifact, claim, config};

/// When everybody looks: nothing of [`House::new`] has timed out since.
pub(crate) const LATER: Time = BEGIN.plus(Millis(60_000));

/// A data directory on which no hub runs.
pub(crate) struct House {
    _dir: tempfile::TempDir,
    pub(crate) data: PathBuf,
}

/// What a look found.
pub(crate) struct Seen {
    pub(crate) findings: Vec<Finding>,
    pub(crate) summary: Summary,
}

impl Seen {
    fn lines(&self) -> String {
        self.findings.iter().map(|finding| format!("{finding}\n")).collect()
    }

    /// The one finding about this file that says so.
    pub(crate) fn of(&self, file: &str, what: &str) -> &Finding {
        let all: Vec<_> = self.findings.iter().filter(|f| f.file == file && f.what.contains(what)).collect();
        let [one] = all.as_slice() else { panic!("{file}: {what}:\n{}", self.lines()) };
        one
    }

    pub(crate) fn left(&self, file: &str, what: &str) {
        let finding = self.of(file, what);
        assert!(matches!(finding.then, Then::Left(_)), "{finding}");
    }

    pub(crate) fn done(&self, file: &str, what: &str) {
        let finding = self.of(file, what);
        assert!(matches!(finding.then, Then::Done(_)), "{finding}");
    }

    pub(crate) fn noted(&self, file: &str, what: &str) {
        let finding = self.of(file, what);
        assert!(matches!(finding.then, Then::Note(_)), "{finding}");
    }

    pub(crate) fn is_clean(&self) {
        assert_eq!(self.summary.findings, 0, "{}", self.lines());
    }
}

impl House {
    /// Pending `p-1` and `p-2`, claimed `c-1`, completed `d-1`, rejected `r-1`; the hub was stopped in good order.
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        fill(&mut world);
        Self::of(world)
    }

    /// What a world leaves that is stopped in good order.
    pub(crate) fn of(world: World) -> Self {
        let World { dir, relay, .. } = world;
        relay.close().1.unwrap();
        let data = dir.path().join("data");
        Self { _dir: dir, data }
    }

    /// What a world leaves that is gone without a word.
    pub(crate) fn crashed(world: World) -> Self {
        let World { dir, relay, .. } = world;
        drop(relay);
        let data = dir.path().join("data");
        Self { _dir: dir, data }
    }

    pub(crate) fn look(&self) -> Seen {
        let before = tree(&self.data);
        let seen = self.run(false);
        assert_eq!(tree(&self.data), before, "a look changes nothing, not even a time");
        seen
    }

    pub(crate) fn repair(&self) -> Seen {
        self.run(true)
    }

    fn run(&self, repair: bool) -> Seen {
        let mut findings = Vec::new();
        let summary = fsck(&self.data, repair, LATER, &mut |finding| findings.push(finding.clone()));
        Seen { findings, summary: summary.unwrap() }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.data.join(file)
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.path(file).symlink_metadata().is_ok()
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(file), bytes).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn why(&self, file: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(&format!("quarantine/{file}.why"))).unwrap()
    }

    /// A hub starts here and serves.
    pub(crate) fn starts(&self) -> World {
        World::around(Relay::open(&config(self.data.clone()), TestClock::at(LATER)).unwrap())
    }

    /// Looks, repairs, and looks again: what a repair leaves is clean, and a hub starts on it.
    pub(crate) fn mend(&self) -> (Seen, Seen) {
        let look = self.look();
        let repair = self.repair();
        self.look().is_clean();
        (look, repair)
    }
}

pub(crate) fn fill(world: &mut World) {
    for name in ["p-1", "p-2", "c-1", "d-1", "r-1"] {
        world.start(&artifact(name, Millis(3_600_000), None)).unwrap();
    }
    world.accept("c-1", claim("c")).unwrap();
    world.accept("d-1", claim("d")).unwrap();
    world.complete("d-1", claim("d"), "7").unwrap();
    world.reject("r-1", None, "no").unwrap();
}

/// Where the claim of `c-1` lies.
pub(crate) fn claimed() -> String {
    format!("claimed/c-1~c~{}.json", BEGIN.0)
}

/// What a name stands for: its mode, its bytes, and its times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    mode: u32,
    bytes: Vec<u8>,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Every name below a directory.
pub(crate) fn tree(directory: &Path) -> BTreeMap<PathBuf, Node> {
    let (mut all, mut open) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(path) = open.pop() {
        let about = path.symlink_metadata().unwrap();
        let bytes = if about.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        if about.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let node = Node {
            mode: about.mode(),
            bytes,
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        };
        all.insert(path, node);
    }
    all
}
