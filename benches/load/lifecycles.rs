//! Lifecycles: each handoff is started, accepted and completed, by as many clients at once as there are connections.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::{Hub, ambient, artifacts, say, timed};

/// What a call took, by what it was.
#[derive(Default)]
struct Took {
    start: Vec<Duration>,
    poll: Vec<Duration>,
    accept: Vec<Duration>,
    complete: Vec<Duration>,
}

/// Runs so many, and says how fast that went.
pub(crate) fn run(hub: &Hub, count: usize, connections: usize, poll: bool) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    // Ids of their own for each run.
    let run = ambient::now_ms();
    let begun = ambient::steady();
    let mut all = Took::default();
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..connections).map(|_| scope.spawn(|| client(hub, &next, count, run, poll))).collect();
        for client in clients {
            let took = client.join().map_err(|_| io::Error::other("a client has panicked"))??;
            all.start.extend(took.start);
            all.poll.extend(took.poll);
            all.accept.extend(took.accept);
            all.complete.extend(took.complete);
        }
        Ok::<_, io::Error>(())
    })?;
    let seconds = ambient::steady().duration_since(begun).as_secs_f64();
    let transitions = all.start.len() + all.accept.len() + all.complete.len();
    println!("call               count median_us    p99_us");
    say("start", all.start);
    if poll {
        say("poll", all.poll);
    }
    say("accept", all.accept);
    say("complete", all.complete);
    println!("connections {connections}");
    println!("transitions {transitions}");
    #[expect(clippy::cast_precision_loss, reason = "nobody runs 2^52 of them")]
    let rate = count as f64 / seconds;
    println!("lifecycles_per_second {rate:.0}");
    Ok(())
}

fn client(hub: &Hub, next: &AtomicUsize, count: usize, run: u64, poll: bool) -> io::Result<Took> {
    let mut connection = hub.connect()?;
    let mut took = Took::default();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= count {
            return Ok(took);
        }
        let id = format!("load-{run}-{n}");
        let artifact = artifacts::artifact_about(&id, artifacts::soon(), "load");
        let mut post = |bearer: &str, path: &str, body: &[u8], wanted| {
            Ok::<_, io::Error>(timed(&mut connection, bearer, ("POST", path), body, &[wanted])?.1)
        };
        took.start.push(post(&hub.bob, "/v1/handoffs", &artifact, 201)?);
        let claim = format!(r#"{{"claim_id":"c-{n}"}}"#);
        took.accept.push(post(&hub.alice, &format!("/v1/handoffs/{id}/accept"), claim.as_bytes(), 200)?);
        let done = format!(r#"{{"claim_id":"c-{n}","result":{{"ok":true}}}}"#);
        took.complete.push(post(&hub.alice, &format!("/v1/handoffs/{id}/complete"), done.as_bytes(), 200)?);
        if poll {
            let path = ("GET", "/v1/handoffs/poll");
            took.poll.push(timed(&mut connection, &hub.alice, path, b"", &[200, 204])?.1);
        }
    }
}
