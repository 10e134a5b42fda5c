//! An effect: one thing that was done and that a crash may keep or lose; and what it cannot be kept without.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use handoff_kernel::time::Time;

/// A file, by its number: it has the same one under every name.
pub(super) type Inode = u64;

/// One thing that was done, is seen, and is not yet durable.
#[derive(Debug, Clone)]
pub struct Effect {
    /// In which order they were done, from 0 on.
    pub(super) number: u64,
    /// The file's name at the time.
    pub(super) of: Arc<str>,
    pub(super) change: Change,
    /// A flush of it has failed: nothing makes it durable any more, nor what rests on it.
    pub(super) in_limbo: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A whole block, as it is after the write.
    Block {
        inode: Inode,
        block: usize,
        bytes: Arc<[u8]>,
    },
    Length {
        inode: Inode,
        len: usize,
    },
    Modified {
        inode: Inode,
        modified: Time,
    },
    /// A creation (`from` nothing), a removal (`to` nothing), or a rename, which may unlink the file that was there.
    Name {
        inode: Inode,
        from: Option<Arc<str>>,
        to: Option<Arc<str>>,
        over: Option<Inode>,
    },
    Directory {
        name: Arc<str>,
    },
}

impl Change {
    /// The file whose contents it changes.
    pub(super) const fn contents_of(&self) -> Option<Inode> {
        match self {
            Self::Block { inode, .. } | Self::Length { inode, .. } | Self::Modified { inode, .. } => {
                Some(*inode)
            }
            Self::Name { .. } | Self::Directory { .. } => None,
        }
    }

    /// Whether it is about an entry of this directory.
    pub(super) fn touches(&self, directory: &str) -> bool {
        match self {
            Self::Name { from, to, .. } => {
                [from, to].into_iter().flatten().any(|name| parent(name) == directory)
            }
            Self::Directory { name } => parent(name) == directory,
            Self::Block { .. } | Self::Length { .. } | Self::Modified { .. } => false,
        }
    }
}

/// The directory that a name is in; `""` for the data directory, and of it.
pub(super) fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A row of effects of which only a beginning can be durable.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Chain {
    Block(Inode, usize),
    Length(Inode),
    Modified(Inode),
}

/// For each effect, those before it that it cannot be kept without:
/// - the one before it of its chain;
/// - for a file's contents: that the file was made at all;
/// - for a name: whatever last happened to each of its entries (made it, took it, or freed it), and its directory.
///
/// What is durable already is in nobody's way, so these are all among the pending ones.
pub(super) fn needs(effects: &[Effect]) -> Vec<Vec<usize>> {
    let mut chains: BTreeMap<Chain, usize> = BTreeMap::new();
    let mut born: BTreeMap<Inode, usize> = BTreeMap::new();
    let mut entries: BTreeMap<&str, usize> = BTreeMap::new();
    let mut directories: BTreeMap<&str, usize> = BTreeMap::new();
    let mut needs = Vec::with_capacity(effects.len());
    for (at, effect) in effects.iter().enumerate() {
        let mut next_of = |chain: Chain, inode: Inode| {
            let before = chains.insert(chain, at).or_else(|| born.get(&inode).copied());
            before.into_iter().collect::<Vec<_>>()
        };
        needs.push(match &effect.change {
            Change::Block { inode, block, .. } => next_of(Chain::Block(*inode, *block), *inode),
            Change::Length { inode, .. } => next_of(Chain::Length(*inode), *inode),
            Change::Modified { inode, .. } => next_of(Chain::Modified(*inode), *inode),
            Change::Name { inode, from, to, .. } => {
                if from.is_none() {
                    born.insert(*inode, at);
                }
                let mut found: Vec<usize> =
                    to.iter().filter_map(|to| directories.get(parent(to))).copied().collect();
                for entry in [from, to].into_iter().flatten() {
                    found.extend(entries.insert(entry, at));
                }
                found
            }
            Change::Directory { name } => {
                let mut found: Vec<usize> = directories.get(parent(name)).copied().into_iter().collect();
                found.extend(entries.insert(name, at));
                directories.insert(name, at);
                found
            }
        });
    }
    needs
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.of;
        write!(f, "{}: ", self.number)?;
        match &self.change {
            Change::Block { block, bytes, .. } => {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let shown = String::from_utf8_lossy(&bytes[..end.min(60)]);
                write!(f, "block {block} of {of}: {shown:?}{}", if end > 60 { "..." } else { "" })
            }
            Change::Length { len, .. } => write!(f, "length of {of}: {len}"),
            Change::Modified { modified, .. } => write!(f, "time of {of}: {}", modified.0),
            Change::Name { from: None, to: Some(to), .. } => write!(f, "{to} is made"),
            Change::Name { from: Some(from), to: None, .. } => write!(f, "{from} is removed"),
            Change::Name { from, to, over, .. } => {
                let (from, to) = (from.as_deref().unwrap_or("nothing"), to.as_deref().unwrap_or("nothing"));
                let over = if over.is_some() { ", over what was there" } else { "" };
                write!(f, "{from} becomes {to}{over}")
            }
            Change::Directory { name } => write!(f, "directory {name} is made"),
        }
    }
}
