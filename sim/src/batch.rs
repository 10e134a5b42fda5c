//! Batches: many seeds, on as many threads as there are; what comes out is the same whatever their number.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use handoff_kernel::ident::Digest;
use handoff_kernel::law::Law;
use handoff_spec::coverage::Seen;
use handoff_spec::model::Breach;

use crate::act::Hubs;
use crate::live;
use crate::reached::{Case, Reached};
use crate::run::Outcome;
use crate::swarm::{Profile, Swarm};

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The first seed.
    pub seed: u64,
    /// How many of them, at the most.
    pub runs: u64,
    /// Which worlds are drawn.
    pub profile: Profile,
    /// On so many threads.
    pub threads: usize,
    /// Whether each run's trace is made, for its digest.
    pub digests: bool,
}

/// What came of them.
#[derive(Debug, Default)]
pub struct Report {
    /// How many were run.
    pub runs: u64,
    /// How many of them had one hub on directories.
    pub directories: u64,
    /// How many events were taken from queues and handled.
    pub steps: u64,
    /// How much time has passed in all of them, in milliseconds.
    pub simulated: u64,
    /// The interesting cases: with one hub on directories, and with several on a store.
    pub reached: [Reached; 2],
    /// What they have shown of the models.
    pub coverage: Seen,
    /// The seeds that broke a rule.
    pub broken: BTreeMap<u64, Breach>,
    /// Of each seed, the digest of its trace, if that was wanted.
    pub digests: BTreeMap<u64, Digest>,
}

impl Report {
    fn add(&mut self, swarm: &Swarm, outcome: &Outcome) {
        let on_directories = swarm.setup.hubs == Hubs::Directory;
        self.runs += 1;
        self.directories += u64::from(on_directories);
        self.steps += outcome.steps;
        self.simulated += outcome.simulated;
        self.reached[usize::from(!on_directories)].add(&outcome.reached);
        self.coverage.merge(&outcome.coverage);
        self.broken.extend(outcome.breach.map(|breach| (swarm.seed, breach)));
        let trace = outcome.trace.as_ref().map(|trace| Digest::of(trace.to_ndjson().as_bytes()));
        self.digests.extend(trace.map(|digest| (swarm.seed, digest)));
    }

    fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.directories += other.directories;
        self.steps += other.steps;
        self.simulated += other.simulated;
        for (mine, others) in self.reached.iter_mut().zip(&other.reached) {
            mine.add(others);
        }
        self.coverage.merge(&other.coverage);
        self.broken.extend(&other.broken);
        self.digests.extend(&other.digests);
    }

    /// One digest of all traces, in the order of their seeds; none if they were not wanted.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let all: Vec<u8> = self.digests.values().flat_map(|digest| digest.0).collect();
        (!all.is_empty()).then(|| Digest::of(&all))
    }

    /// The cases of the catalogue that worlds like those that were run must reach and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<(&'static str, Case)> {
        let mut missing = Vec::new();
        if self.directories > 0 {
            missing
                .extend(self.reached[0].missing(Hubs::Directory).into_iter().map(|case| ("directory", case)));
        }
        if self.directories < self.runs {
            missing
                .extend(self.reached[1].missing(Hubs::Several(1)).into_iter().map(|case| ("several", case)));
        }
        missing
    }
}

/// Runs them. `goes_on` is asked now and then, with how many are done, whether there is time for more.
///
/// # Panics
/// When a run does: that is a bug.
pub fn run<L: Law + Sync>(law: &L, plan: &Plan, goes_on: impl Fn(u64) -> bool + Sync) -> Report {
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let reports = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..plan.threads.max(1) {
            scope.spawn(|| {
                let mut mine = Report::default();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.runs {
                        break;
                    }
                    let swarm = Swarm::draw(plan.seed.wrapping_add(number), plan.profile);
                    let outcome = live::run(law, &swarm, plan.digests);
                    mine.add(&swarm, &outcome);
                    if !goes_on(done.fetch_add(1, Ordering::Relaxed) + 1) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                if let Ok(mut all) = reports.lock() {
                    all.merge(&mine);
                }
            });
        }
    });
    reports.into_inner().unwrap_or_default()
}

/// Does this to each of them, on so many threads, and tells of each what came of it, in order.
pub fn each<T: Sync, R: Send>(
    all: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
    tell: impl FnMut(&T, R) + Send,
) {
    let (next, told) = (AtomicU64::new(0), Mutex::new((BTreeMap::new(), 0_usize, tell)));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let take = || usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok();
                while let Some((number, one)) = take().and_then(|number| Some((number, all.get(number)?))) {
                    let came = work(one);
                    let Ok(mut told) = told.lock() else { return };
                    let (done, first, tell) = &mut *told;
                    done.insert(number, came);
                    while let Some(came) = done.remove(first) {
                        tell(&all[*first], came);
                        *first += 1;
                    }
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once_and_told_in_order_whoever_is_done_first() {
        for threads in [0, 1, 3] {
            let mut told = Vec::new();
            each(
                &[5_u64, 0, 3, 1],
                threads,
                |number| number * 2,
                |number, twice| told.push((*number, twice)),
            );
            assert_eq!(told, [(5, 10), (0, 0), (3, 6), (1, 2)]);
        }
    }
}
