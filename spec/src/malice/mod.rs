//! A malicious hub: what it can do (withhold, show one handoff to two claimants, lie about everything, alter and
//! cross what it relays), which rules that breaks, and which hold regardless.
//!
//! An HMAC is an ideal token here ([`token`]); [`replay`] lives each trace through again with real keys and bytes.
//! Honest agents behave as the protocol demands: a target verifies before it acts, an author verifies a receipt
//! before it believes it. The hub may be in league with `eve`, who has keys of her own.
//!
//! What holds regardless is S8, on both sides: an artifact that a target takes was signed by the author that it
//! names, for this target and under this name; and a receipt that an author believes was made by the target, of this
//! very handoff, these bytes and this claim. Everything else is the hub's word, and [`configurations`] has the
//! shortest way in which each rule is broken when the hub lies.

mod configurations;
mod hub;
pub mod replay;
mod story;
#[cfg(test)]
mod tests;
pub mod token;
mod words;

use std::collections::BTreeSet;

use handoff_kernel::command::{Answer, Command, Event as Logged, EventKind, Start};
use handoff_kernel::history::{Broken, History, Seen};
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rule, Rules, Step, check_step};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::{EVE, Small};
use handoff_kernel::time::Time;

pub use configurations::{Configuration, Expectation, configurations};
pub use hub::{Action, Reply};
use token::{Act, Bytes, Content, Deed, Keys, Token};
pub(crate) use words::marks;

use crate::model::{Breach, LeadsTo, Model, Story, Witness};
use crate::trace::{FORMAT, Header, Kind};

/// What the hub does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hub {
    /// What the protocol demands: it runs the kernel's `step`, and tells the truth.
    Honest,
    /// It answers as it likes and shows what it likes, but leaves artifacts as they are.
    Lies,
    /// It does all that, and alters, crosses and invents artifacts and receipts as well.
    Tampers,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Only what must hold whatever the hub does: S8 on both sides.
    Regardless,
    /// Every rule that the kernel has a checker for, and the promises.
    All,
    /// This rule; a way that breaks another one first is not followed.
    Rule(Rule),
}

/// What an author takes a receipt of an accept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// A receipt of an accept says that the target asked to own the handoff: it signs before it knows the answer.
    Asked,
    /// It is taken to say that the target owns it: more than it can say.
    Held,
}

/// A configuration: the agents, the hub's powers, and what is assumed.
#[derive(Debug, Clone)]
pub struct Malice {
    /// Its name.
    pub name: &'static str,
    /// The artifacts that their authors may hand over, the id being the place in this list.
    pub artifacts: Vec<Content>,
    /// The agent of each instance that polls; the claim of the first is `c1`, and so on.
    pub instances: Vec<u8>,
    /// What the hub does.
    pub hub: Hub,
    /// What is looked for.
    pub watch: Watch,
    /// Who shares a key with whom.
    pub keys: Keys,
    /// Whether the hub has what `eve` has: her keys.
    pub colludes: bool,
    /// Whether the hub can make tokens without the key: the HMAC is not ideal.
    pub forging: bool,
    /// Whether the hub may write an artifact's bytes anew with other white space, which no signature covers.
    pub respells: bool,
    /// Whether it may change its records and its log by no rule at all.
    pub forces: bool,
    /// Whether it may acknowledge a start and keep nothing.
    pub drops: bool,
    /// Whether it may tell a poll that there is nothing.
    pub denies: bool,
    /// Whether targets verify an artifact before they act on it.
    pub verifies: bool,
    /// Whether authors verify a receipt before they believe it.
    pub author_verifies: bool,
    /// What an author takes a receipt of an accept for.
    pub reads: Reads,
    /// Until when artifacts can be claimed; time goes from 0 to 1.
    pub expires_at: Time,
}

/// Where an instance of a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Its poll waits.
    Polls,
    /// It was shown an artifact, and found nothing wrong with it.
    Has,
    /// It asked for this, with a receipt, and waits for the answer.
    Asks(Act),
    /// It was told that the handoff is its own.
    Holds,
    /// It was told that this is done, a completion or a decline.
    Done(Act),
    /// It was told no.
    Refused,
}

/// An instance of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The agent under whose name it runs.
    pub agent: u8,
    /// What it calls its claim.
    pub claim: u8,
    /// Where it stands.
    pub at: At,
    /// What it took, and under which id it was shown.
    pub took: Option<(u8, Bytes)>,
    /// Which acts it has made a receipt of, by the order of [`Act::ALL`].
    pub made: [bool; 3],
    /// Whether it was told that it won.
    pub won: bool,
}

impl Instance {
    /// The receipts that it has made, each with what it is of.
    fn deeds(&self) -> impl Iterator<Item = Deed> + '_ {
        let made = Act::ALL.into_iter().filter(|act| self.made[*act as usize]);
        made.filter_map(|act| self.deed(act))
    }

    /// What a receipt of this act says.
    fn deed(&self, act: Act) -> Option<Deed> {
        let (_, bytes) = self.took?;
        let claim = self.claimed_in(act);
        // It signs what it verified, and its own name: not what the hub calls it.
        Some(Deed { act, claim, bytes, id: bytes.content.id, target: self.agent })
    }

    /// The claim that a command names: a decline before any claim has none.
    fn claimed_in(&self, act: Act) -> Option<u8> {
        match act {
            Act::Accept | Act::Complete => Some(self.claim),
            Act::Reject => None,
        }
    }

    /// The command that it sends.
    fn command(&self, act: Act) -> Command<Small> {
        let (by, claim_id) = (self.agent, self.claimed_in(act));
        match act {
            Act::Accept => Command::Accept { by, claim_id, attempt: self.claim, receipt: None },
            Act::Complete => Command::Complete { by, claim_id, result: None, receipt: None },
            Act::Reject => Command::Reject { by, claim_id, reason: 0, receipt: None },
        }
    }
}

/// What an author knows by a receipt that it believes: on this handoff, this was done under this claim.
pub type Belief = (u8, Act, Option<u8>);

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The deciding clock.
    pub now: Time,
    /// Which artifacts have been handed to the hub.
    pub sent: Vec<bool>,
    /// What is on record; empty where only what holds regardless is watched, for then no record means anything.
    pub records: Vec<Option<Record<Small>>>,
    /// The instances.
    pub instances: Vec<Instance>,
    /// What authors believe by receipts.
    pub believed: BTreeSet<Belief>,
    /// The kernel's memory of what was seen.
    history: History<Small>,
    broken: Option<Broken>,
}

impl State {
    fn deeds(&self) -> impl Iterator<Item = Deed> + '_ {
        self.instances.iter().flat_map(Instance::deeds)
    }

    /// The oldest that this agent can claim.
    fn oldest(&self, agent: u8) -> Option<&Record<Small>> {
        let open = self
            .records
            .iter()
            .flatten()
            .filter(|record| record.target == agent && Protocol.open_to_claims(record, self.now));
        open.min_by_key(|record| (record.started_at, record.id))
    }
}

impl Malice {
    fn key(&self, content: &Content) -> token::KeyName {
        self.keys.between(content.author, content.target)
    }

    /// The bytes that this artifact's author hands over.
    fn original(&self, id: u8) -> Bytes {
        let content = self.artifacts[usize::from(id)];
        Bytes { content, token: Token { by: self.key(&content), over: content }, respelled: false }
    }

    /// A name for the digest of these bytes; all that are nobody's originals share one.
    fn digest(&self, bytes: &Bytes) -> u8 {
        let ids = 0..u8::try_from(self.artifacts.len()).expect("few artifacts");
        ids.into_iter().find(|id| self.original(*id) == *bytes).unwrap_or(99)
    }

    fn start(&self, id: u8) -> Start<Small> {
        let Content { author, target, .. } = self.artifacts[usize::from(id)];
        Start { id, author, target, digest: id, expires_at: self.expires_at, claim_ttl: None }
    }

    /// Whether records and the kernel's memory are kept: they are nothing to what holds regardless.
    fn keeps_records(&self) -> bool {
        self.watch != Watch::Regardless
    }

    /// What a verifying target demands of an artifact that it was shown under this id.
    fn accepts(&self, agent: u8, shown_as: u8, bytes: &Bytes) -> bool {
        let named = bytes.content.target == agent && bytes.content.id == shown_as;
        !self.verifies || (named && bytes.token.fits(self.key(&bytes.content), &bytes.content))
    }

    /// What a receipt must be of for this author to believe it: its own bytes, id and target, and what the hub says
    /// was done under which claim.
    fn expected(&self, (id, act, claim): Belief) -> Deed {
        let bytes = self.original(id);
        Deed { act, claim, bytes, id, target: bytes.content.target }
    }

    fn believes(&self, belief: Belief, token: &Token<Deed>) -> bool {
        let deed = self.expected(belief);
        !self.author_verifies || token.fits(self.key(&deed.bytes.content), &deed)
    }

    /// Whether the author that these contents name has signed them. What `eve` signs in the hub's name is signed.
    fn signed(&self, state: &State, content: &Content) -> bool {
        let own = state.sent.get(usize::from(content.id)) == Some(&true)
            && self.artifacts[usize::from(content.id)] == *content;
        own || (self.colludes && content.author == EVE)
    }

    /// S8 at the target: what it took, whatever it was told since.
    fn took_what_was_signed(&self, state: &State) -> bool {
        state.instances.iter().all(|instance| {
            instance.took.is_none_or(|(shown_as, bytes)| {
                let named = bytes.content.target == instance.agent && bytes.content.id == shown_as;
                named && self.signed(state, &bytes.content)
            })
        })
    }

    /// S8 at the author: whoever it takes to have done something has done it, to these bytes.
    fn believes_what_was_done(&self, state: &State) -> Option<&'static str> {
        for belief in &state.believed {
            let expected = self.expected(*belief);
            let doer = state.instances.iter().find(|instance| instance.deeds().any(|deed| deed == expected));
            match (doer, expected.act, self.reads) {
                (None, ..) => return Some(RECEIPT),
                (Some(doer), Act::Complete, _) | (Some(doer), Act::Accept, Reads::Held) if !doer.won => {
                    return Some(HELD);
                }
                (Some(_), Act::Accept | Act::Complete | Act::Reject, Reads::Asked | Reads::Held) => {}
            }
        }
        None
    }

    /// Takes note of what was seen, if anybody watches.
    fn see(&self, state: &mut State, seen: &Seen<'_, Small>) {
        let watched = match self.watch {
            Watch::Regardless => false,
            Watch::Rule(rule) => !matches!(rule, Rule::L1 | Rule::L2 | Rule::L3),
            Watch::All => true,
        };
        if watched && state.broken.is_none() {
            state.broken = state.history.observe(seen).err();
        }
    }

    /// What the hub does to a record, watched by the rules of a step, and put in the log.
    fn carry_out(
        &self,
        state: &mut State,
        id: u8,
        command: &Command<Small>,
        result: Result<Transition<Small>, Refusal>,
    ) -> Result<Answer<Small>, Refusal> {
        let before = state.records[usize::from(id)].clone();
        let checked = check_step(
            Rules::ALL,
            &Step { before: before.as_ref(), command, now: state.now, result: &result },
        );
        if let (Err(broken), None) = (checked, state.broken) {
            state.broken = Some(broken);
        }
        match result? {
            Transition::Same(answer) => Ok(answer),
            Transition::To { next, event, answer } => {
                self.see(state, &Seen::Committed { command, next: &next, event: &event });
                self.see(state, &Seen::Logged(&event));
                state.records[usize::from(id)] = Some(next);
                answer
            }
        }
    }

    /// The hub answers a command, truly or not, and somebody is told.
    fn answer(
        &self,
        state: &mut State,
        id: u8,
        command: &Command<Small>,
        reply: Reply,
    ) -> Result<Answer<Small>, Refusal> {
        let verdict = match reply.lie(command, state.now) {
            Some(lie) => lie,
            None => {
                let record = state.records[usize::from(id)].as_ref();
                let result = step(&Protocol, record, command, state.now);
                self.carry_out(state, id, command, result)
            }
        };
        let now = state.now;
        self.see(state, &Seen::Answered { operation: None, handoff: &id, command, verdict: &verdict, now });
        verdict
    }

    /// The hub makes this of a record, by no rule.
    fn force(&self, state: &mut State, command: &Command<Small>, next: Record<Small>, kind: EventKind) {
        let (id, at) = (next.id, state.now);
        let event = Logged { handoff: id, kind, at, actor: command.actor().copied() };
        let answer = match command {
            Command::Start { artifact, .. } => Ok(Answer::Started { expires_at: artifact.expires_at }),
            Command::Accept { claim_id, .. } => {
                Ok(Answer::Claimed { claim_id: *claim_id, claimed_at: at, claim_expires_at: None })
            }
            Command::Complete { .. } => Ok(Answer::Completed { at }),
            Command::Reject { .. } => Ok(Answer::Rejected { at }),
            Command::Sweep => Ok(Answer::Swept),
        };
        // Nobody is told: what is wrong is the change itself.
        let _told = self.carry_out(state, id, command, Ok(Transition::To { next, event, answer }));
    }
}

/// How S8 breaks at the target.
pub const ARTIFACT: &str = "a target took an artifact that the named author did not sign for it";
/// How S8 breaks at the author.
pub const RECEIPT: &str = "an author believes a receipt that the target did not make";
/// How it breaks at an author that reads too much into a receipt.
pub const HELD: &str = "an author takes for the holder an instance that was told no, or not yet anything";

impl Model for Malice {
    type State = State;
    type Action = Action;

    fn header(&self) -> Header {
        let rule = match self.watch {
            Watch::Regardless | Watch::All => Rule::S8,
            Watch::Rule(rule) => rule,
        };
        Header {
            trace: FORMAT.to_owned(),
            name: self.name.to_owned(),
            kind: Kind::Counterexample,
            rule: format!("{rule:?}"),
            demands: None,
            says: String::new(),
            model: "malice".to_owned(),
            configuration: self.name.to_owned(),
            law: "protocol".to_owned(),
            records: Vec::new(),
            bound: None,
            log_follows: false,
            cycle_from: None,
        }
    }

    fn initial(&self) -> Vec<State> {
        let instance = |(agent, claim): (&u8, u8)| Instance {
            agent: *agent,
            claim,
            at: At::Polls,
            took: None,
            made: [false; 3],
            won: false,
        };
        vec![State {
            now: Time(0),
            sent: vec![false; self.artifacts.len()],
            records: vec![None; self.artifacts.len()],
            instances: self.instances.iter().zip(1..).map(instance).collect(),
            believed: BTreeSet::new(),
            history: History::default(),
            broken: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_none() {
            self.possible(state, actions);
        }
    }

    fn next(&self, state: &State, action: &Action, story: &mut Story) -> State {
        let mut next = state.clone();
        self.happen(&mut next, action, story);
        next
    }

    fn breach(&self, state: &State) -> Option<Breach> {
        if !self.took_what_was_signed(state) {
            return Some(Breach::of(Rule::S8, ARTIFACT));
        }
        if let Some(how) = self.believes_what_was_done(state) {
            return Some(Breach::of(Rule::S8, how));
        }
        match (self.watch, state.broken) {
            (Watch::Rule(rule), Some(broken)) if rule == broken.rule => Some(broken.into()),
            (Watch::All, Some(broken)) => Some(broken.into()),
            (Watch::Regardless | Watch::All | Watch::Rule(_), _) => None,
        }
    }

    fn witnesses(&self) -> Vec<Witness<State>> {
        story::witnesses(self)
    }

    fn fairness(&self, _state: &State, action: &Action) -> Option<u8> {
        // A malicious hub owes nobody anything.
        if self.hub == Hub::Honest { hub::obligation(action) } else { None }
    }

    fn liveness(&self) -> Vec<LeadsTo<State>> {
        let mut promises = hub::promises();
        promises.retain(|promise| match self.watch {
            Watch::Regardless => false,
            Watch::All => true,
            Watch::Rule(rule) => rule == promise.rule,
        });
        promises
    }
}
