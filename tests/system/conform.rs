//! Every committed trace, played over real sockets on a real hub: it answers as the kernel does. And what a hub with a
//! fault answers is found out by the very traces that conform on an honest one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use handoff_kernel::law::PROTOCOL;
use handoff_kernel::rules::Rules;
use handoff_kernel::testing::variant::Fault;
use handoff_sim::conform::{INDUCTION, Played, Player, Settings, all, play};
use handoff_spec::bench::mutants::row;
use handoff_spec::trace::{Ask, ClaimText, Event, Header, Line, RecordText, StatusText, Told, Trace};

use crate::support::hub::testing;
use crate::support::root;

/// All traces of a directory, by name.
fn traces(directory: &str) -> BTreeMap<String, Trace> {
    let directory = root().join(directory);
    let names =
        std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("an entry").path());
    let is_trace = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "ndjson");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(path).expect("it is text");
        let trace = Trace::parse(&text).expect("it is a trace");
        (trace.header.name.clone(), trace)
    };
    names.filter(is_trace).map(read).collect()
}

/// Plays these, and fails with all that went wrong.
fn played(traces: BTreeMap<String, Trace>, trouble: Option<u64>) -> Played {
    let settings = Settings {
        binary: testing(),
        law: PROTOCOL.to_owned(),
        held_to: PROTOCOL.to_owned(),
        at_once: 2,
        trouble,
    };
    let mut wrong = Vec::new();
    let sum = all(traces.into_values(), &settings, |_, result| wrong.extend(result.as_ref().err().cloned()));
    assert!(wrong.is_empty(), "{}\n{sum}", wrong.join("\n"));
    sum
}

#[test]
fn every_committed_trace_conforms_on_a_real_hub() {
    let committed = traces("spec/traces");
    let (many, bootstraps) =
        (committed.len(), committed.values().filter(|trace| trace.header.model == "bootstrap").count());
    assert!(many > 80 && bootstraps > 10, "{many}, {bootstraps}");
    let sum = played(committed, None);
    println!("{sum}");
    assert_eq!(sum.traces, many as u64);
    // A session's own disk; a request that never arrives; a log that a hub makes up.
    let besides =
        sum.without_hub.iter().filter(|name| !name.contains("bootstrap-") && !name.contains("-s11-"));
    assert_eq!(besides.collect::<Vec<_>>(), ["dropped-losses-without-end", "malice-invented-event"]);
    assert_eq!(sum.without_hub.len(), bootstraps + 2);
    // The same every time: of each trace so much is compared, and no less.
    let compared = (sum.requests, sum.answers, sum.told, sum.apart.values().sum::<u64>(), sum.kills);
    assert_eq!(compared, (220, 220, 69, 8, 4));
}

#[test]
fn lost_answers_repeats_and_kills_change_no_answer_of_a_trace() {
    let mut sum = Played::default();
    for seed in 1..=3 {
        sum.add(&played(traces("spec/traces"), Some(seed)));
    }
    println!("{sum}");
    assert!(sum.lost > 20 && sum.duplicates > 60 && sum.kills > 3 * 4, "{sum}");
    assert_eq!(sum.told, 3 * 69, "the trace's own answers are what they were");
}

#[test]
fn a_trace_that_conforms_on_an_honest_hub_finds_out_one_with_a_fault() {
    let (binary, committed) = (testing(), traces("spec/traces"));
    for (fault, name) in [
        (Fault::ExpiresAtDeadline, "witness-s3-claimed-at-the-deadline"),
        (Fault::EverybodyWins, "witness-s1-second-accept-refused"),
        (Fault::AnybodyHolds, "witness-s6-wrong-claim-refused"),
        (Fault::BytesIgnored, "witness-s8-other-bytes-refused"),
        (Fault::PollNewestFirst, "witness-s12-the-older-is-shown"),
        (Fault::PollShowsOverdue, "witness-s12-the-overdue-is-passed-over"),
        (Fault::AnybodyIsAuthor, "witness-s13-false-author-refused"),
        (Fault::AnybodyIsParty, "witness-s16-stranger-finds-nothing"),
        (Fault::ClockStepsBack, "bound-mark-lost"),
        (Fault::JanitorForgetsPending, "dropped-janitor-that-stops"),
    ] {
        let trace = committed.get(name).expect("it is committed");
        play(trace, &binary, PROTOCOL).unwrap_or_else(|why| panic!("on an honest hub: {why}"));
        let found = Player::new(&binary, fault.name()).held_to(PROTOCOL).play(trace);
        let why = found.expect_err(fault.name());
        assert!(why.starts_with(name) && why.contains("the kernel"), "{}: {why}", fault.name());
    }
}

#[test]
fn the_way_to_a_fault_breaks_its_rule_on_a_hub_that_has_it_and_on_no_other() {
    let binary = testing();
    for fault in [
        Fault::AcceptTrustsJanitor,
        Fault::StartsOverdue,
        Fault::AnybodyIsTarget,
        Fault::LimitForgotten,
        Fault::AnonymousRepeats,
        Fault::AttemptConfused,
        Fault::JanitorForgetsClaims,
    ] {
        let (row, _) = row(fault, Rules::ALL);
        let (name, rule) = (fault.name(), fault.caught_by());
        let trace = &row.caught.get(&rule).expect("the rule that it is named for catches it").trace;
        let with_it = play(trace, &binary, name).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(with_it.broken.contains(&rule), "{name} breaks {rule} in {trace}\nbut on a hub {with_it}");
        Player::new(&binary, name).held_to(PROTOCOL).play(trace).expect_err(name);
        let honest = play(trace, &binary, PROTOCOL).unwrap_or_else(|why| panic!("without {name}: {why}"));
        assert!(!honest.broken.contains(&rule), "{rule} without {name}");
    }
}

#[test]
fn the_way_of_each_designers_variant_conforms_on_an_honest_hub() {
    let sum = played(traces("spec/variants"), None);
    println!("{sum}");
    assert!(sum.traces > 3 && sum.answers > 0, "{sum}");
}

#[test]
fn an_answer_that_a_trace_makes_up_is_found_out() {
    let (binary, committed) = (testing(), traces("spec/traces"));
    let whole = committed.get("witness-s5-the-whole-path").expect("it is committed");
    let mut answers = 0;
    for at in 0..whole.lines.len() {
        let mut bent = whole.clone();
        let Event::Answers { verdict, .. } = &mut bent.lines[at].event else { continue };
        if let Told::Claimed { claimed_at, .. } = verdict {
            *claimed_at += 1;
        } else {
            *verdict = Told::Refused("already_rejected".to_owned());
        }
        let why = play(&bent, &binary, PROTOCOL).expect_err("nobody answers that");
        assert!(why.contains("the trace answers") && why.contains("hub and kernel"), "{why}");
        answers += 1;
    }
    assert_eq!(answers, 3, "a start, an accept and a complete");
    let mut bent = committed.get("witness-s12-the-older-is-shown").expect("it is committed").clone();
    for line in &mut bent.lines {
        if let Event::Polls { shown, .. } = &mut line.event {
            *shown = None;
        }
    }
    let why = play(&bent, &binary, PROTOCOL).expect_err("something is pending");
    assert!(why.contains("the trace shows None"), "{why}");
    let mut bent = whole.clone();
    let does = "juggles".to_owned();
    bent.lines.push(Line::at(99, "client 1", None, Event::Tells { does, with: BTreeMap::new() }));
    let why = play(&bent, &binary, PROTOCOL).expect_err("nobody knows this word");
    assert!(why.contains("juggles"), "a trace is not played in part: {why}");
}

#[test]
fn records_that_no_command_makes_are_laid_into_the_directory_and_found_there() {
    let binary = testing();
    let claim =
        || ClaimText { id: Some("c1".to_owned()), at: 9, attempt: None, receipt: Some("r1".to_owned()) };
    let (result, receipt) = (Some("t0".to_owned()), Some("r2".to_owned()));
    let declined = |claim| StatusText::Declined {
        claim,
        at: 9,
        claim_id: Some("c1".to_owned()),
        reason: "t1".to_owned(),
        receipt: receipt.clone(),
    };
    for state in [
        StatusText::Pending,
        StatusText::Claimed { claim: claim() },
        StatusText::Completed { claim: claim(), at: 9, result, receipt: receipt.clone() },
        declined(Some(claim())),
        declined(None),
        StatusText::Expired { at: 9 },
        StatusText::ClaimExpired { claim: claim(), at: 9 },
    ] {
        // Nobody can start what has expired.
        let record = RecordText {
            handoff: "h0".to_owned(),
            author: "bob".to_owned(),
            target: "alice".to_owned(),
            digest: "d0".to_owned(),
            started_at: 9,
            expires_at: 5,
            claim_ttl: Some(2),
            state,
        };
        let command =
            Ask::Accept { by: "alice".into(), claim_id: Some("c1".into()), attempt: 0, receipt: None };
        let begins = Event::Begins { operation: 1, handoff: "h0".into(), command, asker: None };
        let loads = Event::Effect {
            operation: 1,
            effect: handoff_spec::trace::EffectKind::Load,
            outcome: handoff_spec::trace::OutcomeKind::Loaded,
            record: Some(record.clone()),
            took_effect: false,
            may_follow: false,
            held: false,
        };
        // What it is told is the kernel's to say: the trace, of another law, says something that nobody is told.
        let answers = Event::Answers { operation: 1, verdict: Told::Refused("unauthenticated".into()) };
        let shown = format!("{record:?}");
        let header = Header {
            records: vec![record],
            law: "grace_ms=0".into(),
            ..Header::of(INDUCTION, "none", PROTOCOL)
        };
        let lines = [begins, loads, answers].map(|event| Line::at(9, "hub 1", Some(9), event));
        let trace = Trace::new(header, vec![Vec::new(), lines.to_vec()]);
        let sum = play(&trace, &binary, PROTOCOL).unwrap_or_else(|why| panic!("{shown}: {why}"));
        assert_eq!(
            (sum.requests, sum.answers, sum.told),
            (2, 2, 0),
            "{shown}: the command, and the record after it"
        );
    }
}

/// bob's start, whose hub dies with it; what the store makes of it; and bob's start once more.
fn a_start_that_its_hub_dies_with(fate: &str, follows: &str, again: &str) -> Trace {
    let record = r#"{"handoff":"h0","author":"bob","target":"alice","digest":"d0","started_at":5000,"expires_at":9000,"claim_ttl":2000,"state":"pending"}"#;
    let text = r#"
{"trace":"handoff-trace/1","name":"dies","kind":"witness","rule":"S7","says":"So.","model":"simulator","configuration":"none","law":"protocol","records":[]}
{"step":1,"time":5000,"host":"hub","clock":5000,"event":{"begins":{"operation":1,"handoff":"h0","command":START,"asker":{"client":"client 1","agent":"bob"}}}}
{"step":1,"time":5000,"host":"hub","clock":5000,"event":{"effect":{"operation":1,"effect":"load","outcome":"loaded"}}}
{"step":1,"time":5000,"host":"hub","clock":5000,"event":{"effect":{"operation":1,"effect":"insert",FATE}}}
{"step":2,"time":5001,"host":"hub","clock":5001,"event":{"crashes":{"operations":[1]}}}
{"step":3,"time":5002,"host":"hub","clock":5002,"event":"restarts"}
FOLLOWS
{"step":5,"time":5003,"host":"hub","clock":5003,"event":{"begins":{"operation":2,"handoff":"h0","command":START,"asker":{"client":"client 1","agent":"bob"}}}}
AGAIN
{"step":6,"time":5003,"host":"hub","clock":5003,"event":{"polls":{"target":"alice","shown":"h0"}}}
{"step":7,"time":9001,"host":"hub","clock":9001,"event":{"polls":{"target":"alice","shown":null}}}
"#;
    let start = r#"{"start":{"sender":"bob","artifact":{"handoff":"h0","author":"bob","target":"alice","digest":"d0","expires_at":9000,"claim_ttl":2000}}}"#;
    let text = text.replace("FATE", fate).replace("FOLLOWS", follows).replace("AGAIN", again);
    let text = text.replace("START", start).replace("RECORD", record);
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    Trace::parse(&lines.join("\n")).expect("it is a trace")
}

#[test]
fn what_a_hub_died_with_is_there_again_if_it_took_effect_and_only_then() {
    let binary = testing();
    let follows = r#"{"step":4,"time":5002,"host":"store","event":{"follows":{"operation":1,"took_effect":true,"writes":RECORD,"record":RECORD}}}"#;
    let found = r#"
{"step":5,"time":5003,"host":"hub","clock":5003,"event":{"effect":{"operation":2,"effect":"load","outcome":"loaded","record":RECORD}}}
{"step":5,"time":5003,"host":"hub","clock":5003,"event":{"answers":{"operation":2,"verdict":{"started":{"expires_at":9000}}}}}"#;
    let anew = r#"
{"step":5,"time":5003,"host":"hub","clock":5003,"event":{"effect":{"operation":2,"effect":"load","outcome":"loaded"}}}
{"step":5,"time":5003,"host":"hub","clock":5003,"event":{"effect":{"operation":2,"effect":"insert","outcome":"written","took_effect":true}}}
{"step":5,"time":5003,"host":"hub","clock":5003,"event":{"answers":{"operation":2,"verdict":{"started":{"expires_at":9000}}}}}"#;
    let written = r#""outcome":"written","took_effect":true"#;
    let unknown = r#""outcome":"unknown","may_follow":true"#;
    // The answer is lost with the hub; or nothing was sent before it died.
    for (fate, follows, again, lost) in
        [(written, "", found, 1), (unknown, follows, found, 1), (unknown, "", anew, 0)]
    {
        let trace = a_start_that_its_hub_dies_with(fate, follows, again);
        let sum = play(&trace, &binary, PROTOCOL).unwrap_or_else(|why| panic!("{why}\n{trace}"));
        assert_eq!((sum.lost, sum.kills, sum.told), (lost, 1, 3), "{trace}\n{sum}");
        assert_eq!((sum.requests, sum.answers, sum.duplicates), (4 + lost, 4, lost), "{sum}");
    }
}
