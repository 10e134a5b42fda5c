//! Kills: the hub that ships is killed at random moments under load, again and again, on one data directory, and
//! every acknowledgement is held against what is served after.
//!
//! The draws are of one seed, which is printed; `KILLS_SEED=N` draws them again. The threads' turns are the machine's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::support::ambient::{now_ms, steady};
use crate::support::artifacts::{artifact_about, artifact_with_a_short_claim, soon};
use crate::support::chance::Chance;
use crate::support::history::{Ask, Asked, Heard, Told};
use crate::support::hub::{Hub, shipped, token};
use crate::support::session::{Session, Tokens};
use crate::support::witness::{Findings, compare, polled};

const KILLS: usize = 200;
const CLIENTS: usize = 6;

/// After each restart those are looked at that were touched in so many rounds; at the end all of them are.
const ROUNDS_LOOKED_AT: usize = 3;

/// So many handoffs are worked on; others stay as they are, pending or claimed, for all that comes.
const OPEN: usize = 120;

/// What a client tells whoever kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// A question is on its way.
    Sent,
    /// A command was acknowledged.
    Acknowledged,
}

/// What all clients know.
#[derive(Debug, Default)]
struct World {
    round: usize,
    told: BTreeMap<String, Told>,
    /// The round in which each was last asked about.
    touched: BTreeMap<String, usize>,
    /// Started, and perhaps not claimed.
    pending: Vec<String>,
    /// Claimed under this, and perhaps not finished.
    claimed: Vec<(String, String)>,
    /// Questions that nobody heard the answer of, to be asked again.
    unknown: Vec<(String, Ask)>,
    /// How many of each kind of question were acknowledged.
    acknowledged: BTreeMap<&'static str, usize>,
    unknowns: usize,
    refused: usize,
    polls: usize,
}

/// One client of one round.
struct Client<'a> {
    world: &'a Mutex<World>,
    session: Session<'a>,
    chance: Chance,
    progress: Sender<Progress>,
    /// For names that nobody else gives.
    name: String,
    made: usize,
}

/// The connection died: the round is over.
struct Died;

fn tell(progress: &Sender<Progress>, what: Progress) {
    // When nobody listens any more, the hub is dead, or about to be.
    let _ = progress.send(what);
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    // Another client's panic is reported by that client.
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client<'_> {
    fn work(mut self) {
        while self.step().is_ok() {}
    }

    fn step(&mut self) -> Result<(), Died> {
        let again = lock(self.world).unknown.pop();
        if let Some((id, ask)) = again {
            // Some are never asked again: what became of them must stay as it is all the same.
            return if self.chance.percent(75) { self.ask(&id, ask) } else { Ok(()) };
        }
        match self.chance.below(100) {
            0..30 => self.start(),
            30..38 => self.poll(),
            38..66 => self.accept(),
            66..90 => self.finish(),
            _ => self.decline(),
        }
    }

    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }

    fn start(&mut self) -> Result<(), Died> {
        let id = self.fresh();
        let may_expire = self.chance.percent(6);
        let expires = if may_expire { now_ms() + 30 + self.chance.below(800) } else { soon() };
        let length = if self.chance.percent(3) { 100_000 } else { self.chance.below(3000) };
        let about = "é".repeat(usize::try_from(length / 2).expect("it is small"));
        let lapses = self.chance.percent(6);
        let bytes = if lapses { artifact_with_a_short_claim } else { artifact_about }(&id, expires, &about);
        lock(self.world).told.insert(id.clone(), Told::new(&id, bytes, may_expire || lapses));
        self.ask(&id, Ask::Start)
    }

    fn poll(&mut self) -> Result<(), Died> {
        let progress = &self.progress;
        let response = self.session.get("/v1/handoffs/poll", || tell(progress, Progress::Sent));
        let response = response.map_err(|_| Died)?;
        let mut world = lock(self.world);
        world.polls += 1;
        if let Some((id, bytes)) = polled(&response) {
            let told = world.told.get_mut(&id).unwrap_or_else(|| panic!("nobody started {id}"));
            assert!(told.bytes == bytes, "a poll shows other bytes of {id}");
            told.polled = true;
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), Died> {
        let claim_id = self.fresh();
        // Another client may have the same one in hand: at most one of the two may win.
        let Some(id) = self.pending(30) else { return self.start() };
        self.ask(&id, Ask::Accept { claim_id })
    }

    fn decline(&mut self) -> Result<(), Died> {
        let Some(id) = self.pending(10) else { return self.start() };
        self.ask(&id, Ask::Reject { claim_id: None, reason: format!("too much to do, says {}", self.name) })
    }

    fn finish(&mut self) -> Result<(), Died> {
        let held = {
            let mut world = lock(self.world);
            let at = self.chance.index(world.claimed.len());
            let some = !world.claimed.is_empty();
            some.then(|| {
                if self.chance.percent(10) {
                    world.claimed[at].clone()
                } else {
                    world.claimed.swap_remove(at)
                }
            })
        };
        let Some((id, claim_id)) = held else { return self.accept() };
        let n = self.fresh();
        let ask = if self.chance.percent(75) {
            Ask::Complete {
                claim_id,
                result: json!({ "n": n, "text": "d\u{e9}j\u{e0} vu".repeat(self.chance.index(30)) }),
            }
        } else {
            Ask::Reject { claim_id: Some(claim_id), reason: format!("it cannot be done: {n}") }
        };
        self.ask(&id, ask)
    }

    /// One that is perhaps pending. It stays in the hat so many times in a hundred.
    fn pending(&mut self, stays: u64) -> Option<String> {
        let mut world = lock(self.world);
        if world.pending.is_empty() {
            return None;
        }
        let at = self.chance.index(world.pending.len());
        Some(if self.chance.percent(stays) {
            world.pending[at].clone()
        } else {
            world.pending.swap_remove(at)
        })
    }

    /// Asks, and remembers what was asked before it is on its way, and what was heard.
    fn ask(&mut self, id: &str, ask: Ask) -> Result<(), Died> {
        let (n, bytes) = {
            let mut world = lock(self.world);
            let round = world.round;
            world.touched.insert(id.to_owned(), round);
            let told = world.told.get_mut(id).expect("only what was started is asked about");
            told.asked.push(Asked { ask: ask.clone(), heard: Heard::Unknown });
            (told.asked.len() - 1, if ask == Ask::Start { told.bytes.clone() } else { Vec::new() })
        };
        let progress = &self.progress;
        let heard = self.session.ask(id, &bytes, &ask, || tell(progress, Progress::Sent));
        let mut world = lock(self.world);
        let Ok(heard) = heard else {
            world.unknowns += 1;
            world.unknown.push((id.to_owned(), ask));
            return Err(Died);
        };
        match &heard {
            Heard::Unknown => panic!("{ask:?} of {id}: a 503, and nothing is wrong with the disk"),
            Heard::Refused(_) => world.refused += 1,
            Heard::Done(..) => {
                // A deadline comes to pass only where nobody is faster.
                let left_alone = world.told[id].may_expire && self.chance.percent(50);
                let kind = match &ask {
                    Ask::Start => {
                        if !left_alone {
                            world.pending.push(id.to_owned());
                        }
                        "start"
                    }
                    Ask::Accept { claim_id } => {
                        if !left_alone {
                            world.claimed.push((id.to_owned(), claim_id.clone()));
                        }
                        "accept"
                    }
                    Ask::Complete { .. } => "complete",
                    Ask::Reject { .. } => "reject",
                };
                *world.acknowledged.entry(kind).or_default() += 1;
                tell(&self.progress, Progress::Acknowledged);
            }
        }
        world.told.get_mut(id).expect("it was there before").asked[n].heard = heard;
        Ok(())
    }
}

/// Lets the clients work until the drawn moment has come, and kills the hub.
fn one_round(hub: Hub, world: &Mutex<World>, tokens: &Tokens, chance: &mut Chance) {
    let address = hub.address();
    let (progress, heard) = mpsc::channel();
    // After so many, of this kind, and so long after that.
    let most = if chance.percent(20) { 8 } else { 90 };
    let count = 1 + chance.below(most);
    let of = if chance.percent(50) { Progress::Sent } else { Progress::Acknowledged };
    let linger = Duration::from_micros(if chance.percent(40) { 0 } else { chance.below(3000) });
    let round = lock(world).round;
    std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (chance, progress) = (chance.fork(), progress.clone());
            scope.spawn(move || {
                // The kill may have come before this one had connected.
                let Ok(session) = Session::open(address, tokens) else { return };
                let name = format!("r{round}c{n}");
                Client { world, session, chance, progress, name, made: 0 }.work();
            });
        }
        drop(progress);
        let mut left = count;
        while left > 0 {
            let progress = heard.recv().expect("the clients work until the hub is killed");
            left -= u64::from(progress == of);
        }
        pass(linger);
        hub.kill();
    });
}

/// Lets so much time pass. Nothing is waited for here: the moment itself is what is drawn.
fn pass(time: Duration) {
    let (_nobody_sends, never) = mpsc::channel::<()>();
    let heard = never.recv_timeout(time);
    assert_eq!(heard, Err(RecvTimeoutError::Timeout));
}

/// Kills a hub that is still starting, at a drawn moment: while it takes the lock, redoes the journal, lists, listens.
fn killed_at_its_start(binary: &Path, data: &Path, chance: &mut Chance) {
    let mut child = Command::new(binary)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the hub's binary runs");
    pass(Duration::from_micros(chance.below(12_000)));
    child.kill().and_then(|()| child.wait()).expect("it runs until it is killed");
}

fn look(world: &mut World, address: SocketAddr, tokens: &Tokens, data: &Path, rounds: usize) -> Findings {
    let since = world.round.saturating_sub(rounds);
    let touched = &world.touched;
    let looked_at =
        world.told.values_mut().filter(|told| touched.get(&told.id).is_some_and(|round| *round >= since));
    compare(looked_at.collect(), address, tokens, data)
}

#[test]
fn of_two_hundred_kills_under_load_none_loses_or_changes_what_was_acknowledged() {
    let binary = shipped();
    let seed = Chance::seed("KILLS_SEED");
    println!("KILLS_SEED={seed}");
    let begun = steady();
    let mut chance = Chance::of(seed);
    let dir = crate::support::temp_dir();
    let [bob, alice] = ["bob", "alice"].map(|name| token(&binary, dir.path(), name));
    let tokens = Tokens { bob, alice };
    let world = Mutex::new(World::default());
    let (mut in_flight, mut at_start, mut compared) = (0, 0, 0);
    let mut hub = Hub::start(&binary, dir.path(), &[]);
    for kill in 1..=KILLS {
        let before = lock(&world).unknowns;
        one_round(hub, &world, &tokens, &mut chance);
        while chance.percent(20) {
            killed_at_its_start(&binary, dir.path(), &mut chance);
            at_start += 1;
        }
        hub = Hub::start(&binary, dir.path(), &[]);
        let mut world = lock(&world);
        in_flight += usize::from(world.unknowns > before);
        let found = look(&mut world, hub.address(), &tokens, dir.path(), ROUNDS_LOOKED_AT);
        assert!(found.losses.is_empty(), "after kill {kill} of seed {seed}:\n{}", found.losses.join("\n"));
        compared += found.compared;
        // What is dropped here stays pending or claimed to the end.
        for _ in OPEN..world.pending.len() {
            let at = chance.index(world.pending.len());
            world.pending.swap_remove(at);
        }
        for _ in OPEN..world.claimed.len() {
            let at = chance.index(world.claimed.len());
            world.claimed.swap_remove(at);
        }
        world.round = kill;
    }
    let mut world = lock(&world);
    let found = look(&mut world, hub.address(), &tokens, dir.path(), KILLS);
    assert!(found.losses.is_empty(), "at the end, of seed {seed}:\n{}", found.losses.join("\n"));
    println!(
        "{KILLS} kills, {in_flight} of them with a question in flight, and {at_start} while starting; {} outcomes unknown at first; acknowledged: {:?}, \
         refused: {}, polls: {}; {} handoffs; {compared} acknowledgements compared on the way and {} at the end; as they \
         are now: {:?}; {:?}",
        world.unknowns,
        world.acknowledged,
        world.refused,
        world.polls,
        world.told.len(),
        found.compared,
        statuses(&world),
        steady().duration_since(begun),
    );
    assert!(in_flight * 2 > KILLS, "only {in_flight} of {KILLS} kills found a question in flight");
    for kind in ["start", "accept", "complete", "reject"] {
        assert!(
            world.acknowledged.get(kind).is_some_and(|n| *n > KILLS),
            "too few: {:?}",
            world.acknowledged
        );
    }
    for status in
        ["pending", "claimed", "completed", "rejected declined", "rejected expired", "rejected claim_expired"]
    {
        assert!(statuses(&world).contains_key(status), "none is {status}: {:?}", statuses(&world));
    }
}

/// How many there are of each status, as a GET showed them last.
fn statuses(world: &World) -> BTreeMap<String, usize> {
    let mut statuses = BTreeMap::new();
    for seen in world.told.values().filter_map(|told| told.seen.as_ref()) {
        let word = |field: &str| seen[field].as_str().map(str::to_owned);
        let status: Vec<_> = [word("status"), word("cause")].into_iter().flatten().collect();
        *statuses.entry(status.join(" ")).or_default() += 1;
    }
    statuses
}
