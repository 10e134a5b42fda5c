//! One client: it asks, it loses patience, it drops connections, and it records what it asked and heard.

use std::io;
use std::sync::mpsc::Sender;
use std::time::Duration;

use handoff_kernel::command::Answer;
use handoff_kernel::ident::AgentId;
use handoff_kernel::time::Time;

use super::ask::{self, Agents, Ask, Knowledge, Matter};
use super::heard::heard;
use super::stage::{Recorded, Stage};
use crate::chance::Chance;
use crate::linear::{Asked, Heard, Operation};
use crate::real::http::{Connection, Response};

/// Of a thousand questions, so many are not waited for at all, and so many not for long.
const DROPPED: u64 = 25;
const IMPATIENT: u64 = 50;

/// The longest that an impatient client waits, in microseconds: about as long as an answer takes.
const PATIENCE: u64 = 600;

/// A hub that says nothing for this long has hung.
const LONG: Duration = Duration::from_secs(60);

/// How a client waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// For as long as it takes.
    Long,
    /// Not longer than this.
    Short(Duration),
    /// It has gone when the question is on its way.
    None,
}

impl Patience {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(1000) {
            0..DROPPED => Self::None,
            drawn if drawn < DROPPED + IMPATIENT => {
                Self::Short(Duration::from_micros(1 + chance.below(PATIENCE)))
            }
            _ => Self::Long,
        }
    }
}

/// A connection, and to which life of the hub.
struct Connected {
    connection: Connection,
    life: usize,
}

/// See the module's documentation.
pub(super) struct Client<'a> {
    stage: &'a Stage<'a>,
    number: u32,
    matters: &'a [Matter],
    begun: Time,
    /// Told of each question that is on its way.
    progress: Sender<()>,
    /// Kept from the question before.
    connected: Option<Connected>,
    recorded: Vec<Recorded>,
}

impl<'a> Client<'a> {
    pub(super) const fn new(
        stage: &'a Stage<'a>,
        number: u32,
        matters: &'a [Matter],
        begun: Time,
        progress: Sender<()>,
    ) -> Self {
        Self { stage, number, matters, begun, progress, connected: None, recorded: Vec::new() }
    }

    fn knowledge(&self) -> Result<Knowledge<'a>, String> {
        Ok(Knowledge {
            matters: self.matters,
            agents: Agents::new()?,
            begun: self.begun,
            name: format!("own{}", self.number),
            held: vec![None; self.matters.len()],
            asked: 0,
        })
    }

    /// Asks its questions, one after the other.
    pub(super) fn work(mut self, mut chance: Chance) -> Result<Vec<Recorded>, String> {
        let mut knowledge = self.knowledge()?;
        for _ in 0..chance.between(5, 8) {
            let patience = Patience::draw(&mut chance);
            let Some(ask) = knowledge.draw(&mut chance) else {
                self.set_clock(|now| knowledge.step(now, &mut chance), knowledge.agents.target)?;
                continue;
            };
            let heard = self.ask(&ask, patience)?;
            if let (Asked::Command(id, _), Heard::Verdict(Ok(Answer::Claimed { claim_id, .. }))) =
                (&ask.asked, heard)
                && let Some(which) = self.matters.iter().position(|matter| matter.id == *id)
            {
                knowledge.held[which] = Some(claim_id);
            }
        }
        Ok(self.recorded)
    }

    /// Looks at everything when the others have gone, lets all deadlines pass, and looks again: then nothing is open.
    pub(super) fn look(mut self) -> Result<Vec<Recorded>, String> {
        let knowledge = self.knowledge()?;
        let Agents { author, target, .. } = knowledge.agents;
        self.look_as(&knowledge, target)?;
        let end = ask::end(self.begun);
        if self.set_clock(|_| end, target)? != Heard::Set {
            return Err("The hub's clock could not be set, and nobody has killed the hub.".to_owned());
        }
        self.look_as(&knowledge, author)?;
        Ok(self.recorded)
    }

    fn look_as(&mut self, knowledge: &Knowledge<'_>, by: AgentId) -> Result<(), String> {
        for which in 0..self.matters.len() {
            self.ask(&knowledge.get(which, by), Patience::Long)?;
        }
        self.ask(&knowledge.poll(), Patience::Long).map(drop)
    }

    fn ask(&mut self, ask: &Ask, patience: Patience) -> Result<Heard, String> {
        let connected = self.connect()?;
        self.exchange(connected, ask, patience)
    }

    /// A step of the clock. It is always waited for, so that the hub has decided by it when the next is asked for. A hub
    /// that is started again meanwhile begins at the latest that was asked for.
    fn set_clock(&mut self, step: impl FnOnce(Time) -> Time, by: AgentId) -> Result<Heard, String> {
        // Not while the clock is held: whoever starts the hub waits for that.
        let connected = self.connect()?;
        let stage = self.stage;
        stage.set_clock(|now| {
            let to = step(*now);
            *now = to.max(*now);
            self.exchange(connected, &ask::clock(to, by), Patience::Long)
        })
    }

    /// A connection to the hub of now.
    fn connect(&mut self) -> Result<Connected, String> {
        let mut failed = None;
        loop {
            let (address, life) = self.stage.address()?;
            if let Some(kept) = self.connected.take().filter(|kept| kept.life == life) {
                return Ok(kept);
            }
            match Connection::open(address) {
                Ok(connection) => return Ok(Connected { connection, life }),
                Err(error) if failed == Some(life) => {
                    return Err(format!("The hub cannot be reached: {error}."));
                }
                // It is being killed right now; or else it fails again.
                Err(_) => failed = Some(life),
            }
        }
    }

    /// One question, and what was heard of it, as it is recorded.
    fn exchange(&mut self, mut connected: Connected, ask: &Ask, patience: Patience) -> Result<Heard, String> {
        let life = connected.life;
        let called = self.stage.moment();
        let response = self.response(&mut connected.connection, ask, patience);
        let now = self.stage.moment();
        let heard = match &response {
            Ok(response) => heard(&ask.asked, response)?,
            Err(_) => Heard::Unknown,
        };
        // After an error a connection is of no use any more.
        self.connected = response.is_ok().then_some(connected);
        let returned = (heard != Heard::Unknown).then_some(now);
        let (asked, client) = (ask.asked.clone(), self.number);
        self.recorded.push((Operation { client, asked, called, returned, heard: heard.clone() }, life));
        Ok(heard)
    }

    fn response(&self, connection: &mut Connection, ask: &Ask, patience: Patience) -> io::Result<Response> {
        let bearer = format!("Bearer {}", self.stage.token(&ask.by));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        connection.send(ask.method, &ask.path, &headers, &ask.body)?;
        // When nobody listens any more, the kill has come.
        let _ = self.progress.send(());
        match patience {
            Patience::Long => connection.receive(ask.method),
            Patience::None => Err(io::ErrorKind::TimedOut.into()),
            Patience::Short(short) => {
                connection.set_patience(short)?;
                let response = connection.receive(ask.method)?;
                connection.set_patience(LONG)?;
                Ok(response)
            }
        }
    }
}
