//! Deeds: what same-host agents do to the files of a data directory, as a trace of the simulator tells it.
//!
//! A real hub takes note of a deed as soon as it looks, and that is made to be at once; the trace's hub does so at its
//! next turn, and maybe by a later clock. So a rename is played where the trace has it, for its file is away from then on;
//! and a file that is dropped where the trace's hub finds it, for until then nobody there is shown it, unless somebody
//! moves it before, or it is dropped while no hub runs.

use std::collections::BTreeMap;

use handoff_spec::trace::{Artifact, Ask, Event, Trace};

use super::script::{AT, Act, BEFORE, Cue, Place};
use crate::directory::surroundings::{CAME_TO, NOTHING};
use crate::plan;

/// The word of a drop.
pub(super) const DROPS: &str = "drops";

/// The words of a trace that are about deeds.
pub(super) const WORDS: [&str; 6] = [DROPS, "arrives", "claims", "completes", "rejects", "deletes_log"];

/// By such a rename, a same-host agent moves a file on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moves {
    /// From `handoff/` to `claimed/`.
    Claims,
    /// From `handoff/`, or from `claimed/`, if it was claimed anonymously, to `archive/`.
    Completes,
    /// From `handoff/`, or from there, to `rejected/`.
    Rejects,
}

/// Where a file lies that a same-host agent may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    /// In `handoff/`.
    Pending,
    /// In `claimed/`, and nobody's name is on the claim.
    Anonymous,
}

impl Moves {
    /// Whether it is a move of a file that lies there.
    pub(super) const fn takes(self, lies: Option<Lies>) -> bool {
        match (self, lies) {
            (_, Some(Lies::Pending)) | (Self::Completes | Self::Rejects, Some(Lies::Anonymous)) => true,
            (Self::Claims, Some(Lies::Anonymous)) | (_, None) => false,
        }
    }

    /// Where it lies then, for the next one.
    pub(super) const fn leads_to(self) -> Option<Lies> {
        match self {
            Self::Claims => Some(Lies::Anonymous),
            Self::Completes | Self::Rejects => None,
        }
    }
}

/// What a same-host agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// It drops an artifact into `handoff/`, in a file that says when it was written.
    Drops {
        /// What is in it.
        artifact: Artifact,
        /// When it was dropped, by the trace's true time.
        at: u64,
        /// The file says that it was written so many milliseconds before.
        before: u64,
    },
    /// It moves the file of a handoff.
    Moves {
        /// Along which arrow.
        along: Moves,
        /// Which handoff's.
        handoff: String,
        /// By which clock the trace's hub took note of it, if it says.
        noted: Option<u64>,
    },
    /// It deletes the event log, if no hub runs.
    DeletesLog,
}

/// A file that was dropped, and that the trace's hub has not found yet.
struct Dropped {
    artifact: Artifact,
    at: u64,
}

/// Each deed that came to something, in its place; how many did not is told.
pub(super) fn cues(
    trace: &Trace,
    left_out: &mut BTreeMap<&'static str, u64>,
) -> Result<Vec<(Place, Cue)>, String> {
    let mut reader = Reader { epsilon: epsilon(trace)?, ..Reader::default() };
    for (at, line) in (2..).zip(&trace.lines) {
        reader.line(at, line.time, line.clock, &line.event).map_err(|why| format!("line {at}: {why}"))?;
    }
    if reader.failed > 0 {
        left_out.insert("what a same-host agent would have done came to nothing", reader.failed);
    }
    Ok(reader.cues)
}

/// How far a clock of the trace is from true time at the most.
fn epsilon(trace: &Trace) -> Result<u64, String> {
    let set_up = trace.lines.iter().find_map(|line| {
        let Event::Tells { does, with } = &line.event else { return None };
        with.get("epsilon").filter(|_| does == "is_set_up")
    });
    set_up.map_or(Ok(0), |text| text.parse().map_err(|_| format!("epsilon is {text:?}, which is no number")))
}

#[derive(Default)]
struct Reader {
    epsilon: u64,
    is_down: bool,
    dropped: BTreeMap<String, Dropped>,
    /// Moves that the trace's hub has not taken note of yet, by where their cues are.
    unnoted: BTreeMap<(String, Moves), usize>,
    /// How many moves found no file.
    failed: u64,
    cues: Vec<(Place, Cue)>,
}

impl Reader {
    fn line(&mut self, at: usize, time: u64, clock: Option<u64>, event: &Event) -> Result<(), String> {
        if let Event::Crashes { .. } = event {
            self.is_down = true;
        } else if *event == Event::Restarts {
            self.is_down = false;
        } else if let Event::Tells { does, with } = event {
            return self.tells(at, time, clock, does, with);
        } else if let Event::Begins { handoff, command, asker: None, .. } = event {
            let along = match command {
                Ask::Accept { .. } => Moves::Claims,
                Ask::Complete { .. } => Moves::Completes,
                Ask::Reject { .. } => Moves::Rejects,
                Ask::Start { .. } | Ask::Sweep => return Ok(()),
            };
            let moved = self.unnoted.remove(&(handoff.clone(), along));
            if let Some((_, cue)) = moved.and_then(|moved| self.cues.get_mut(moved))
                && let Act::Deed(deed) = &mut cue.act
                && let Deed::Moves { noted, .. } = &mut **deed
            {
                *noted = Some(clock.unwrap_or(time));
            }
        }
        Ok(())
    }

    fn tells(
        &mut self,
        at: usize,
        time: u64,
        clock: Option<u64>,
        does: &str,
        with: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        if with.get(CAME_TO).is_some_and(|came_to| came_to == NOTHING) {
            self.failed += 1;
            return Ok(());
        }
        let handoff = || with.get("handoff").cloned().ok_or_else(|| format!("{does} what is not told"));
        // No clock of the trace's host is behind this.
        let clock = clock.unwrap_or_else(|| time.saturating_sub(self.epsilon));
        let along = match does {
            DROPS => {
                let artifact = plan::dropped(with)?;
                let handoff = artifact.handoff.clone();
                self.dropped.insert(handoff.clone(), Dropped { artifact, at: time });
                if self.is_down {
                    self.lands(&handoff, (at, AT, at), clock);
                }
                return Ok(());
            }
            "arrives" => {
                self.lands(&handoff()?, (at, AT, at), clock);
                return Ok(());
            }
            "deletes_log" => {
                self.cue((at, AT, at), clock, Deed::DeletesLog);
                return Ok(());
            }
            "claims" => Moves::Claims,
            "completes" => Moves::Completes,
            "rejects" => Moves::Rejects,
            _ => return Ok(()),
        };
        let handoff = handoff()?;
        self.lands(&handoff, (at, BEFORE, at), clock);
        self.unnoted.insert((handoff.clone(), along), self.cues.len());
        self.cue((at, AT, at), clock, Deed::Moves { along, handoff, noted: None });
        Ok(())
    }

    /// A file that was dropped, if one was and has not been played, is there from here on.
    fn lands(&mut self, handoff: &str, place: Place, clock: u64) {
        if let Some(Dropped { artifact, at }) = self.dropped.remove(handoff) {
            // As the simulator dates it: no clock of its machine is ever before that.
            let before = 2 * self.epsilon + 1;
            self.cue(place, clock, Deed::Drops { artifact, at, before });
        }
    }

    fn cue(&mut self, place: Place, clock: u64, deed: Deed) {
        let (line, ..) = place;
        self.cues.push((place, Cue { line, clock: Some(clock), act: Act::Deed(Box::new(deed)) }));
    }
}
