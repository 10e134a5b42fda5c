//! Batches: many seeds, on as many threads as there are; what comes out is the same whatever their number.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
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
    /// The seeds whose run panicked, and with what words: nothing else is known of them.
    pub panicked: BTreeMap<u64, String>,
    /// The seeds whose run took as many steps as one may, and broke no rule until then.
    pub endless: BTreeSet<u64>,
    /// Of each seed, the digest of its trace, if that was wanted.
    pub digests: BTreeMap<u64, Digest>,
}

/// What is wrong with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It breaks a rule.
    Breaks(Breach),
    /// It panics, with these words: a bug, of the simulator or of what it runs.
    Panics(String),
    /// It takes more steps than any was seen to take.
    DoesNotEnd,
}

impl Failure {
    /// What kind of failure: the rule that is broken, by its id, or a word.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Breaks(breach) => breach.property.id(),
            Self::Panics(_) => "Panic".to_owned(),
            Self::DoesNotEnd => "CutOff".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaks(breach) => breach.fmt(f),
            Self::Panics(said) => write!(f, "panicked: {said}"),
            Self::DoesNotEnd => f.write_str("did not come to its end: it took as many steps as a run may"),
        }
    }
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
        self.endless.extend((outcome.cut_off && outcome.breach.is_none()).then_some(swarm.seed));
        let trace = outcome.trace.as_ref().map(|trace| Digest::of(trace.to_ndjson().as_bytes()));
        self.digests.extend(trace.map(|digest| (swarm.seed, digest)));
    }

    fn add_panic(&mut self, swarm: &Swarm, said: &(dyn Any + Send)) {
        let literal = said.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = literal.or_else(|| said.downcast_ref::<String>().cloned());
        self.runs += 1;
        self.directories += u64::from(swarm.setup.hubs == Hubs::Directory);
        self.panicked.insert(swarm.seed, said.unwrap_or_else(|| "without a word".to_owned()));
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
        self.panicked.extend(other.panicked.clone());
        self.endless.extend(&other.endless);
        self.digests.extend(&other.digests);
    }

    /// What is wrong, by seed, each in a sentence without its end.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<u64, Failure> {
        let broken = self.broken.iter().map(|(seed, breach)| (*seed, Failure::Breaks(*breach)));
        let panicked = self.panicked.iter().map(|(seed, said)| (*seed, Failure::Panics(said.clone())));
        let endless = self.endless.iter().map(|seed| (*seed, Failure::DoesNotEnd));
        broken.chain(panicked).chain(endless).collect()
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

/// Runs them under this law. `goes_on` is asked now and then, with how many are done, whether there is time for more.
pub fn run<L: Law + Sync>(law: &L, plan: &Plan, goes_on: impl Fn(u64) -> bool + Sync) -> Report {
    run_by(plan, |swarm| live::run(law, swarm, plan.digests), goes_on)
}

/// The same, each by this. One that panics is reported, and the others are run.
pub fn run_by(
    plan: &Plan,
    one: impl Fn(&Swarm) -> Outcome + Sync,
    goes_on: impl Fn(u64) -> bool + Sync,
) -> Report {
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
                    // What a run has made is gone with it: nothing that it left half done is seen by another.
                    match panic::catch_unwind(AssertUnwindSafe(|| one(&swarm))) {
                        Ok(outcome) => mine.add(&swarm, &outcome),
                        Err(said) => mine.add_panic(&swarm, &*said),
                    }
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
    use handoff_kernel::law::Protocol;

    const PLAN: Plan = Plan { seed: 3, runs: 6, profile: Profile::Several, threads: 2, digests: true };

    #[test]
    fn a_run_that_panics_is_reported_with_its_seed_and_the_others_are_run() {
        let one = |swarm: &Swarm| {
            assert_ne!(swarm.seed, 5, "five is right out");
            if swarm.seed == 7 {
                panic::panic_any(7_u8);
            }
            live::run(&Protocol, swarm, PLAN.digests)
        };
        let report = run_by(&PLAN, one, |_| true);
        assert_eq!((report.runs, report.digests.len()), (6, 4));
        assert_eq!(report.panicked.keys().collect::<Vec<_>>(), [&5, &7]);
        assert!(report.panicked[&5].contains("five is right out"), "{report:?}");
        assert_eq!(report.failures()[&7].to_string(), "panicked: without a word");
    }

    #[test]
    fn a_run_that_reached_its_cap_failed_unless_it_broke_a_rule_and_that_is_worse() {
        let breach = Breach::own("Mine", "so it is");
        let one = |swarm: &Swarm| {
            let breach = (swarm.seed == 4).then_some(breach);
            Outcome { breach, cut_off: swarm.seed < 6, ..live::run(&Protocol, swarm, PLAN.digests) }
        };
        let report = run_by(&PLAN, one, |_| true);
        let failures = report.failures();
        let does_not_end = Failure::DoesNotEnd;
        assert_eq!(
            failures.into_iter().collect::<Vec<_>>(),
            [(3, does_not_end.clone()), (4, Failure::Breaks(breach)), (5, does_not_end)]
        );
    }

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
