//! A crash: which images the pending effects may leave.
//!
//! A set of effects may be what a crash keeps when none of them needs one that is not in it ([`super::effect`]).
//! Nothing here knows what a disk does; it counts out sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::Settings;
use super::contents::{Contents, Fingerprint, Fixed};
use super::effect::{Change, Effect, Inode, needs};
use super::image::{Image, Node, Nodes};

/// All that a crash at one moment may leave. It has a copy of what it needs: the disk may go on.
#[derive(Clone)]
pub struct Crash {
    durable: Nodes,
    /// Where each file lies that is durable and has pending effects.
    lies: Vec<(Inode, Arc<str>)>,
    effects: Arc<Vec<Effect>>,
    needs: Vec<Vec<usize>>,
    files: BTreeMap<Inode, Variants>,
    settings: Settings,
}

/// A file's pending effects, and what came of some of them.
#[derive(Clone)]
struct Variants {
    base: Fixed,
    /// Which of all the effects are its own.
    effects: Vec<usize>,
    /// Contents are built once for each set of effects: images share them.
    built: BTreeMap<u128, Fixed>,
    /// Of the sets of effects that leave the same, the one that stands for all.
    stands: BTreeMap<Fingerprint, u128>,
}

impl Crash {
    /// `files` are all that are durable or have pending effects, with what is durable of them.
    pub(super) fn new(
        durable: Nodes,
        lies: Vec<(Inode, Arc<str>)>,
        effects: Vec<Effect>,
        contents: impl Fn(Inode) -> Fixed,
        settings: Settings,
    ) -> Self {
        let mut files: BTreeMap<Inode, Variants> = BTreeMap::new();
        let fresh = |inode| Variants::new(contents(inode));
        for (at, effect) in effects.iter().enumerate() {
            if let Some(inode) = effect.change.contents_of() {
                files.entry(inode).or_insert_with(|| fresh(inode)).effects.push(at);
            } else if let Change::Name { inode, .. } = effect.change {
                files.entry(inode).or_insert_with(|| fresh(inode));
            }
        }
        let needs = needs(&effects);
        Self { durable, lies, effects: Arc::new(effects), needs, files, settings }
    }

    /// How many effects are pending.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.effects.len()
    }

    /// The pending effects in the order in which they were done, one line each.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        self.effects.iter().map(Effect::to_string).collect()
    }

    /// Everything was kept: what is seen.
    #[must_use]
    pub fn all(&self) -> Image {
        self.clone().image(&vec![true; self.effects.len()])
    }

    /// Nothing was kept: what is durable for certain.
    #[must_use]
    pub fn none(&self) -> Image {
        self.clone().image(&vec![false; self.effects.len()])
    }

    /// Every image that there may be, each once, in an order that is the same every time.
    #[must_use]
    pub fn images(&self) -> Images {
        self.at_most_lost(usize::MAX)
    }

    /// The images where all is kept but at most so many effects, and what needs one of those.
    #[must_use]
    pub fn at_most_lost(&self, most: usize) -> Images {
        Images::new(self, Direction::Losing, most)
    }

    /// The images where nothing is kept but at most so many effects, and what these need.
    #[must_use]
    pub fn at_most_kept(&self, most: usize) -> Images {
        Images::new(self, Direction::Keeping, most)
    }

    /// The image of one choice: each effect is asked for, in order, unless one that it needs is lost.
    pub fn choose(&self, mut keep: impl FnMut(usize) -> bool) -> Image {
        let mut kept: Vec<bool> = Vec::with_capacity(self.needs.len());
        for (at, needs) in self.needs.iter().enumerate() {
            let may = needs.iter().all(|need| kept[*need]);
            kept.push(may && keep(at));
        }
        self.clone().image(&kept)
    }

    /// How many sets of effects may be kept; none when one group of effects that hang together has over `limit` of
    /// them. At least as many as there are images: two sets may leave the same.
    #[must_use]
    pub fn sets(&self, limit: usize) -> Option<u128> {
        // Groups that share nothing multiply.
        let mut group: Vec<usize> = (0..self.needs.len()).collect();
        for (at, needs) in self.needs.iter().enumerate() {
            for need in needs {
                let (old, new) = (group[*need], group[at]);
                group.iter_mut().filter(|of| **of == old).for_each(|of| *of = new);
            }
        }
        let mut product = 1_u128;
        for name in group.iter().copied().collect::<BTreeSet<_>>() {
            let members: Vec<usize> = (0..group.len()).filter(|at| group[*at] == name).collect();
            let links = members.iter().map(|member| {
                let place = |need: &usize| members.binary_search(need).ok();
                self.needs[*member].iter().filter_map(place).collect()
            });
            let mut odometer = Odometer::new(links.collect(), usize::MAX);
            let mut count = 1_usize;
            while odometer.step() {
                count += 1;
                if count > limit {
                    return None;
                }
            }
            product = product.checked_mul(count as u128)?;
        }
        Some(product)
    }

    /// Whether another set leaves the same, of those that are counted out when none is left out.
    fn is_stood_for(&mut self, kept: &[bool]) -> bool {
        let (effects, block_bytes) = (&self.effects, self.settings.block_bytes);
        self.files.values_mut().any(|file| file.is_stood_for(effects, kept, block_bytes))
    }

    /// What is left when these are kept.
    fn image(&mut self, kept: &[bool]) -> Image {
        let block_bytes = self.settings.block_bytes;
        let mut nodes = self.durable.clone();
        for (inode, name) in &self.lies {
            if let Some(file) = self.files.get_mut(inode) {
                let contents = file.with(&self.effects, kept, block_bytes);
                nodes.insert(Arc::clone(name), Node::File(contents));
            }
        }
        for (effect, _) in self.effects.iter().zip(kept).filter(|(_, kept)| **kept) {
            match &effect.change {
                Change::Name { inode, from, to, .. } => {
                    let moved = from.as_ref().and_then(|from| nodes.remove(from));
                    if let (Some(to), Some(file)) = (to, self.files.get_mut(inode)) {
                        let made = || Node::File(file.with(&self.effects, kept, block_bytes));
                        nodes.insert(Arc::clone(to), moved.unwrap_or_else(made));
                    }
                }
                Change::Directory { name } => {
                    nodes.insert(Arc::clone(name), Node::Directory);
                }
                Change::Block { .. } | Change::Length { .. } | Change::Modified { .. } => {}
            }
        }
        Image::of(nodes, self.settings).having_lost(&self.effects, kept)
    }
}

impl Variants {
    fn new(base: Fixed) -> Self {
        // Where nothing kept leaves the same, it stands for the others: nothing may always be kept, also of a file
        // whose name is lost.
        let stands = BTreeMap::from([(base.fingerprint(), 0)]);
        Self { base, effects: Vec::new(), built: BTreeMap::new(), stands }
    }

    /// The set of this file's effects that is kept, if it can be told by a number.
    fn key(&self, kept: &[bool]) -> Option<u128> {
        let key = || self.effects.iter().fold(0, |key, at| key << 1 | u128::from(kept[*at]));
        (self.effects.len() <= 128).then(key)
    }

    fn with(&mut self, effects: &[Effect], kept: &[bool], block_bytes: usize) -> Fixed {
        let build = |own: &[usize], base: &Fixed| {
            let taken = own.iter().filter(|at| kept[**at]).map(|at| &effects[*at].change);
            let mut contents = Contents::clone(base.contents());
            contents.take(taken, block_bytes);
            Fixed::new(Arc::new(contents))
        };
        match self.key(kept) {
            None => build(&self.effects, &self.base),
            Some(0) => self.base.clone(),
            Some(key) => self.built.entry(key).or_insert_with(|| build(&self.effects, &self.base)).clone(),
        }
    }

    /// Whether another set of this file's effects leaves the same, and stands for this one.
    fn is_stood_for(&mut self, effects: &[Effect], kept: &[bool], block_bytes: usize) -> bool {
        let Some(key) = self.key(kept) else { return false };
        let print = self.with(effects, kept, block_bytes).fingerprint();
        *self.stands.entry(print).or_insert(key) != key
    }
}

impl fmt::Debug for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crash").field("none", &self.none()).field("pending", &self.effects()).finish()
    }
}

/// From which end sets are counted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From everything, losing one effect after the other: what needs it is lost with it.
    Losing,
    /// From nothing, keeping one effect after the other: what it needs is kept with it.
    Keeping,
}

/// Counts out all rows of turned and unturned wheels in which a wheel is turned if one that it is linked to is.
#[derive(Debug, Clone)]
struct Odometer {
    /// For each wheel, those before it that turn it.
    links: Vec<Vec<usize>>,
    turned: Vec<bool>,
    /// Those that were turned by choice.
    chosen: Vec<usize>,
    most: usize,
}

impl Odometer {
    /// Nothing is turned, at first.
    fn new(links: Vec<Vec<usize>>, most: usize) -> Self {
        Self { turned: vec![false; links.len()], links, chosen: Vec::new(), most }
    }

    /// The next row, if there is one: the last wheel that can still be turned is, and those after it start anew.
    fn step(&mut self) -> bool {
        for at in (0..self.turned.len()).rev() {
            if self.chosen.last() == Some(&at) {
                self.chosen.pop();
            } else if !self.turned[at] && self.chosen.len() < self.most {
                self.chosen.push(at);
                self.turned[at] = true;
                for later in at + 1..self.turned.len() {
                    self.turned[later] = self.links[later].iter().any(|link| self.turned[*link]);
                }
                return true;
            }
        }
        false
    }
}

/// The images that a crash may leave, each once.
pub struct Images {
    crash: Crash,
    direction: Direction,
    odometer: Option<Odometer>,
    /// No set is left out: of those that leave the same, one is enough.
    everything: bool,
    kept: Vec<bool>,
    seen: BTreeSet<Fingerprint>,
}

impl Images {
    fn new(crash: &Crash, direction: Direction, most: usize) -> Self {
        let n = crash.needs.len();
        let links = match direction {
            Direction::Losing => crash.needs.clone(),
            Direction::Keeping => {
                // The other way round, from the last effect to the first.
                let mut links = vec![Vec::new(); n];
                for (at, needs) in crash.needs.iter().enumerate() {
                    for need in needs {
                        links[n - 1 - need].push(n - 1 - at);
                    }
                }
                links
            }
        };
        Self {
            crash: crash.clone(),
            direction,
            odometer: Some(Odometer::new(links, most)),
            everything: most >= n,
            kept: vec![false; n],
            seen: BTreeSet::new(),
        }
    }
}

impl Iterator for Images {
    type Item = Image;

    fn next(&mut self) -> Option<Image> {
        loop {
            let odometer = self.odometer.as_mut()?;
            let n = self.kept.len();
            for at in 0..n {
                self.kept[at] = match self.direction {
                    Direction::Losing => !odometer.turned[at],
                    Direction::Keeping => odometer.turned[n - 1 - at],
                };
            }
            if !odometer.step() {
                self.odometer = None;
            }
            if self.everything && self.crash.is_stood_for(&self.kept) {
                continue;
            }
            let image = self.crash.image(&self.kept);
            if self.seen.insert(image.fingerprint()) {
                return Some(image);
            }
        }
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").field("direction", &self.direction).field("told", &self.seen.len()).finish()
    }
}
