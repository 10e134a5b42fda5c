//! A trace lived through again with real keys and real bytes: wherever the ideal token is said to fit, the kernel's
//! HMAC fits, and wherever it is said not to, it does not. And what the trace says that it breaks, it breaks.
//!
//! Nothing of the model is used here: what was signed, what was done and what is on record is found again from what
//! the trace tells.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::{Answer, Command, Event as Logged, EventKind, Start};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Mac};
use handoff_kernel::json::Document;
use handoff_kernel::law::Protocol;
use handoff_kernel::operation::NotDone;
use handoff_kernel::receipt::{self, Receipt};
use handoff_kernel::record::{Claim, Record, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rule, Rules, Step, check_step};
use handoff_kernel::seal::{self, Key};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::{EVE, Small};
use handoff_kernel::time::Time;

use super::hub::overdue;
use super::token::{Act, Bytes, Content, Deed, KeyName, name};
use crate::trace::{Event, Kind, Told, Trace};

/// Lives a trace of this model through again.
///
/// # Errors
/// The first line in which the real keys disagree with the ideal tokens, or in which something is told that cannot
/// be so; or that the trace does not end in what it says that it breaks.
pub fn replay(trace: &Trace) -> Result<(), String> {
    let rule = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == trace.header.rule);
    let rule = rule.ok_or_else(|| format!("there is no rule {:?}", trace.header.rule))?;
    let mut replay = Replay::new();
    for line in &trace.lines {
        let before_the_end = replay.broken.contains(&rule) && line.step < trace.steps();
        if before_the_end {
            return Err(format!("step {}: {rule} was broken before the last step", line.step));
        }
        replay.now = Time(line.time);
        replay.line(&line.host, &line.event).map_err(|why| format!("step {}: {why}", line.step))?;
    }
    let shown = match trace.header.kind {
        Kind::Counterexample => replay.broken.contains(&rule),
        Kind::Witness => !replay.broken.contains(&rule),
        Kind::Lasso => replay.waits_for(rule),
    };
    if shown { Ok(()) } else { Err(format!("it does not end as a {:?} of {rule}", trace.header.kind)) }
}

/// The real key of this name: the same bytes wherever it is named.
pub(super) fn key(name: KeyName) -> Key {
    Key::new(&Digest::of(name.to_string().as_bytes()).0).expect("a digest is long enough for a key")
}

/// What an artifact of these contents says, not signed.
fn unsigned(content: &Content) -> String {
    let Content { id, author, target, body } = content;
    format!(
        "{{\"body\":\"b{body}\",\"expires_at\":\"2026-04-21T11:00:00Z\",\"from_agent\":\"{}\",\"handoff_id\":\"h{id}\",\
         \"initiated_at\":\"2026-04-21T10:00:00Z\",\"protocol_version\":1,\"reason\":\"\",\"to_agent\":\"{}\"}}",
        name(*author),
        name(*target)
    )
}

/// The real bytes: the real signature of what was signed, put to what they say.
pub(super) fn real(bytes: &Bytes) -> String {
    let signed = unsigned(&bytes.token.over);
    let signed = Document::parse(signed.as_bytes()).expect("written as JSON right above");
    let mac = seal::sign(&key(bytes.token.by), &signed).to_base64();
    // Where the keys stand sorted, so that this is the canonical form that `seal` writes.
    let member = format!(",\"hmac\":\"{mac}\",\"initiated_at\"");
    let text = unsigned(&bytes.content).replacen(",\"initiated_at\"", &member, 1);
    if bytes.respelled { text.replacen(':', " : ", 1) } else { text }
}

/// What an artifact says, whatever its signature and its white space.
fn said(artifact: &Artifact<'_>) -> String {
    seal::seal(&key(KeyName::Nobodys), artifact.document())
}

pub(super) fn real_receipt(deed: &Deed) -> Receipt<'static> {
    let act = match deed.act {
        Act::Accept => receipt::Act::Accept,
        Act::Complete => receipt::Act::Complete { result: None },
        Act::Reject => receipt::Act::Reject { reason: "t0" },
    };
    Receipt {
        act,
        claim_id: deed.claim.map(|n| ClaimId::parse(&format!("c{n}")).expect("a letter and a digit")),
        handoff_digest: Digest::of(real(&deed.bytes).as_bytes()),
        handoff_id: HandoffId::parse(&format!("h{}", deed.id)).expect("a letter and a digit"),
        to_agent: AgentId::parse(name(deed.target)).expect("a lower-case word"),
    }
}

type With = BTreeMap<String, String>;

fn get<'a>(with: &'a With, what: &str) -> Result<&'a str, String> {
    with.get(what).map(String::as_str).ok_or_else(|| format!("{what} is not told"))
}

fn read<T>(with: &With, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    let text = get(with, what)?;
    read(text).ok_or_else(|| format!("{what} is not readable: {text:?}"))
}

fn handoff(text: &str) -> Option<u8> {
    text.strip_prefix('h')?.parse().ok()
}

fn agree(what: &str, real: bool, with: &With) -> Result<(), String> {
    let ideal = get(with, what)? == "yes";
    if real == ideal {
        Ok(())
    } else {
        Err(format!("{what}: ideally {ideal}, with real keys and bytes {real}"))
    }
}

/// Whether this is a key that these two have together.
fn of_the_pair(key: KeyName, author: &str, target: &str) -> bool {
    match key {
        KeyName::Direction { author: by, target: to } => (name(by), name(to)) == (author, target),
        KeyName::Pair { low, high } => {
            [(name(low), name(high)), (name(high), name(low))].contains(&(author, target))
        }
        KeyName::Shared => true,
        KeyName::Nobodys => false,
    }
}

struct Replay {
    now: Time,
    /// What each author has signed: the canonical form, without the signature.
    signed: BTreeSet<String>,
    /// The bytes that were handed over under each id.
    handed_over: BTreeMap<u8, Digest>,
    /// What targets have signed receipts of, and what is asked and not answered.
    done: BTreeSet<String>,
    asks: BTreeSet<String>,
    /// Claims that were told that they won, with their handoff.
    won: BTreeSet<(u8, Option<u8>)>,
    /// The receipt that the author is being shown, and of what handoff and whether truly the hub is answering.
    presented: Option<Mac>,
    answering: Option<(u8, bool)>,
    records: BTreeMap<u8, Record<Small>>,
    history: History<Small>,
    /// Whether the history was broken: it is fed no further then.
    history_over: bool,
    broken: BTreeSet<Rule>,
}

impl Replay {
    fn new() -> Self {
        Self {
            now: Time(0),
            signed: BTreeSet::new(),
            handed_over: BTreeMap::new(),
            done: BTreeSet::new(),
            asks: BTreeSet::new(),
            won: BTreeSet::new(),
            presented: None,
            answering: None,
            records: BTreeMap::new(),
            history: History::default(),
            history_over: false,
            broken: BTreeSet::new(),
        }
    }

    fn line(&mut self, host: &str, event: &Event) -> Result<(), String> {
        if *event == Event::Ticks {
            return Ok(());
        }
        if let Event::Receives { command, verdict } = event {
            return self.receives(host, &Command::try_from(command)?, verdict);
        }
        let Event::Tells { does, with } = event else { return Err(format!("not of this model: {event}")) };
        match does.as_str() {
            "signs" => self.signs(with),
            "shows" => self.shows(with),
            "shows_nothing" => {
                let target = target(get(with, "to")?)?;
                self.see(&Seen::Polled { target: &target, shown: None, now: self.now });
                Ok(())
            }
            "takes" | "refuses" => self.judges(host, does == "takes", with),
            "asks" => {
                let deed = read(with, "receipt", Deed::read)?;
                self.done.insert(real_receipt(&deed).canonical());
                self.asks.insert(host.to_owned());
                Ok(())
            }
            "answers" => {
                let id = read(with, "handoff", handoff)?;
                self.answering = Some((id, get(with, "it_is")? == "truth"));
                Ok(())
            }
            "presents" => {
                let deed = read(with, "receipt", Deed::read)?;
                self.presented = Some(real_receipt(&deed).sign(&key(read(with, "key", KeyName::read)?)));
                Ok(())
            }
            "believes" | "disbelieves" => self.weighs(does == "believes", with),
            "sweeps" => {
                let id = read(with, "handoff", handoff)?;
                self.carry_out(id, &Command::Sweep).map(|_| ())
            }
            "takes_from_eve" | "lets_eve_claim" | "reopens" => self.forced(does, with),
            "invents_a_claim_in_the_log" => {
                let id = read(with, "handoff", handoff)?;
                let event = Logged { handoff: id, kind: EventKind::Claimed, at: self.now, actor: None };
                self.see(&Seen::Logged(&event));
                Ok(())
            }
            other => Err(format!("nothing of this model: {other}")),
        }
    }

    fn see(&mut self, seen: &Seen<'_, Small>) {
        if !self.history_over
            && let Err(broken) = self.history.observe(seen)
        {
            self.history_over = true;
            self.broken.insert(broken.rule);
        }
    }

    fn signs(&mut self, with: &With) -> Result<(), String> {
        let bytes = read(with, "artifact", Bytes::read)?;
        let text = real(&bytes);
        let artifact = Artifact::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        self.signed.insert(said(&artifact));
        self.handed_over.insert(bytes.content.id, artifact.header().digest);
        Ok(())
    }

    fn shows(&mut self, with: &With) -> Result<(), String> {
        let bytes = read(with, "artifact", Bytes::read)?;
        let shown_as = read(with, "as", handoff)?;
        let target = target(get(with, "to")?)?;
        let same = self.handed_over.get(&shown_as) == Some(&Digest::of(real(&bytes).as_bytes()));
        let digest = if same { shown_as } else { 99 };
        self.see(&Seen::Polled { target: &target, shown: Some(&shown_as), now: self.now });
        self.see(&Seen::Delivered { handoff: &shown_as, digest: &digest });
        Ok(())
    }

    /// A target judges real bytes with the real key.
    fn judges(&mut self, host: &str, takes: bool, with: &With) -> Result<(), String> {
        let text = real(&read(with, "artifact", Bytes::read)?);
        let artifact = Artifact::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let header = artifact.header();
        let held = read(with, "key", KeyName::read)?;
        if !of_the_pair(held, header.from_agent.as_str(), header.to_agent.as_str()) {
            return Err(format!("{held} is no key of the two that the artifact names"));
        }
        let named = header.handoff_id.as_str() == get(with, "as")?
            && host.split(' ').next() == Some(header.to_agent.as_str());
        agree("named", named, with)?;
        agree("fits", seal::verify(artifact.document(), &[key(held)]).is_ok(), with)?;
        // What `eve` signs may be signed for the hub; any other author has to have signed it itself.
        let signed = self.signed.contains(&said(&artifact));
        let hers = header.from_agent.as_str() == name(EVE);
        if takes && !(named && (signed || hers)) {
            self.broken.insert(Rule::S8);
        }
        Ok(())
    }

    /// An author weighs a real receipt with the real key.
    fn weighs(&mut self, believes: bool, with: &With) -> Result<(), String> {
        let deed = read(with, "says", Deed::read)?;
        let held = read(with, "key", KeyName::read)?;
        if !of_the_pair(held, name(deed.bytes.content.author), name(deed.target)) {
            return Err(format!("{held} is no key of this author and target"));
        }
        let mac = self.presented.take().ok_or("no receipt was shown")?;
        let receipt = real_receipt(&deed);
        if self.handed_over.get(&deed.id) != Some(&receipt.handoff_digest) {
            return Err("an author expects other bytes than its own".to_owned());
        }
        agree("fits", receipt.verify(&mac, &[key(held)]).is_ok(), with)?;
        let done = self.done.contains(&receipt.canonical());
        let told = match deed.act {
            Act::Complete => true,
            Act::Accept => get(with, "reads")? == "held",
            Act::Reject => false,
        };
        if believes && (!done || (told && !self.won.contains(&(deed.id, deed.claim)))) {
            self.broken.insert(Rule::S8);
        }
        Ok(())
    }

    /// Somebody is told something: truly, if the kernel says the same.
    fn receives(&mut self, host: &str, command: &Command<Small>, told: &Told) -> Result<(), String> {
        let (id, truth) = self.answering.take().ok_or("an answer that the hub did not give")?;
        let verdict = match Result::<Answer<Small>, NotDone>::try_from(told)? {
            Ok(answer) => Ok(answer),
            Err(NotDone::Refused(refusal)) => Err(refusal),
            Err(NotDone::Unavailable | NotDone::Broken(_)) => {
                return Err("no answer of this model".to_owned());
            }
        };
        if truth {
            let kernel = self.carry_out(id, command)?;
            if kernel != verdict {
                return Err(format!("the kernel answers {kernel:?}"));
            }
        }
        if let Ok(Answer::Claimed { claim_id, .. }) = &verdict {
            self.won.insert((id, *claim_id));
        }
        self.asks.remove(host);
        self.see(&Seen::Answered {
            operation: None,
            handoff: &id,
            command,
            verdict: &verdict,
            now: self.now,
        });
        Ok(())
    }

    fn carry_out(
        &mut self,
        id: u8,
        command: &Command<Small>,
    ) -> Result<Result<Answer<Small>, Refusal>, String> {
        let result = step(&Protocol, self.records.get(&id), command, self.now);
        self.change(id, command, result)
    }

    fn change(
        &mut self,
        id: u8,
        command: &Command<Small>,
        result: Result<Transition<Small>, Refusal>,
    ) -> Result<Result<Answer<Small>, Refusal>, String> {
        let before = self.records.get(&id);
        self.broken.extend(
            check_step(Rules::ALL, &Step { before, command, now: self.now, result: &result })
                .err()
                .map(|broken| broken.rule),
        );
        Ok(match result {
            Err(refusal) => Err(refusal),
            Ok(Transition::Same(answer)) => Ok(answer),
            Ok(Transition::To { next, event, answer }) => {
                self.see(&Seen::Committed { command, next: &next, event: &event });
                self.see(&Seen::Logged(&event));
                self.records.insert(id, next);
                answer
            }
        })
    }

    /// The hub changes a record by no rule.
    fn forced(&mut self, does: &str, with: &With) -> Result<(), String> {
        let on_record = |replay: &Self| {
            let id = read(with, "handoff", handoff)?;
            replay.records.get(&id).cloned().ok_or_else(|| format!("h{id} is not on record"))
        };
        let at = self.now;
        let (command, next, answer) = match does {
            "takes_from_eve" => {
                let Content { id, author, target, .. } = read(with, "artifact", Content::read)?;
                let expires_at = Time(read(with, "expires_at", |text| text.parse().ok())?);
                let artifact = Start { id, author, target, digest: id, expires_at, claim_ttl: None };
                let next = artifact.pending(at);
                (Command::Start { sender: EVE, artifact }, next, Answer::Started { expires_at })
            }
            "lets_eve_claim" => {
                let claim = Claim { id: Some(9), at, attempt: Some(9), receipt: None };
                let command = Command::Accept { by: EVE, claim_id: Some(9), attempt: 9, receipt: None };
                let record = on_record(self)?;
                let answer = Answer::claimed(&record, &claim);
                (command, record.with(State::Claimed(claim)), answer)
            }
            _ => (Command::Sweep, on_record(self)?.with(State::Pending), Answer::Swept),
        };
        let kind = EventKind::of(&next.state);
        let event = Logged { handoff: next.id, kind, at, actor: command.actor().copied() };
        self.change(next.id, &command, Ok(Transition::To { next, event, answer: Ok(answer) })).map(|_| ())
    }

    /// Whether what this promise is about is still owed.
    fn waits_for(&self, rule: Rule) -> bool {
        let pending = |late: bool| {
            self.records.values().any(|r| r.status() == Status::Pending && overdue(r, self.now) == late)
        };
        match rule {
            Rule::L1 => pending(true),
            Rule::L2 => pending(false),
            Rule::L3 => !self.asks.is_empty(),
            Rule::S1
            | Rule::S2
            | Rule::S3
            | Rule::S4
            | Rule::S5
            | Rule::S6
            | Rule::S7
            | Rule::S8
            | Rule::S9
            | Rule::S10
            | Rule::S11
            | Rule::S12
            | Rule::S13
            | Rule::S14
            | Rule::S15
            | Rule::S16 => false,
        }
    }
}

/// The agent of an instance's host.
fn target(host: &str) -> Result<u8, String> {
    let agent = host.split(' ').next().unwrap_or_default();
    (0..4).find(|n| name(*n) == agent).ok_or_else(|| format!("{host} is no instance"))
}
