//! Everything that the hub's threads share, run through every order that they could take: `link/`'s queue, slots and
//! tickets, its desk, and through them the kernel's operation machine. Empty but under `cfg(loom)`; `scripts/test loom`
//! says how it is run.
//!
//! Each test says whether it is unbounded (every order there is) or bounded (every order in which the threads are
//! interrupted so many times at most, where nobody would wait for more), and how many executions that is. The number
//! is asserted: a search that was cut off has fewer, and no setting of loom's environment reaches these. A change of
//! what the threads do changes it, and then it is recorded anew.
//!
//! Each test also says what was broken once to see it fail.
#![cfg(loom)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and says what it found"
)]

mod desk;
mod queue;
mod race;
mod shutdown;
mod slot;
mod small;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loom::thread::{self, Thread};

/// Every order in which the threads could take their steps.
const UNBOUNDED: Option<usize> = None;

/// More steps than any one execution here has. One that needs more panics: it would be a loop.
const MOST_STEPS: usize = 10_000;

/// Runs the scenario in every order within the bound, and fails unless that is as many executions as are recorded.
fn explore(name: &str, bound: Option<usize>, recorded: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = MOST_STEPS;
    // Both stop without a word, and pass.
    builder.max_duration = None;
    builder.max_permutations = None;
    // It would begin in the middle.
    builder.checkpoint_file = None;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        scenario();
    });
    let executions = executions.load(Ordering::Relaxed);
    let bound = bound.map_or("unbounded".to_owned(), |most| format!("at most {most} interruptions"));
    println!("{name}: {executions} executions, {bound}, complete");
    assert_eq!(
        executions, recorded,
        "{name}: either the search was cut off, or the threads do other things now"
    );
}

/// Wakes the thread that polls.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

/// Polls, and parks until it is woken. If nobody wakes it, loom finds that nothing can go on, and panics.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = poll(future.as_mut()) {
            return value;
        }
        thread::park();
    }
}

/// Polls once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&waker()))
}

/// What has happened in some execution: a test that never saw the case it is about has proved nothing.
#[derive(Clone, Default)]
struct Seen(Arc<AtomicUsize>);

impl Seen {
    fn now(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn ever(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}
