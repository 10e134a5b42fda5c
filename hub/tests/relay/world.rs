//! A relay on a temporary directory under a clock that the test sets.

use std::path::PathBuf;
use std::sync::Arc;

use handoff_hub::clock::TestClock;
use handoff_hub::disk::RealDisk;
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Asker, Reply, Request, Ticket};
use handoff_hub::store::{Options, own_disk};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::Answer;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Wire};
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::{Record, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;

/// When every story begins: 2026-04-21T10:00:00Z.
pub(crate) const BEGIN: Time = Time(1_776_765_600_000);

pub(crate) struct World<L: Law = Protocol> {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: TestClock,
    pub(crate) relay: Relay<TestClock, RealDisk, L>,
    law: L,
    tickets: u64,
}

/// The default set-up, but for journals that are quickly copied.
pub(crate) fn config(data: PathBuf) -> Config {
    let store = Options { journal_bytes: 64 * 1024, ..Options::default() };
    Config { store, ..Config::on(data) }
}

pub(crate) type Verdict = Result<Answer<Wire>, NotDone>;

/// In memory where there is such a place: opening a store flushes the whole file system that it is on, and other
/// people's builds with it. What a power cut leaves of a disk is not what these tests are about.
pub(crate) fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(crate) fn id(name: &str) -> HandoffId {
    HandoffId::parse(name).unwrap()
}

pub(crate) fn claim(name: &str) -> Option<ClaimId> {
    Some(ClaimId::parse(name).unwrap())
}

pub(crate) fn refused(refusal: Refusal) -> Verdict {
    Err(NotDone::Refused(refusal))
}

/// An artifact from bob to alice that lives this long from [`BEGIN`] on.
pub(crate) fn artifact(name: &str, lives: Millis, ttl: Option<u64>) -> Vec<u8> {
    let ttl = ttl.map_or(String::new(), |s| format!(r#", "claim_ttl_seconds": {s}"#));
    format!(
        "{{\"protocol_version\": 1,\n \"handoff_id\": \"{name}\", \"from_agent\": \"bob\", \"to_agent\": \"alice\", \
         \"reason\": \"r\", \"initiated_at\": \"2026-04-21T09:00:00Z\", \"expires_at\": \"{}\", \"hmac\": \"x\"{ttl}}}",
        Rfc3339(BEGIN.plus(lives))
    )
    .into_bytes()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn without_janitor() -> Self {
        Self::with(|config| Config { janitor: false, ..config })
    }

    pub(crate) fn with(change: impl FnOnce(Config) -> Config) -> Self {
        Self::under(Protocol, change)
    }

    /// A relay that the test has opened itself, elsewhere.
    pub(crate) fn around(relay: Relay<TestClock>) -> Self {
        Self { dir: in_memory(), clock: TestClock::at(BEGIN), relay, law: Protocol, tickets: 0 }
    }
}

impl<L: Law> World<L> {
    /// With a relay that decides under this law.
    pub(crate) fn under(law: L, change: impl FnOnce(Config) -> Config) -> Self {
        let dir = in_memory();
        let clock = TestClock::at(BEGIN);
        let config = change(config(dir.path().join("data")));
        let disk = own_disk(&config.data).unwrap();
        let relay = Relay::under(law.clone(), disk, &config, clock.clone()).unwrap();
        Self { dir, clock, relay, law, tickets: 0 }
    }

    /// The relay is gone without a word, and another one opens what it left.
    pub(crate) fn crash(self) -> Self {
        self.crash_as_it_was(true)
    }

    /// The same, with the janitor as it was.
    pub(crate) fn crash_as_it_was(self, janitor: bool) -> Self {
        self.reopened(|config| Config { janitor, ..config })
    }

    /// The same, with another set-up.
    pub(crate) fn reopened(self, change: impl FnOnce(Config) -> Config) -> Self {
        let Self { dir, clock, relay, law, tickets } = self;
        drop(relay);
        let config = change(config(dir.path().join("data")));
        let disk = own_disk(&config.data).unwrap();
        let relay = Relay::under(law.clone(), disk, &config, clock.clone()).unwrap();
        Self { dir, clock, relay, law, tickets }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.data().join(file))
            .unwrap_or_else(|e| panic!("{file}: {e}: {:?}", self.files()))
    }

    /// Every handoff's file, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        for directory in ["handoff", "claimed", "archive", "rejected", "quarantine"] {
            for entry in std::fs::read_dir(self.data().join(directory)).unwrap() {
                all.push(format!("{directory}/{}", entry.unwrap().file_name().to_str().unwrap()));
            }
        }
        all.sort();
        all
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.data().join(from), self.data().join(to)).unwrap();
    }

    pub(crate) fn submit(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        self.relay.submit(Ticket(self.tickets), request);
        Ticket(self.tickets)
    }

    /// Everything that is answered now.
    pub(crate) fn turn(&mut self) -> Vec<(Ticket, Reply)> {
        self.relay.tick();
        let mut all = self.relay.drain().0;
        all.extend(self.relay.commit().unwrap().0);
        all
    }

    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        let ticket = self.submit(request);
        let mut all = self.relay.drain().0;
        all.extend(self.relay.commit().unwrap().0);
        let (_, reply) = all.into_iter().find(|(t, _)| *t == ticket).expect("it is answered");
        reply
    }

    pub(crate) fn verdict(&mut self, request: Request) -> Verdict {
        match self.ask(request) {
            Reply::Done(done) => done.verdict,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn start(&mut self, bytes: &[u8]) -> Verdict {
        self.verdict(starting(bytes))
    }

    pub(crate) fn accept(&mut self, name: &str, claim_id: Option<ClaimId>) -> Verdict {
        self.verdict(accepting(name, claim_id))
    }

    pub(crate) fn complete(&mut self, name: &str, claim_id: Option<ClaimId>, result: &str) -> Verdict {
        self.verdict(Request::Complete {
            by: alice(),
            handoff: id(name),
            claim_id,
            result: Some(result.into()),
            receipt: None,
        })
    }

    pub(crate) fn reject(&mut self, name: &str, claim_id: Option<ClaimId>, reason: &str) -> Verdict {
        self.verdict(Request::Reject {
            by: alice(),
            handoff: id(name),
            claim_id,
            reason: format!("\"{reason}\"").into(),
            receipt: None,
        })
    }

    pub(crate) fn get(&mut self, name: &str) -> Result<Record<Wire>, Refusal> {
        match self.ask(Request::Get { by: agent("bob"), handoff: id(name), artifact: false }) {
            Reply::Got(story) => story.map(|story| story.record),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn status(&mut self, name: &str) -> Option<Status> {
        self.get(name).ok().map(|record| record.status())
    }

    /// What a poll of alice's shows: the id and the bytes.
    pub(crate) fn poll(&mut self) -> Option<(HandoffId, Arc<[u8]>)> {
        match self.ask(Request::Poll { by: agent("alice"), wait: Millis(0) }) {
            Reply::Polled(shown) => shown.map(|shown| (shown.handoff, shown.bytes)),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn alice() -> Asker {
    Asker { agent: agent("alice"), named: None }
}

pub(crate) fn starting(bytes: &[u8]) -> Request {
    let start = Artifact::parse(bytes).unwrap().header().start();
    Request::Start { sender: agent("bob"), start, bytes: bytes.into(), target_known: true }
}

pub(crate) fn accepting(name: &str, claim_id: Option<ClaimId>) -> Request {
    Request::Accept { by: alice(), handoff: id(name), claim_id, receipt: None }
}
