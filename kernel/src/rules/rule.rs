//! The rules' names, and sets of rules.

use super::Broken;

/// Every rule of the protocol by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "`name` and `statement` say what each is")]
pub enum Rule {
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    S7,
    S8,
    S9,
    S10,
    S11,
    S12,
    S13,
    S14,
    S15,
    S16,
    L1,
    L2,
    L3,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 19] = [
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::S10,
        Self::S11,
        Self::S12,
        Self::S13,
        Self::S14,
        Self::S15,
        Self::S16,
        Self::L1,
        Self::L2,
        Self::L3,
    ];

    /// Its name: `SingleWinner` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S1 => "SingleWinner",
            Self::S2 => "TargetOnly",
            Self::S3 => "NoLateClaim",
            Self::S4 => "TerminalForever",
            Self::S5 => "LegalPath",
            Self::S6 => "HolderOnly",
            Self::S7 => "NoLoss",
            Self::S8 => "Verbatim",
            Self::S9 => "Repeatable",
            Self::S10 => "LogAgrees",
            Self::S11 => "ConsumedOnce",
            Self::S12 => "OldestFirst",
            Self::S13 => "TrueAuthor",
            Self::S14 => "NoEarlyExpiry",
            Self::S15 => "DeadlinesBind",
            Self::S16 => "PartiesOnly",
            Self::L1 => "Resolves",
            Self::L2 => "Wakes",
            Self::L3 => "Converges",
        }
    }

    /// What it demands, in a sentence.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Self::S1 => {
                "At most one claim is ever acknowledged for a handoff, and a record's claim never changes."
            }
            Self::S2 => "Every accept, complete and reject that took effect came from the target.",
            Self::S3 => "A claim's claimed_at is never after expires_at, on the deciding clock.",
            Self::S4 => "A terminal record never changes again.",
            Self::S5 => "The status changes only along the arrows.",
            Self::S6 => "A claimed handoff is finished only by its holder, or by lapsing.",
            Self::S7 => {
                "An acknowledged start is found in exactly one status ever after, until retention removes it."
            }
            Self::S8 => "The bytes delivered are the bytes started.",
            Self::S9 => {
                "A command repeated changes nothing and, until a deadline passes or another command takes effect, is answered as the first time."
            }
            Self::S10 => "Each acknowledged transition has exactly one event, in order.",
            Self::S11 => {
                "A bootstrap is consumed at most once, by at most one session, and never when stale."
            }
            Self::S12 => {
                "Poll shows the earliest-arrived pending handoff of that target that is not overdue."
            }
            Self::S13 => "from_agent is the authenticated sender.",
            Self::S14 => {
                "Nothing is rejected as expired unless overdue, nor as claim_expired unless lapsed, on the deciding clock."
            }
            Self::S15 => {
                "Whatever its target asks of a handoff whose deadline has passed carries the deadline out and is refused with its name; a sweep carries it out; and what is overdue is not started."
            }
            Self::S16 => {
                "To whoever is no party to a handoff it does not exist: accept, complete and reject are answered not_found, without a status."
            }
            Self::L1 => {
                "With a fair janitor, an unclaimed handoff is eventually rejected as expired, a lapsed claim as claim_expired."
            }
            Self::L2 => "A poll that waits is eventually answered with a handoff if one stays pending.",
            Self::L3 => {
                "When faults stop, every client gets a definite answer to every command it keeps asking."
            }
        }
    }
}

impl core::fmt::Display for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?} {}", self.name())
    }
}

/// Some of the rules: those that are asked for. A variant of the protocol that gives one up is checked without it, and
/// that every rule is needed is shown by leaving each out once. What ships asks for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rules(u32);

impl Rules {
    /// Every rule.
    pub const ALL: Self = Self(u32::MAX);

    /// These, but for one.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !Self::bit(rule))
    }

    /// Whether this one is asked for.
    #[must_use]
    pub const fn has(self, rule: Rule) -> bool {
        self.0 & Self::bit(rule) != 0
    }

    /// What is demanded in the name of a rule.
    ///
    /// # Errors
    /// That the rule is broken, if it is asked for and does not hold.
    pub fn demand(self, holds: bool, otherwise: Broken) -> Result<(), Broken> {
        if holds || !self.has(otherwise.rule) { Ok(()) } else { Err(otherwise) }
    }

    const fn bit(rule: Rule) -> u32 {
        1 << rule as u32
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_left_out_demands_nothing_and_every_other_does() {
        for left_out in Rule::ALL {
            let rules = Rules::ALL.without(left_out);
            for rule in Rule::ALL {
                let broken = Broken { rule, how: "it is" };
                assert_eq!(rules.has(rule), rule != left_out);
                assert_eq!(rules.demand(false, broken).is_err(), rule != left_out);
                assert_eq!(rules.demand(true, broken), Ok(()));
            }
        }
    }
}
