//! Limits: what one agent may take of what all share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use handoff_kernel::ident::AgentId;

/// More polls of one agent at once are a loop gone wild, not work.
const POLLS_AN_AGENT: usize = 10_000;

/// The polls that are open, by agent.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<BTreeMap<AgentId, usize>>);

/// One open poll.
#[derive(Debug)]
pub(super) struct OpenPoll<'a> {
    polls: &'a Polls,
    agent: AgentId,
}

impl Polls {
    /// Opens a poll of this agent, unless it has too many.
    pub(super) fn open(&self, agent: AgentId) -> Option<OpenPoll<'_>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(agent).or_default();
        if *count >= POLLS_AN_AGENT {
            return None;
        }
        *count += 1;
        Some(OpenPoll { polls: self, agent })
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        let mut open = self.polls.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.agent) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.agent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_with_too_many_polls_gets_no_other_and_takes_nobody_elses() {
        let polls = Polls::default();
        let agent = |name| AgentId::parse(name).unwrap();
        let mut open: Vec<_> = (0..POLLS_AN_AGENT).map(|_| polls.open(agent("alice")).unwrap()).collect();
        assert!(polls.open(agent("alice")).is_none());
        assert!(polls.open(agent("bob")).is_some());
        open.pop();
        assert!(polls.open(agent("alice")).is_some(), "one that ended makes room");
        drop(open);
        assert!(polls.0.lock().unwrap().is_empty());
    }
}
