//! One trace on one stage: each cue is played on the hub and on the oracle, and what the two say is compared.

mod neighbour;
mod retention;

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{Digest, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::law::PROTOCOL;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::rules::Rule;
use handoff_kernel::time::{Millis, Time};
use handoff_spec::trace::{Ask, Event, Kind, Told, Trace};

use self::neighbour::Unnoted;
use super::Played;
use super::cast::{Cast, Order, agent};
use super::deeds::Deed;
use super::judge::Judge;
use super::lay::Known;
use super::oracle::{Asked, Oracle};
use super::script::{Act, Asking, Cue, Script};
use super::stage::Stage;
use super::wire::{Request, Said, apart, request};
use crate::chance::Chance;
use crate::real::http::{Connection, Response};

/// Of so many commands in a thousand the answer is lost and asked for again; so many are sent twice; and before so many
/// the hub is killed, in a trace of this many commands or fewer: of a longer one in just as many places.
const LOST: u64 = 100;
const TWICE: u64 = 100;
const KILLED: u64 = 20;
const FEW: u64 = 50;

/// A poll waits no longer.
const LONGEST_WAIT: Millis = Millis(50_000);

/// A poll that waits.
#[derive(Debug)]
struct Waiting {
    connection: Connection,
    /// What it is shown, once there is something.
    shown: Option<Record<Wire>>,
}

/// What a client asked last, what it was told, and whether it has heard that.
#[derive(Debug)]
struct Last {
    asking: Asking,
    verdict: Result<Answer<Wire>, NotDone>,
    heard: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Play<'a, L: Law> {
    trace: &'a Trace,
    script: &'a Script,
    cast: &'a Cast,
    stage: &'a mut Stage,
    oracle: Oracle<L>,
    judge: Judge,
    trouble: Option<Chance>,
    /// By digest.
    artifacts: BTreeMap<Digest, Vec<u8>>,
    attempts: u64,
    asked: BTreeSet<String>,
    last: BTreeMap<String, Last>,
    waiting: BTreeMap<String, Waiting>,
    /// Why the trace's answers about these handoffs may be others than the hub's from here on.
    apart: BTreeMap<HandoffId, &'static str>,
    /// What was done to files while no hub ran: the next one takes note of it.
    unnoted: Vec<Unnoted>,
    /// Before so many commands in a thousand the hub is killed besides.
    killed: u64,
    /// Why the trace's answers may be others than the hub's from here on.
    differs: Option<&'static str>,
    played: Played,
}

impl<'a, L: Law> Play<'a, L> {
    pub(super) fn new(
        trace: &'a Trace,
        script: &'a Script,
        cast: &'a Cast,
        stage: &'a mut Stage,
        oracle: Oracle<L>,
        trouble: Option<Chance>,
    ) -> Self {
        let mut play = Self {
            trace,
            script,
            cast,
            stage,
            judge: Judge::new(),
            trouble,
            artifacts: BTreeMap::new(),
            attempts: 0,
            asked: BTreeSet::new(),
            last: BTreeMap::new(),
            waiting: BTreeMap::new(),
            apart: BTreeMap::new(),
            unnoted: Vec::new(),
            killed: KILLED * FEW / asks(script).max(FEW),
            differs: None,
            played: Played::default(),
            oracle,
        };
        if trace.header.model == "malice" {
            play.differs = Some("the trace's hub may lie");
        } else if trace.header.law != play.oracle.law().name() {
            play.differs = Some("the trace is of another law");
        }
        for (why, many) in &script.left_out {
            play.played.left_out.insert((*why).to_owned(), *many);
        }
        play
    }

    /// Everything: what is there at the beginning, each cue, and what is there at the end.
    pub(super) fn through(
        mut self,
        known: &[Known],
        made_by: Option<&[(Time, Order)]>,
    ) -> Result<Played, String> {
        self.stage.know(self.agents())?;
        if self.stage.is_up() {
            self.stage.connect()?;
            self.oracle.has_nothing_durable();
        } else {
            self.stage.start(self.stage.wall())?;
        }
        for (record, bytes) in known {
            self.artifacts.insert(record.digest, bytes.clone());
            if made_by.is_none() {
                self.oracle.put(record.clone());
                self.judge.known(record);
            }
        }
        let begin = made_by.and_then(<[_]>::first).map_or(self.oracle.wall(), |(at, _)| *at);
        self.clock(begin)?;
        for (at, order) in made_by.unwrap_or_default() {
            self.clock(*at)?;
            self.once(order, "at the beginning")?;
        }
        for cue in &self.script.cues {
            self.cue(cue).map_err(|why| format!("line {}: {why}", cue.line))?;
        }
        if !self.stage.is_up() {
            self.begins_again(self.oracle.wall())?;
        }
        self.look()?;
        let now = self.oracle.now();
        let overdue = |record: &Record<Wire>| record.deadline().is_some_and(|deadline| deadline < now);
        if self.script.janitor && self.oracle.records().any(overdue) {
            self.judge.broken.insert(Rule::L1);
        }
        self.played.broken = self.judge.broken.union(&self.judge.deceived).copied().collect();
        let honest = self.oracle.law().name() == PROTOCOL;
        match self.judge.broken.first() {
            Some(rule) if honest => Err(format!("what the hub answered breaks {rule}")),
            Some(_) | None => Ok(self.played),
        }
    }

    /// Whoever the trace speaks of.
    fn agents(&self) -> BTreeSet<String> {
        let mut agents = BTreeSet::from(["bob".to_owned(), "alice".to_owned(), "eve".to_owned()]);
        for record in &self.trace.header.records {
            agents.extend([record.author.clone(), record.target.clone()]);
        }
        for cue in &self.script.cues {
            match &cue.act {
                Act::Asks(asking) => {
                    agents.insert(asking.client.agent.clone());
                    if let Ask::Start { artifact, .. } = &asking.command {
                        agents.extend([artifact.author.clone(), artifact.target.clone()]);
                    }
                }
                Act::Hears { asked, .. } => {
                    agents.insert(asked.client.agent.clone());
                }
                Act::Polls { target, .. } | Act::Woken { target, .. } => {
                    agents.insert(target.clone());
                }
                Act::Deed(deed) => {
                    if let Deed::Drops { artifact, .. } = &**deed {
                        agents.extend([artifact.author.clone(), artifact.target.clone()]);
                    }
                }
                Act::Dies | Act::Restarts | Act::Prunes(_) | Act::Differs(_) | Act::Nothing => {}
            }
        }
        agents
    }

    fn cue(&mut self, cue: &Cue) -> Result<(), String> {
        let wall = cue.clock.map_or(self.oracle.wall(), |at| self.cast.time(at));
        if let Act::Deed(deed) = &cue.act {
            return self.deed(deed, wall);
        }
        if self.stage.is_up() && wall < self.oracle.now() {
            self.differs = self.differs.or(Some("a clock of the trace is behind what a hub has decided by"));
        }
        if matches!(cue.act, Act::Dies) {
            if self.script.stays_down {
                self.ends();
                return Ok(());
            }
            return self.dies(wall);
        }
        if self.stage.is_up() {
            self.clock(wall)?;
        } else if !matches!(cue.act, Act::Nothing | Act::Differs(_)) {
            self.begins_again(wall)?;
        }
        match &cue.act {
            Act::Asks(asking) => self.asks(asking),
            Act::Polls { target, told, waits: false } => self.polls(target, told.as_ref()),
            Act::Polls { target, waits: true, .. } => self.waits(target),
            Act::Woken { target, told } => self.woken(target, told.as_ref()),
            Act::Hears { client, asked } => self.hears(client, asked),
            Act::Prunes(handoff) => self.prunes(handoff),
            Act::Differs(why) => {
                self.differs = Some(why);
                Ok(())
            }
            Act::Deed(_) | Act::Dies | Act::Restarts | Act::Nothing => Ok(()),
        }
    }

    fn clock(&mut self, wall: Time) -> Result<(), String> {
        if wall != self.stage.wall() || wall != self.oracle.wall() {
            self.stage.set(wall)?;
        }
        for swept in self.oracle.set(wall) {
            self.swept(&swept);
        }
        Ok(())
    }

    fn swept(&mut self, swept: &Asked) {
        if let Some(before) = &swept.before {
            self.judge.asked(self.oracle.law(), swept, &before.id, None);
        }
    }

    fn dies(&mut self, wall: Time) -> Result<(), String> {
        self.ends();
        self.begins_again(wall)
    }

    /// It is killed, and nobody starts it yet.
    fn ends(&mut self) {
        self.waiting.clear();
        if self.stage.is_up() {
            self.stage.kill();
            self.played.kills += 1;
        }
    }

    fn begins_again(&mut self, wall: Time) -> Result<(), String> {
        self.stage.start(wall)?;
        // Answered when what a start brings with it is written.
        self.stage.set(wall)?;
        self.oracle.restart(wall);
        self.take_note()?;
        for swept in self.oracle.set(wall) {
            self.swept(&swept);
        }
        Ok(())
    }

    fn asks(&mut self, asking: &Asking) -> Result<(), String> {
        let chance =
            |chance: &mut Option<Chance>, times| chance.as_mut().is_some_and(|chance| chance.permille(times));
        if chance(&mut self.trouble, self.killed) {
            self.dies(self.oracle.wall())?;
        }
        self.attempts += 1;
        let order = self.cast.order(&asking.command, &asking.handoff, &asking.client.agent, self.attempts)?;
        let same = format!("{:?} {:?}", asking.client.agent, unattempted(&order));
        if !self.asked.insert(same) {
            self.played.duplicates += 1;
        }
        let lost = chance(&mut self.trouble, LOST);
        let twice = chance(&mut self.trouble, TWICE);
        let asked = if asking.heard && !lost {
            self.once(&order, &asking.client.client)?
        } else {
            self.unheard(&order, &asking.client.agent)?
        };
        if asking.heard && (lost || twice) {
            // The same again, under a nonce of its own.
            self.attempts += 1;
            let again =
                self.cast.order(&asking.command, &asking.handoff, &asking.client.agent, self.attempts)?;
            self.once(&again, &asking.client.client)?;
            self.played.duplicates += 1;
        }
        for (target, waiting) in &mut self.waiting {
            if waiting.shown.is_none() && self.oracle.law().looks_again() {
                waiting.shown = self.oracle.poll(&agent(target)?);
            }
        }
        let verdict = asked.done.verdict;
        if let Some(told) = &asking.told {
            let excuse = if really(asking) {
                asking.apart.or(self.apart.get(&order.handoff).copied())
            } else {
                Some("the trace's hub believes any name it is told")
            };
            self.told(told, &verdict, excuse)?;
        }
        let last = Last { asking: asking.clone(), verdict, heard: false };
        self.last.insert(asking.client.client.clone(), last);
        Ok(())
    }

    /// A command that is asked once, and answered.
    fn once(&mut self, order: &Order, client: &str) -> Result<Asked, String> {
        let Some(request) = request(order) else { return Err("nobody can ask for a sweep".to_owned()) };
        let by = asker(&order.command)?;
        let response = self.stage.ask(&by, &request)?;
        self.played.requests += 1;
        let asked = self.carried_out(order, Some(client));
        self.judge.heard(&asked, &order.handoff, &order.command);
        let (heard, kernel) = (Said::heard(&response)?, Said::of(&order.handoff, &asked.done));
        if heard != kernel {
            let what = order.command.name();
            return Err(format!(
                "{what} of {} by {by}: the hub answers {heard}, and the kernel {kernel}",
                order.handoff
            ));
        }
        self.played.answers += 1;
        Ok(asked)
    }

    /// A command whose answer nobody hears.
    fn unheard(&mut self, order: &Order, by: &str) -> Result<Asked, String> {
        let Some(request) = request(order) else { return Err("nobody can ask for a sweep".to_owned()) };
        self.stage.ask_and_hang_up(by, &request)?;
        self.played.requests += 1;
        self.played.lost += 1;
        Ok(self.carried_out(order, None))
    }

    fn carried_out(&mut self, order: &Order, client: Option<&str>) -> Asked {
        if let Command::Start { artifact, .. } = &order.command {
            self.artifacts.insert(artifact.digest, order.bytes.clone());
        }
        let asked = self.oracle.ask(order.handoff, order.command.clone());
        self.judge.asked(self.oracle.law(), &asked, &order.handoff, client);
        asked
    }

    /// What the trace says that was told, beside what was.
    fn told(
        &mut self,
        told: &Told,
        verdict: &Result<Answer<Wire>, NotDone>,
        excuse: Option<&'static str>,
    ) -> Result<(), String> {
        let said = self.cast.told(told)?;
        if said == *verdict {
            self.played.told += 1;
            return Ok(());
        }
        let why = match (&said, excuse.or(self.differs)) {
            (Err(NotDone::Unavailable), _) => "the trace's store could not, or did not say",
            (Err(NotDone::Broken(_)), _) => "the trace's hub is held back by its own guard",
            (_, Some(why)) => why,
            (_, None) if self.trace.header.law != PROTOCOL => "a fault that a real hub does not show",
            (_, None) => return Err(format!("the trace answers {told}, and hub and kernel {verdict:?}")),
        };
        self.differ(why);
        Ok(())
    }

    fn differ(&mut self, why: &str) {
        *self.played.apart.entry(why.to_owned()).or_default() += 1;
    }

    /// Somebody hears something of what it asked last; if it has heard of that already, it asks again.
    fn hears(&mut self, client: &str, asked: &Asking) -> Result<(), String> {
        let again = match self.last.get(client) {
            None => Some(asked.clone()),
            Some(last) if last.heard => Some(last.asking.clone()),
            Some(_) => None,
        };
        if let Some(asking) = again {
            self.asks(&Asking { told: None, ..asking })?;
        }
        let Some(last) = self.last.get_mut(client) else { return Ok(()) };
        last.heard = true;
        let verdict = last.verdict.clone();
        match &asked.told {
            Some(told) => self.told(told, &verdict, None),
            None => Ok(()),
        }
    }

    fn polls(&mut self, target: &str, told: Option<&Option<String>>) -> Result<(), String> {
        let response = self.stage.ask(target, &Request::get("/v1/handoffs/poll".to_owned()))?;
        let shown = self.oracle.poll(&agent(target)?);
        self.shown(target, &response, shown.as_ref())?;
        told.map_or(Ok(()), |told| self.told_to_poll(told.as_ref(), shown.as_ref()))
    }

    fn waits(&mut self, target: &str) -> Result<(), String> {
        let request = Request::get("/v1/handoffs/poll?wait=50".to_owned());
        let connection = self.stage.ask_aside(target, &request)?;
        let shown = self.oracle.poll(&agent(target)?);
        self.waiting.insert(target.to_owned(), Waiting { connection, shown });
        Ok(())
    }

    fn woken(&mut self, target: &str, told: Option<&String>) -> Result<(), String> {
        match self.waiting.remove(target) {
            Some(Waiting { mut connection, shown: Some(shown) }) => {
                let response =
                    connection.receive("GET").map_err(|error| format!("a poll that waits: {error}"))?;
                self.shown(target, &response, Some(&shown))?;
                self.told_to_poll(told, Some(&shown))
            }
            Some(Waiting { mut connection, shown: None }) => {
                let in_vain = self.oracle.poll(&agent(target)?).is_some();
                self.clock(self.oracle.wall().plus(LONGEST_WAIT))?;
                let response =
                    connection.receive("GET").map_err(|error| format!("a poll that waits: {error}"))?;
                self.shown(target, &response, None)?;
                if in_vain {
                    self.judge.broken.insert(Rule::L2);
                }
                self.told_to_poll(told, None)
            }
            // Whoever waited died with the hub.
            None => self.polls(target, Some(&told.cloned())),
        }
    }

    fn shown(
        &mut self,
        target: &str,
        response: &Response,
        kernel: Option<&Record<Wire>>,
    ) -> Result<(), String> {
        self.played.requests += 1;
        let now = self.oracle.now();
        let by_hub = match response.status {
            204 => None,
            200 => {
                let id = HandoffId::parse(response.header("handoff-id")).map_err(|bad| bad.to_string())?;
                let digest = Digest::of(&response.body);
                if digest.to_string() != response.header("handoff-digest") {
                    return Err(format!("{id} is delivered with the digest of other bytes"));
                }
                Some((id, digest))
            }
            _ => return Err(format!("a poll of {target} is answered {response:?}")),
        };
        self.judge.polled(&agent(target)?, by_hub.as_ref().map(|(id, digest)| (id, digest)), now);
        let kernel = kernel.map(|record| (record.id, record.digest));
        if by_hub != kernel {
            return Err(format!("a poll of {target} is shown {by_hub:?}, and by the kernel {kernel:?}"));
        }
        self.played.answers += 1;
        Ok(())
    }

    fn told_to_poll(&mut self, told: Option<&String>, shown: Option<&Record<Wire>>) -> Result<(), String> {
        let said = told.map(|name| self.cast.handoff(name)).transpose()?;
        if said == shown.map(|record| record.id) {
            self.played.told += 1;
            return Ok(());
        }
        let why = match self.differs {
            Some(why) => why,
            None if self.trace.header.kind != Kind::Witness => "a hub of the trace breaks its rule here",
            None => return Err(format!("the trace shows {said:?}, and hub and kernel {shown:?}")),
        };
        self.differ(why);
        Ok(())
    }

    /// At the end every record is looked at, and each artifact compared byte for byte.
    fn look(&mut self) -> Result<(), String> {
        for (handoff, author) in self.handoffs()? {
            let path = format!("/v1/handoffs/{handoff}?include=artifact");
            let response = self.stage.ask(&author, &Request::get(path))?;
            self.played.requests += 1;
            let record = self.oracle.record(&handoff).cloned();
            let kernel = record.as_ref().map_or_else(Said::nothing, Said::record);
            let (said, artifact) = apart(&response);
            let heard = Said::heard(&Response { body: said, ..response })?;
            if heard != kernel {
                return Err(format!("at the end the hub has {heard}, and the kernel {kernel}"));
            }
            let bytes = record.as_ref().and_then(|record| self.artifacts.get(&record.digest));
            if artifact != bytes.cloned().unwrap_or_default() {
                return Err(format!(
                    "at the end the hub delivers other bytes of {handoff} than were started"
                ));
            }
            self.judge.found(&handoff, record.as_ref());
            self.played.answers += 1;
        }
        Ok(())
    }

    /// Every handoff that the trace speaks of, with somebody who may ask about it.
    fn handoffs(&self) -> Result<BTreeMap<HandoffId, String>, String> {
        let mut all = BTreeMap::new();
        for line in &self.trace.lines {
            if let Event::Begins { handoff, .. } | Event::Prunes { handoff } = &line.event {
                all.insert(self.cast.handoff(handoff)?, "bob".to_owned());
            }
        }
        all.extend(self.oracle.records().map(|record| (record.id, record.author.to_string())));
        Ok(all)
    }
}

/// How many commands it has.
fn asks(script: &Script) -> u64 {
    script.cues.iter().filter(|cue| matches!(cue.act, Act::Asks(_))).count() as u64
}

/// Whether the asker is whom its command says.
fn really(asking: &Asking) -> bool {
    match &asking.command {
        Ask::Start { sender: by, .. }
        | Ask::Accept { by, .. }
        | Ask::Complete { by, .. }
        | Ask::Reject { by, .. } => *by == asking.client.agent,
        Ask::Sweep => false,
    }
}

/// Whose token goes with it.
fn asker(command: &Command<Wire>) -> Result<String, String> {
    command.actor().map(ToString::to_string).ok_or_else(|| "nobody can ask for a sweep".to_owned())
}

/// The same command under no nonce: what is the same here is a repeat.
fn unattempted(order: &Order) -> Command<Wire> {
    match order.command.clone() {
        Command::Accept { by, claim_id, receipt, .. } => {
            Command::Accept { by, claim_id, attempt: 0, receipt }
        }
        other @ (Command::Start { .. }
        | Command::Complete { .. }
        | Command::Reject { .. }
        | Command::Sweep) => other,
    }
}
