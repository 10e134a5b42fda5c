//! L1 to L3, as a model of hubs has to keep them: what must happen sooner or later, wherever it is due.

use std::sync::Arc;

use handoff_kernel::law::Law;
use handoff_kernel::record::Status;
use handoff_kernel::rules::Rule;

use super::{Register, State};
use crate::model::LeadsTo;

/// Every promise; a configuration says of which rules it looks at them.
pub(super) fn promises<L: Law>() -> [LeadsTo<State<L>>; 4] {
    [
        LeadsTo {
            rule: Rule::L1,
            how: "a pending handoff is never claimed nor rejected",
            from: |state| any_is(state, Status::Pending),
            to: |state| !any_is(state, Status::Pending),
        },
        LeadsTo {
            rule: Rule::L1,
            how: "a claim that has a time limit never ends",
            from: any_bounded_claim,
            to: |state| !any_bounded_claim(state),
        },
        LeadsTo {
            rule: Rule::L2,
            how: "a poll waits for ever while a handoff is pending for it",
            from: |state| someone_wants(state) && any_is(state, Status::Pending),
            to: |state| !someone_wants(state) || !any_is(state, Status::Pending),
        },
        LeadsTo {
            rule: Rule::L3,
            how: "a client asks for ever and is never answered",
            from: |_| true,
            to: |state| state.clients.iter().all(|client| client.at.is_none()),
        },
    ]
}

fn any_is<L: Law>(state: &State<L>, status: Status) -> bool {
    state.registers.iter().any(|register| register.record().map(|record| record.status()) == Some(status))
}

fn any_bounded_claim<L: Law>(state: &State<L>) -> bool {
    let bounded = |register: &Arc<Register>| {
        register
            .record()
            .is_some_and(|record| record.status() == Status::Claimed && record.claim_ttl.is_some())
    };
    state.registers.iter().any(bounded)
}

/// Whether a poll that waits is asked and not answered: also while nobody listens to it, its hub having died.
fn someone_wants<L: Law>(state: &State<L>) -> bool {
    state.clients.iter().any(|client| client.wants)
}
