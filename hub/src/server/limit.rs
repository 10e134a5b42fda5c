//! Limits: what all clients together may take of this machine, and what one agent may take of what all share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use handoff_kernel::ident::AgentId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More connections wait to be accepted.
const CONNECTIONS: u64 = 16_384;

/// Descriptors that are not for connections: the store's, and some for whatever comes.
const DESCRIPTORS_KEPT: u64 = 128;

/// More polls of one agent at once are a loop gone wild, not work; and each of them may be handed an artifact of
/// 256 KiB. Ten agents together may wait ten thousand times.
const POLLS_AN_AGENT: usize = 1024;

/// How many connections there is room for. Asks for the descriptors that they need, as far as this process may have
/// them: what a system gives unasked is made for programs with few.
pub(super) fn connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(CONNECTIONS + DESCRIPTORS_KEPT);
    if current.is_some_and(|current| current < wanted) {
        // If it is refused, there is room for fewer.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    room(getrlimit(Resource::Nofile).current)
}

fn room(descriptors: Option<u64>) -> usize {
    let room =
        descriptors.map_or(CONNECTIONS, |all| all.saturating_sub(DESCRIPTORS_KEPT).clamp(1, CONNECTIONS));
    usize::try_from(room).expect("it is at most CONNECTIONS")
}

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
    fn connections_leave_descriptors_for_the_store() {
        let known =
            [(None, 16_384), (Some(0), 1), (Some(129), 1), (Some(1024), 896), (Some(1_000_000), 16_384)];
        for (descriptors, connections) in known {
            assert_eq!(room(descriptors), connections);
        }
        assert!((1..=16_384).contains(&connections()));
    }

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
