//! A handoff's life through the relay: answers, files, deadlines, polls, lists.

use std::sync::Arc;

use handoff_hub::request::{Asker, Filter, Health, Reply, Request};
use handoff_kernel::command::Answer;
use handoff_kernel::ident::{AgentId, Mac};
use handoff_kernel::record::{Rejection, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::time::Millis;

use crate::world::{BEGIN, World, accepting, agent, alice, artifact, claim, id, refused, starting};

const MINUTE: Millis = Millis(60_000);

#[test]
fn a_handoff_goes_from_bob_to_alice_and_its_file_tells_the_story() {
    let mut world = World::new();
    let bytes = artifact("h1", MINUTE, Some(60));
    let started = world.start(&bytes);
    assert_eq!(started, Ok(Answer::Started { expires_at: BEGIN.plus(MINUTE) }));
    assert_eq!(world.start(&bytes), started, "a repeat is answered alike");
    assert_eq!(world.files(), ["handoff/h1.json"]);
    assert_eq!(world.read("handoff/h1.json").as_bytes(), bytes, "verbatim");
    assert_eq!(world.poll(), Some((id("h1"), bytes.as_slice().into())));

    world.clock.set(BEGIN.plus(Millis(5)));
    let claimed = world.accept("h1", claim("c1"));
    assert_eq!(
        claimed,
        Ok(Answer::Claimed {
            claim_id: claim("c1"),
            claimed_at: BEGIN.plus(Millis(5)),
            claim_expires_at: Some(BEGIN.plus(Millis(60_005)))
        })
    );
    assert_eq!(world.files(), [format!("claimed/h1~c1~{}.json", BEGIN.0 + 5)]);
    world.clock.set(BEGIN.plus(Millis(6)));
    assert_eq!(world.accept("h1", claim("c1")), claimed, "times included");
    assert_eq!(world.accept("h1", claim("c2")), refused(Refusal::AlreadyClaimed));
    assert_eq!(world.poll(), None);

    assert_eq!(world.complete("h1", claim("c2"), "1"), refused(Refusal::WrongClaim));
    assert_eq!(
        world.complete("h1", claim("c1"), "{\"ok\":true}"),
        Ok(Answer::Completed { at: BEGIN.plus(Millis(6)) })
    );
    assert_eq!(world.files(), ["archive/h1.json"]);
    assert_eq!(world.complete("h1", claim("c1"), "2"), refused(Refusal::AlreadyCompleted));

    let text = world.read("archive/h1.json");
    let told = text.strip_prefix(std::str::from_utf8(&bytes).unwrap()).unwrap();
    let lines: Vec<&str> = told.trim().lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(
        lines[0].starts_with(
            r#"{"event":"claimed","at":"2026-04-21T10:00:00.005Z","by":"alice","claim_id":"c1""#
        ),
        "{told}"
    );
    assert!(
        lines[1].starts_with(
            r#"{"event":"completed","at":"2026-04-21T10:00:00.006Z","by":"alice","result":{"ok":true}"#
        ),
        "{told}"
    );
    assert!(lines[1].contains(&format!(r#""artifact_bytes":{}"#, bytes.len())));

    let Reply::Got(Ok(story)) =
        world.ask(Request::Get { by: agent("alice"), handoff: id("h1"), artifact: true })
    else {
        panic!()
    };
    assert_eq!(story.artifact.as_deref(), Some(bytes.as_slice()));
}

#[test]
fn an_accept_at_the_last_millisecond_wins_and_one_later_does_not_whether_or_not_the_janitor_ran() {
    for janitor in [true, false] {
        let world = || if janitor { World::new() } else { World::without_janitor() };
        let last = BEGIN.plus(Millis(1000));
        let bytes = artifact("h", Millis(1000), None);

        let mut at = world();
        at.start(&bytes).unwrap();
        at.clock.set(last);
        at.turn();
        assert_eq!(at.status("h"), Some(Status::Pending), "at the deadline it is still in time");
        assert!(at.accept("h", claim("c")).is_ok());

        let mut after = world();
        after.start(&bytes).unwrap();
        after.clock.set(last.plus(Millis(1)));
        after.turn();
        let swept = if janitor { Status::Rejected } else { Status::Pending };
        assert_eq!(after.status("h"), Some(swept));
        assert_eq!(after.poll(), None, "an overdue handoff is not shown");
        assert_eq!(after.accept("h", claim("c")), refused(Refusal::Expired));
        assert_eq!(after.files(), ["rejected/h.json"]);
        assert!(
            after
                .read("rejected/h.json")
                .contains(r#""event":"expired","at":"2026-04-21T10:00:01.001Z","cause":"expired""#)
        );
    }
}

#[test]
fn a_claim_lapses_when_its_author_said_so() {
    for janitor in [true, false] {
        let mut world = if janitor { World::new() } else { World::without_janitor() };
        world.start(&artifact("h", MINUTE, Some(1))).unwrap();
        world.accept("h", claim("c")).unwrap();
        world.clock.set(BEGIN.plus(Millis(1000)));
        world.turn();
        assert_eq!(world.status("h"), Some(Status::Claimed));
        world.clock.set(BEGIN.plus(Millis(1001)));
        world.turn();
        assert_eq!(world.complete("h", claim("c"), "1"), refused(Refusal::ClaimExpired));
        assert!(world.read("rejected/h.json").contains(r#""cause":"claim_expired""#));
    }
}

#[test]
fn a_decline_says_why_and_repeats() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    let declined = world.reject("h", None, "busy");
    assert_eq!(declined, Ok(Answer::Rejected { at: BEGIN }));
    world.clock.set(BEGIN.plus(Millis(9)));
    assert_eq!(world.reject("h", None, "busy"), declined);
    assert_eq!(world.reject("h", None, "other"), refused(Refusal::AlreadyRejected));
    assert!(world.read("rejected/h.json").contains(r#""by":"alice","cause":"declined","reason":"busy""#));
}

#[test]
fn a_receipt_is_kept_with_the_transition_that_took_effect_and_a_later_one_is_ignored() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    for receipt in [Mac([1; 32]), Mac([2; 32])] {
        world
            .verdict(Request::Accept {
                by: alice(),
                handoff: id("h"),
                claim_id: claim("c"),
                receipt: Some(receipt),
            })
            .unwrap();
    }
    let mut world = world.crash();
    assert_eq!(world.get("h").unwrap().claim().unwrap().receipt, Some(Mac([1; 32])));
}

#[test]
fn a_repeat_is_answered_as_the_first_time_also_when_the_target_is_no_longer_known() {
    let mut world = World::new();
    let bytes = artifact("h", MINUTE, None);
    let unknown = |bytes: &[u8]| match starting(bytes) {
        Request::Start { sender, start, bytes, .. } => {
            Request::Start { sender, start, bytes, target_known: false }
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(world.verdict(unknown(&bytes)), refused(Refusal::Invalid(Field::ToAgent)));
    assert_eq!(world.files(), Vec::<String>::new());
    let first = world.start(&bytes);
    assert!(first.is_ok());
    assert_eq!(world.verdict(unknown(&bytes)), first);
}

#[test]
fn other_bytes_under_a_known_id_are_a_conflict_at_every_status() {
    let mut world = World::new();
    let (one, two) = (artifact("h", MINUTE, None), artifact("h", MINUTE, Some(5)));
    world.start(&one).unwrap();
    assert_eq!(world.start(&two), refused(Refusal::IdConflict));
    world.accept("h", claim("c")).unwrap();
    assert_eq!(world.start(&two), refused(Refusal::IdConflict));
    world.complete("h", claim("c"), "1").unwrap();
    assert_eq!(world.start(&two), refused(Refusal::IdConflict));
    assert_eq!(world.start(&one), Ok(Answer::Started { expires_at: BEGIN.plus(MINUTE) }));
}

#[test]
fn many_accepts_in_one_batch_have_one_winner() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    for n in 0..64 {
        world.submit(accepting("h", claim(&format!("c{n}"))));
    }
    let replies = world.turn();
    let winners =
        replies.iter().filter(|(_, reply)| matches!(reply, Reply::Done(done) if done.verdict.is_ok()));
    assert_eq!((winners.count(), replies.len()), (1, 64));
}

#[test]
fn only_a_party_sees_it_and_another_name_is_a_wrong_role() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    let mut accept = |agent: AgentId, named| {
        let by = Asker { agent, named };
        world.verdict(Request::Accept { by, handoff: id("h"), claim_id: None, receipt: None })
    };
    assert_eq!(accept(agent("eve"), None), refused(Refusal::NotFound));
    assert_eq!(accept(agent("eve"), Some(agent("alice"))), refused(Refusal::NotFound));
    assert_eq!(accept(agent("bob"), None), refused(Refusal::WrongAgent));
    assert_eq!(accept(agent("alice"), Some(agent("bob"))), refused(Refusal::WrongAgent));
    assert!(accept(agent("alice"), Some(agent("alice"))).is_ok());
    let got = world.ask(Request::Get { by: agent("eve"), handoff: id("h"), artifact: true });
    assert_eq!(got, Reply::Got(Err(Refusal::NotFound)));
}

#[test]
fn poll_shows_the_oldest_that_is_not_overdue_also_after_a_restart() {
    let mut world = World::without_janitor();
    for (name, lives, at) in [("b", 50, 0), ("z", 60_000, 1), ("a", 60_000, 2), ("m", 60_000, 2)] {
        world.clock.set(BEGIN.plus(Millis(at)));
        world.start(&artifact(name, Millis(lives), None)).unwrap();
    }
    for expected in ["b", "z", "a", "m"] {
        if expected == "z" {
            world.clock.set(BEGIN.plus(Millis(51)));
        }
        assert_eq!(world.poll().unwrap().0, id(expected));
        world = world.crash();
        assert_eq!(world.poll().unwrap().0, id(expected));
        if expected != "b" {
            world.accept(expected, None).unwrap();
        }
    }
    assert_eq!(world.poll(), None);
}

#[test]
fn a_waiting_poll_is_answered_by_a_start_by_its_end_or_never_when_cancelled() {
    let mut world = World::new();
    let wait = |wait| Request::Poll { by: agent("alice"), wait: Millis(wait) };
    let (short, long, gone) = (world.submit(wait(1000)), world.submit(wait(2000)), world.submit(wait(1500)));
    let theirs = world.submit(Request::Poll { by: agent("bob"), wait: Millis(9000) });
    world.relay.cancel(gone);
    assert_eq!(world.turn(), []);
    assert_eq!(world.relay.wake_in(), Some(Millis(1000)));
    world.clock.set(BEGIN.plus(Millis(1000)));
    assert_eq!(world.turn(), [(short, Reply::Polled(None))]);
    let start = world.submit(starting(&artifact("h", MINUTE, None)));
    let replies = world.turn();
    assert_eq!(replies.len(), 2, "{replies:?}");
    assert!(matches!(&replies[0], (t, Reply::Done(done)) if *t == start && done.changed));
    assert!(matches!(&replies[1], (t, Reply::Polled(Some(shown))) if *t == long && shown.handoff == id("h")));
    let (last, flushed) = world.relay.close();
    assert_eq!((last.0, flushed), (vec![(theirs, Reply::Polled(None))], Ok(())));
}

#[test]
fn what_was_once_overdue_stays_so_when_the_wall_clock_steps_back() {
    let mut world = World::new();
    world.clock.set(BEGIN.plus(Millis(1001)));
    // Refused without a trace in any directory: the clock's mark alone remembers.
    assert_eq!(world.start(&artifact("h", Millis(1000), None)), refused(Refusal::Expired));
    world.clock.set(BEGIN);
    assert_eq!(world.start(&artifact("h", Millis(1000), None)), refused(Refusal::Expired));
    let mut world = world.crash();
    assert_eq!(world.start(&artifact("h", Millis(1000), None)), refused(Refusal::Expired));
    let (_, flushed) = world.relay.close();
    flushed.unwrap();
    assert_eq!(
        std::fs::read_to_string(world.dir.path().join("data/clock")).unwrap().trim(),
        (BEGIN.0 + 1001).to_string()
    );
}

#[test]
fn a_list_pages_through_what_one_is_a_party_to() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.start(&artifact(name, MINUTE, None)).unwrap();
    }
    let page = |world: &mut World, by: &str, status, author: Option<&str>, after| {
        let filter = Filter { status, target: None, author: author.map(agent) };
        match world.ask(Request::List { by: agent(by), filter, limit: 2, after }) {
            Reply::Listed(page) => {
                (page.records.iter().map(|r| r.id.to_string()).collect::<Vec<_>>(), page.next)
            }
            other => panic!("{other:?}"),
        }
    };
    for status in [Status::Pending, Status::Completed] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let (ids, next) = page(&mut world, "alice", status, None, after);
            assert!(ids.len() <= 2);
            seen.extend(ids);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"], "{status:?}");
        assert_eq!(page(&mut world, "eve", status, None, None), (vec![], None));
        assert_eq!(page(&mut world, "alice", status, Some("alice"), None), (vec![], None));
        for name in ["a", "b", "c", "d", "e"] {
            let _ = world.accept(name, claim("c"));
            let _ = world.complete(name, claim("c"), "1");
        }
    }
}

#[test]
fn health_is_ready_and_a_record_by_hand_that_breaks_a_rule_is_refused_and_reported() {
    let mut world = World::new();
    assert_eq!(world.ask(Request::Health), Reply::Health(Health::Ready));
    world.start(&artifact("h", Millis(1000), None)).unwrap();
    world.accept("h", claim("c")).unwrap();
    // Somebody edits the name and the line: claimed after its deadline.
    let late = BEGIN.0 + 5000;
    let data = world.data();
    let text = world.read(&format!("claimed/h~c~{}.json", BEGIN.0));
    let text =
        text.replace(r#""claimed","at":"2026-04-21T10:00:00Z""#, r#""claimed","at":"2026-04-21T10:00:05Z""#);
    let (_, flushed) = world.relay.close();
    flushed.unwrap();
    std::fs::remove_file(data.join(format!("claimed/h~c~{}.json", BEGIN.0))).unwrap();
    std::fs::write(data.join(format!("claimed/h~c~{late}.json")), text).unwrap();
    let config = handoff_hub::relay::Config::on(data);
    let relay = handoff_hub::relay::Relay::open(&config, world.clock.clone()).unwrap();
    let mut world = World::around(relay);
    assert!(matches!(
        world.complete("h", claim("c"), "1"),
        Err(handoff_kernel::operation::NotDone::Broken(handoff_kernel::rules::Rule::S3))
    ));
    assert_eq!(world.status("h"), Some(Status::Claimed), "the change was not made");
    assert!(matches!(world.ask(Request::Health), Reply::Health(Health::RuleBroken(_))));
    assert!(world.relay.take_notes().iter().any(|note| note.contains("S3 NoLateClaim")));
}

#[test]
fn a_reason_that_looks_like_a_line_is_only_a_reason() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    let reason: Arc<str> = r#""\n{\"event\":\"completed\"}\n""#.into();
    world
        .verdict(Request::Reject {
            by: alice(),
            handoff: id("h"),
            claim_id: None,
            reason: reason.clone(),
            receipt: None,
        })
        .unwrap();
    let mut world = world.crash();
    let State::Rejected(Rejection::Declined { decline, .. }) = world.get("h").unwrap().state else {
        panic!()
    };
    assert_eq!(decline.reason, reason);
}
