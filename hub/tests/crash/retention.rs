//! Retention and power cuts: an id that is used again never meets what had it before.

use handoff_hub::disk::simulated::{Image, SimulatedDisk};
use handoff_hub::request::{Reply, Request};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::record::Status;
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;

use crate::world::{BEGIN, DEADLINE, World, accepting, agent, artifact, claim, finishing, id, starting};
use crate::{ROOMY, Setup, TIGHT};

/// When everything that `a` was is over and past its retention.
const LATER: Time = BEGIN.plus(DEADLINE).plus(Millis(1000));

/// `a` once more, with other bytes and a later deadline.
fn anew() -> Vec<u8> {
    let old = String::from_utf8(artifact("a")).unwrap();
    let (old_end, new_end) = (Rfc3339(BEGIN.plus(DEADLINE)), Rfc3339(LATER.plus(Millis(3_600_000))));
    let new = old.replace(&old_end.to_string(), &new_end.to_string());
    assert_ne!(new, old);
    new.into_bytes()
}

fn found(image: &Image, setup: Setup) -> Option<(Status, Vec<u8>)> {
    let disk = image.disk();
    let mut world = World::open(&disk, LATER, Setup { retain: None, ..setup }).unwrap();
    let get = Request::Get { by: agent("bob"), handoff: id("a"), artifact: true };
    match world.ask(vec![get]).unwrap().remove(0) {
        Reply::Got(Ok(story)) => Some((story.record.status(), story.artifact.unwrap().to_vec())),
        Reply::Got(Err(_)) => None,
        other => panic!("{other:?} on {image}"),
    }
}

#[test]
fn what_takes_the_id_of_something_removed_is_never_lost_to_what_had_it() {
    let mut seen = 0;
    for setup in [ROOMY, TIGHT] {
        let setup = Setup { retain: Some(Millis(0)), block_bytes: 4096, ..setup };
        let disk = SimulatedDisk::default();
        let mut world = World::open(&disk, BEGIN, setup).unwrap();
        for request in [starting("a"), accepting("a", claim("a")), finishing("a", claim("a"))] {
            let _ = world.ask(vec![request]).unwrap();
        }
        // One round of each directory.
        for round in 0..2 {
            world.clock.set(Time(LATER.0 - 200 * (1 - round)));
            let _ = world.ask(vec![]).unwrap();
        }
        assert!(disk.seen().bytes("archive/a.json").is_none(), "it has been removed");
        // Whatever a power cut leaves now, it is the old one or nothing.
        for image in disk.crash_images() {
            seen += 1;
            let ok = found(&image, setup).is_none_or(|found| found == (Status::Completed, artifact("a")));
            assert!(ok, "{image}");
        }
        let start = Artifact::parse(&anew()).unwrap().header().start();
        let again = Request::Start { sender: agent("bob"), start, bytes: anew().into(), target_known: true };
        let replies = world.ask(vec![again]).unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Done(done)] if done.verdict.is_ok()), "{replies:?}");
        for image in disk.crash_images() {
            seen += 1;
            assert_eq!(found(&image, setup), Some((Status::Pending, anew())), "{image}");
        }
    }
    assert!(seen > 50, "{seen}");
}
