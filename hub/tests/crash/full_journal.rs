//! Recovery from the most that there can be to redo: both journals full, and nothing of it durable but they. How long
//! that takes is printed, not judged. With journals as long as the hub's own, which take a while to fill:
//! `FULL_JOURNAL=4194304 cargo test --release -p handoff-hub --features testing --test crash full_journal -- --nocapture`.

use std::path::Path;
use std::time::Duration;

use handoff_hub::ambient::SystemClock;
use handoff_hub::clock::{Clock as _, TestClock};
use handoff_hub::disk::simulated::{Background, Image, Settings, SimulatedDisk};
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Reply, Request, Ticket};
use handoff_hub::store::Options;
use handoff_kernel::artifact::Artifact;
use handoff_kernel::time::{Millis, Time};

use crate::world::{BEGIN, accepting, agent, artifact, finishing};

/// So many ask at once.
const TOGETHER: usize = 64;

/// Another handoff like `b`, of about a kilobyte.
fn starting(name: &str) -> Request {
    let text = String::from_utf8(artifact("b")).unwrap();
    let bytes = text.replace("\"handoff_id\": \"b\"", &format!("\"handoff_id\": \"{name}\"")).into_bytes();
    let start = Artifact::parse(&bytes).unwrap().header().start();
    Request::Start { sender: agent("bob"), start, bytes: bytes.into(), target_known: true }
}

fn write_out(image: &Image, to: &Path) {
    for name in image.directories() {
        std::fs::create_dir_all(to.join(name)).unwrap();
    }
    for name in image.files() {
        let Time(modified) = image.modified(name).unwrap();
        std::fs::write(to.join(name), image.bytes(name).unwrap()).unwrap();
        let file = std::fs::File::options().write(true).open(to.join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_millis(modified)).unwrap();
    }
}

#[test]
fn both_journals_full_are_redone_whole() {
    let journal_bytes = std::env::var("FULL_JOURNAL").map_or(256 * 1024, |text| text.parse().unwrap());
    let store = Options { journal_bytes, ..Options::default() };
    let config = Config { store, ..Config::on("/data".into()) };
    // A crash is a copy of all that is pending: not before both are nearly full.
    let nearly = usize::try_from(journal_bytes).unwrap() / 700 * 2 - 20 * TOGETHER.min(7);
    let background = Background::WhenWaitedFor;
    let disk = SimulatedDisk::new(Settings { block_bytes: 4096, background, ..Settings::default() });
    let mut relay = Relay::on(disk.same_process(), &config, TestClock::at(BEGIN)).unwrap();
    // The end of the flush of one journal's directories is waited for when the other one is full: just before that.
    disk.log_operations();
    let (mut tickets, mut acknowledged, mut image) = (0, 0_usize, None);
    'fill: for round in 0.. {
        let names: Vec<_> = (0..TOGETHER).map(|n| format!("h{round}-{n}")).collect();
        for step in [0, 1, 2] {
            let before = disk.clone();
            let crash = (acknowledged > nearly).then(|| before.power_cut());
            for name in &names {
                tickets += 1;
                let request = match step {
                    0 => starting(name),
                    1 => accepting(name, None),
                    _ => finishing(name, None),
                };
                relay.submit(Ticket(tickets), request);
            }
            let replies = relay.commit().unwrap().0;
            if disk.operations_log().iter().any(|call| call.contains("EndFlushAll")) {
                image = crash.map(|crash| crash.none());
                break 'fill;
            }
            let done = |(_, reply): &(_, Reply)| matches!(reply, Reply::Done(done) if done.verdict.is_ok());
            assert!(replies.iter().all(done));
            acknowledged += replies.len();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    write_out(&image.unwrap(), dir.path());
    let files = |of: &str| std::fs::read_dir(dir.path().join(of)).unwrap().count();
    assert_eq!(["handoff", "claimed", "archive", "events"].map(files), [0; 4], "nothing else was durable");

    let clock = SystemClock::start();
    let relay = Relay::open(&Config { data: dir.path().to_owned(), ..config }, TestClock::at(BEGIN)).unwrap();
    let Millis(took) = clock.steady();
    println!("{acknowledged} transitions are redone from two full journals in {took} ms");
    drop(relay);
    let lines = std::fs::read_dir(dir.path().join("events"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap().lines().count());
    assert_eq!(lines.sum::<usize>(), acknowledged, "each with its event");
    assert_eq!(
        files("handoff") + files("claimed") + files("archive"),
        acknowledged.div_ceil(3).next_multiple_of(TOGETHER)
    );
}
