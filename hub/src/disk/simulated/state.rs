//! The state of a disk: what is seen, what is durable, and the effects between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use handoff_kernel::time::Time;

use super::Settings;
use super::contents::{Contents, Fixed};
use super::crash::Crash;
use super::effect::{Change, Effect, Inode, needs, parent};
use super::fault::{Call, Failure, Fault, Hinting};
use super::image::{Image, Node, Nodes};
use super::process::{Process, dead};
use super::space::Space;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    File(Inode),
}

pub(super) type Names = BTreeMap<Arc<str>, Entry>;

/// A file, whatever its name.
#[derive(Debug)]
pub(super) struct File {
    pub(super) seen: Arc<Contents>,
    pub(super) durable: Arc<Contents>,
    pub(super) space: Space,
    /// Its name as it is seen, or as it was last.
    pub(super) name: Arc<str>,
    /// Whether it has not been removed.
    named: bool,
    /// How many have it open.
    pub(super) opened: usize,
    /// A flush of it has failed: nothing makes its contents durable any more.
    in_limbo: bool,
    /// No effect before this one is pending of its bytes or its length: flushes of it, the most frequent ones, look no
    /// further back.
    clean_before: u64,
}

/// Everything about a disk.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) hinting: Hinting,
    pub(super) names: Names,
    pub(super) files: BTreeMap<Inode, File>,
    /// When a directory's entries last changed. No crash keeps or loses it: after one, it was never.
    pub(super) directories: BTreeMap<Arc<str>, Time>,
    durable_names: Names,
    /// In order.
    pending: Vec<Effect>,
    effects: u64,
    inodes: Inode,
    pub(super) processes: Vec<Process>,
    /// Which process has the lock.
    pub(super) lock: Option<usize>,
    pub(super) faults: Vec<Fault>,
    pub(super) log: Option<Vec<String>>,
}

/// Which effects a flush is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reach<'a> {
    /// A file's bytes and length, and its time too if the settings say so.
    Contents(Inode),
    /// A file's bytes, length and time.
    Whole(Inode),
    Directory(&'a str),
    /// All that were done before this one.
    Before(u64),
}

impl State {
    pub(super) fn on(image: &Image) -> Self {
        let mut files = BTreeMap::new();
        let mut names = Names::new();
        let mut inodes = 0;
        for (name, node) in image.nodes() {
            let entry = match node {
                Node::Directory => Entry::Directory,
                Node::File(file) => {
                    let contents = file.contents();
                    let space = Space::up_to(contents.bytes().len().div_ceil(image.settings().block_bytes));
                    let (seen, durable) = (Arc::clone(contents), Arc::clone(contents));
                    let name = Arc::clone(name);
                    let file = File {
                        seen,
                        durable,
                        space,
                        name,
                        named: true,
                        opened: 0,
                        in_limbo: false,
                        clean_before: 0,
                    };
                    files.insert(inodes, file);
                    inodes += 1;
                    Entry::File(inodes - 1)
                }
            };
            names.insert(Arc::clone(name), entry);
        }
        Self {
            settings: image.settings(),
            hinting: Hinting::Told,
            durable_names: names.clone(),
            names,
            files,
            directories: BTreeMap::new(),
            pending: Vec::new(),
            effects: 0,
            inodes,
            processes: Vec::new(),
            lock: None,
            faults: Vec::new(),
            log: None,
        }
    }

    /// Counts a call of a process in, and says how it is to fail.
    pub(super) fn begin(&mut self, process: usize, call: Call, name: &str) -> io::Result<Option<Failure>> {
        let of = self.processes.get_mut(process).ok_or_else(dead)?;
        if call.is_operation() && !of.dead {
            if of.dies_at == Some(of.operations) {
                self.kill(process);
                return Err(dead());
            }
            of.operations += 1;
        }
        if self.processes[process].dead {
            return Err(dead());
        }
        if self.processes[process].spared {
            return Ok(None);
        }
        let fault =
            self.faults.iter_mut().find_map(|fault| fault.strikes(call, name).then_some(fault.failure));
        self.faults.retain(|fault| fault.times > 0);
        Ok(fault)
    }

    /// A process dies: what it has done is still seen.
    pub(super) fn kill(&mut self, process: usize) {
        if let Some(of) = self.processes.get_mut(process) {
            of.dead = true;
        }
        if self.lock == Some(process) {
            self.lock = None;
        }
    }

    /// What a name stands for; an error when a part of it that should be a directory is a file.
    pub(super) fn look(&self, name: &str) -> io::Result<Option<Entry>> {
        if name.is_empty() {
            return Ok(Some(Entry::Directory));
        }
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name")));
        }
        for (end, _) in name.match_indices('/') {
            match self.names.get(&name[..end]) {
                Some(Entry::Directory) => {}
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Ok(None),
            }
        }
        Ok(self.names.get(name).copied())
    }

    /// An error unless the directory of this name is there.
    pub(super) fn look_at_parent(&self, name: &str) -> io::Result<()> {
        match self.look(parent(name))? {
            Some(Entry::Directory) => Ok(()),
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, inode: Inode) -> io::Result<&File> {
        self.files.get(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn file_mut(&mut self, inode: Inode) -> io::Result<&mut File> {
        self.files.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Blocks that are not taken: each file and directory takes one, and those of its bytes.
    pub(super) fn free(&self) -> usize {
        let Some(capacity) = self.settings.capacity else { return usize::MAX };
        let directories = self.names.values().filter(|entry| **entry == Entry::Directory).count();
        let there = self.files.values().filter(|file| file.named || file.opened > 0);
        let taken: usize = there.map(|file| 1 + file.space.blocks()).sum();
        capacity.saturating_sub(directories + taken)
    }

    pub(super) fn done(&mut self, of: &Arc<str>, change: Change) {
        self.pending.push(Effect { number: self.effects, of: Arc::clone(of), change, in_limbo: false });
        self.effects += 1;
    }

    /// Something happened to this name.
    pub(super) fn hint(&mut self, name: &str) {
        let hinting = self.hinting;
        self.processes.iter_mut().filter(|of| !of.dead).for_each(|of| of.hint(name, hinting));
    }

    fn stamp(&mut self, name: &str) {
        self.directories.insert(parent(name).into(), self.settings.now);
    }

    pub(super) fn make_file(&mut self, name: &str) -> io::Result<Inode> {
        if self.free() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (inode, name) = (self.inodes, Arc::<str>::from(name));
        self.inodes += 1;
        let empty = Arc::new(Contents::empty(self.settings.now));
        let file = File {
            seen: Arc::clone(&empty),
            durable: empty,
            space: Space::default(),
            name: Arc::clone(&name),
            named: true,
            opened: 0,
            in_limbo: false,
            clean_before: 0,
        };
        self.files.insert(inode, file);
        self.names.insert(Arc::clone(&name), Entry::File(inode));
        self.stamp(&name);
        self.done(&name, Change::Name { inode, from: None, to: Some(Arc::clone(&name)), over: None });
        Ok(inode)
    }

    pub(super) fn make_directory(&mut self, name: &str) -> io::Result<()> {
        if self.free() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let name = Arc::<str>::from(name);
        self.names.insert(Arc::clone(&name), Entry::Directory);
        self.stamp(&name);
        self.directories.insert(Arc::clone(&name), self.settings.now);
        self.done(&name, Change::Directory { name: Arc::clone(&name) });
        Ok(())
    }

    /// Moves a file to another name, over the file that is there, or removes it.
    pub(super) fn move_file(&mut self, inode: Inode, from: &str, to: Option<&str>) -> io::Result<()> {
        let (from, to) = (Arc::<str>::from(from), to.map(Arc::<str>::from));
        self.names.remove(&from);
        let over = to.as_ref().and_then(|to| self.names.insert(Arc::clone(to), Entry::File(inode)));
        let over = over.and_then(|over| match over {
            Entry::File(over) => Some(over),
            Entry::Directory => None,
        });
        let file = self.file_mut(inode)?;
        file.named = to.is_some();
        if let Some(to) = &to {
            file.name = Arc::clone(to);
        }
        if let Some(over) = over {
            self.file_mut(over)?.named = false;
        }
        for name in [Some(&from), to.as_ref()].into_iter().flatten() {
            self.stamp(name);
            self.hint(name);
        }
        self.done(&from, Change::Name { inode, from: Some(Arc::clone(&from)), to, over });
        Ok(())
    }

    /// The name under which a file's effects are told of.
    pub(super) fn told(&self, inode: Inode) -> Arc<str> {
        self.files.get(&inode).map_or_else(|| "".into(), |file| Arc::clone(&file.name))
    }

    pub(super) fn set_modified(&mut self, inode: Inode, modified: Time) -> io::Result<()> {
        let file = self.file_mut(inode)?;
        if file.seen.modified() != modified {
            Arc::make_mut(&mut file.seen).set_modified(modified);
            self.done(&self.told(inode), Change::Modified { inode, modified });
        }
        Ok(())
    }

    fn set_seen_len(&mut self, inode: Inode, len: usize) -> io::Result<()> {
        Arc::make_mut(&mut self.file_mut(inode)?.seen).set_len(len);
        self.done(&self.told(inode), Change::Length { inode, len });
        Ok(())
    }

    /// Writes as many of these bytes as there is space for, and says how many.
    pub(super) fn write(&mut self, inode: Inode, offset: usize, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let size = self.settings.block_bytes;
        let (first, free) = (offset / size, self.free());
        let blocks = first..(offset + bytes.len()).div_ceil(size);
        let file = self.file_mut(inode)?;
        let room = if free == usize::MAX { blocks.len() } else { file.space.room(blocks, free) };
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = (offset + bytes.len()).min((first + room) * size);
        let bytes = &bytes[..end - offset];
        file.space.take(first..end.div_ceil(size));
        // The length first: done one after the other, no effect must hide another.
        if file.seen.bytes().len() < end {
            self.set_seen_len(inode, end)?;
        }
        let of = self.told(inode);
        let seen = Arc::make_mut(&mut self.file_mut(inode)?.seen);
        let old: Vec<Vec<u8>> = (first..first + room).map(|block| seen.block(block, size)).collect();
        seen.write(offset, bytes);
        let new: Vec<Vec<u8>> = (first..first + room).map(|block| seen.block(block, size)).collect();
        for (at, (_, new)) in old.iter().zip(new).enumerate().filter(|(_, (old, new))| *old != new) {
            self.done(&of, Change::Block { inode, block: first + at, bytes: new.into() });
        }
        self.set_modified(inode, self.settings.now)?;
        Ok(bytes.len())
    }

    pub(super) fn set_len(&mut self, inode: Inode, len: usize) -> io::Result<()> {
        let size = self.settings.block_bytes;
        let file = self.file_mut(inode)?;
        let old = file.seen.bytes().len();
        if len < old {
            file.space.cut(len.div_ceil(size));
            let (block, before) = (len / size, file.seen.block(len / size, size));
            self.set_seen_len(inode, len)?;
            let after = self.file(inode)?.seen.block(block, size);
            // The end of the last block is overwritten with zeros, and this may be durable before the length is. A
            // block that is cut off whole is not written at all.
            if !len.is_multiple_of(size) && before != after {
                self.done(&self.told(inode), Change::Block { inode, block, bytes: after.into() });
            }
        } else if len > old {
            self.set_seen_len(inode, len)?;
        }
        self.set_modified(inode, self.settings.now)
    }

    /// Takes the blocks for these bytes, all or none.
    pub(super) fn reserve(&mut self, inode: Inode, from: usize, to: usize) -> io::Result<()> {
        // Some file systems take this for a change of the file, also when there is no space.
        self.set_modified(inode, self.settings.now)?;
        let size = self.settings.block_bytes;
        let (free, blocks) = (self.free(), from / size..to.div_ceil(size));
        let file = self.file_mut(inode)?;
        if free != usize::MAX && file.space.room(blocks.clone(), free) < blocks.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.space.take(blocks);
        Ok(())
    }

    /// The names in a directory, bare, sorted.
    pub(super) fn names_in(&self, directory: &str) -> Vec<String> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let inside = self.names.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let bare = inside.map_while(|(name, _)| name.strip_prefix(&prefix));
        bare.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }

    /// The number of the next effect.
    pub(super) const fn next_effect(&self) -> u64 {
        self.effects
    }

    /// Which pending effects a flush is about: those that it names, and those names that they need. What stands before the
    /// first number is not, and nothing is said of it.
    fn reached(&self, reach: Reach<'_>) -> (usize, Vec<bool>, Vec<Vec<usize>>) {
        let times = self.settings.times_with_flush;
        let named = |effect: &Effect| match (reach, &effect.change) {
            (Reach::Contents(_), Change::Modified { .. }) if !times => false,
            (Reach::Contents(inode) | Reach::Whole(inode), change) => change.contents_of() == Some(inode),
            (Reach::Directory(directory), change) => change.touches(directory),
            (Reach::Before(number), _) => effect.number < number,
        };
        if let Reach::Contents(inode) | Reach::Whole(inode) = reach {
            // No name is asked for what it needs.
            // Times become durable by another flush than bytes do, or long after.
            let with_time = times || matches!(reach, Reach::Whole(_));
            let file = self.files.get(&inode).filter(|_| !with_time);
            let clean = file.map_or(0, |file| file.clean_before);
            let first = self.pending.partition_point(|effect| effect.number < clean);
            return (first, self.pending[first..].iter().map(named).collect(), Vec::new());
        }
        let mut reached: Vec<bool> = self.pending.iter().map(named).collect();
        let needs = needs(&self.pending);
        if let Reach::Directory(_) = reach {
            for at in (0..reached.len()).rev().filter(|at| reached[*at]).collect::<Vec<_>>() {
                let mut open = vec![at];
                while let Some(at) = open.pop() {
                    reached[at] = true;
                    open.extend(needs[at].iter().filter(|need| !reached[**need]));
                }
            }
        }
        (0, reached, needs)
    }

    /// A flush went well: what it is about becomes durable, but for what is in limbo and what needs that.
    pub(super) fn settle(&mut self, reach: Reach<'_>) {
        let (offset, mut settled, needs) = self.reached(reach);
        // In their order, for what rests on what is in limbo is so too; what is not about to be settled stays as it is.
        for at in 0..settled.len() {
            if !settled[at] {
                continue;
            }
            let effect = &self.pending[offset + at];
            let in_limbo = match effect.change.contents_of() {
                Some(inode) => self.files.get(&inode).is_some_and(|file| file.in_limbo),
                None => {
                    effect.in_limbo
                        || needs.get(at).is_some_and(|needs| needs.iter().any(|need| !settled[*need]))
                }
            };
            settled[at] &= !in_limbo;
        }
        // What is before the first of them stays where it is: mostly that is nearly everything.
        let Some(first) = settled.iter().position(|settled| *settled) else { return };
        if let Reach::Contents(inode) | Reach::Whole(inode) = reach
            && let Some(file) = self.files.get_mut(&inode)
        {
            // It is not in limbo, or nothing of it would be settled.
            file.clean_before = self.effects;
        }
        let mut keep = settled[first..].iter();
        let (done, pending): (Vec<_>, Vec<_>) =
            self.pending.split_off(offset + first).into_iter().partition(|_| keep.next() == Some(&true));
        self.pending.extend(pending);
        let mut of_files: BTreeMap<Inode, Vec<Change>> = BTreeMap::new();
        let mut gone = false;
        for effect in done {
            match &effect.change {
                Change::Name { inode, from, to, over } => {
                    from.iter().for_each(|from| {
                        self.durable_names.remove(from);
                    });
                    if let Some(to) = to {
                        self.durable_names.insert(Arc::clone(to), Entry::File(*inode));
                    }
                    gone |= to.is_none() || over.is_some();
                }
                Change::Directory { name } => {
                    self.durable_names.insert(Arc::clone(name), Entry::Directory);
                }
                Change::Block { inode, .. }
                | Change::Length { inode, .. }
                | Change::Modified { inode, .. } => {
                    of_files.entry(*inode).or_default().push(effect.change);
                }
            }
        }
        for (inode, changes) in of_files {
            if let Some(file) = self.files.get_mut(&inode) {
                Arc::make_mut(&mut file.durable).take(changes.iter(), self.settings.block_bytes);
            }
        }
        if gone {
            self.forget_the_gone();
        }
    }

    /// A file that no name leads to any more, whatever a crash keeps, has nothing to lose.
    fn forget_the_gone(&mut self) {
        let file = |entry: &Entry| match entry {
            Entry::File(inode) => Some(*inode),
            Entry::Directory => None,
        };
        let mut there: BTreeSet<Inode> =
            self.names.values().chain(self.durable_names.values()).filter_map(file).collect();
        there.extend(self.pending.iter().filter_map(|effect| match effect.change {
            Change::Name { inode, .. } => Some(inode),
            Change::Directory { .. }
            | Change::Block { .. }
            | Change::Length { .. }
            | Change::Modified { .. } => None,
        }));
        self.pending.retain(|effect| effect.change.contents_of().is_none_or(|inode| there.contains(&inode)));
        self.files.retain(|inode, file| file.opened > 0 || there.contains(inode));
    }

    /// A flush failed, and that is final.
    pub(super) fn lose_track(&mut self, reach: Reach<'_>) {
        let (offset, reached, _) = self.reached(reach);
        for (effect, _) in self.pending[offset..].iter_mut().zip(reached).filter(|(_, reached)| *reached) {
            effect.in_limbo = true;
            let file = effect.change.contents_of().and_then(|inode| self.files.get_mut(&inode));
            file.into_iter().for_each(|file| file.in_limbo = true);
        }
    }

    /// All that a crash may leave now.
    pub(super) fn crash(&self) -> Crash {
        let resolve = |(name, entry): (&Arc<str>, &Entry)| {
            let node = match entry {
                Entry::Directory => Node::Directory,
                Entry::File(inode) => Node::File(Fixed::new(Arc::clone(&self.files.get(inode)?.durable))),
            };
            Some((Arc::clone(name), node))
        };
        let durable: Nodes = self.durable_names.iter().filter_map(resolve).collect();
        let changed: BTreeSet<Inode> =
            self.pending.iter().filter_map(|effect| effect.change.contents_of()).collect();
        let lies = self.durable_names.iter().filter_map(|(name, entry)| match entry {
            Entry::File(inode) if changed.contains(inode) => Some((*inode, Arc::clone(name))),
            Entry::File(_) | Entry::Directory => None,
        });
        let nothing = Arc::new(Contents::empty(self.settings.now));
        let contents =
            |inode| Fixed::new(Arc::clone(self.files.get(&inode).map_or(&nothing, |file| &file.durable)));
        Crash::new(durable, lies.collect(), self.pending.clone(), contents, self.settings)
    }

    /// What is seen.
    pub(super) fn seen(&self) -> Image {
        let nodes = self.names.iter().filter_map(|(name, entry)| {
            let node = match entry {
                Entry::Directory => Node::Directory,
                Entry::File(inode) => Node::File(Fixed::new(Arc::clone(&self.files.get(inode)?.seen))),
            };
            Some((Arc::clone(name), node))
        });
        Image::of(nodes.collect(), self.settings)
    }
}
