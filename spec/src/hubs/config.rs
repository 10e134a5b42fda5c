//! Configurations: how many hubs, who asks what, and which faults may happen how often.
//!
//! The default of every switch is what the protocol assumes. A configuration that turns one drops an assumption, and
//! says so in `spec/ASSUMPTIONS.md`.

use std::borrow::Cow;

use handoff_kernel::command::Command;
use handoff_kernel::record::Record;
use handoff_kernel::rules::{Rule, Rules};
use handoff_kernel::testing::small::Small;

use crate::model::Property;

/// One world, made small.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name, as in the claims table.
    pub name: Cow<'static, str>,
    /// What it is about, in a sentence.
    pub says: &'static str,
    /// What is on record at the beginning; the place is the handoff's number.
    pub records: Vec<Option<Record<Small>>>,
    /// Who asks.
    pub clients: Vec<Client>,
    /// How many hubs.
    pub hubs: usize,
    /// How requests and answers travel.
    pub network: Network,
    /// True time at the beginning and at the end, in milliseconds. At the end time stands still and all else goes on.
    pub time: (u64, u64),
    /// ε: how far each hub's clock is from true time at most, in milliseconds. Each begins anywhere within it.
    pub epsilon: u64,
    /// How often each fault may happen in one run.
    pub faults: Faults,
    /// How many sweeps may be under way at once, by the janitors of any hubs, whenever they like.
    pub sweeps: usize,
    /// δ: for how long a decision may wait for its commit at most, in milliseconds of true time. None is for ever.
    pub delta: Option<u64>,
    /// S3's bound: no claim takes effect later than so long after `expires_at`, in true time. None asks for no bound.
    pub bound: Option<u64>,
    /// Whether hubs share a clock that claims are held against, and how long after one advance the next one comes at
    /// the latest, in milliseconds of true time.
    pub shared_clock: Option<u64>,
    /// Whether, and how long after `expires_at`, terminal records are pruned, in milliseconds of the hub's clock.
    pub retention: Option<u64>,
    /// What the store and its surroundings are trusted with.
    pub trust: Trust,
    /// The one property whose breach is looked for: a way that breaks another first is not followed. None looks for all.
    pub watch: Option<Property>,
    /// The rules that are asked for: all of them, but where one is given up on purpose.
    pub rules: Rules,
    /// Whether the history checkers watch. Liveness does without: what was answered once is no state then.
    pub history: bool,
    /// The names of the witnesses that must be reached.
    pub witnesses: &'static [&'static str],
    /// The liveness rules whose promises are looked at.
    pub promises: &'static [Rule],
}

/// Who asks, and what, one after the other: the next when the one before is answered.
#[derive(Debug, Clone)]
pub struct Client {
    /// Who it really is.
    pub agent: u8,
    /// What it asks.
    pub asks: Vec<Ask>,
    /// How often it sends each request: once, and again when no answer comes. None is as often as it takes.
    pub sends: Option<u8>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A command on a handoff. The sender that it names is believed only where authentication is dropped.
    Command {
        /// Which handoff.
        handoff: u8,
        /// What, with attempt 0: the hub that takes it up draws one.
        command: Command<Small>,
    },
    /// What waits for this agent? Answered at once.
    Poll,
    /// The same, answered when there is something.
    Wait,
}

/// How requests and answers travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Not at all: the first request of each client has arrived at a hub when the model begins, answers arrive at
    /// once. Races at the store are seen in the fewest steps.
    None,
    /// As messages, in any order, after any time; lost and doubled as often as [`Faults`] says. A partition is a run in
    /// which nothing that crosses it is delivered while it lasts.
    Messages,
}

/// How often each fault may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Faults {
    /// The store's answer to an effect is lost; a write took effect, or will later, or never.
    pub lost_answers: u8,
    /// The store cannot, and says so.
    pub failures: u8,
    /// A hub pauses between the store's answer and what it makes of it: others act meanwhile.
    pub pauses: u8,
    /// A hub dies between two effects; it restarts whenever it likes.
    pub crashes: u8,
    /// The network loses a message.
    pub losses: u8,
    /// The network delivers a message twice.
    pub doubles: u8,
    /// A hub is cut off from store and clients.
    pub cuts: u8,
    /// A hub's clock is set, to anywhere within ε.
    pub clock_steps: u8,
}

/// What the store and its surroundings are trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// A swap takes effect only on the version that was loaded.
    pub compares: bool,
    /// What was written stays written when the store is restarted.
    pub durable: bool,
    /// Where events are written.
    pub log: Log,
    /// Each attempt's nonce is fresh.
    pub fresh_attempts: bool,
    /// A request's sender is who it says it is.
    pub authenticates: bool,
    /// A hub's clock mark survives its restart.
    pub keeps_mark: bool,
    /// A waiting poll is looked at again and again, and not only when its own hub has started something.
    pub relists: bool,
    /// A poll is shown the earliest that has arrived, of all that it could claim; otherwise the latest.
    pub shows_oldest: bool,
    /// Faults end: [`Faults`] is a budget. Otherwise the network may lose messages for ever.
    pub faults_end: bool,
    /// Whether the janitor runs again and again, or only when it likes.
    pub fair_janitor: bool,
}

/// Where events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// In one commit with the record.
    WithRecord,
    /// By the one hub, after the record; what is missing after a crash is completed from the records.
    AfterCompleted,
    /// By each hub, after the record; what is missing after a crash stays missing.
    AfterForgotten,
}

impl Trust {
    /// What the protocol assumes.
    pub const PROTOCOL: Self = Self {
        compares: true,
        durable: true,
        log: Log::WithRecord,
        fresh_attempts: true,
        authenticates: true,
        keeps_mark: true,
        relists: true,
        shows_oldest: true,
        faults_end: true,
        fair_janitor: true,
    };
}

impl Faults {
    /// None at all.
    pub const NONE: Self = Self {
        lost_answers: 0,
        failures: 0,
        pauses: 0,
        crashes: 0,
        losses: 0,
        doubles: 0,
        cuts: 0,
        clock_steps: 0,
    };

    /// How often the most frequent may happen.
    #[must_use]
    pub fn most(self) -> u8 {
        let Self { lost_answers, failures, pauses, crashes, losses, doubles, cuts, clock_steps } = self;
        let all = [lost_answers, failures, pauses, crashes, losses, doubles, cuts, clock_steps];
        all.into_iter().fold(0, u8::max)
    }
}

impl Config {
    /// One hub, nothing on record, nobody asking, no faults, at time 5.
    pub const PLAIN: Self = Self {
        name: Cow::Borrowed(""),
        says: "",
        records: Vec::new(),
        clients: Vec::new(),
        hubs: 1,
        network: Network::None,
        time: (5, 5),
        epsilon: 0,
        faults: Faults::NONE,
        sweeps: 0,
        delta: None,
        bound: None,
        shared_clock: None,
        retention: None,
        trust: Trust::PROTOCOL,
        watch: None,
        rules: Rules::ALL,
        history: true,
        witnesses: &[],
        promises: &[],
    };
}
