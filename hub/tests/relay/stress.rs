//! The hub and a same-host agent on one directory at the same time, for real: a thread that renames as fast as it can.
//! Every handoff has one winner, and nothing is lost, whichever of the two was quicker.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use handoff_hub::request::Reply;
use handoff_kernel::record::Status;
use handoff_kernel::time::Millis;

use crate::world::{World, accepting, artifact, claim, starting};

const MINUTE: Millis = Millis(60_000);
/// At least so many; and more, within reason, until each of the two has been the quicker one.
const ROUNDS: usize = 12;
const MOST_ROUNDS: usize = 200;
const HANDOFFS: usize = 60;

/// Takes two of three handoffs by renaming, and renames them on; what it took.
fn neighbour(data: &Path, stop: &AtomicBool) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    let mut n = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir(data.join("handoff")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            n += 1;
            if n.is_multiple_of(3) {
                continue;
            }
            if std::fs::rename(data.join("handoff").join(&name), data.join("claimed").join(&name)).is_err() {
                continue;
            }
            taken.insert(name.trim_end_matches(".json").to_owned());
            // Now and then the hub gets to see the claim before it is finished.
            if n.is_multiple_of(2) {
                std::thread::yield_now();
            }
            let to = ["archive", "rejected", "claimed"][n as usize % 3];
            let _ = std::fs::rename(data.join("claimed").join(&name), data.join(to).join(&name));
        }
    }
    taken
}

#[test]
fn a_neighbour_and_the_hub_never_both_win_and_neither_loses_anything() {
    let (mut by_hub, mut by_neighbour) = (0, 0);
    for round in 0..MOST_ROUNDS {
        if round >= ROUNDS && by_hub > 0 && by_neighbour > 0 {
            return;
        }
        let mut world = World::new();
        let (data, stop) = (world.data(), AtomicBool::new(false));
        let (accepted, taken) = std::thread::scope(|scope| {
            let renaming = scope.spawn(|| neighbour(&data, &stop));
            let mut accepted = BTreeSet::new();
            for n in 0..HANDOFFS {
                let name = format!("h{n}");
                world.submit(starting(&artifact(&name, MINUTE, None)));
                world.turn();
                std::thread::yield_now();
                let ticket = world.submit(accepting(&name, claim("c")));
                let won = |(t, reply): &(_, Reply)| {
                    *t == ticket && matches!(reply, Reply::Done(done) if done.verdict.is_ok())
                };
                if world.turn().iter().any(won) {
                    accepted.insert(name);
                }
            }
            stop.store(true, Ordering::Relaxed);
            (accepted, renaming.join().unwrap())
        });
        let both: Vec<_> = accepted.intersection(&taken).collect();
        assert_eq!(both, Vec::<&String>::new(), "round {round}: two winners");
        let mut world = world.crash();
        for _ in 0..3 {
            world.turn();
        }
        for n in 0..HANDOFFS {
            let name = format!("h{n}");
            let _ = world.status(&name);
            world.turn();
            let status = world.status(&name);
            if accepted.contains(&name) {
                assert_eq!(status, Some(Status::Claimed), "round {round}: {name} was acknowledged");
                assert!(world.complete(&name, claim("c"), "1").is_ok());
            } else {
                assert!(status.is_some(), "round {round}: {name} is gone: {:?}", world.relay.take_notes());
            }
        }
        assert_eq!(accepted.len() + taken.len(), HANDOFFS, "round {round}: each was somebody's");
        by_hub += accepted.len();
        by_neighbour += taken.len();
    }
    panic!("only one of the two ever won: {by_hub} and {by_neighbour}");
}
