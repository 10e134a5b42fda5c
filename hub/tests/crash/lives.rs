//! Second lives and second crashes: ids that are used again, files that fail, and what a hub does after it has come back.
use std::path::PathBuf;

use handoff_hub::clock::TestClock;
use handoff_hub::disk::simulated::{Background, Call, Failure, Fault, Settings, SimulatedDisk};
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Asker, Reply, Request, Ticket};
use handoff_hub::store::Options;
use handoff_kernel::artifact::Artifact;
use handoff_kernel::ident::ClaimId;
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;

use crate::world::{BEGIN, agent, id, log};

pub(crate) type R = Relay<TestClock, SimulatedDisk>;

fn art(name: &str, expires: Time) -> Vec<u8> {
    format!(
        "{{\"protocol_version\": 1, \"handoff_id\": \"{name}\", \"from_agent\": \"bob\", \"to_agent\": \"alice\", \
         \"reason\": \"r\", \"initiated_at\": \"2026-04-21T09:00:00Z\", \"expires_at\": \"{}\", \"hmac\": \"x\"}}",
        Rfc3339(expires)
    )
    .into_bytes()
}

pub(crate) fn open(disk: &SimulatedDisk, now: Time, journal: u64, retain: Option<Millis>) -> (R, TestClock) {
    open_with(disk, now, Options { journal_bytes: journal, ..Options::default() }, retain)
}

pub(crate) fn open_with(
    disk: &SimulatedDisk,
    now: Time,
    store: Options,
    retain: Option<Millis>,
) -> (R, TestClock) {
    disk.set_now(now);
    let clock = TestClock::at(now);
    let config = Config { store, retain, ..Config::on(PathBuf::from("/data")) };
    let relay = Relay::on(disk.clone(), &config, clock.clone()).unwrap_or_else(|e| panic!("{e}"));
    (relay, clock)
}

pub(crate) fn ask(relay: &mut R, requests: Vec<Request>) -> Vec<Reply> {
    for (n, r) in requests.into_iter().enumerate() {
        relay.submit(Ticket(n as u64 + 1), r);
    }
    relay.tick();
    let mut all = relay.drain().0;
    // Of a hub that is down, whoever asked is told nothing.
    if let Ok(committed) = relay.commit() {
        all.extend(committed.0);
    }
    all.sort_by_key(|(t, _)| *t);
    let _ = relay.take_notes();
    all.into_iter().map(|(_, r)| r).collect()
}

pub(crate) fn start(name: &str, expires: Time) -> Request {
    let bytes = art(name, expires);
    let start = Artifact::parse(&bytes).unwrap().header().start();
    Request::Start { sender: agent("bob"), start, bytes: bytes.into(), target_known: true }
}
fn alice() -> Asker {
    Asker { agent: agent("alice"), named: None }
}
fn claim(name: &str) -> Option<ClaimId> {
    Some(ClaimId::parse(name).unwrap())
}
pub(crate) fn accept(name: &str, c: &str) -> Request {
    Request::Accept { by: alice(), handoff: id(name), claim_id: claim(c), receipt: None }
}
pub(crate) fn complete(name: &str, c: &str) -> Request {
    Request::Complete { by: alice(), handoff: id(name), claim_id: claim(c), result: None, receipt: None }
}
pub(crate) fn get(name: &str) -> Request {
    Request::Get { by: agent("bob"), handoff: id(name), artifact: true }
}
pub(crate) fn drop_in(disk: &SimulatedDisk, name: &str, bytes: &[u8], at: Time) {
    let neighbour = disk.clone();
    let file = neighbour.open("aside", Mode::New).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file.set_modified(at).unwrap();
    neighbour.rename("aside", &format!("handoff/{name}.json")).unwrap();
}
pub(crate) fn shown(replies: &[Reply]) -> String {
    format!("{replies:?}").chars().take(420).collect()
}

pub(crate) const RETAIN: Option<Millis> = Some(Millis(1000));

/// When retention is through with what was over by then.
pub(crate) const LATE: Time = BEGIN.plus(Millis(20_000));

/// A handoff's whole life, but for its start.
pub(crate) fn finish(hub: &mut R, name: &str) {
    for request in [accept(name, "k1"), complete(name, "k1")] {
        let replies = ask(hub, vec![request]);
        assert!(shown(&replies).contains("Ok("), "{replies:?}");
    }
}

/// Retention goes its rounds.
fn rounds(hub: &mut R, clock: &TestClock) {
    for n in 1..5 {
        clock.set(LATE.plus(Millis(1000 * n)));
        ask(hub, vec![]);
    }
}

/// What a hub says of `x` that starts on this.
fn after_a_kill(disk: &SimulatedDisk) -> String {
    let (mut hub, _) = open(&disk.seen().disk(), LATE.plus(Millis(9000)), 64 * 1024, None);
    shown(&ask(&mut hub, vec![get("x")]))
}

#[test]
fn what_was_removed_stays_so_after_a_kill() {
    let disk = SimulatedDisk::default();
    let (mut hub, clock) = open(&disk, BEGIN, 64 * 1024, RETAIN);
    ask(&mut hub, vec![start("x", BEGIN.plus(Millis(1000)))]);
    finish(&mut hub, "x");
    rounds(&mut hub, &clock);
    let before = shown(&ask(&mut hub, vec![get("x")]));
    assert!(before.contains("NotFound"), "{before}");
    drop(hub);
    assert_eq!(after_a_kill(&disk), before);
}

#[test]
fn what_takes_the_id_of_something_removed_is_what_a_kill_leaves() {
    // Removed by retention, or by a person while the journal still has all of its life.
    for retain in [RETAIN, None] {
        let disk = SimulatedDisk::default();
        let (mut hub, clock) = open(&disk, BEGIN, 64 * 1024, retain);
        ask(&mut hub, vec![start("x", BEGIN.plus(Millis(1000)))]);
        finish(&mut hub, "x");
        rounds(&mut hub, &clock);
        if retain.is_none() {
            disk.clone().remove("archive/x.json").unwrap();
        }
        disk.set_now(LATE.plus(Millis(5000)));
        clock.set(LATE.plus(Millis(5000)));
        drop_in(&disk, "x", &art("x", BEGIN.plus(Millis(100_000))), LATE.plus(Millis(5000)));
        ask(&mut hub, vec![]);
        let claimed = ask(&mut hub, vec![accept("x", "k2")]);
        assert!(shown(&claimed).contains("Ok(Claimed"), "{claimed:?}");
        drop(hub);
        let after = after_a_kill(&disk);
        assert!(after.contains("k2"), "{retain:?}: {after}");
    }
}

#[test]
fn the_events_of_what_was_removed_stay_in_the_log() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, 64 * 1024, RETAIN);
    ask(&mut hub, vec![start("x", BEGIN.plus(Millis(1000)))]);
    assert!(hub.close().1.is_ok());
    let (mut hub, clock) = open(&disk, BEGIN, 64 * 1024, RETAIN);
    finish(&mut hub, "x");
    rounds(&mut hub, &clock);
    let before = log(&disk);
    assert_eq!(before.lines().count(), 3);
    drop(hub);
    let again = disk.seen().disk();
    let (mut hub, _) = open(&again, LATE.plus(Millis(9000)), 64 * 1024, None);
    ask(&mut hub, vec![]);
    let after = log(&again);
    assert!(after.starts_with(&before), "before\n{before}\nafter\n{after}");
}

#[test]
fn a_failed_flush_of_a_dropped_file_is_final() {
    for asks in [vec![get("x")], vec![]] {
        let disk = SimulatedDisk::default();
        let (mut hub, clock) = open(&disk, BEGIN, 64 * 1024, None);
        drop_in(&disk, "x", &art("x", BEGIN.plus(Millis(100_000))), BEGIN);
        disk.fail(Fault::next(Call::Flush, Failure::Broken).of("handoff/"));
        ask(&mut hub, asks);
        clock.set(BEGIN.plus(Millis(6000)));
        ask(&mut hub, vec![]);
        let accepted = ask(&mut hub, vec![accept("x", "k")]);
        assert!(!shown(&accepted).contains("Ok("), "{accepted:?}");
        assert!(hub.commit().is_err(), "it is down");
    }
}

#[test]
fn when_a_dropped_file_arrived_is_durable_before_it_is_told() {
    let disk = SimulatedDisk::default();
    let (mut hub, clock) = open(&disk, BEGIN, 64 * 1024, None);
    clock.set(BEGIN.plus(Millis(5000)));
    disk.set_now(BEGIN.plus(Millis(1000)));
    drop_in(&disk, "x", &art("x", BEGIN.plus(Millis(100_000))), BEGIN.plus(Millis(3000)));
    ask(&mut hub, vec![]);
    let before = ask(&mut hub, vec![get("x")]);
    assert!(shown(&before).contains("Ok(Story"), "{before:?}");
    for image in disk.crash_images() {
        let (mut hub, _) = open(&image.disk(), BEGIN.plus(Millis(7000)), 64 * 1024, None);
        let after = ask(&mut hub, vec![get("x")]);
        assert_eq!(shown(&before), shown(&after), "{image}");
    }
}

#[test]
fn retention_that_fails_midway_has_removed_what_it_removed() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, 64 * 1024, RETAIN);
    for name in ["x", "y"] {
        ask(&mut hub, vec![start(name, BEGIN.plus(Millis(1000)))]);
        finish(&mut hub, name);
    }
    assert!(hub.close().1.is_ok());
    let (mut hub, clock) = open(&disk, LATE, 64 * 1024, RETAIN);
    disk.fail(Fault::next(Call::Read, Failure::Broken).of("archive/y").for_ever());
    rounds(&mut hub, &clock);
    let again = ask(&mut hub, vec![start("x", BEGIN.plus(Millis(100_000)))]);
    assert!(shown(&again).contains("Ok(Started"), "{again:?}");
    disk.heal();
    let before = shown(&ask(&mut hub, vec![get("x")]));
    assert!(before.contains("state: Pending"), "{before}");
    for image in disk.crash_images() {
        assert_eq!(after_a_kill(&image.disk()), before, "on {image}");
    }
}

#[test]
fn a_full_disk_at_the_start_makes_no_journal_look_damaged() {
    let disk = SimulatedDisk::new(Settings { background: Background::WhenWaitedFor, ..Settings::default() });
    let (mut hub, _) = open(&disk, BEGIN, 1024, None);
    let far = BEGIN.plus(Millis(100_000));
    for n in 0..3 {
        ask(&mut hub, vec![start(&format!("h{n}"), far)]);
    }
    drop(hub);
    let again = disk.seen().disk();
    again.set_background(Background::WhenWaitedFor);
    again.fail(Fault::next(Call::Replace, Failure::Full).of("tmp/clock"));
    let (mut hub, _) = open(&again, BEGIN, 1024, None);
    for n in 3..9 {
        ask(&mut hub, vec![start(&format!("h{n}"), far), start(&format!("i{n}"), far)]);
    }
    // Again, dying before each operation.
    for op in 0..200 {
        let one = disk.seen().disk();
        one.set_background(Background::WhenWaitedFor);
        one.fail(Fault::next(Call::Replace, Failure::Full).of("tmp/clock"));
        let process = one.clone();
        let clock = TestClock::at(BEGIN);
        let store = Options { journal_bytes: 1024, segment_bytes: 1 << 20, ..Options::default() };
        let config = Config { store, ..Config::on(PathBuf::from("/data")) };
        one.set_now(BEGIN);
        let Ok(mut hub) = Relay::on(process.same_process(), &config, clock) else { continue };
        let base = process.operations();
        process.crash_at(base + op);
        let mut acked: Vec<String> = (0..3).map(|n| format!("h{n}")).collect();
        for n in 3..9 {
            let names = [format!("h{n}"), format!("i{n}")];
            let replies = ask(&mut hub, names.iter().map(|x| start(x, far)).collect());
            for (name, r) in names.into_iter().zip(replies) {
                if matches!(&r, Reply::Done(d) if d.verdict.is_ok()) {
                    acked.push(name);
                }
            }
        }
        let dead = process.is_dead();
        let crash = one.power_cut();
        for image in crash.at_most_lost(1).chain(crash.at_most_kept(1)) {
            let d = image.disk();
            d.set_now(BEGIN);
            let config = Config { store, ..Config::on(PathBuf::from("/data")) };
            match Relay::on(d.clone(), &config, TestClock::at(BEGIN)) {
                Err(e) => panic!("op {op}: {e}\n{image}"),
                Ok(mut hub) => {
                    for name in &acked {
                        let r = ask(&mut hub, vec![get(name)]);
                        assert!(
                            shown(&r).contains("Ok(Story"),
                            "op {op}: {name} lost: {}\n{image}",
                            shown(&r)
                        );
                    }
                }
            }
        }
        if !dead {
            break;
        }
    }
}

/// A write may leave all of a frame that counts, and nothing of its padding.
#[test]
fn what_was_refused_does_not_take_effect_after_a_restart() {
    let disk = SimulatedDisk::default();
    drop(open(&disk, BEGIN, 64 * 1024, None));
    let mut refused = 0;
    for short in 400..1500 {
        let one = disk.seen().disk();
        let (mut hub, _) = open(&one, BEGIN, 64 * 1024, None);
        one.fail(Fault::next(Call::Write, Failure::Short(short)).of("journal"));
        one.fail(Fault::next(Call::Write, Failure::Broken).of("journal").after(0));
        let r = ask(&mut hub, vec![start("x", BEGIN.plus(Millis(100_000)))]);
        if shown(&r).contains("Ok(") {
            continue;
        }
        refused += 1;
        let g = ask(&mut hub, vec![get("x")]);
        drop(hub);
        let (mut hub, _) = open(&one.seen().disk(), BEGIN, 64 * 1024, None);
        let h = ask(&mut hub, vec![get("x")]);
        assert_eq!(shown(&g), shown(&h), "{short}");
    }
    assert!(refused > 300, "{refused}");
}

/// Crash after crash, with commands between.
#[test]
fn crash_after_crash_with_commands_between_loses_nothing() {
    let rounds: u64 = 300;
    for seed in 0..rounds {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(12345);
        let mut rnd = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        let journal = [512, 1024, 2048][usize::try_from(rnd(3)).unwrap()];
        let mut disk = SimulatedDisk::default();
        let mut now = BEGIN;
        // What was acknowledged: 1 started, 2 claimed, 3 completed; and the most that may be so.
        let mut low = [0_u8; 4];
        let mut high = [0_u8; 4];
        let mut acked_log = String::new();
        for life in 0..5 {
            now = now.plus(Millis(20));
            disk.set_now(now);
            disk.set_background(
                [Background::AfterPolls(0), Background::AfterPolls(2), Background::WhenWaitedFor]
                    [usize::try_from(rnd(3)).unwrap()],
            );
            let process = disk.same_process();
            let clock = TestClock::at(now);
            let store = Options { journal_bytes: journal, segment_bytes: 700, ..Options::default() };
            let config = Config { store, ..Config::on(PathBuf::from("/data")) };
            let dies_opening = rnd(4) == 0;
            if dies_opening {
                process.crash_at(process.operations() + rnd(30));
            }
            if let Ok(mut hub) = Relay::on(process.same_process(), &config, clock.clone()).map_err(|e| {
                assert!(process.is_dead(), "seed {seed} life {life}: {e}");
            }) {
                // Look.
                for i in 0..4 {
                    let name = format!("w{i}");
                    hub.submit(Ticket(900 + i as u64), get(&name));
                    let r = hub.drain().0.pop();
                    if process.is_dead() {
                        break;
                    }
                    let s = format!("{r:?}");
                    let found = if s.contains("NotFound") {
                        0
                    } else if s.contains("state: Pending") {
                        1
                    } else if s.contains("state: Claimed(") {
                        2
                    } else if s.contains("state: Completed") {
                        3
                    } else {
                        panic!("seed {seed} life {life}: {s}")
                    };
                    assert!(
                        low[i] <= found && found <= high[i],
                        "seed {seed} life {life} {name}: {found} not in {}..={}",
                        low[i],
                        high[i]
                    );
                    (low[i], high[i]) = (found, found);
                }
                if !process.is_dead() {
                    let l = log(&disk);
                    assert!(l.starts_with(&acked_log), "seed {seed} life {life}\n{acked_log}\n{l}");
                }
                if !dies_opening {
                    process.crash_at(process.operations() + rnd(60));
                }
                for turn in 0..12 {
                    now = now.plus(Millis(1));
                    clock.set(now);
                    disk.set_now(now);
                    let mut asked = Vec::new();
                    for i in 0..4_usize {
                        if rnd(2) == 0 && high[i] == low[i] && low[i] < 3 {
                            let name = format!("w{i}");
                            let request = match low[i] {
                                0 => start(&name, BEGIN.plus(Millis(3_600_000))),
                                1 => accept(&name, "k"),
                                _ => complete(&name, "k"),
                            };
                            hub.submit(Ticket(turn * 10 + i as u64), request);
                            high[i] += 1;
                            asked.push(i);
                        }
                    }
                    hub.tick();
                    let mut replies = hub.drain().0;
                    let Ok(c) = hub.commit() else { break };
                    replies.extend(c.0);
                    for (t, r) in replies {
                        let i = (t.0 % 10) as usize;
                        if matches!(&r, Reply::Done(d) if d.verdict.is_ok()) {
                            low[i] = high[i];
                        } else if !process.is_dead() {
                            panic!("seed {seed} life {life}: {r:?}");
                        }
                    }
                    if !process.is_dead() {
                        acked_log = log(&disk);
                    } else {
                        break;
                    }
                }
            }
            let crash = disk.power_cut();
            let image = match rnd(4) {
                0 => crash.all(),
                1 => crash.none(),
                2 => {
                    let all: Vec<_> = crash.at_most_lost(1).collect();
                    all[usize::try_from(rnd(all.len() as u64)).unwrap()].clone()
                }
                _ => {
                    let all: Vec<_> = crash.at_most_kept(1).collect();
                    all[usize::try_from(rnd(all.len() as u64)).unwrap()].clone()
                }
            };
            disk = image.disk();
        }
    }
}
