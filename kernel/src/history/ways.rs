//! Every way in which a history can break a rule: one for each conjunct of a checker, so that a test can ask of each
//! whether anything breaks it.

use crate::rules::{Broken, Rule};

macro_rules! ways {
    ($($name:ident = $rule:ident, $how:literal;)*) => {
        $(pub(super) const $name: Broken = Broken { rule: Rule::$rule, how: $how };)*

        /// Every way in which a checker of this module says no.
        pub const WAYS: &[Broken] = &[$($name),*];
    };
}

ways! {
    CLAIM_CHANGED = S1, "a record's claim changed";
    TWO_WINNERS = S1, "two claims of one handoff were acknowledged";
    CLAIM_NOT_ON_RECORD = S1, "a claim was acknowledged that is not the one on record";
    TERMINAL_REPLACED = S4, "a terminal record was committed over";
    CAME_BACK = S4, "a handoff that retention had removed came back";
    LOST_TO_TARGET = S7, "an acknowledged start was not found by its target";
    LOST_TO_AUTHOR = S7, "an acknowledged start was not found by its author";
    IN_TWO_STATUSES = S7, "a handoff is in two statuses at once";
    IN_NO_STATUS = S7, "an acknowledged start is in no status";
    REMOVED_UNFINISHED = S7, "an unfinished handoff was removed";
    START_CHANGED = S8, "what a start fixed was committed otherwise";
    TWO_ARTIFACTS = S8, "one id was acknowledged for two artifacts";
    OTHER_BYTES = S8, "other bytes were delivered than were started";
    TOOK_EFFECT_AGAIN = S9, "a repeated command took effect again";
    EFFECT_DENIED = S9, "a command that took effect was told that it did not";
    REPEAT_REFUSED = S9, "a command that had taken effect was refused when it was repeated";
    ANSWERED_OTHERWISE = S9, "a repeated command was answered differently";
    LOGGED_OUT_OF_TURN = S10, "the log has an event that is not the next transition";
    NOT_LOGGED = S10, "a transition has no event";
    NOT_COMMITTED = S10, "an acknowledged transition was never made";
    CONSUMED_AGAIN = S11, "a session consumed a bootstrap twice";
    CONSUMED_BY_TWO = S11, "two sessions consumed one bootstrap";
    UNDATED = S11, "a bootstrap without a date was consumed";
    FROM_THE_FUTURE = S11, "a bootstrap from the future was consumed";
    STALE = S11, "a stale bootstrap was consumed";
    NOT_STALE = S11, "a bootstrap that is not stale was refused as stale";
    NOT_THE_OLDEST = S12, "a poll showed another handoff than the oldest, or none";
    IN_ANOTHER_NAME = S13, "a handoff was started in the name of another than its sender";
}
