//! Retention: the hub removes what has been over for long enough.

use handoff_kernel::law::Law;
use handoff_kernel::time::{Millis, Time};

use super::Play;
use crate::conform::wire::Request;

/// A round of retention comes every so often; so many are enough for the files of as many traces as one hub plays.
const ROUND: u64 = 1000;
const MOST_ROUNDS: usize = 256;

/// Why an answer of the trace may be another once something else was removed.
const REMOVED: &str = "retention removes here at once all that it may, and in the trace one by one";

impl<L: Law> Play<'_, L> {
    /// The hub begins again with just the retention that removes this, goes its rounds until all is gone that is to go, and
    /// begins again without one.
    pub(super) fn prunes(&mut self, handoff: &str) -> Result<(), String> {
        let id = self.cast.handoff(handoff)?;
        if self.apart.get(&id) == Some(&REMOVED) && self.oracle.record(&id).is_none() {
            return Ok(());
        }
        let now = self.oracle.now();
        let record = self.oracle.record(&id).cloned();
        let over = record.filter(|record| self.oracle.law().may_remove(record, Millis(0), now));
        let Some(record) = over else {
            *self.played.left_out.entry("retention may not remove it here".to_owned()).or_default() += 1;
            return Ok(());
        };
        let retention = Millis(now.since(record.expires_at).0.saturating_sub(1));
        self.stage.kill();
        self.stage.start_retaining(retention)?;
        let over = self.oracle.prune(retention);
        let mut rounds = 0;
        for gone in &over {
            self.judge.pruned(&gone.id);
            if gone.id != id {
                self.apart.insert(gone.id, REMOVED);
            }
            let request = Request::get(format!("/v1/handoffs/{}", gone.id));
            while self.stage.ask(gone.author.as_str(), &request)?.status != 404 {
                // Back and forth: steady time goes on by each step forward, and the deciding clock stands.
                self.stage.set(Time(now.0.saturating_sub(ROUND)))?;
                self.stage.set(now)?;
                rounds += 1;
                if rounds > MOST_ROUNDS {
                    return Err(format!("retention does not remove {}", gone.id));
                }
            }
        }
        self.stage.kill();
        self.begins_again(now)
    }
}
