//! Lookups: what somebody waits for who asks a hub with a large directory, one request after the other.

use std::io;

use crate::{Hub, fill, say, timed};

/// A page of a list costs more than a look at one handoff: fewer of them are asked for.
const LISTS: usize = 5;

/// Polls, and gets of random ones; a page of each of two lists.
pub(crate) fn run(hub: &Hub, [archived, pending]: [usize; 2], requests: usize) -> io::Result<()> {
    let mut connection = hub.connect()?;
    let mut draw: u64 = 1;
    let mut below = |bound: usize| {
        // A linear congruence: the same ones on every run.
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(draw >> 33).map_or(0, |drawn| drawn % bound.max(1))
    };
    let mut ask = |what: &str, requests: usize, path: &mut dyn FnMut() -> String| {
        let took: io::Result<Vec<_>> = (0..requests)
            .map(|_| Ok(timed(&mut connection, &hub.alice, ("GET", &path()), b"", &[200])?.1))
            .collect();
        say(what, took?);
        Ok::<_, io::Error>(())
    };
    println!("call               count median_us    p99_us");
    ask("poll", requests, &mut || "/v1/handoffs/poll".to_owned())?;
    ask("get-pending", requests, &mut || format!("/v1/handoffs/{}", fill::pending(below(pending))))?;
    ask("get-archived", requests, &mut || format!("/v1/handoffs/{}", fill::archived(below(archived))))?;
    ask("list-pending", LISTS, &mut || "/v1/handoffs?status=pending".to_owned())?;
    ask("list-archived", LISTS, &mut || "/v1/handoffs?status=completed".to_owned())
}
