//! What the structures here are made of: std's locks and counters or, under `cfg(loom)`, loom's of the same names,
//! which run a test through every order that the threads could take. Everything in this room that two threads touch
//! comes from here, and nothing of it from anywhere else: what loom does not see it does not check.
//!
//! `Arc` alone is std's in both. Nothing here asks how many share something, so no order of its counting makes a
//! difference; and loom, which would try all of them, would have no time left for those that may.

#[cfg(loom)]
use loom::sync as base;
#[cfg(not(loom))]
use std::sync as base;

pub(super) use base::atomic::AtomicU64;
pub(super) use base::{Condvar, Mutex, MutexGuard};
pub(super) use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

/// Locks. A panic elsewhere is no reason to stop: nothing here is left half done while a lock is held.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until it is notified or, now and then, for nothing.
pub(super) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits as [`wait`] does, and no longer than this. Loom has no time: there it waits until it is notified, which
/// is the stricter of the two, for a time that runs out would hide a notice that was lost.
pub(super) fn wait_at_most<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    condition.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}
