//! A disk that fails while the hub runs: what was acknowledged holds, and nothing else is acknowledged.

use handoff_hub::disk::Disk as _;
use handoff_hub::disk::simulated::{Background, Call, Failure, Fault, Hinting, Settings, SimulatedDisk};
use handoff_hub::disk::{DiskFile as _, Mode};
use handoff_hub::request::{Reply, Request};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::ident::Wire;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::time::{Millis, Time};

use crate::history::{Played, Step, die, histories, play, recover};
use crate::world::{BEGIN, World, accepting, agent, artifact, claim, finishing, id, starting};
use crate::{ROOMY, TIGHT};

/// Whether a command was carried out, as far as its asker was told.
fn done(replies: &[Reply]) -> bool {
    replies.iter().all(|reply| matches!(reply, Reply::Done(done) if done.verdict.is_ok()))
}

#[test]
fn a_failed_flush_is_final_and_what_was_acknowledged_before_it_holds() {
    for (call, of) in [(Call::Flush, "journal.1"), (Call::EndFlushAll, "")] {
        let disk = SimulatedDisk::default();
        let setup = TIGHT;
        let mut world = World::open(&disk, BEGIN, setup).unwrap();
        assert!(done(&world.ask(vec![starting("a")]).unwrap()));
        let before = world.told().unwrap();
        let fault = Fault::next(call, Failure::Broken);
        disk.fail(if of.is_empty() { fault } else { fault.of(of) });
        // The second of these at the latest begins a journal anew, and so has the directories flushed.
        let mut asked = [starting("b"), accepting("a", claim("a")), accepting("b", claim("b"))].into_iter();
        let mut acknowledged = vec![before];
        let down = loop {
            match world.ask(vec![asked.next().expect("a flush is asked for by now")]) {
                Ok(replies) => {
                    assert!(done(&replies));
                    acknowledged.push(world.told().unwrap());
                }
                Err(down) => break down,
            }
        };
        assert!(down.to_string().contains("Nothing more is acknowledged"), "{down}");
        disk.heal();
        disk.log_operations();
        for request in [starting("b"), accepting("a", claim("x"))] {
            assert_eq!(world.ask(vec![request]), Err(down.clone()), "{call:?}: it never comes back");
        }
        assert!(!disk.operations_log().join("\n").contains("Flush"), "and never flushes again");
        let last = acknowledged.pop().unwrap();
        for image in disk.crash_images() {
            let told = recover(&image, BEGIN, setup).unwrap_or_else(|what| panic!("{what}\n{image}"));
            for (known, found) in last.records.iter().zip(&told.records) {
                let kept = match (known, found) {
                    (None, _) => true,
                    (Some(known), Some(found)) => known == found || known.claim().is_none(),
                    (Some(_), None) => false,
                };
                assert!(kept, "{call:?}: {known:#?} was acknowledged, and {found:#?} is found on {image}");
            }
            assert!(told.log.starts_with(&last.log), "{call:?}");
        }
    }
}

#[test]
fn a_full_disk_is_answered_with_unavailable_loses_nothing_and_takes_requests_again_when_there_is_room() {
    let disk = SimulatedDisk::new(Settings { block_bytes: 512, ..Settings::default() });
    let mut world = World::open(&disk, BEGIN, ROOMY).unwrap();
    assert!(done(&world.ask(vec![starting("a")]).unwrap()));
    assert!(done(&world.ask(vec![accepting("a", claim("a"))]).unwrap()));
    disk.set_capacity(Some(0));
    let before = world.told().unwrap();
    for request in [starting("b"), finishing("a", claim("a"))] {
        let replies = world.ask(vec![request]).expect("a full disk is not the end");
        let [Reply::Done(refused)] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!(refused.verdict, Err(NotDone::Unavailable), "on a full disk");
    }
    assert_eq!(world.told().unwrap(), before, "nothing has changed");
    // Reading goes on.
    let poll = Request::Poll { by: agent("alice"), wait: Millis(0) };
    assert!(matches!(world.ask(vec![poll]).unwrap().as_slice(), [Reply::Polled(None)]));
    for image in disk.crash_images() {
        let room = Settings { capacity: None, ..Settings::default() };
        let told = recover(&image.clone().with_settings(room), BEGIN, ROOMY).unwrap();
        assert_eq!(told.records, before.records, "{image}");
    }
    disk.set_capacity(None);
    assert!(done(&world.ask(vec![starting("b")]).unwrap()));
    assert!(done(&world.ask(vec![finishing("a", claim("a"))]).unwrap()));
    let told = world.told().unwrap();
    world.is_sound(&told).unwrap();
    assert_eq!(told.log.lines().count(), 4, "each of the four that took effect has its event");
}

#[test]
fn any_one_call_that_fails_costs_nothing_that_was_acknowledged() {
    use Call::{MakeDirectory, Open, Remove, Rename, Replace, Reserve, SetLength, SetModified, Write};
    let calls = [Open, MakeDirectory, Rename, Replace, Remove, Write, SetLength, Reserve, SetModified];
    let mut tried = 0;
    for call in calls {
        for failure in [Failure::Full, Failure::Broken, Failure::Interrupted, Failure::Short(7)] {
            for after in 0..6 {
                let disk = SimulatedDisk::default();
                let mut world = World::open(&disk, BEGIN, TIGHT).unwrap();
                disk.fail(Fault::next(call, failure).after(after));
                let mut known = world.told().unwrap();
                for request in [starting("a"), starting("b"), accepting("a", claim("a"))] {
                    let Ok(replies) = world.ask(vec![request.clone()]) else { break };
                    if done(&replies) {
                        known = world.told().unwrap();
                    }
                }
                for image in [disk.seen(), disk.power_cut().none(), disk.power_cut().all()] {
                    let told = recover(&image, BEGIN, TIGHT)
                        .unwrap_or_else(|what| panic!("{call:?} {failure:?} {after}: {what}\n{image}"));
                    tried += 1;
                    for (known, found) in known.records.iter().zip(&told.records) {
                        let lost = known.as_ref().is_some_and(|known| {
                            // One that was pending may have come further, and otherwise is what it was.
                            let further =
                                |found: &Record<Wire>| known.claim().is_none() && found.claim().is_some();
                            found.as_ref().is_none_or(|found| known != found && !further(found))
                        });
                        assert!(!lost, "{call:?} {failure:?} {after}: {known:?} {found:?}\n{image}");
                    }
                    assert!(
                        told.log.starts_with(&known.log),
                        "{call:?} {failure:?} {after}\n{}\nand it was\n{}\n{image}",
                        told.log,
                        known.log
                    );
                }
            }
        }
    }
    assert_eq!(tried, 9 * 4 * 6 * 3);
}

#[test]
fn without_its_event_log_a_hub_answers_the_same_and_numbers_no_event_twice() {
    for setup in [ROOMY, TIGHT] {
        for steps in histories(2, setup) {
            let Played { world, now, after, .. } = play(&steps, setup).unwrap();
            let (crash, _) = die(&steps, setup, 1 << 40).unwrap();
            for image in [world.disk.seen(), crash.none(), crash.all()] {
                let disk = image.disk();
                for name in disk.walk("events").unwrap() {
                    disk.remove(&format!("events/{}", name.unwrap())).unwrap();
                }
                let told =
                    recover(&disk.seen(), now, setup).unwrap_or_else(|what| panic!("{steps:?}: {what}"));
                assert_eq!(told.records, after.records, "{steps:?}");
                let number =
                    |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64();
                let (old, new) =
                    (after.log.lines().last().and_then(number), told.log.lines().last().and_then(number));
                // Those that the journal covers are there again, under their own numbers; with none, nothing is.
                assert!(new.is_none() || new == old, "{steps:?}: {new:?} and {old:?}");
            }
        }
    }
}

#[test]
fn what_was_overdue_stays_so_though_the_wall_clock_steps_back_over_a_crash() {
    let mut seen = 0;
    for steps in [vec![Step::Start("a"), Step::TimePasses], vec![Step::Drop("a"), Step::TimePasses]] {
        let Played { after, .. } = play(&steps, TIGHT).unwrap();
        let (crash, ended) = die(&steps, TIGHT, 1 << 40).unwrap();
        assert!(ended);
        for image in crash.images() {
            let told = recover(&image, BEGIN, TIGHT).unwrap();
            assert_eq!(told.records, after.records, "{image}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// Another handoff like `b`.
fn another(name: &str) -> Vec<u8> {
    String::from_utf8(artifact("b")).unwrap().replace("\"b\"", &format!("\"{name}\"")).into_bytes()
}

#[test]
fn a_file_that_the_system_tells_nothing_of_is_found_by_listing() {
    for (hinting, told) in [(Hinting::Told, true), (Hinting::TooMany, true), (Hinting::Silent, false)] {
        let disk = SimulatedDisk::default();
        let mut world = World::open(&disk, BEGIN, ROOMY).unwrap();
        // So many that they are not listed at every turn.
        for n in 0..70 {
            let bytes = another(&format!("x{n}"));
            let start = Artifact::parse(&bytes).unwrap().header().start();
            let start =
                Request::Start { sender: agent("bob"), start, bytes: bytes.into(), target_known: true };
            assert!(done(&world.ask(vec![start]).unwrap()));
        }
        disk.set_hinting(hinting);
        let neighbour = disk.clone();
        let file = neighbour.open("aside", Mode::New).unwrap();
        file.write_all_at(0, &another("y")).unwrap();
        file.set_modified(Time(BEGIN.0 - 1)).unwrap();
        neighbour.rename("aside", "handoff/y.json").unwrap();
        let mut is_shown = |at: u64| {
            world.clock.set(BEGIN.plus(Millis(at)));
            let _ = world.ask(vec![]).unwrap();
            let poll = Request::Poll { by: agent("alice"), wait: Millis(0) };
            match world.ask(vec![poll]).unwrap().as_slice() {
                [Reply::Polled(Some(shown))] => shown.handoff == id("y"),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(is_shown(10), told, "{hinting:?}");
        assert_eq!(is_shown(4990), told, "{hinting:?}");
        assert!(is_shown(5010), "{hinting:?}: by then they have been listed");
    }
}

#[test]
fn an_accept_that_is_refused_for_want_of_space_does_not_change_when_a_handoff_arrived() {
    let disk = SimulatedDisk::default();
    let mut world = World::open(&disk, BEGIN, ROOMY).unwrap();
    // The line of a claim needs another block.
    let text = String::from_utf8(another("y")).unwrap().replacen(&"r".repeat(250), "", 1);
    assert!((400..512).contains(&text.len()), "{}", text.len());
    let bytes = text.into_bytes();
    let start = Artifact::parse(&bytes).unwrap().header().start();
    let start = Request::Start { sender: agent("bob"), start, bytes: bytes.into(), target_known: true };
    assert!(done(&world.ask(vec![start]).unwrap()));
    disk.set_now(Time(BEGIN.0 + 77));
    disk.set_capacity(Some(0));
    let replies = world.ask(vec![accepting("y", claim("y"))]).unwrap();
    assert!(
        matches!(replies.as_slice(), [Reply::Done(refused)] if refused.verdict == Err(NotDone::Unavailable))
    );
    assert_eq!(disk.seen().modified("handoff/y.json"), Some(BEGIN));
}

#[test]
fn a_journal_that_is_needed_and_gone_is_not_taken_for_an_empty_one() {
    let background = Background::WhenWaitedFor;
    let disk = SimulatedDisk::new(Settings { background, ..Settings::default() });
    let mut world = World::open(&disk, BEGIN, TIGHT).unwrap();
    for request in [starting("a"), starting("b")] {
        assert!(done(&world.ask(vec![request]).unwrap()));
    }
    let image = disk.power_cut().none();
    assert!(recover(&image, BEGIN, TIGHT).is_ok_and(|told| told.records.iter().all(Option::is_some)));
    for journal in ["journal.0", "journal.1"] {
        let damaged = image.disk();
        let file = damaged.open(journal, Mode::Write).unwrap();
        file.write_all_at(0, &[0; 512]).unwrap();
        let opened = World::open(&damaged, BEGIN, TIGHT);
        // Of the newest frame nobody can tell whether it was ever finished; the older one has a name.
        let newest = journal == "journal.1";
        assert_eq!(opened.is_ok(), newest, "{journal}");
        if let Err(error) = opened {
            assert!(error.to_string().contains("fsck"), "{error}");
        }
    }
}
