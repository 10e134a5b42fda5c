//! Every decision point of the law that ships, answered as its document says, over a world small enough to be looked
//! through whole. A variant without a fault answers the same: its fault is all that a mutant differs in.

use handoff_kernel::command::{Command, Start};
use handoff_kernel::law::{AfterConflict, AfterUnknown, Again, Law, MAX_LIFETIME, PROTOCOL, Protocol};
use handoff_kernel::record::{Claim, Record, State, Status};
use handoff_kernel::testing::small::{ALICE, BOB, EVE, Small, commands, record, records, start};
use handoff_kernel::testing::variant::Variant;
use handoff_kernel::time::{Millis, Time};

const END: u64 = 3;
const AGENTS: [u8; 3] = [BOB, ALICE, EVE];
const CLAIMS: [Option<u8>; 3] = [None, Some(1), Some(2)];

/// What each test below asks of a law, whichever it is.
macro_rules! of_the_protocol_and_of_a_variant_without_a_fault {
    ($($test:ident($law:ident) $body:block)*) => {
        $(#[test]
        fn $test() {
            fn answers<L: Law>($law: &L) $body
            answers(&Protocol);
            answers(&Variant::default());
        })*
    };
}

fn times() -> impl Iterator<Item = Time> + Clone {
    [0, 1, 2, 3, 4, u64::MAX - 1, u64::MAX].into_iter().map(Time)
}

fn lengths() -> impl Iterator<Item = Millis> + Clone {
    [0, 1, 2, u64::MAX - 1, u64::MAX].into_iter().map(Millis)
}

fn known() -> impl Iterator<Item = Record<Small>> {
    records(END).into_iter().flatten()
}

/// Whether `now` is more than so long after `then`, in numbers that do not end where time does.
fn is_after(now: Time, then: Time, length: Millis) -> bool {
    u128::from(now.0) > u128::from(then.0) + u128::from(length.0)
}

fn over(record: &Record<Small>) -> bool {
    matches!(record.status(), Status::Completed | Status::Rejected)
}

of_the_protocol_and_of_a_variant_without_a_fault! {
    an_artifact_may_expire_seven_days_ahead(law) {
        assert_eq!(MAX_LIFETIME, Millis(604_800_000));
        assert_eq!(law.max_lifetime(), MAX_LIFETIME);
    }

    at_a_deadline_it_is_in_time_and_after_it_too_late(law) {
        for (at, now) in times().flat_map(|at| times().map(move |now| (at, now))) {
            assert_eq!(law.overdue(at, now), is_after(now, at, Millis(0)), "{at:?} {now:?}");
            assert!(!law.lapsed(at, None, now), "an unbounded claim, {at:?} {now:?}");
            for ttl in lengths() {
                assert_eq!(law.lapsed(at, Some(ttl), now), is_after(now, at, ttl), "{at:?} {ttl:?} {now:?}");
            }
        }
    }

    every_command_holds_the_deadlines_against_now(law) {
        for (command, now) in commands(END).iter().flat_map(|asked| times().map(move |now| (asked, now))) {
            assert_eq!(law.held_against(command, now), now, "{command:?}");
            assert!(law.reads_clock_each_time(command), "{command:?}");
        }
    }

    only_the_target_acts_and_only_parties_know(law) {
        for (author, target) in AGENTS.into_iter().flat_map(|one| AGENTS.map(|other| (one, other))) {
            let record = Record { author, target, ..record(Time(3), None, State::Pending) };
            for agent in AGENTS {
                for command in commands(END) {
                    assert_eq!(law.is_target(&record, &command, &agent), agent == target, "{command:?}");
                }
                assert_eq!(law.is_party(&record, &agent), [author, target].contains(&agent));
                assert_eq!(law.is_author::<Small>(&author, &agent), agent == author);
            }
        }
    }

    a_known_id_is_the_same_handoff_by_its_bytes_alone(law) {
        for known in known() {
            for (digest, author) in [(0, BOB), (0, EVE), (1, BOB), (1, EVE)] {
                let offered = Start { author, ..start(digest, Time(9), Some(Millis(9))) };
                let again = if digest == 0 { Again::Repeat } else { Again::Conflict };
                assert_eq!(law.again(&known, &offered), again, "{known:?}");
            }
        }
    }

    all_that_an_artifact_says_is_put_on_record(law) {
        for claim_ttl in [None, Some(Millis(7))] {
            let artifact = Start { id: 3, ..start(5, Time(9), claim_ttl) };
            let expected = Record {
                id: 3,
                author: BOB,
                target: ALICE,
                digest: 5,
                started_at: Time(2),
                expires_at: Time(9),
                claim_ttl,
                state: State::Pending,
            };
            assert_eq!(law.on_record(&artifact, Time(2)), expected);
        }
    }

    the_holder_is_who_names_the_claim_and_an_anonymous_accept_never_repeats(law) {
        for (on_record, named) in CLAIMS.into_iter().flat_map(|one| CLAIMS.map(|other| (one, other))) {
            let claim: Claim<Small> = Claim { id: on_record, at: Time(0), attempt: Some(1), receipt: None };
            let complete = Command::Complete { by: ALICE, claim_id: named, result: None, receipt: None };
            let reject = Command::Reject { by: ALICE, claim_id: named, reason: 0, receipt: None };
            for command in [complete, reject] {
                assert_eq!(law.holds(&claim, &command), on_record == named);
            }
            let same = on_record.is_some() && on_record == named;
            assert_eq!(law.repeats_accept(&claim, named.as_ref()), same);
        }
    }

    a_claim_comes_first_and_nothing_returns_to_pending(law) {
        assert!(!law.completes_unclaimed());
        assert!(!law.reopens_lapsed());
    }

    nothing_is_answered_unwritten_and_every_doubt_is_read_anew(law) {
        assert!(!law.answers_unwritten());
        assert_eq!(law.after_unknown(), AfterUnknown::Reread);
        for command in commands(END) {
            assert_eq!(law.after_conflict(&command), AfterConflict::Redecide, "{command:?}");
        }
        assert!(law.guards());
    }

    an_attempt_knows_its_own_claim_and_no_other(law) {
        for (attempt, own) in [(Some(1), true), (Some(2), false), (None, false)] {
            let claim: Claim<Small> = Claim { id: Some(1), at: Time(0), attempt, receipt: None };
            assert_eq!(law.recognises::<Small>(&claim, &1), own);
        }
    }

    the_deciding_clock_never_goes_back(law) {
        for (wall, mark) in times().flat_map(|wall| times().map(move |mark| (wall, mark))) {
            assert_eq!(law.decides_at(wall, mark), Time(if wall.0 < mark.0 { mark.0 } else { wall.0 }));
        }
    }

    a_poll_shows_what_is_pending_and_in_time_oldest_first(law) {
        for record in known() {
            for now in times() {
                let open = record.status() == Status::Pending && !is_after(now, record.expires_at, Millis(0));
                assert_eq!(law.open_to_claims(&record, now), open, "{record:?} {now:?}");
                let arrived = Record { started_at: now, ..record.clone() };
                assert_eq!(law.arrival(&arrived), now);
            }
        }
    }

    the_janitor_looks_after_what_is_not_over_and_retention_removes_what_is(law) {
        for record in known() {
            assert_eq!(law.sweeps(&record), !over(&record), "{record:?}");
            for (retention, now) in lengths().flat_map(|keep| times().map(move |now| (keep, now))) {
                let removed = over(&record) && is_after(now, record.expires_at, retention);
                assert_eq!(law.may_remove(&record, retention, now), removed, "{record:?} {retention:?} {now:?}");
            }
        }
    }

    the_duties_of_a_hub_are_done(law) {
        assert!(law.looks_again());
        assert!(!law.poll_claims());
        assert!(!law.logs_first());
        assert!(!law.decides_by_log());
        assert!(!law.renews_claims());
        assert!(!law.shares_places());
    }

    a_bootstrap_is_taken_first_and_fresh_up_to_its_window_only_with_a_date_that_has_come(law) {
        assert!(law.takes_first());
        assert!(!law.undated_is_fresh());
        for (accepted_at, now) in times().flat_map(|at| times().map(move |now| (at, now))) {
            assert_eq!(law.dated_ahead(accepted_at, now), is_after(accepted_at, now, Millis(0)));
            for window in lengths() {
                let stale = is_after(now, accepted_at, window);
                assert_eq!(law.stale(accepted_at, window, now), stale, "{accepted_at:?} {window:?} {now:?}");
            }
        }
    }

    it_is_called_the_protocol(law) {
        assert_eq!(PROTOCOL, "protocol");
        assert_eq!(law.name(), "protocol");
    }
}
