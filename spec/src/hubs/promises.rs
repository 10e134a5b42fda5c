//! L1 to L3, as a model of hubs has to keep them: what must happen sooner or later, wherever it is due.

use handoff_kernel::law::Law;
use handoff_kernel::record::Record;
use handoff_kernel::rules::Rule;
use handoff_kernel::rules::live::{is_bounded_claim, is_unclaimed};
use handoff_kernel::testing::small::Small;

use super::State;
use crate::model::LeadsTo;

/// Every promise; a configuration says of which rules it looks at them.
pub(super) fn promises<L: Law>() -> [LeadsTo<State<L>>; 4] {
    [
        LeadsTo {
            rule: Rule::L1,
            how: "a pending handoff is never claimed nor rejected",
            from: |state| any(state, is_unclaimed),
            to: |state| !any(state, is_unclaimed),
        },
        LeadsTo {
            rule: Rule::L1,
            how: "a claim that has a time limit never ends",
            from: |state| any(state, is_bounded_claim),
            to: |state| !any(state, is_bounded_claim),
        },
        LeadsTo {
            rule: Rule::L2,
            how: "a poll waits for ever while a handoff is pending for it",
            from: |state| someone_wants(state) && any(state, is_unclaimed),
            to: |state| !someone_wants(state) || !any(state, is_unclaimed),
        },
        LeadsTo {
            rule: Rule::L3,
            how: "a client asks for ever and is never answered",
            from: |_| true,
            to: |state| state.clients.iter().all(|client| client.at.is_none()),
        },
    ]
}

fn any<L: Law>(state: &State<L>, is: fn(&Record<Small>) -> bool) -> bool {
    state.registers.iter().filter_map(|register| register.record()).any(is)
}

/// Whether a poll that waits is asked and not answered: also while nobody listens to it, its hub having died.
fn someone_wants<L: Law>(state: &State<L>) -> bool {
    state.clients.iter().any(|client| client.wants)
}
