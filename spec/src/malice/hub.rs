//! What the hub can do, and what the agents do: every action, and what follows.

use std::collections::BTreeSet;

use handoff_kernel::command::{Answer, Command, Event as Logged, EventKind};
use handoff_kernel::history::Seen;
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::record::{Claim, Record, Rejection, State as On, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, EVE, Small};
use handoff_kernel::time::Time;

use super::story;
use super::token::{Act, Bytes, CAROL, Content, Deed, KeyName, Token};
use super::{At, Belief, Hub, Malice, State};
use crate::model::{LeadsTo, Story};

/// What a hub answers to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// What the kernel's `step` says, which takes effect.
    True,
    /// That it took effect; it did not.
    Yes,
    /// That there is no such handoff.
    NotFound,
    /// That another was first.
    Taken,
}

impl Reply {
    /// What is told, if it is a lie.
    #[must_use]
    pub fn lie(self, command: &Command<Small>, now: Time) -> Option<Result<Answer<Small>, Refusal>> {
        let yes = match command {
            Command::Start { artifact, .. } => Answer::Started { expires_at: artifact.expires_at },
            Command::Accept { claim_id, .. } => {
                Answer::Claimed { claim_id: *claim_id, claimed_at: now, claim_expires_at: None }
            }
            Command::Complete { .. } => Answer::Completed { at: now },
            Command::Reject { .. } => Answer::Rejected { at: now },
            Command::Sweep => Answer::Swept,
        };
        let taken = match command {
            Command::Start { .. } => Refusal::IdConflict,
            Command::Accept { .. } => Refusal::AlreadyClaimed,
            Command::Complete { .. } => Refusal::AlreadyCompleted,
            Command::Reject { .. } | Command::Sweep => Refusal::AlreadyRejected,
        };
        match self {
            Self::True => None,
            Self::Yes => Some(Ok(yes)),
            Self::NotFound => Some(Err(Refusal::NotFound)),
            Self::Taken => Some(Err(taken)),
        }
    }
}

/// One thing that can happen. Withholding is not one: it is that nothing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An author signs an artifact and hands it to the hub, which says that it took it.
    Starts {
        /// Which artifact.
        id: u8,
        /// The hub's answer.
        reply: Reply,
    },
    /// The hub answers an instance's poll with these bytes, under this id.
    Shows {
        /// The instance, by its place.
        to: usize,
        /// The id that the hub gives them.
        shown_as: u8,
        /// The bytes.
        bytes: Bytes,
    },
    /// The hub answers an instance's poll with nothing.
    ShowsNothing {
        /// The instance.
        to: usize,
    },
    /// An instance asks for this, with a receipt.
    Asks {
        /// The instance.
        who: usize,
        /// For what.
        act: Act,
    },
    /// The hub answers.
    Answers {
        /// The instance.
        to: usize,
        /// How.
        reply: Reply,
    },
    /// An instance sends again what was already answered with yes, and is answered.
    Repeats {
        /// The instance.
        who: usize,
        /// What.
        act: Act,
        /// How it is answered now.
        reply: Reply,
    },
    /// The hub shows an author a receipt.
    Presents {
        /// What the hub says that it proves.
        belief: Belief,
        /// The receipt.
        token: Token<Deed>,
    },
    /// The hub takes an artifact in an author's name from `eve`.
    Impersonates {
        /// Which.
        id: u8,
    },
    /// The hub lets `eve` claim what is not for her.
    Usurps {
        /// Which handoff.
        id: u8,
    },
    /// The hub makes what is over pending again.
    Reopens {
        /// Which handoff.
        id: u8,
    },
    /// The hub puts a claim into its log that nobody made.
    Invents {
        /// Of which handoff.
        id: u8,
    },
    /// True time passes.
    Ticks,
    /// The hub's janitor looks at a handoff.
    Sweeps {
        /// Which.
        id: u8,
    },
}

/// What an honest hub owes: an answer to each poll, to each command, and a janitor.
pub(super) fn obligation(action: &Action) -> Option<u8> {
    let of = |who: usize| u8::try_from(who).expect("few instances");
    match action {
        Action::Shows { to, .. } => Some(10 + of(*to)),
        Action::Answers { to, .. } => Some(20 + of(*to)),
        Action::Sweeps { id } => Some(30 + id),
        // Clients need not do anything, an author need not look, and time passes as it likes.
        Action::Starts { .. }
        | Action::ShowsNothing { .. }
        | Action::Asks { .. }
        | Action::Repeats { .. }
        | Action::Presents { .. }
        | Action::Impersonates { .. }
        | Action::Usurps { .. }
        | Action::Reopens { .. }
        | Action::Invents { .. }
        | Action::Ticks => None,
    }
}

/// Whether this handoff waits for a janitor.
pub(super) fn overdue(record: &Record<Small>, now: Time) -> bool {
    record.state == On::Pending && Protocol.overdue(record.expires_at, now)
}

fn due(state: &State) -> bool {
    state.records.iter().flatten().any(|record| overdue(record, state.now))
}

fn waits_beside_work(state: &State) -> bool {
    state.instances.iter().any(|one| one.at == At::Polls && state.oldest(one.agent).is_some())
}

fn unanswered(state: &State) -> bool {
    state.instances.iter().any(|one| matches!(one.at, At::Asks(_)))
}

/// What must happen sooner or later, and with a malicious hub need not.
pub(super) fn promises() -> Vec<LeadsTo<State>> {
    vec![
        LeadsTo {
            rule: Rule::L1,
            how: "an overdue handoff stays pending for ever",
            from: due,
            to: |s| !due(s),
        },
        LeadsTo {
            rule: Rule::L2,
            how: "a poll is never answered although a handoff stays pending",
            from: waits_beside_work,
            to: |s| !waits_beside_work(s),
        },
        LeadsTo {
            rule: Rule::L3,
            how: "a command is never answered",
            from: unanswered,
            to: |s| !unanswered(s),
        },
    ]
}

impl Malice {
    fn ids(&self) -> core::ops::Range<u8> {
        0..u8::try_from(self.artifacts.len()).expect("few artifacts")
    }

    /// Everything that can happen here.
    pub(super) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let replies: &[Reply] = match (self.hub, self.keeps_records()) {
            (Hub::Honest, _) => &[Reply::True],
            (Hub::Lies | Hub::Tampers, true) => &[Reply::True, Reply::Yes, Reply::NotFound, Reply::Taken],
            // Where no record means anything, one no is as good as another.
            (Hub::Lies | Hub::Tampers, false) => &[Reply::Yes, Reply::NotFound],
        };
        for id in self.ids().filter(|id| !state.sent[usize::from(*id)]) {
            let taken = replies.iter().filter(|reply| match reply {
                Reply::True => true,
                Reply::Yes => self.drops,
                Reply::NotFound | Reply::Taken => false,
            });
            actions.extend(taken.map(|reply| Action::Starts { id, reply: *reply }));
        }
        let choices = if self.hub == Hub::Tampers { self.choices(state) } else { Vec::new() };
        for (who, instance) in state.instances.iter().enumerate() {
            match instance.at {
                At::Polls => self.polled(state, who, &choices, actions),
                At::Has => actions.extend([Act::Accept, Act::Reject].map(|act| Action::Asks { who, act })),
                At::Asks(_) => {
                    actions.extend(replies.iter().map(|reply| Action::Answers { to: who, reply: *reply }));
                }
                At::Holds => {
                    actions.push(Action::Asks { who, act: Act::Complete });
                    self.repeated(who, Act::Accept, replies, actions);
                }
                At::Done(act) => self.repeated(who, act, replies, actions),
                At::Refused => {}
            }
        }
        self.presented(state, actions);
        if self.keeps_records() {
            self.on_record(state, actions);
        }
    }

    /// A repeat matters only to the rules that remember answers.
    fn repeated(&self, who: usize, act: Act, replies: &[Reply], actions: &mut Vec<Action>) {
        if self.keeps_records() {
            actions.extend(replies.iter().map(|reply| Action::Repeats { who, act, reply: *reply }));
        }
    }

    /// What the hub may answer to a poll.
    fn polled(&self, state: &State, to: usize, choices: &[(u8, Bytes)], actions: &mut Vec<Action>) {
        let agent = state.instances[to].agent;
        match self.hub {
            Hub::Honest => {
                if let Some(oldest) = state.oldest(agent) {
                    let bytes = self.original(oldest.id);
                    actions.push(Action::Shows { to, shown_as: oldest.id, bytes });
                }
            }
            Hub::Lies => {
                let sent = self.ids().filter(|id| state.sent[usize::from(*id)]);
                for id in sent.filter(|id| self.artifacts[usize::from(*id)].target == agent) {
                    let bytes = self.original(id);
                    actions.push(Action::Shows { to, shown_as: id, bytes });
                    if self.respells {
                        let bytes = Bytes { respelled: true, ..bytes };
                        actions.push(Action::Shows { to, shown_as: id, bytes });
                    }
                }
                if self.denies {
                    actions.push(Action::ShowsNothing { to });
                }
            }
            Hub::Tampers => actions.extend(choices.iter().map(|(shown_as, bytes)| Action::Shows {
                to,
                shown_as: *shown_as,
                bytes: *bytes,
            })),
        }
    }

    /// What a hub can make of what it has seen: each artifact with at most one field changed, any signature that it
    /// has seen or can make, under any id.
    pub(super) fn choices(&self, state: &State) -> Vec<(u8, Bytes)> {
        let mut contents = BTreeSet::new();
        for content in &self.artifacts {
            contents.insert(*content);
            contents.extend([BOB, EVE].map(|author| Content { author, ..*content }));
            // What `eve` signs is hers to choose: one artifact of hers under each id is as good as many.
            if content.author != EVE {
                contents.extend(self.ids().map(|id| Content { id, ..*content }));
                contents.extend([ALICE, CAROL].map(|target| Content { target, ..*content }));
                contents.insert(Content { body: 9, ..*content });
            }
        }
        contents.retain(|content| content.author != content.target);
        let sent: Vec<_> = self.ids().filter(|id| state.sent[usize::from(*id)]).collect();
        let mut choices = BTreeSet::new();
        for content in contents {
            let mut tokens: Vec<_> = sent.iter().map(|id| self.original(*id).token).collect();
            tokens.push(Token { by: KeyName::Nobodys, over: content });
            if self.colludes {
                tokens.push(Token { by: self.keys.between(EVE, content.target), over: content });
            }
            if self.forging {
                tokens.push(Token { by: self.key(&content), over: content });
            }
            for token in tokens {
                for respelled in [false, true].into_iter().take(1 + usize::from(self.respells)) {
                    let bytes = Bytes { content, token, respelled };
                    choices.extend(self.ids().map(|shown_as| (shown_as, bytes)));
                }
            }
        }
        choices.into_iter().collect()
    }

    /// The receipts that the hub may show to authors.
    fn presented(&self, state: &State, actions: &mut Vec<Action>) {
        if self.hub == Hub::Lies {
            return;
        }
        let claims = || state.instances.iter().map(|one| Some(one.claim));
        let said = |id| {
            let accept = claims().map(move |claim| (id, Act::Accept, claim));
            let complete = claims().map(move |claim| (id, Act::Complete, claim));
            accept.chain(complete).chain([(id, Act::Reject, None)])
        };
        let seen: BTreeSet<_> =
            state.deeds().map(|deed| Token { by: self.key(&deed.bytes.content), over: deed }).collect();
        let honest = |id: &u8| state.sent[usize::from(*id)] && self.artifacts[usize::from(*id)].author != EVE;
        for belief in self.ids().filter(honest).flat_map(said) {
            if state.believed.contains(&belief) {
                continue;
            }
            let expected = self.expected(belief);
            if self.hub == Hub::Honest {
                let token = Token { by: self.key(&expected.bytes.content), over: expected };
                if seen.contains(&token) && took_effect(state, belief) {
                    actions.push(Action::Presents { belief, token });
                }
                continue;
            }
            let mut tokens = seen.clone();
            tokens.insert(Token { by: KeyName::Nobodys, over: expected });
            if self.colludes {
                tokens.insert(Token { by: self.keys.between(EVE, expected.target), over: expected });
            }
            if self.forging {
                tokens.insert(Token { by: self.key(&expected.bytes.content), over: expected });
            }
            actions.extend(tokens.into_iter().map(|token| Action::Presents { belief, token }));
        }
    }

    /// What a hub may do to its records, its log and its clock.
    fn on_record(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now == Time(0) && self.expires_at == Time(0) {
            actions.push(Action::Ticks);
        }
        for id in self.ids() {
            let record = state.records[usize::from(id)].as_ref();
            let status = record.map(|record| record.status());
            if record.is_some_and(|record| overdue(record, state.now)) {
                actions.push(Action::Sweeps { id });
            }
            if !self.forces {
                continue;
            }
            actions.push(Action::Invents { id });
            match status {
                None if self.artifacts[usize::from(id)].author != EVE => {
                    actions.push(Action::Impersonates { id });
                }
                Some(Status::Pending) => actions.push(Action::Usurps { id }),
                Some(Status::Completed | Status::Rejected) => actions.push(Action::Reopens { id }),
                None | Some(Status::Claimed) => {}
            }
        }
    }

    /// What follows.
    pub(super) fn happen(&self, state: &mut State, action: &Action, story: &mut Story) {
        match action {
            Action::Starts { id, reply } => {
                let author = self.artifacts[usize::from(*id)].author;
                state.sent[usize::from(*id)] = true;
                story::signs(story, state.now, &self.original(*id));
                let command = Command::Start { sender: author, artifact: self.start(*id) };
                let who = super::token::name(author).to_owned();
                let _taken = self.told(state, story, &who, *id, &command, *reply);
            }
            Action::Shows { to, shown_as, bytes } => self.shows(state, story, *to, *shown_as, bytes),
            Action::ShowsNothing { to } => {
                let agent = state.instances[*to].agent;
                story::shows_nothing(story, state.now, &state.instances[*to]);
                let now = state.now;
                self.see(state, &Seen::Polled { target: &agent, shown: None, now });
            }
            Action::Asks { who, act } => {
                let instance = &mut state.instances[*who];
                instance.at = At::Asks(*act);
                instance.made[*act as usize] = true;
                let deed = instance.deed(*act).expect("who asks has been shown what");
                story::asks(story, state.now, instance, &deed, self.key(&deed.bytes.content));
            }
            Action::Answers { to, reply } => {
                let instance = state.instances[*to];
                let At::Asks(act) = instance.at else { return };
                let verdict = self.instance_told(state, story, *to, act, *reply);
                let instance = &mut state.instances[*to];
                instance.at = match (verdict, act) {
                    (Ok(_), Act::Accept) => At::Holds,
                    (Ok(_), Act::Complete | Act::Reject) => At::Done(act),
                    (Err(_), _) => At::Refused,
                };
                instance.won |= instance.at == At::Holds;
            }
            Action::Repeats { who, act, reply } => {
                let _known = self.instance_told(state, story, *who, *act, *reply);
            }
            Action::Presents { belief, token } => {
                let believed = self.believes(*belief, token);
                let deed = self.expected(*belief);
                story::presents(
                    story,
                    state.now,
                    token,
                    &deed,
                    self.key(&deed.bytes.content),
                    believed,
                    self.reads,
                );
                if believed {
                    state.believed.insert(*belief);
                }
            }
            Action::Impersonates { id } => {
                story::takes_from_eve(story, state.now, &self.artifacts[usize::from(*id)], self.expires_at);
                let artifact = self.start(*id);
                let next = artifact.pending(state.now);
                self.force(state, &Command::Start { sender: EVE, artifact }, next, EventKind::Started);
            }
            Action::Usurps { id } => {
                story::forces(story, state.now, "lets_eve_claim", *id);
                let command = Command::Accept { by: EVE, claim_id: Some(9), attempt: 9, receipt: None };
                let claim = Claim { id: Some(9), at: state.now, attempt: Some(9), receipt: None };
                self.becomes(state, *id, &command, On::Claimed(claim), EventKind::Claimed);
            }
            Action::Reopens { id } => {
                story::forces(story, state.now, "reopens", *id);
                self.becomes(state, *id, &Command::Sweep, On::Pending, EventKind::Started);
            }
            Action::Invents { id } => {
                story::forces(story, state.now, "invents_a_claim_in_the_log", *id);
                let actor = Some(self.artifacts[usize::from(*id)].target);
                let event = Logged { handoff: *id, kind: EventKind::Claimed, at: state.now, actor };
                self.see(state, &Seen::Logged(&event));
            }
            Action::Ticks => {
                state.now = Time(1);
                story::ticks(story, state.now);
            }
            Action::Sweeps { id } => {
                story::forces(story, state.now, "sweeps", *id);
                let _swept = self.answer(state, *id, &Command::Sweep, Reply::True);
            }
        }
    }

    fn becomes(&self, state: &mut State, id: u8, command: &Command<Small>, on: On<Small>, kind: EventKind) {
        let next = state.records[usize::from(id)].as_ref().map(|record| record.with(on));
        self.force(state, command, next.expect("only what is on record is changed"), kind);
    }

    fn shows(&self, state: &mut State, story: &mut Story, to: usize, shown_as: u8, bytes: &Bytes) {
        let agent = state.instances[to].agent;
        let takes = self.accepts(agent, shown_as, bytes);
        let key = self.key(&bytes.content);
        story::shows(story, state.now, &state.instances[to], shown_as, bytes, key, takes);
        let digest = self.digest(bytes);
        let now = state.now;
        self.see(state, &Seen::Polled { target: &agent, shown: Some(&shown_as), now });
        self.see(state, &Seen::Delivered { handoff: &shown_as, digest: &digest });
        if takes {
            let instance = &mut state.instances[to];
            instance.at = At::Has;
            instance.took = Some((shown_as, *bytes));
        }
    }

    fn instance_told(
        &self,
        state: &mut State,
        story: &mut Story,
        to: usize,
        act: Act,
        reply: Reply,
    ) -> Result<Answer<Small>, Refusal> {
        let instance = state.instances[to];
        let (id, _) = instance.took.expect("who asks has been shown what");
        let command = instance.command(act);
        self.told(state, story, &story::host(&instance), id, &command, reply)
    }

    fn told(
        &self,
        state: &mut State,
        story: &mut Story,
        who: &str,
        id: u8,
        command: &Command<Small>,
        reply: Reply,
    ) -> Result<Answer<Small>, Refusal> {
        // Without records a yes is all that a start can be told.
        let verdict = self.answer(state, id, command, reply);
        story::answers(story, state.now, who, id, command, reply, &verdict);
        verdict
    }
}

/// Whether the record says that this happened.
fn took_effect(state: &State, (id, act, claim): Belief) -> bool {
    let Some(record) = &state.records[usize::from(id)] else { return false };
    match (act, &record.state) {
        (Act::Accept, _) => record.claim().is_some_and(|held| held.id == claim),
        (Act::Complete, On::Completed { claim: held, .. }) => held.id == claim,
        (Act::Reject, On::Rejected(Rejection::Declined { decline, .. })) => decline.claim_id == claim,
        (
            Act::Complete | Act::Reject,
            On::Pending | On::Claimed(_) | On::Completed { .. } | On::Rejected(_),
        ) => false,
    }
}
