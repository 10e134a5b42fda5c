//! How one step of the models is brought about on purpose: by whichever hub, command, name and clock will do. What comes of
//! it is foreseen by the operation machine itself; what it leads to may be another situation all the same, where many
//! operations are alike.

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Operation, Outcome};
use handoff_kernel::record::Record;
use handoff_kernel::time::Time;
use handoff_spec::coverage::{
    Deadline, Edge, Kind, Label, Place, Situation, Stage as Stand, Then, Verdict, Work, Wrote,
};

use super::{Focus, Race};
use crate::act::{Act, Death, Fate};
use crate::cast::{self, in_a_trace, on_the_wire};
use crate::several::OnItsWay;

/// A hub's clock, and true time, as a step wants them.
#[derive(Debug, Clone, Copy)]
struct When {
    hub: usize,
    /// True time then.
    time: u64,
    /// How far ahead its clock is set, if it has to be.
    ahead: Option<i64>,
    /// What it decides with.
    reading: Time,
}

/// A command that could be asked.
#[derive(Debug, Clone)]
struct Candidate {
    client: usize,
    agent: AgentId,
    command: Command<Wire>,
}

impl<L: Law> Race<'_, L> {
    /// The first of these, in any order, that can be brought about.
    pub(super) fn brings_about_one_of(&mut self, focus: &mut Focus, mut steps: Vec<Edge>) -> bool {
        self.chance.shuffle(&mut steps);
        steps.iter().any(|step| self.brings_about(focus, step))
    }

    /// Brings this step about, if there is a way to. What it leads to may be another situation all the same, where many
    /// are alike.
    pub(super) fn brings_about(&mut self, focus: &mut Focus, step: &Edge) -> bool {
        match step.label {
            Label::Decides { kind, held: false, deadline, answers } => {
                self.decides(focus, kind, deadline, answers)
            }
            Label::Decides { kind, held: true, deadline, answers } => {
                self.hears_record(focus, kind, deadline, answers)
            }
            Label::LoadHeld(kind) => self.loads(focus, kind, Fate::Answered, true),
            Label::LoadLost(kind) => {
                let fate = *self.chance.pick(&[Fate::AnswerLost, Fate::RequestLost]);
                self.loads(focus, kind, fate, false)
            }
            Label::Fails(kind, Stand::ToLoad) => self.loads(focus, kind, Fate::Fails, false),
            Label::Fails(kind, Stand::ToWrite | Stand::Heard) => {
                self.writes(focus, kind, None, Fate::Fails, false, step.after.place())
            }
            Label::Writes(kind, wrote, held) => {
                let (takes_effect, fate) = match wrote {
                    Wrote::Written => (Some(true), Fate::Answered),
                    Wrote::Conflict => (Some(false), Fate::Answered),
                    Wrote::AnswerLost => (Some(true), Fate::AnswerLost),
                    Wrote::Lost => (None, Fate::RequestLost),
                    Wrote::Delayed => (None, Fate::Delayed),
                };
                self.writes(focus, kind, takes_effect, fate, held, step.after.place())
            }
            Label::Hears(kind, wrote) => self.hears_answer(focus, kind, wrote),
            Label::Follows(kind, takes_effect) => {
                let fits: Vec<u32> = self
                    .stage
                    .late_ones(&focus.handoff)
                    .filter(|(_, command, next, would)| {
                        Kind::of(command) == kind
                            && *would == takes_effect
                            && (!takes_effect || Place::of(Some(*next), false) == step.after.place())
                    })
                    .map(|(number, ..)| number)
                    .collect();
                self.one_of(&fits, |operation| Act::Follow { operation })
            }
            Label::Crashes => self.crashes(focus, step),
            Label::Prunes => false,
        }
    }

    fn one_of(&mut self, fits: &[u32], act: impl Fn(u32) -> Act) -> bool {
        if fits.is_empty() {
            return false;
        }
        let operation = *self.chance.pick(fits);
        self.act(&act(operation));
        true
    }

    /// What has to be before: where somebody is shown a record, it is somebody who will make of it what is wanted.
    pub(super) fn prepares(&mut self, focus: &mut Focus, first: &Edge, then: Label) -> bool {
        let Label::Decides { kind, deadline, answers, .. } = then else {
            return self.brings_about(focus, first);
        };
        let Some((candidate, when)) = self.who_decides(focus, kind, deadline, answers) else { return false };
        let Some(operation) = self.begins(focus, when.hub, candidate) else { return false };
        self.act(&Act::Effect { operation, fate: Fate::Answered, held: true });
        true
    }

    /// Somebody is shown the record, and decides on it.
    fn decides(&mut self, focus: &mut Focus, kind: Kind, want: Deadline, answers: Option<Verdict>) -> bool {
        let Some((candidate, when)) = self.who_decides(focus, kind, want, answers) else { return false };
        let Some(operation) = self.begins(focus, when.hub, candidate) else { return false };
        self.comes(when);
        self.act(&Act::Effect { operation, fate: Fate::Answered, held: false });
        true
    }

    /// Who would decide so on what is stored now, and when.
    fn who_decides(
        &mut self,
        focus: &Focus,
        kind: Kind,
        want: Deadline,
        answers: Option<Verdict>,
    ) -> Option<(Candidate, When)> {
        let stored = self.stage.stored(&focus.handoff).cloned();
        let record = stored.as_ref().map(|stored| &stored.record);
        let at = Deadline::that_matters(kind, Some(on_the_wire(focus.said.expires_at)), record);
        let mut candidates = self.candidates(focus, kind, record);
        self.chance.shuffle(&mut candidates);
        for hub in self.hubs() {
            let whens = self.whens(hub, want, at);
            if whens.is_empty() {
                continue;
            }
            let when = *self.chance.pick(&whens);
            let decided = |command: &Command<Wire>| {
                let operation = Operation::new(self.law.clone(), focus.handoff, command.clone());
                Then::of(&operation.next(Outcome::Loaded(stored.clone()), when.reading))
            };
            let then = answers.map_or(Then::GoesOn, Then::Answers);
            if let Some(candidate) = candidates.iter().find(|it| decided(&it.command) == then) {
                return Some((candidate.clone(), when));
            }
        }
        None
    }

    /// Somebody takes a record that the store has shown it a while ago, and decides on that.
    fn hears_record(&mut self, focus: &Focus, kind: Kind, want: Deadline, answers: Option<Verdict>) -> bool {
        let mut fits = Vec::new();
        for it in self.stage.on_their_way(&focus.handoff) {
            let Some(heard @ Outcome::Loaded(stored)) = it.heard else { continue };
            if Kind::of(it.operation.command()) != kind {
                continue;
            }
            let record = stored.as_ref().map(|stored| &stored.record);
            let at = Deadline::that_matters(kind, Some(on_the_wire(focus.said.expires_at)), record);
            for when in self.whens(it.hub, want, at) {
                let then = Then::of(&it.operation.clone().next(heard.clone(), when.reading));
                if then == answers.map_or(Then::GoesOn, Then::Answers) {
                    fits.push((it.number, when));
                }
            }
        }
        if fits.is_empty() {
            return false;
        }
        let (operation, when) = *self.chance.pick(&fits);
        self.comes(when);
        self.act(&Act::Hear { operation });
        true
    }

    /// Somebody new asks the store for the record, with this fate.
    fn loads(&mut self, focus: &mut Focus, kind: Kind, fate: Fate, held: bool) -> bool {
        let record = self.stage.stored(&focus.handoff).map(|stored| stored.record.clone());
        let candidates = self.candidates(focus, kind, record.as_ref());
        let candidate = self.chance.pick(&candidates).clone();
        let hub = self.hub();
        let Some(operation) = self.begins(focus, hub, candidate) else { return false };
        self.act(&Act::Effect { operation, fate, held });
        true
    }

    /// Somebody's write comes to the store, with this fate.
    fn writes(
        &mut self,
        focus: &Focus,
        kind: Kind,
        takes_effect: Option<bool>,
        fate: Fate,
        held: bool,
        place: Place,
    ) -> bool {
        let version = self.stage.stored(&focus.handoff).map(|stored| stored.version);
        let mut fits = Vec::new();
        for it in self.stage.on_their_way(&focus.handoff) {
            let (expected, next) = match it.operation.effect() {
                Effect::Load => continue,
                Effect::Insert { record, .. } => (None, record),
                Effect::Swap { version, next, .. } => (Some(version), next),
            };
            let would = expected == version;
            let leads_there = takes_effect != Some(true) || Place::of(Some(next), false) == place;
            if it.heard.is_none()
                && Kind::of(it.operation.command()) == kind
                && takes_effect.is_none_or(|wanted| wanted == would)
                && leads_there
            {
                fits.push(it.number);
            }
        }
        self.one_of(&fits, |operation| Act::Effect { operation, fate, held })
    }

    /// Somebody takes the answer to its write that was held.
    fn hears_answer(&mut self, focus: &Focus, kind: Kind, wrote: Wrote) -> bool {
        let heard = |outcome: &Outcome<Wire>| match outcome {
            Outcome::Written => wrote == Wrote::Written,
            Outcome::Conflict => wrote == Wrote::Conflict,
            Outcome::Unknown => matches!(wrote, Wrote::AnswerLost | Wrote::Lost | Wrote::Delayed),
            Outcome::Loaded(_) | Outcome::Failed => false,
        };
        let fits: Vec<u32> = self
            .stage
            .on_their_way(&focus.handoff)
            .filter(|it| Kind::of(it.operation.command()) == kind && it.heard.is_some_and(heard))
            .map(|it| it.number)
            .collect();
        self.one_of(&fits, |operation| Act::Hear { operation })
    }

    /// A hub dies that has just this in hand.
    fn crashes(&mut self, focus: &Focus, step: &Edge) -> bool {
        for hub in self.hubs() {
            let mut work = Work::default();
            for it in self.stage.on_their_way(&focus.handoff).filter(|it| it.hub != hub) {
                work.add(Kind::of(it.operation.command()), stand_of(&it));
            }
            if Situation::new(step.before.place(), &work) == step.after {
                self.act(&Act::Die { hub, death: Death::Killed });
                self.act(&Act::Restart { hub });
                return true;
            }
        }
        false
    }

    // --------------------------------------------------------------------------------------------- who, and when

    fn hubs(&mut self) -> Vec<usize> {
        let mut hubs: Vec<usize> = (0..self.swarm.setup.count()).collect();
        self.chance.shuffle(&mut hubs);
        hubs
    }

    /// It is asked: the number of the operation that carries it out.
    fn begins(&mut self, focus: &Focus, hub: usize, candidate: Candidate) -> Option<u32> {
        let Candidate { client, agent, command } = candidate;
        if command == Command::Sweep {
            self.act(&Act::Sweep { hub, handoff: focus.handoff });
        } else {
            self.ask_at(hub, (client, agent, command), focus.handoff);
        }
        let newest = self.stage.on_their_way(&focus.handoff).last()?;
        (newest.heard.is_none() && newest.operation.effect() == Effect::Load).then_some(newest.number)
    }

    /// All that could be asked of this kind.
    fn candidates(&mut self, focus: &Focus, kind: Kind, record: Option<&Record<Wire>>) -> Vec<Candidate> {
        let mut all = Vec::new();
        let mut add = |(client, agent, command)| all.push(Candidate { client, agent, command });
        // Mostly who may; and in any case somebody who may not.
        let target = self.agents[1];
        let by = [(1, target), (0, self.agents[0]), (2, self.agents[2])];
        let held = record.and_then(Record::claim).map(|claim| claim.id);
        let mut claims: Vec<_> =
            focus.accepts.iter().map(|(_, claim)| *claim).chain(held).chain([None]).collect();
        claims.sort_unstable();
        claims.dedup();
        match kind {
            Kind::Start => {
                for (digest, sender) in [("d0", 0), ("d0", 0), ("d1", 0), ("d0", 2)] {
                    add(self.start(focus, digest, sender));
                }
            }
            Kind::Accept => {
                for (client, claim_id) in &focus.accepts {
                    let command = |by| Command::Accept { by, claim_id: *claim_id, attempt: 0, receipt: None };
                    add((*client, target, command(target)));
                    add((2, self.agents[2], command(self.agents[2])));
                }
            }
            Kind::Complete | Kind::Reject => {
                for (client, by) in by {
                    for claim_id in &claims {
                        let claim_id = *claim_id;
                        let text = cast::text(&format!("t{}", self.chance.below(2)));
                        let command = if kind == Kind::Complete {
                            Command::Complete { by, claim_id, result: Some(text), receipt: None }
                        } else {
                            Command::Reject { by, claim_id, reason: text, receipt: None }
                        };
                        add((client, by, command));
                    }
                }
            }
            Kind::Sweep => add((1, target, Command::Sweep)),
        }
        all
    }

    /// When this hub's clock stands so to the deadline: now, if it does; otherwise soon, and each way to set it.
    fn whens(&self, hub: usize, want: Deadline, at: Option<Time>) -> Vec<When> {
        let (now, reading) = (self.truth.now(), self.stage.reads(hub));
        if Deadline::held_against(at, reading) == want {
            return vec![When { hub, time: now, ahead: None, reading }];
        }
        let Some(at) = at.map(in_a_trace) else { return Vec::new() };
        let epsilon = i64::try_from(self.swarm.setup.epsilon).unwrap_or(0);
        let mut all = Vec::new();
        for ahead in -epsilon..=epsilon {
            // As soon as may be, and never earlier than now.
            let time = match want {
                Deadline::At => at.checked_add_signed(-ahead).filter(|time| *time >= now),
                Deadline::After => Some((at + 1).saturating_add_signed(-ahead).max(now)),
                Deadline::Before | Deadline::None => Some(now),
            };
            let Some(time) = time else { continue };
            let reading = self.stage.would_read(hub, on_the_wire(time.saturating_add_signed(ahead)));
            if Deadline::held_against(Some(on_the_wire(at)), reading) == want {
                all.push(When { hub, time, ahead: Some(ahead), reading });
            }
        }
        all
    }

    /// It is that time now.
    fn comes(&mut self, When { hub, time, ahead, .. }: When) {
        self.truth.advance(time);
        if let Some(ahead) = ahead {
            self.act(&Act::SetClock { hub, ahead });
        }
    }
}

/// How far it has come.
pub(super) fn stand_of<L: Law>(it: &OnItsWay<'_, L>) -> Stand {
    match (it.heard, it.operation.effect()) {
        (Some(_), _) => Stand::Heard,
        (None, Effect::Load) => Stand::ToLoad,
        (None, Effect::Insert { .. } | Effect::Swap { .. }) => Stand::ToWrite,
    }
}
