//! The assumptions: what each rule rests on, with the configuration that drops it and the trace that then breaks.

use handoff_kernel::rules::Rule;

use crate::model::Property;
use crate::{bootstrap, hubs, malice};

/// One assumption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// Its id: A1, A2, and so on.
    pub id: String,
    /// What is assumed, in a sentence.
    pub says: &'static str,
    /// The check that drops it.
    pub check: String,
    /// The trace of what then happens, by its name.
    pub trace: String,
    /// What that trace shows, in a sentence.
    pub shows: &'static str,
    /// The rule that it breaks.
    pub breaks: Rule,
}

/// What a bootstrap's consumption rests on, by the name of the configuration that drops it.
const BOOTSTRAP: [(&str, &str); 2] = [
    ("left-twice", "A client leaves one bootstrap of a handoff, ever."),
    ("names-reused", "No session has the name of one that was before it."),
];

/// What holds against a malicious hub rests on the first four; the others say what rests on an honest one.
const MALICE: [(&str, &str); 18] = [
    ("forged", "Nobody makes an HMAC without its key."),
    ("unverified", "A target verifies an artifact before it acts on it."),
    ("unverified-receipt", "An author verifies a receipt before it believes it."),
    ("shared-key", "Each pair of agents has a key of its own."),
    (
        "loser-shown-as-holder",
        "A receipt of an accept is read as what it is: the target asked to own the handoff.",
    ),
    ("respelled", "The hub relays bytes as they are: white space is not signed."),
    ("two-winners", "The hub is honest: it tells one instance that it won."),
    ("stranger-claims", "The hub is honest: it lets only the target claim."),
    ("reopened", "The hub is honest: what is over stays so."),
    ("denied", "The hub is honest: it finds what it has acknowledged."),
    ("changed-its-mind", "The hub is honest: it answers a repeat as it did first."),
    ("invented-event", "The hub is honest: its log says what happened."),
    ("younger-first", "The hub is honest: it shows the oldest."),
    ("empty-poll", "The hub is honest: it shows what there is."),
    ("false-author", "The hub is honest: it takes an artifact from its author only."),
    ("no-janitor", "The hub is honest: it rejects what is overdue."),
    ("withheld", "The hub is honest: it shows what is pending."),
    ("silence", "The hub is honest: it answers."),
];

/// Every assumption, numbered in a fixed order.
#[must_use]
pub fn assumptions() -> Vec<Assumption> {
    let mut all = Vec::new();
    let mut add = |says, kind: &str, name: &str, shows, breaks| {
        let id = format!("A{}", all.len() + 1);
        let (check, trace) = (format!("{kind}/{name}"), format!("{kind}-{name}"));
        all.push(Assumption { id, says, check, trace, shows, breaks });
    };
    for hubs::Dropped { assumes, config, breaks } in hubs::dropped() {
        add(assumes, "dropped", &config.name, config.says, breaks);
    }
    for hubs::Bound { says, rule, fail, .. } in hubs::bounds() {
        add(says, "bound", &fail.name, fail.says, rule);
    }
    for bound in bootstrap::bounds() {
        if let Some((_, assumes)) = BOOTSTRAP.iter().find(|(name, _)| *name == bound.name) {
            add(assumes, "bootstrap", bound.name, bound.says, Rule::S11);
        }
    }
    let configurations = malice::configurations();
    for (name, assumes) in MALICE {
        let found = configurations.iter().find(|configuration| configuration.name == name);
        if let Some(malice::Configuration { says, expectation, .. }) = found
            && let malice::Expectation::Breaks(Property::Rule(rule)) = expectation
        {
            add(assumes, "malice", name, says, *rule);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::list;
    use crate::profile::Profile;

    #[test]
    fn every_assumption_is_dropped_by_a_check_of_its_name() {
        let checks: Vec<_> = list(Profile::Quick).into_iter().map(|check| check.id).collect();
        let all = assumptions();
        assert!(all.iter().all(|assumption| checks.contains(&assumption.check)), "{all:?}");
        let from_malice = all.iter().filter(|assumption| assumption.check.starts_with("malice/")).count();
        let from_bootstrap =
            all.iter().filter(|assumption| assumption.check.starts_with("bootstrap/")).count();
        assert_eq!(
            (from_malice, from_bootstrap),
            (MALICE.len(), BOOTSTRAP.len()),
            "a name is no configuration"
        );
    }
}
