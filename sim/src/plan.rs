//! Plans: what was done to the hubs of a run, and when, read from its trace; to be done again, whole or in part.
//!
//! Of a trace's lines some are acts, and the others are what came of them. What clients still wanted to know when
//! faults stopped stands there too; all that comes behind that is the finale's, which needs nothing else to be held
//! again.

use handoff_kernel::ident::AgentId;
use handoff_kernel::time::Millis;
use handoff_spec::trace::{Artifact, EffectKind, Event, Line, OutcomeKind, Trace};

use crate::act::{Act, Asked, Death, Deed, Fate, Hubs, Ill, Setup, Trouble, Words, needed};
use crate::cast::{self, Cast};
use crate::demand::Demand;
use crate::finale::{self, Open};
use crate::run::{SET_UP, Watchers};
use crate::story::{MODEL, tells};
use crate::text;

/// No poll of a trace waits for longer, in milliseconds: a day.
const LONGEST_WAIT: u64 = 24 * 3_600_000;

/// The word by which a trace says that a client still waits for a poll or a read; a command that it still asks is told
/// as what it sends.
const STILL_ASKS: &str = "still_asks";

/// One act of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// When, in milliseconds of true time.
    pub at: u64,
    /// What. Operations go by the numbers that they had in the trace, whatever they are when it is done again.
    pub act: Act,
    /// The operation that came of it in the trace, of several hubs: by this number later acts mean it.
    pub began: Option<u32>,
}

/// What is done in a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How the world is set up.
    pub setup: Setup,
    /// The name of the law that its hubs decide by.
    pub law: String,
    /// What is done to the hubs, in order.
    pub acts: Vec<Doing>,
    /// What clients still want to know when faults stop.
    pub open: Vec<Open>,
    /// When faults stop, and the finale begins; none when the run ends before.
    pub faults_stop: Option<u64>,
    /// The artifacts that are spoken of.
    pub cast: Cast,
}

impl Plan {
    /// What was done in the run that this trace tells of.
    ///
    /// # Errors
    /// Which line is none of a simulator's trace, counted from 1 as in its file, and why.
    pub fn read(trace: &Trace, cast: &Cast) -> Result<Self, String> {
        let model = &trace.header.model;
        if model != MODEL {
            return Err(format!(
                "this trace is of the model {model:?}, and not of the simulator: `handoff-spec trace FILE` lives it \
                 through again"
            ));
        }
        // The first line of the file is the header.
        let mut lines = (2..).zip(&trace.lines);
        let setup = match lines.next().map(|(_, line)| &line.event) {
            Some(Event::Tells { does, with }) if does == SET_UP => {
                Setup::read(with).map_err(|why| format!("line 2: {why}"))?
            }
            _ => return Err(format!("line 2: a trace of the simulator begins with {SET_UP:?}")),
        };
        let mut plan = Self {
            setup,
            law: trace.header.law.clone(),
            acts: Vec::new(),
            open: Vec::new(),
            faults_stop: None,
            cast: cast.clone(),
        };
        for (number, line) in lines {
            if finale::begins(line) {
                plan.faults_stop = Some(line.time);
                break;
            }
            plan.take(line).map_err(|why| format!("line {number}: {why}"))?;
        }
        Ok(plan)
    }

    fn take(&mut self, line: &Line) -> Result<(), String> {
        let several = self.setup.hubs != Hubs::Directory;
        let mut began = None;
        let act = match &line.event {
            Event::Begins { operation, handoff, command, asker: Some(asker) } => {
                began = several.then_some(*operation);
                let command = text::command(&self.cast, command)?;
                let demand = Demand::Command { handoff: cast::handoff(handoff)?, command };
                let client = index(&asker.client, "client")?;
                self.ask(index(&line.host, "hub")?, client, cast::agent(&asker.agent)?, demand)
            }
            Event::Begins { operation, handoff, asker: None, .. } if several => {
                began = Some(*operation);
                Act::Sweep { hub: index(&line.host, "hub")?, handoff: cast::handoff(handoff)? }
            }
            Event::Effect { operation, effect, outcome, took_effect, may_follow, held, .. } if several => {
                let fate = fate(*effect, *outcome, *took_effect, *may_follow);
                Act::Effect { operation: *operation, fate, held: *held }
            }
            Event::Hears { operation } if several => Act::Hear { operation: *operation },
            Event::Follows { operation, .. } if several => Act::Follow { operation: *operation },
            Event::Crashes { .. } if several => {
                Act::Die { hub: index(&line.host, "hub")?, death: Death::Killed }
            }
            Event::Restarts => Act::Restart { hub: index(&line.host, "hub")? },
            Event::ClockSteps { ahead } => Act::SetClock { hub: index(&line.host, "hub")?, ahead: *ahead },
            Event::Sends { handoff, command } => {
                let handoff = cast::handoff(handoff)?;
                let command = text::command(&self.cast, command)?;
                let agent = *command.actor().ok_or("no client asks for a sweep")?;
                let demand = Demand::Command { handoff, command };
                self.open.push(Open { client: index(&line.host, "client")?, agent, demand });
                return Ok(());
            }
            Event::Tells { does, with } => match self.word(line, does, with)? {
                Some(act) => act,
                None => return Ok(()),
            },
            // What comes of acts.
            Event::Begins { .. }
            | Event::Effect { .. }
            | Event::Follows { .. }
            | Event::Crashes { .. }
            | Event::Answers { .. }
            | Event::Polls { .. }
            | Event::Prunes { .. }
            | Event::Logs { .. } => return Ok(()),
            Event::Hears { .. }
            | Event::Receives { .. }
            | Event::Loses { .. }
            | Event::CutOff { .. }
            | Event::Ticks
            | Event::SharedClock { .. }
            | Event::Renews { .. }
            | Event::Forgets { .. } => {
                return Err(format!("nothing in such a run is told by \"{}\"", line.event));
            }
        };
        self.acts.push(Doing { at: line.time, act, began });
        Ok(())
    }

    fn ask(&self, hub: usize, client: usize, agent: AgentId, demand: Demand) -> Act {
        let request = self.acts.len() as u64 + 1;
        Act::Ask(Box::new(Asked { hub, client, agent, request, demand }))
    }

    /// The act that a word of the simulator's own tells; none where it tells what came of one, or what is no act.
    fn word(&mut self, line: &Line, does: &str, with: &Words) -> Result<Option<Act>, String> {
        let own = || index(&line.host, "hub");
        let named = || cast::handoff(&needed::<String>(with, "handoff")?);
        let agent = || cast::agent(&needed::<String>(with, "agent")?);
        let poll = || {
            let wait = needed(with, "wait")?;
            if wait > LONGEST_WAIT {
                return Err(format!("a poll waits for {LONGEST_WAIT} ms at the most, and not for {wait}"));
            }
            Ok::<_, String>(Demand::Poll { target: agent()?, wait: Millis(wait) })
        };
        let read = || Ok::<_, String>(Demand::Read { by: agent()?, handoff: named()? });
        Ok(Some(match does {
            "polls" | "reads" => {
                let demand = if does == "polls" { poll()? } else { read()? };
                let hub: usize = needed(with, "hub")?;
                let hub = hub.checked_sub(1).ok_or("hubs are counted from 1")?;
                self.ask(hub, index(&line.host, "client")?, agent()?, demand)
            }
            STILL_ASKS => {
                let demand = if with.contains_key("wait") { poll()? } else { read()? };
                self.open.push(Open { client: index(&line.host, "client")?, agent: agent()?, demand });
                return Ok(None);
            }
            "looks_around" => Act::LookAround { hub: own()? },
            "works" => Act::Work { hub: own()? },
            "is_doomed" => Act::Doom { hub: own()?, after: needed(with, "after")?, death: death(with)? },
            "dies" => Act::Die { hub: own()?, death: death(with)? },
            "drops" => Act::Deed(Deed::Drops(Box::new(dropped(with)?))),
            "claims" => Act::Deed(Deed::Claims(named()?)),
            "completes" => Act::Deed(Deed::Completes(named()?)),
            "rejects" => Act::Deed(Deed::Rejects(named()?)),
            "deletes_log" => Act::Deed(Deed::DeletesLog),
            "fails" => {
                let what: String = needed(with, "what")?;
                let ill = Ill::named(&what).ok_or_else(|| format!("there is no trouble {what:?}"))?;
                Act::Trouble(Trouble { ill, after: needed(with, "after")? })
            }
            "heals" => Act::Heal,
            // What comes of acts.
            "arrives" | "finds" | "goes_down" | "loses" | "misses" | "notes" | "refuses_to_start" => {
                return Ok(None);
            }
            other => return Err(format!("{other:?} is no word of a simulator's trace")),
        }))
    }
}

/// Tells what clients still want to know when faults stop; nothing where the run is over, for a rule is broken.
pub fn tell_open(open: &[Open], watchers: &mut Watchers, cast: &Cast, now: u64) {
    if watchers.judge.breach().is_some() {
        return;
    }
    watchers.story.next_step();
    for Open { client, agent, demand } in open {
        watchers.story.tell(|| {
            let event = match demand {
                Demand::Command { handoff, command } => {
                    Event::Sends { handoff: handoff.to_string(), command: text::ask(cast, command) }
                }
                Demand::Poll { wait, .. } => {
                    tells(STILL_ASKS, [("agent", agent.to_string()), ("wait", wait.0.to_string())])
                }
                Demand::Read { handoff, .. } => {
                    tells(STILL_ASKS, [("agent", agent.to_string()), ("handoff", handoff.to_string())])
                }
            };
            Line::at(now, format!("client {}", client + 1), None, event)
        });
    }
}

/// The number of a host, counted from 0; a trace counts from 1.
fn index(host: &str, kind: &str) -> Result<usize, String> {
    let number = host.strip_prefix(kind).and_then(|rest| rest.trim_start().parse::<usize>().ok());
    number.and_then(|number| number.checked_sub(1)).ok_or_else(|| format!("{host:?} is no {kind}"))
}

/// What became of what was asked of the store. Where nothing took effect and nothing was answered, it is all the same
/// how the request was lost.
const fn fate(effect: EffectKind, outcome: OutcomeKind, took_effect: bool, may_follow: bool) -> Fate {
    match (outcome, effect) {
        (OutcomeKind::Failed, _) => Fate::Fails,
        (OutcomeKind::Loaded | OutcomeKind::Written | OutcomeKind::Conflict, _) => Fate::Answered,
        (OutcomeKind::Unknown, EffectKind::Load) => Fate::RequestLost,
        (OutcomeKind::Unknown, EffectKind::Insert | EffectKind::Swap) => {
            if took_effect {
                Fate::AnswerLost
            } else if may_follow {
                Fate::Delayed
            } else {
                Fate::RequestLost
            }
        }
    }
}

fn death(with: &Words) -> Result<Death, String> {
    let how: String = needed(with, "how")?;
    let seed = how.strip_prefix("power cut ").and_then(|seed| seed.parse().ok());
    match seed {
        Some(seed) => Ok(Death::PowerCut(seed)),
        None if how == "killed" => Ok(Death::Killed),
        None => Err(format!("no hub dies by {how:?}")),
    }
}

/// What a same-host agent has dropped, by the words of a trace.
pub(crate) fn dropped(with: &Words) -> Result<Artifact, String> {
    let limit: String = needed(with, "claim_ttl")?;
    let claim_ttl = if limit.is_empty() { None } else { Some(needed(with, "claim_ttl")?) };
    Ok(Artifact {
        handoff: needed(with, "handoff")?,
        author: needed(with, "author")?,
        target: needed(with, "target")?,
        digest: needed(with, "digest")?,
        expires_at: needed(with, "expires_at")?,
        claim_ttl,
    })
}

#[cfg(test)]
mod tests {
    use handoff_spec::trace::Header;

    use super::*;
    use crate::story::header;

    fn line(host: &str, event: Event) -> Line {
        Line::at(60_000, host, None, event)
    }

    fn set_up() -> Line {
        line("world", Event::Tells { does: SET_UP.to_owned(), with: Setup::default().words() })
    }

    fn read(lines: Vec<Line>) -> Result<Plan, String> {
        Plan::read(&Trace { header: header("directory", "protocol"), lines }, &Cast::default())
    }

    #[test]
    fn a_trace_that_is_no_plan_says_in_which_line_and_why() {
        let why = |host: &str, event| read(vec![set_up(), line(host, event)]).unwrap_err();
        assert_eq!(why("hub 1", tells("sings", [])), "line 3: \"sings\" is no word of a simulator's trace");
        assert_eq!(why("time", Event::Ticks), "line 3: nothing in such a run is told by \"time passes\"");
        assert_eq!(why("hub 0", Event::Restarts), "line 3: \"hub 0\" is no hub");
        assert_eq!(
            why("hub 1", tells("dies", [("how", "grief".into())])),
            "line 3: no hub dies by \"grief\""
        );
        assert_eq!(
            why("disk 1", tells("fails", [("what", "x".into())])),
            "line 3: there is no trouble \"x\""
        );
        assert_eq!(why("hub 1", tells("is_doomed", [])), "line 3: after is missing");
        let sweep = Event::Sends { handoff: "h0".into(), command: handoff_spec::trace::Ask::Sweep };
        assert_eq!(why("client 1", sweep), "line 3: no client asks for a sweep");
        let late = read(vec![line("hub 1", Event::Restarts), set_up()]).unwrap_err();
        assert_eq!(late, "line 2: a trace of the simulator begins with \"is_set_up\"");
        assert!(read(Vec::new()).unwrap_err().contains("begins with"));
    }

    #[test]
    fn a_trace_of_a_model_is_lived_through_again_by_another_tool_which_is_named() {
        let trace = Trace { header: Header::of("hubs", "race", "protocol"), lines: Vec::new() };
        let why = Plan::read(&trace, &Cast::default()).unwrap_err();
        assert!(why.contains("\"hubs\"") && why.contains("`handoff-spec trace FILE`"), "{why}");
    }

    #[test]
    fn a_poll_that_would_wait_for_more_than_a_day_is_refused() {
        let poll = |wait: u64| {
            let still = tells(STILL_ASKS, [("agent", "alice".into()), ("wait", wait.to_string())]);
            read(vec![set_up(), line("hub 1", Event::Restarts), line("client 2", still)])
        };
        assert!(poll(86_400_000).is_ok());
        let why = poll(86_400_001).unwrap_err();
        assert_eq!(why, "line 4: a poll waits for 86400000 ms at the most, and not for 86400001");
    }

    #[test]
    fn what_is_behind_the_end_of_faults_is_no_act() {
        let lines = vec![
            set_up(),
            line("hub 1", Event::Restarts),
            line("client 2", tells(STILL_ASKS, [("agent", "alice".into()), ("wait", "7".into())])),
            line("world", tells("faults_stop", [])),
            line("disk 1", tells("heals", [])),
        ];
        let plan = read(lines).unwrap();
        let restart = Doing { at: 60_000, act: Act::Restart { hub: 0 }, began: None };
        let agent = cast::agent("alice").unwrap();
        let demand = Demand::Poll { target: agent, wait: Millis(7) };
        assert_eq!((plan.acts, plan.faults_stop), (vec![restart], Some(60_000)));
        assert_eq!(plan.open, [Open { client: 1, agent, demand }]);
    }
}
