//! Lives a trace of the bootstrap through again, on the machine that ships.
//!
//! Only what chance decided is taken from the trace: what the client leaves, who begins, dies and is served, and the
//! fate of each effect. All else, what is asked for, what the disk says, how it ends, is worked out anew and must be
//! told alike, word for word.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::bootstrap::{Contents, Session};
use handoff_kernel::history::{Broken, ConsumedOnce};
use handoff_kernel::testing::small::Small;
use handoff_kernel::testing::variant::Variant;
use handoff_kernel::time::{Millis, Time};

use super::attempt::Attempt;
use super::disk::{Disk, Fate};
use super::tell;
use crate::model::Story;
use crate::replay::law;
use crate::trace::{Event, Kind, Line, Trace};

/// Replays it.
///
/// # Errors
/// Where it is not what happens, or that its end does not show what its header says.
pub fn replay(trace: &Trace) -> Result<(), String> {
    if trace.header.model != "bootstrap" {
        return Err(format!("a trace of the model {}, not of bootstrap", trace.header.model));
    }
    let law = law(&trace.header.law)?;
    let window = trace.header.configuration.split(' ').find_map(|word| word.strip_prefix("window="));
    let window = window.and_then(|ticks| ticks.parse().ok()).map(Millis);
    let mut world = World::new(law, window.ok_or("the configuration names no window")?);
    world.fresh_names = !trace.header.configuration.split(' ').any(|word| word == "names=reused");
    let (mut told, mut step) = (trace.lines.as_slice(), 1);
    while let Some(first) = told.first() {
        if first.step != step {
            return Err(format!("step {}: step {step} should come here", first.step));
        }
        if let Some(broken) = world.broken {
            return Err(format!("step {}: it goes on after it broke {broken}", first.step));
        }
        let mut story = Story::open();
        world.live(first, &mut story).map_err(|why| format!("step {}: {why}", first.step))?;
        let happens: Vec<_> =
            story.lines().into_iter().map(|line| Line { step: first.step, ..line }).collect();
        let (now, rest) = told.split_at(happens.len().min(told.len()));
        if now != happens {
            let show = |lines: &[Line]| lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Err(format!("step {}: told {}, but it is {}", first.step, show(now), show(&happens)));
        }
        step += 1;
        told = rest;
    }
    let shown = world.broken.map(|broken| format!("{:?}", broken.rule));
    match (trace.header.kind, shown) {
        (Kind::Counterexample, Some(rule)) if rule == trace.header.rule => Ok(()),
        (Kind::Witness, None) => Ok(()),
        (Kind::Counterexample | Kind::Witness, Some(rule)) => Err(format!("it breaks {rule}")),
        (Kind::Counterexample, None) => Err("it breaks nothing".to_owned()),
        (Kind::Lasso, _) => Err("nothing here goes round for ever".to_owned()),
    }
}

struct World {
    law: Variant,
    window: Millis,
    fresh_names: bool,
    now: Time,
    disk: Disk,
    /// Who lives, and is at it unless it is over.
    sessions: BTreeMap<String, Option<Attempt<Variant>>>,
    /// Every name that a session ever had.
    names: BTreeSet<String>,
    checker: ConsumedOnce<Small>,
    broken: Option<Broken>,
}

impl World {
    fn new(law: Variant, window: Millis) -> Self {
        Self {
            law,
            window,
            fresh_names: true,
            now: Time(0),
            disk: Disk::default(),
            sessions: BTreeMap::new(),
            names: BTreeSet::new(),
            checker: ConsumedOnce::default(),
            broken: None,
        }
    }

    /// Does what the line begins to tell, and tells it in its own words.
    fn live(&mut self, line: &Line, story: &mut Story) -> Result<(), String> {
        if line.event == Event::Ticks {
            self.now = self.now.plus(Millis(1));
            story.tell(|| tell::ticks(self.now));
            return Ok(());
        }
        let Event::Tells { does, with } = &line.event else {
            return Err(format!("this is not told of bootstraps: {}", line.event));
        };
        let get = |name: &str| with.get(name).ok_or_else(|| format!("{does} without {name}"));
        match does.as_str() {
            "leaves" => {
                let contents = match get("contents")?.as_str() {
                    "dated" => {
                        let at = get("accepted_at")?.parse();
                        Contents::Dated(Time(at.map_err(|error| format!("accepted_at: {error}"))?))
                    }
                    "undated" => Contents::Undated,
                    "malformed" => Contents::Malformed,
                    other => return Err(format!("contents {other}")),
                };
                if !self.disk.leave(contents) {
                    return Err("one is left there already".to_owned());
                }
                story.tell(|| tell::leaves(self.now, contents));
            }
            "begins" => {
                let name = line.host.strip_prefix("session ").and_then(|n| n.parse().ok());
                let session = Session(name.ok_or_else(|| format!("{} is no session", line.host))?);
                let attempt = Attempt::begin(self.law, session, self.window, self.now, story);
                let used = !self.names.insert(line.host.clone());
                let lives = self.sessions.insert(line.host.clone(), Some(attempt)).is_some();
                if lives || (used && self.fresh_names) {
                    return Err(format!("there was a {} before", line.host));
                }
            }
            "dies" => {
                let name = line.host.strip_prefix("session ").and_then(|n| n.parse().ok());
                let session = name.filter(|_| self.sessions.remove(&line.host).is_some());
                let session = Session(session.ok_or_else(|| format!("there is no {}", line.host))?);
                story.tell(|| tell::line(self.now, session, "dies", []));
            }
            "follows" => {
                let (from, to) = (get("from")?, get("to")?);
                let asked = self
                    .disk
                    .late()
                    .find(|late| late.from.to_string() == *from && late.to.to_string() == *to);
                let late = asked.ok_or("nobody waits for that rename")?;
                let took_effect = self.disk.follow(late);
                story.tell(|| tell::follows(self.now, late, took_effect));
            }
            _ => {
                let fate = get("fate")?;
                let fate = Fate::ALL.into_iter().find(|known| known.name() == fate);
                let fate = fate.ok_or_else(|| format!("{does} has no such fate"))?;
                let attempt = self.sessions.insert(line.host.clone(), None).flatten();
                let attempt = attempt.ok_or_else(|| format!("{} is not at it", line.host))?;
                match attempt.go_on(&mut self.disk, fate, self.now, story) {
                    Ok(attempt) => {
                        self.sessions.insert(line.host.clone(), Some(attempt));
                    }
                    Err((attempt, done)) => self.broken = attempt.judge(done, &mut self.checker).err(),
                }
            }
        }
        Ok(())
    }
}
