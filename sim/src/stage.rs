//! A stage: hubs to which things are done, and what is seen of them.

use handoff_kernel::ident::{HandoffId, Wire};
use handoff_spec::coverage::Watcher;

use crate::act::Act;
use crate::demand::Heard;
use crate::judge::Judge;
use crate::reached::Reached;
use crate::story::Story;

/// Everybody who looks on.
#[derive(Debug)]
pub struct Watch<'a> {
    /// Who holds what is seen against the rules.
    pub judge: &'a mut Judge,
    /// Who writes it down.
    pub story: &'a mut Story,
    /// Who counts the interesting cases.
    pub reached: &'a mut Reached,
    /// Who projects it onto the models.
    pub coverage: &'a mut Watcher<Wire>,
}

/// An answer that a hub has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// To which client.
    pub client: usize,
    /// To which of its requests.
    pub request: u64,
    /// What.
    pub heard: Heard,
}

/// An operation that asks something of a store that is somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderWay {
    /// Its number in the trace.
    pub operation: u32,
    /// Whose.
    pub hub: usize,
    /// Whether the store has answered, and its hub has not heard it yet.
    pub heard: bool,
    /// Whether it asks for a write.
    pub writes: bool,
}

/// Hubs to which things are done, one at a time. An act that makes no sense now does nothing: so that a run can be done
/// again with some of its acts left out.
pub trait Stage {
    /// Does it: the answers that the hubs send thereupon.
    fn act(&mut self, act: &Act, watch: &mut Watch<'_>) -> Vec<Answer>;

    /// Whether this hub runs.
    fn is_up(&self, hub: usize) -> bool;

    /// In how many milliseconds this hub has something to do by itself, as far as it is foreseen.
    fn wakes_in(&mut self, hub: usize) -> Option<u64>;

    /// What this hub's janitor finds to be due, where somebody else has to begin its sweeps.
    fn due(&self, _hub: usize) -> Vec<HandoffId> {
        Vec::new()
    }

    /// The operations that ask something of a store that is somewhere else.
    fn under_way(&self) -> Vec<UnderWay> {
        Vec::new()
    }

    /// The operations of which a write may still come to that store.
    fn late(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Looks through everything: each handoff is to be found where it should be.
    fn look_through(&mut self, watch: &mut Watch<'_>);
}
