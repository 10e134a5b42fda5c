//! A hub on a simulated disk: what is done to it, and what it says afterwards.

use std::path::PathBuf;

use handoff_hub::clock::TestClock;
use handoff_hub::disk::Disk as _;
use handoff_hub::disk::simulated::SimulatedDisk;
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Asker, Reply, Request, Story, Ticket};
use handoff_hub::store::{OpenError, Options, Slips, StoreDown};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::Answer;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Wire};
use handoff_kernel::record::{Completion, Decline, Record, Rejection, State};
use handoff_kernel::testing::as_on_disk;
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;

/// When every history begins: 2026-04-21T10:00:00Z.
pub(crate) const BEGIN: Time = Time(1_776_765_600_000);

/// When `a` times out.
pub(crate) const DEADLINE: Millis = Millis(1000);

/// The two handoffs. The second is longer than a block, and lives longer.
pub(crate) const NAMES: [&str; 2] = ["a", "b"];

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(crate) fn id(name: &str) -> HandoffId {
    HandoffId::parse(name).unwrap()
}

pub(crate) fn claim(name: &str) -> Option<ClaimId> {
    Some(ClaimId::parse(&format!("k{name}")).unwrap())
}

pub(crate) fn artifact(name: &str) -> Vec<u8> {
    let (lives, more) = if name == "a" { (DEADLINE, 0) } else { (Millis(3_600_000), 500) };
    format!(
        "{{\"protocol_version\": 1, \"handoff_id\": \"{name}\", \"from_agent\": \"bob\", \"to_agent\": \"alice\", \
         \"reason\": \"{}\", \"initiated_at\": \"2026-04-21T09:00:00Z\", \"expires_at\": \"{}\", \"hmac\": \"x\"}}",
        "r".repeat(more),
        Rfc3339(BEGIN.plus(lives))
    )
    .into_bytes()
}

/// How the hub is set up: small enough that a short history reaches every turn of a journal and of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// How many bytes of a file become durable together.
    pub(crate) block_bytes: usize,
    pub(crate) journal_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) slips: Slips,
    /// See `Config::retain`.
    pub(crate) retain: Option<Millis>,
}

pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: TestClock,
    relay: Relay<TestClock, SimulatedDisk>,
    tickets: u64,
}

/// All that can be asked afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) records: Vec<Option<Record<Wire>>>,
    /// The event log, all segments one after the other.
    pub(crate) log: String,
}

impl Told {
    /// The rule that is broken when this is said instead of that.
    pub(crate) fn breaks(&self, expected: &Self) -> &'static str {
        if self.records != expected.records {
            "S7: what was acknowledged is not on record, or something else is."
        } else {
            "S10: the event log does not say what was acknowledged, line by line."
        }
    }
}

impl World {
    /// A hub starts on this disk, in a process of its own.
    pub(crate) fn open(disk: &SimulatedDisk, now: Time, setup: Setup) -> Result<Self, OpenError> {
        let clock = TestClock::at(now);
        let store = Options {
            journal_bytes: setup.journal_bytes,
            segment_bytes: setup.segment_bytes,
            slips: setup.slips,
        };
        let config = Config { store, retain: setup.retain, ..Config::on(PathBuf::from("/data")) };
        let process = disk.same_process();
        let relay = Relay::on(process, &config, clock.clone())?;
        Ok(Self { disk: disk.same_process(), clock, relay, tickets: 0 })
    }

    /// Submits, and writes what has been decided: the replies, but for a hub that could not go on.
    pub(crate) fn ask(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, StoreDown> {
        let first = self.tickets;
        for request in requests {
            self.tickets += 1;
            self.relay.submit(Ticket(self.tickets), request);
        }
        self.relay.tick();
        let mut all = self.relay.drain().0;
        all.extend(self.relay.commit()?.0);
        all.sort_by_key(|(ticket, _)| *ticket);
        Ok(all.into_iter().filter(|(ticket, _)| ticket.0 > first).map(|(_, reply)| reply).collect())
    }

    fn record(&mut self, name: &str) -> Result<Option<Story>, String> {
        let get = Request::Get { by: agent("bob"), handoff: id(name), artifact: true };
        match self.ask(vec![get]).map_err(|down| down.to_string())?.remove(0) {
            Reply::Got(Ok(story)) => {
                let Story { record, artifact } = *story;
                Ok(Some(Story { record: as_on_disk(&record), artifact }))
            }
            Reply::Got(Err(_)) => Ok(None),
            other => Err(format!("S8: {name} cannot be had: {other:?}")),
        }
    }

    /// What the hub says of both handoffs; and what it breaks by saying it: the rule, and how.
    pub(crate) fn told(&mut self) -> Result<Told, String> {
        let mut records = Vec::new();
        for name in NAMES {
            let found = self.record(name)?;
            if let Some(Story { artifact: Some(bytes), .. }) = &found
                && **bytes != artifact(name)
            {
                return Err(format!(
                    "S8: {name} is not what was started: {:?}",
                    String::from_utf8_lossy(bytes)
                ));
            }
            records.push(found.map(|story| story.record));
        }
        Ok(Told { records, log: log(&self.disk) })
    }

    /// What holds whatever was done: each handoff in one place, and a command repeated answered as the first time.
    pub(crate) fn is_sound(&mut self, told: &Told) -> Result<(), String> {
        for (name, record) in NAMES.into_iter().zip(&told.records) {
            let files = files(&self.disk, name);
            if files.len() != usize::from(record.is_some()) {
                return Err(format!("S7: {name} has the files {files:?}"));
            }
            let Some(record) = record else { continue };
            for (request, answer) in repeats(name, record) {
                match self.ask(vec![request.clone()]).map(|mut replies| replies.remove(0)) {
                    Ok(Reply::Done(done)) if done.verdict.as_ref() == Ok(&answer) => {}
                    other => return Err(format!("S9: {request:?} is answered {other:?} and not {answer:?}")),
                }
            }
        }
        let again = self.told()?;
        if again != *told {
            Err(format!("S9: asking again has changed {told:?} to {again:?}"))
        } else {
            Ok(())
        }
    }
}

/// The event log, all segments one after the other.
pub(crate) fn log(disk: &SimulatedDisk) -> String {
    let mut names: Vec<_> = disk.walk("events").unwrap().map(Result::unwrap).collect();
    names.sort();
    let read = |name: String| disk.read(&format!("events/{name}"), 1 << 20).unwrap().unwrap().bytes;
    names.into_iter().map(|name| String::from_utf8_lossy(&read(name)).into_owned()).collect()
}

/// Where this handoff's files are.
fn files(disk: &SimulatedDisk, name: &str) -> Vec<String> {
    let mut files = Vec::new();
    for directory in ["handoff", "claimed", "archive", "rejected"] {
        for file in disk.walk(directory).unwrap().map(Result::unwrap) {
            if file == format!("{name}.json") || file.starts_with(&format!("{name}~")) {
                files.push(format!("{directory}/{file}"));
            }
        }
    }
    files
}

/// The commands that made a record, and how each is answered if it comes again: what a record says of itself.
fn repeats(name: &str, record: &Record<Wire>) -> Vec<(Request, Answer<Wire>)> {
    let mut repeats = vec![(starting(name), Answer::Started { expires_at: record.expires_at })];
    let claim_id = record.claim().and_then(|claim| claim.id);
    if let (State::Claimed(held), Some(_)) = (&record.state, claim_id) {
        repeats.push((accepting(name, claim_id), Answer::claimed(record, held)));
    }
    if let State::Completed { completion: Completion { at, .. }, .. } = &record.state {
        // Whoever finished it by a rename said nothing that could be repeated.
        repeats.push((completing(name, claim_id, record), Answer::Completed { at: *at }));
    }
    if let State::Rejected(Rejection::Declined { decline: Decline { at, claim_id, .. }, .. }) = &record.state
    {
        repeats.push((rejecting(name, *claim_id), Answer::Rejected { at: *at }));
    }
    repeats
}

fn alice() -> Asker {
    Asker { agent: agent("alice"), named: None }
}

pub(crate) fn starting(name: &str) -> Request {
    let bytes = artifact(name);
    let start = Artifact::parse(&bytes).unwrap().header().start();
    Request::Start { sender: agent("bob"), start, bytes: bytes.into(), target_known: true }
}

pub(crate) fn accepting(name: &str, claim_id: Option<ClaimId>) -> Request {
    Request::Accept { by: alice(), handoff: id(name), claim_id, receipt: None }
}

fn completing(name: &str, claim_id: Option<ClaimId>, record: &Record<Wire>) -> Request {
    let result = match &record.state {
        State::Completed { completion, .. } => completion.result.clone(),
        State::Pending | State::Claimed(_) | State::Rejected(_) => None,
    };
    Request::Complete { by: alice(), handoff: id(name), claim_id, result, receipt: None }
}

pub(crate) fn finishing(name: &str, claim_id: Option<ClaimId>) -> Request {
    let result = Some("{\"n\":1}".into());
    Request::Complete { by: alice(), handoff: id(name), claim_id, result, receipt: None }
}

pub(crate) fn rejecting(name: &str, claim_id: Option<ClaimId>) -> Request {
    Request::Reject { by: alice(), handoff: id(name), claim_id, reason: "\"busy\"".into(), receipt: None }
}
