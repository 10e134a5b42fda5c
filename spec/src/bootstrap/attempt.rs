//! One session's attempt as it is carried out on the disk, told line by line, and judged by rule S11.

use handoff_kernel::bootstrap::{Consume, Contents, Done, Effect, Next, Outcome, Refusal, Session};
use handoff_kernel::history::{Attempted, Broken, ConsumedOnce};
use handoff_kernel::law::Law;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

use super::disk::{Disk, Fate};
use super::tell::{HANDOFF, effect_name, effect_told, handoff, line};
use crate::model::Story;

/// A session and the machine that it drives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt<L: Law> {
    /// Its name.
    pub session: Session,
    window: Millis,
    machine: Consume<L>,
    /// What it read, and the clock by which that was judged.
    read: Option<(Contents, Time)>,
}

impl<L: Law + Copy> Attempt<L> {
    /// A session begins.
    pub(super) fn begin(law: L, session: Session, window: Millis, now: Time, story: &mut Story) -> Self {
        story.tell(|| {
            let with = [("handoff", handoff()), ("window", window.0.to_string())];
            line(now, session, "begins", with)
        });
        Self { session, window, machine: Consume::new(law, window), read: None }
    }

    /// What it asks the disk for.
    pub(super) const fn effect(&self) -> Effect {
        self.machine.effect()
    }

    /// The effect that it asks for meets its fate.
    ///
    /// # Errors
    /// None: the left is how it ends, and the attempt that ended.
    pub(super) fn go_on(
        mut self,
        disk: &mut Disk,
        fate: Fate,
        now: Time,
        story: &mut Story,
    ) -> Result<Self, (Self, Done)> {
        let effect = self.effect();
        let outcome = disk.carry_out(self.session, effect, fate);
        story.tell(|| line(now, self.session, effect_name(effect), effect_told(fate, outcome)));
        if let Outcome::Contents(contents) = outcome {
            self.read = Some((contents, now));
        }
        match self.machine.next(outcome, now) {
            Next::Effect(machine) => Ok(Self { machine, ..self }),
            Next::Done(done) => {
                story.tell(|| line(now, self.session, "ends", self.end_told(done)));
                Err((self, done))
            }
        }
    }

    /// What rule S11 says of how it ended.
    pub(super) fn judge(&self, done: Done, checker: &mut ConsumedOnce<Small>) -> Result<(), Broken> {
        let seen = |now| Attempted {
            handoff: &HANDOFF,
            session: self.session,
            accepted_at: self.accepted_at(),
            window: self.window,
            now,
        };
        match (done, self.read) {
            (Done::Consumed { at }, _) => checker.consumed(&seen(at)),
            (Done::Refused(Refusal::Stale { .. }), read) => {
                // Refused as stale without having read anything: that has no date, and is a breach at any time.
                let judged_at = read.map_or(Time(0), |(_, at)| at);
                checker.refused_as_stale(&seen(judged_at))
            }
            (
                Done::Refused(Refusal::Missing | Refusal::Malformed | Refusal::Future { .. })
                | Done::Unavailable,
                _,
            ) => Ok(()),
        }
    }

    const fn accepted_at(&self) -> Option<Time> {
        match self.read {
            Some((Contents::Dated(at), _)) => Some(at),
            Some((Contents::Undated | Contents::Malformed, _)) | None => None,
        }
    }

    fn end_told(&self, done: Done) -> Vec<(&'static str, String)> {
        let verdict = |name: &str| ("verdict", name.to_owned());
        match done {
            Done::Consumed { at } => {
                let age = self.accepted_at().map(|accepted_at| ("age", at.since(accepted_at).0.to_string()));
                let fixed =
                    [verdict("consumed"), ("at", at.0.to_string()), ("window", self.window.0.to_string())];
                fixed.into_iter().chain(age).collect()
            }
            Done::Refused(Refusal::Missing) => vec![verdict("missing")],
            Done::Refused(Refusal::Malformed) => vec![verdict("malformed")],
            Done::Refused(Refusal::Stale { age, window }) => {
                vec![verdict("stale"), ("age", age.0.to_string()), ("window", window.0.to_string())]
            }
            Done::Refused(Refusal::Future { ahead }) => {
                vec![verdict("future"), ("ahead", ahead.0.to_string())]
            }
            Done::Unavailable => vec![verdict("unavailable")],
        }
    }
}
