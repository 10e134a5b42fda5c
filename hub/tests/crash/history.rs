//! Histories: what is done to a hub, one step after the other, and where a crash may come.

use handoff_hub::disk::simulated::{Background, Crash, Image, Settings, SimulatedDisk};
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_hub::store::Slips;
use handoff_kernel::time::{Millis, Time};

use crate::world::{
    BEGIN, DEADLINE, NAMES, Setup, Told, World, accepting, artifact, claim, finishing, rejecting, starting,
};

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Start(&'static str),
    Accept(&'static str),
    AcceptAnonymously(&'static str),
    Complete(&'static str),
    Reject(&'static str),
    /// `a` times out, and the janitor comes.
    TimePasses,
    /// A same-host agent drops it.
    Drop(&'static str),
    /// A same-host agent claims it by a rename, and the hub notices.
    Rename(&'static str),
    /// Both in one batch: the next step of each.
    Together,
}

impl Step {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::TimePasses, Self::Together];
        for name in NAMES {
            all.extend([
                Self::Start(name),
                Self::Accept(name),
                Self::AcceptAnonymously(name),
                Self::Complete(name),
                Self::Reject(name),
                Self::Drop(name),
                Self::Rename(name),
            ]);
        }
        all
    }
}

/// A world in which some steps were taken: when the last of them ended, and what it said then.
pub(crate) struct Played {
    pub(crate) world: World,
    pub(crate) now: Time,
    /// What had been acknowledged before the last step, and what was after it.
    pub(crate) before: Told,
    pub(crate) after: Told,
}

/// A new data directory of one hub.
fn fresh(setup: Setup) -> SimulatedDisk {
    let background = Background::AfterPolls(1);
    SimulatedDisk::new(Settings { block_bytes: setup.block_bytes, background, ..Settings::default() })
}

fn now(step: usize, steps: &[Step]) -> Time {
    let late = steps[..=step].contains(&Step::TimePasses);
    let base = if late { BEGIN.plus(DEADLINE).plus(Millis(1)) } else { BEGIN };
    base.plus(Millis(10 * step as u64))
}

/// The disk's clock is behind: what is dated by it and not by the hub is seen to be.
const fn disk_clock(now: Time) -> Time {
    Time(now.0 - 3)
}

/// Takes one step. What the hub replies is no matter: it is what it says afterwards that is held against it.
fn take(world: &mut World, step: Step, told: &Told, now: Time) {
    world.clock.set(now);
    world.disk.set_now(disk_clock(now));
    let requests = match step {
        Step::Start(name) => vec![starting(name)],
        Step::Accept(name) => vec![accepting(name, claim(name))],
        Step::AcceptAnonymously(name) => vec![accepting(name, None)],
        Step::Complete(name) => vec![finishing(name, holder(told, name))],
        Step::Reject(name) => vec![rejecting(name, holder(told, name))],
        Step::TimePasses => vec![],
        Step::Together => {
            let next = |name| match &told.records[usize::from(name == "b")] {
                None => starting(name),
                Some(record) if record.claim().is_none() => accepting(name, claim(name)),
                Some(_) => finishing(name, holder(told, name)),
            };
            NAMES.map(next).to_vec()
        }
        Step::Drop(name) => {
            // What a same-host agent has not flushed is its own affair, until the hub has taken note of it.
            // Its time is: nobody else knows when it arrived.
            let neighbour = world.disk.clone();
            neighbour.set_now(now);
            let _ = neighbour.open("aside", Mode::New).and_then(|file| {
                file.write_all_at(0, &artifact(name))?;
                file.set_modified(now)?;
                neighbour.rename("aside", &format!("handoff/{name}.json"))
            });
            neighbour.set_now(disk_clock(now));
            vec![]
        }
        Step::Rename(name) => {
            let neighbour = world.disk.clone();
            let _ = neighbour.rename(&format!("handoff/{name}.json"), &format!("claimed/{name}.json"));
            vec![]
        }
    };
    // A hub that dies says nothing, or that it is down.
    let _ = world.ask(requests);
}

fn holder(told: &Told, name: &str) -> Option<handoff_kernel::ident::ClaimId> {
    told.records[usize::from(name == "b")]
        .as_ref()
        .and_then(|record| record.claim())
        .and_then(|claim| claim.id)
}

/// Takes these steps on a new disk.
///
/// # Errors
/// What the hub breaks without any crash.
pub(crate) fn play(steps: &[Step], setup: Setup) -> Result<Played, String> {
    let disk = fresh(setup);
    let mut world = World::open(&disk, BEGIN, setup).map_err(|error| error.to_string())?;
    let mut after = world.told()?;
    let mut before = after.clone();
    let mut last = BEGIN;
    for (n, step) in steps.iter().enumerate() {
        last = now(n, steps);
        take(&mut world, *step, &after, last);
        before = std::mem::replace(&mut after, world.told()?);
    }
    Ok(Played { world, now: last, before, after })
}

/// Takes these steps, and dies in the last one, before its operation of this number; or right after it.
pub(crate) fn die(steps: &[Step], setup: Setup, operation: u64) -> Result<(Crash, bool), String> {
    let (last, earlier) = steps.split_last().unwrap();
    let Played { mut world, after, .. } = play(earlier, setup)?;
    let begun = world.disk.operations();
    world.disk.crash_at(begun + operation);
    take(&mut world, *last, &after, now(earlier.len(), steps));
    // An operation that was never asked for: the step has ended, and its answer is out.
    let ended = !world.disk.is_dead();
    Ok((world.disk.power_cut(), ended))
}

/// What a recovery came to: what the hub says after it.
pub(crate) type Recovered = Result<Told, String>;

/// A hub starts on what a crash has left.
pub(crate) fn recover(image: &Image, now: Time, setup: Setup) -> Recovered {
    let disk = image.disk();
    disk.set_now(disk_clock(now));
    let mut world = World::open(&disk, now, setup).map_err(|error| format!("it does not start: {error}"))?;
    // What same-host agents did is written with the first commit.
    world.ask(vec![]).map_err(|down| down.to_string())?;
    let told = world.told()?;
    world.is_sound(&told)?;
    Ok(told)
}

/// The same, and it dies before its operation of this number; or right after the last one.
pub(crate) fn die_recovering(image: &Image, now: Time, setup: Setup, operation: u64) -> (Crash, bool) {
    let disk = image.disk();
    disk.set_now(disk_clock(now));
    disk.crash_at(operation);
    if let Ok(mut world) = World::open(&disk, now, setup) {
        let _ = world.ask(vec![]);
    }
    (disk.power_cut(), !disk.is_dead())
}

/// The histories of so many commands in which every step changes something. The two handoffs are alike but for their
/// length and their deadline, and each may come first. Two at once are two commands.
pub(crate) fn histories(commands: usize, setup: Setup) -> Vec<Vec<Step>> {
    let mut all = vec![vec![]];
    for _ in 0..commands {
        let longer = |history: &Vec<Step>| {
            let history = history.clone();
            Step::all().into_iter().filter_map(move |step| {
                let steps: Vec<Step> = history.iter().copied().chain([step]).collect();
                // What a hub that slips makes of it is no matter here.
                let setup = Setup { slips: Slips::NONE, ..setup };
                let played = (size(&steps) <= commands).then(|| play(&steps, setup).unwrap())?;
                (played.before != played.after).then_some(steps)
            })
        };
        let next: Vec<_> = all.iter().flat_map(longer).collect();
        all = all.into_iter().filter(|steps| size(steps) == commands).chain(next).collect();
    }
    all.retain(|steps| size(steps) == commands);
    all.sort();
    all.dedup();
    all
}

/// How many commands a history is.
fn size(steps: &[Step]) -> usize {
    steps.iter().map(|step| if *step == Step::Together { 2 } else { 1 }).sum()
}
