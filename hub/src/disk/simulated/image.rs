//! An image: all that is on a disk when nothing is pending.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use handoff_kernel::time::Time;

use super::contents::{Contents, Fingerprint, Fixed};
use super::effect::Effect;
use super::{Settings, SimulatedDisk};

/// What a name on an image stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Directory,
    File(Fixed),
}

pub(super) type Nodes = BTreeMap<Arc<str>, Node>;

/// All that is on a disk when nothing is pending: what a process finds after a power cut. Two are equal when the same
/// files with the same bytes, lengths and times are on them; what was lost on the way there does not count.
#[derive(Clone)]
pub struct Image {
    nodes: Arc<Nodes>,
    fingerprint: Fingerprint,
    settings: Settings,
    lost: Option<Lost>,
}

/// Of these effects, these were not kept.
#[derive(Clone)]
struct Lost {
    effects: Arc<Vec<Effect>>,
    kept: Arc<[bool]>,
}

impl Image {
    /// Of an empty data directory.
    #[must_use]
    pub fn empty(settings: Settings) -> Self {
        Self::of(Nodes::new(), settings)
    }

    pub(super) fn of(nodes: Nodes, settings: Settings) -> Self {
        let fingerprint = nodes.iter().fold(Fingerprint::EMPTY, |print, (name, node)| {
            let print = print.bytes(name.as_bytes());
            match node {
                Node::Directory => print.number(1),
                Node::File(file) => print.number(2).and(file.fingerprint()),
            }
        });
        Self { nodes: Arc::new(nodes), fingerprint, settings, lost: None }
    }

    pub(super) fn having_lost(mut self, effects: &Arc<Vec<Effect>>, kept: &[bool]) -> Self {
        self.lost = Some(Lost { effects: Arc::clone(effects), kept: kept.into() });
        self
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub(super) const fn settings(&self) -> Settings {
        self.settings
    }

    /// A disk on which this is seen, and durable. It goes by the settings of the disk that the image is of.
    #[must_use]
    pub fn disk(&self) -> SimulatedDisk {
        SimulatedDisk::on(self)
    }

    /// The same, to be used with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The same for equal images, and for no others (but once in 2^64 images or so).
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The names of all directories, sorted.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|(_, node)| **node == Node::Directory).map(|(name, _)| &**name)
    }

    /// The names of all files, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|(_, node)| **node != Node::Directory).map(|(name, _)| &**name)
    }

    fn contents(&self, name: &str) -> Option<&Contents> {
        match self.nodes.get(name)? {
            Node::Directory => None,
            Node::File(file) => Some(file.contents()),
        }
    }

    /// A file's bytes.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.contents(name).map(Contents::bytes)
    }

    /// When a file was last written.
    #[must_use]
    pub fn modified(&self, name: &str) -> Option<Time> {
        self.contents(name).map(Contents::modified)
    }

    /// What was pending and is not on it, in the order in which it was done, one line each.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        self.by_fate(false)
    }

    /// What was pending and is on it, in the order in which it was done, one line each.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        self.by_fate(true)
    }

    fn by_fate(&self, kept: bool) -> Vec<String> {
        let Some(lost) = &self.lost else { return Vec::new() };
        let all = lost.effects.iter().zip(lost.kept.iter());
        all.filter(|(_, fate)| **fate == kept).map(|(effect, _)| effect.to_string()).collect()
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.nodes == other.nodes
    }
}

impl Eq for Image {}

impl PartialOrd for Image {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Image {
    fn cmp(&self, other: &Self) -> Ordering {
        // The fingerprint first, for speed: the order only has to be the same every time.
        (self.fingerprint, &self.nodes).cmp(&(other.fingerprint, &other.nodes))
    }
}

impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

/// One name a line, and then what was lost.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, node) in self.nodes.iter() {
            match node {
                Node::Directory => writeln!(f, "{name}/")?,
                Node::File(file) => writeln!(f, "{name}: {:?}", file.contents())?,
            }
        }
        for (fate, lines) in [("kept", self.kept()), ("lost", self.lost())] {
            for line in lines {
                writeln!(f, "  {fate} {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}
