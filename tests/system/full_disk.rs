//! A full disk: the hub says so and stays up, loses nothing that it acknowledged, and goes on when there is room.
//!
//! Where a disk of one's own cannot be had, these tests say so and pass; with `CI=true` they fail.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use crate::support::ambient::now_ms;
use crate::support::artifacts::{artifact_about, artifact_of, soon};
use crate::support::chance::Chance;
use crate::support::disk::{Disk, PAGE, Scarce};
use crate::support::history::{Ask, Asked, Heard, Told};
use crate::support::hub::{Hub, shipped, token_by};
use crate::support::session::{Session, Tokens};
use crate::support::witness::{Findings, compare, polled};

/// So many handoffs there are before the disk is full, a quarter of them in each of four states.
const BEFORE: usize = 80;

/// When so many starts in a row could not be done, it is full.
const IN_A_ROW: usize = 20;

/// It is full long before so many starts.
const MOST: usize = 20_000;

struct World {
    disk: Disk,
    binary: PathBuf,
    tokens: Tokens,
    told: BTreeMap<String, Told>,
    chance: Chance,
    unavailable: BTreeMap<&'static str, usize>,
    done: BTreeMap<&'static str, usize>,
}

impl World {
    /// A disk with a data directory and two tokens on it; none where that cannot be had, which is said.
    fn new(scarce: Scarce) -> Option<Self> {
        let disk = match Disk::new(scarce) {
            Ok(disk) => disk,
            Err(why) => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no small disk can be mounted: {why}");
                // Not by a macro, whose words nobody sees when a test passes.
                let said = format!("SKIPPED: full_disk: no small disk can be mounted here: {why}\n");
                std::io::stderr().write_all(said.as_bytes()).expect("stderr takes it");
                return None;
            }
        };
        let binary = shipped();
        let [bob, alice] = ["bob", "alice"].map(|name| token_by(disk.command(&binary), &disk.inside(), name));
        let seed = Chance::seed("FULL_DISK_SEED");
        println!("FULL_DISK_SEED={seed}");
        Some(Self {
            disk,
            binary,
            tokens: Tokens { bob, alice },
            told: BTreeMap::new(),
            chance: Chance::of(seed),
            unavailable: BTreeMap::new(),
            done: BTreeMap::new(),
        })
    }

    fn hub(&self) -> Hub {
        self.try_hub().unwrap_or_else(|said| panic!("the hub does not start: {said}"))
    }

    /// A hub on the disk; or the sentence with which it refuses to start.
    fn try_hub(&self) -> Result<Hub, String> {
        let started = Hub::start_by(self.disk.command(&self.binary), &self.disk.inside(), &[]);
        started.map_err(|(exit, said)| {
            assert_eq!(exit.code(), Some(1), "{said}");
            assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
            assert!(said.contains("No space left") && said.trim().ends_with('.'), "{said}");
            // It is the disk that is full: advice about another file system helps nobody.
            assert!(!said.contains("..") && !said.contains("cannot rename"), "{said}");
            said
        })
    }

    /// Asks, and remembers what was heard. A hub that is gone fails the test with its last words.
    fn ask(&mut self, hub: &Hub, id: &str, ask: &Ask) -> Heard {
        let told = self.told.get_mut(id).expect("it was entered before");
        let asked = Session::open(hub.address(), &self.tokens)
            .and_then(|mut session| session.ask(id, &told.bytes, ask, || {}));
        let heard = asked.unwrap_or_else(|e| panic!("{ask:?} of {id}: {e}; the hub said:\n{}", hub.stderr()));
        told.asked.push(Asked { ask: ask.clone(), heard: heard.clone() });
        let counts = match &heard {
            Heard::Unknown => &mut self.unavailable,
            Heard::Done(..) => &mut self.done,
            Heard::Refused(reason) => panic!("{ask:?} of {id}: {reason}"),
        };
        let kind = match ask {
            Ask::Start => "start",
            Ask::Accept { .. } => "accept",
            Ask::Complete { .. } => "complete",
            Ask::Reject { .. } => "reject",
        };
        *counts.entry(kind).or_default() += 1;
        heard
    }

    /// Enters a new one. Half of them leave less of their last page than a line needs.
    fn enter(&mut self, id: &str) {
        let tight = self.chance.percent(50);
        let length = if tight { PAGE - 1 - self.chance.index(60) } else { 1000 + self.chance.index(6000) };
        self.told.insert(id.to_owned(), Told::new(id, artifact_of(id, soon(), length), false));
    }

    /// As many as there are before the disk is full: a quarter pending, claimed, completed, rejected.
    fn begin(&mut self, hub: &Hub) {
        for n in 0..BEFORE {
            let id = format!("before-{n}");
            self.enter(&id);
            let claim_id = format!("claim-{n}");
            let steps = match n % 4 {
                0 => vec![Ask::Start],
                1 => vec![Ask::Start, Ask::Accept { claim_id }],
                2 => vec![Ask::Start, Ask::Accept { claim_id }, complete(n)],
                _ => vec![Ask::Start, Ask::Reject { claim_id: None, reason: "no".to_owned() }],
            };
            for ask in steps {
                assert!(matches!(self.ask(hub, &id, &ask), Heard::Done(..)), "{ask:?}: the disk is empty");
            }
        }
        for n in 0..3 {
            let id = format!("short-{n}");
            let bytes = artifact_about(&id, now_ms() + 300, "it expires when the disk is full");
            self.told.insert(id.clone(), Told::new(&id, bytes, true));
            assert!(matches!(self.ask(hub, &id, &Ask::Start), Heard::Done(..)));
        }
    }

    /// Asks for more, of all kinds, while there is room for little, and for less, until nothing new can be started.
    fn work_until_full(&mut self, hub: &Hub, name: &str) {
        // Accepts and finishes first: each has a line to write, and room for it may be there or not.
        for n in 0..BEFORE / 2 {
            let n = 2 * n + usize::from(n % 2 == 1);
            self.forward(hub, &format!("before-{n}"), n);
            if self.chance.percent(50) {
                self.disk.give_a_little();
            }
        }
        let mut in_a_row = 0;
        for n in 0..MOST {
            let id = format!("{name}-{n}");
            self.enter(&id);
            in_a_row = match self.ask(hub, &id, &Ask::Start) {
                Heard::Unknown => in_a_row + 1,
                Heard::Done(..) | Heard::Refused(_) => 0,
            };
            if in_a_row == IN_A_ROW {
                return;
            }
        }
        panic!("{MOST} starts, and the disk is not full yet");
    }

    /// Asks for the next thing that could become of it.
    fn forward(&mut self, hub: &Hub, id: &str, n: usize) {
        let told = &self.told[id];
        let claimed = told.acknowledged().any(|(ask, ..)| matches!(ask, Ask::Accept { .. }));
        let over =
            told.acknowledged().any(|(ask, ..)| matches!(ask, Ask::Complete { .. } | Ask::Reject { .. }));
        if !over {
            let ask = if claimed { complete(n) } else { Ask::Accept { claim_id: format!("claim-{n}") } };
            self.ask(hub, id, &ask);
        }
    }

    /// Asks again what could not be done, with the same ids, until it is.
    fn ask_again(&mut self, hub: &Hub) {
        let open = self.told.iter().filter_map(|(id, told)| {
            let last = told.asked.last().filter(|asked| asked.heard == Heard::Unknown)?;
            Some((id.clone(), last.ask.clone()))
        });
        for (id, ask) in open.collect::<Vec<_>>() {
            let mut tries = 0..1000;
            while self.ask(hub, &id, &ask) == Heard::Unknown {
                assert!(tries.next().is_some(), "there is room, and still {ask:?} of {id} cannot be done");
            }
        }
    }

    /// Everything that was acknowledged is so.
    #[track_caller]
    fn nothing_is_lost(&mut self, hub: &Hub) {
        let Findings { losses, compared } =
            compare(self.told.values_mut().collect(), hub.address(), &self.tokens, &self.disk.seen());
        assert!(losses.is_empty(), "{}\nThe hub said:\n{}", losses.join("\n"), hub.stderr());
        assert!(compared > BEFORE, "{compared}");
    }

    /// What needs no room is answered as ever.
    fn is_up(&self, hub: &Hub) {
        assert_eq!(hub.request("", "GET", "/livez", b"").status, 200);
        let poll = hub.request(&self.tokens.alice, "GET", "/v1/handoffs/poll", b"");
        if poll.status != 503 {
            let (id, bytes) = polled(&poll).expect("some are pending");
            assert!(self.told[&id].bytes == bytes, "{id}");
        }
    }
}

fn complete(n: usize) -> Ask {
    Ask::Complete { claim_id: format!("claim-{n}"), result: json!({ "text": "y".repeat(n * 40) }) }
}

fn stays_up_and_goes_on(scarce: Scarce) {
    let Some(mut world) = World::new(scarce) else { return };
    let hub = world.hub();
    world.begin(&hub);
    world.done.clear();
    for round in 0..3 {
        world.disk.fill();
        world.work_until_full(&hub, &format!("full-{round}"));
        world.is_up(&hub);
        world.nothing_is_lost(&hub);
    }
    println!("on the full disk ({scarce:?}): 503: {:?}, done: {:?}", world.unavailable, world.done);
    world.disk.clear();
    world.ask_again(&hub);
    world.enter("after");
    assert!(matches!(world.ask(&hub, "after", &Ask::Start), Heard::Done(201, _)));
    world.nothing_is_lost(&hub);
    assert_eq!(hub.request("", "GET", "/readyz", b"").status, 200, "there is room, and it says so");
    let (exit, said) = hub.terminate();
    assert_eq!(exit.code(), Some(0), "{said}");
    let hub = world.hub();
    world.nothing_is_lost(&hub);
}

#[test]
fn on_a_full_disk_it_answers_503_and_loses_nothing_and_when_there_is_room_it_goes_on() {
    stays_up_and_goes_on(Scarce::Bytes);
}

#[test]
fn on_a_disk_that_takes_no_more_files_it_answers_503_and_loses_nothing_and_then_goes_on() {
    stays_up_and_goes_on(Scarce::Files);
}

#[test]
fn killed_on_a_full_disk_it_starts_or_says_why_not_and_loses_nothing() {
    for scarce in [Scarce::Bytes, Scarce::Files] {
        let Some(mut world) = World::new(scarce) else { return };
        let mut hub = world.hub();
        world.begin(&hub);
        for round in 0..4 {
            world.disk.fill();
            world.work_until_full(&hub, &format!("full-{round}"));
            hub.kill();
            world.disk.fill();
            hub = match world.try_hub() {
                Ok(hub) => hub,
                Err(said) => {
                    println!("on the full disk ({scarce:?}), round {round}: {said}");
                    world.disk.clear();
                    world.hub()
                }
            };
            world.is_up(&hub);
            world.nothing_is_lost(&hub);
        }
        world.disk.clear();
        world.ask_again(&hub);
        world.nothing_is_lost(&hub);
    }
}
