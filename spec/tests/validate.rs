//! `handoff-spec validate-log`, on logs that a hub wrote, as they are and with lines removed, doubled and swapped. The
//! chain is mended each time, so that the protocol alone is at stake.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handoff_kernel::ident::Digest;
use handoff_spec::validate::{Verdict, Wrong, validate};
use serde_json::Value;
use tempfile::TempDir;

fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs").join(name)
}

/// The lines of a log, without their numbers and their `prev`.
fn bodies(name: &str) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(log(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let body = |line: &str| {
        let from = line.find(r#""at""#).unwrap();
        line[from..line.rfind(r#""prev""#).unwrap()].to_owned()
    };
    text.lines().map(body).collect()
}

/// A log of these lines, the first of which has this number: numbered, and each holding the one before.
fn mended(first: u64, bodies: &[String]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut prev = Digest(if first == 1 { [0; 32] } else { [7; 32] });
    let mut text = String::new();
    for (seq, body) in (first..).zip(bodies) {
        let line = format!(r#"{{"seq":{seq},{body}"prev":"{prev}"}}"#);
        prev = Digest::of(line.as_bytes());
        text += &(line + "\n");
    }
    fs::write(dir.path().join(format!("{first:020}.ndjson")), text).unwrap();
    dir
}

fn look(first: u64, bodies: &[String]) -> Verdict {
    validate(mended(first, bodies).path()).unwrap()
}

fn field(body: &str, name: &str) -> String {
    let json: Value = serde_json::from_str(&format!("{{{}}}", body.trim_end_matches(','))).unwrap();
    json[name].as_str().unwrap_or_default().to_owned()
}

/// Milliseconds of the minute in which all of a log happened.
fn ms(at: &str) -> u64 {
    let (seconds, ms) = at[17..].trim_end_matches('Z').split_once('.').unwrap_or((&at[17..19], "0"));
    seconds.parse::<u64>().unwrap() * 1000 + ms.parse::<u64>().unwrap()
}

/// The number of the first line that is no behaviour, by a table of our own that knows nothing of the kernel. Every
/// artifact of these logs may live an hour, and a claim no less than a second.
fn by_table(whole: bool, bodies: &[String]) -> Option<usize> {
    let (mut lives, mut clock) = (BTreeMap::<String, (&str, String, u64)>::new(), 0);
    for (n, body) in bodies.iter().enumerate() {
        let [at, event, id, claim] = ["at", "event", "handoff_id", "claim"].map(|name| field(body, name));
        let (at, by_lapse) = (ms(&at), body.contains(r#""reason":"claim_expired""#));
        let event = if by_lapse { "lapsed" } else { &event };
        let known = lives.get(&id).map(|(state, claim, since)| (*state, claim.as_str(), *since));
        let next = match (known, event) {
            (None, "started") => "pending",
            (None | Some(("pending", ..)), "claimed") => "claimed",
            (None | Some(("pending", ..)), "rejected") if claim.is_empty() => "over",
            (None, "expired") => "over",
            (Some(("pending", _, since)), "expired") if at > since => "over",
            (Some(("claimed", holder, _)), "completed" | "rejected") if holder == claim => "over",
            (Some(("claimed", holder, since)), "lapsed") if holder == claim && at > since + 1000 => "over",
            (None, "completed" | "rejected" | "lapsed") if !whole => "over",
            _ => return Some(n),
        };
        if at < clock {
            return Some(n);
        }
        clock = at;
        lives.insert(id, (next, claim, at));
    }
    None
}

fn agrees(whole: bool, bodies: &[String]) -> bool {
    let first = if whole { 1 } else { 41 };
    let verdict = look(first, bodies);
    let expected = by_table(whole, bodies).map(|n| first + n as u64);
    assert_eq!(verdict.fault.as_ref().map(|fault| fault.seq), expected, "{verdict:#?}");
    expected.is_none()
}

#[test]
fn what_a_hub_wrote_is_a_behaviour() {
    for (name, lines, segments, handoffs, from_start, recovered) in [
        ("life", 25, 1, 10, 10, 0),
        ("same-host", 9, 1, 5, 1, 0),
        ("recovered", 13, 1, 5, 5, 9),
        ("segments", 18, 3, 7, 7, 0),
    ] {
        let verdict = validate(&log(name)).unwrap();
        assert_eq!(verdict.fault, None, "{name}");
        let figures =
            (verdict.lines, verdict.segments, verdict.handoffs, verdict.from_start, verdict.recovered);
        assert_eq!(figures, (lines, segments, handoffs, from_start, recovered), "{name}");
        assert_eq!((verdict.first, verdict.unfinished), (1, false), "{name}");
    }
}

#[test]
fn every_line_that_is_removed_doubled_or_swapped_is_found_or_leaves_a_behaviour() {
    let (mut tried, mut behaviours) = (0, 0);
    let mut is = |whole, bodies: &[String]| {
        tried += 1;
        behaviours += usize::from(agrees(whole, bodies));
    };
    for name in ["life", "same-host", "segments"] {
        let all = bodies(name);
        for whole in [true, false] {
            assert!(agrees(whole, &all), "{name}");
            for n in 0..all.len() {
                is(whole, &[&all[..n], &all[n + 1..]].concat());
                is(whole, &[&all[..=n], &all[n..]].concat());
                // Once more, when everything is over.
                is(whole, &[&all[..], &all[n..=n]].concat());
                for m in n + 1..all.len() {
                    let mut swapped = all.clone();
                    swapped.swap(n, m);
                    is(whole, &swapped);
                    // The same, but that the times stay where they are.
                    let [a, b] = [n, m].map(|n| field(&all[n], "at"));
                    swapped[n] = swapped[n].replace(&b, &a);
                    swapped[m] = swapped[m].replace(&a, &b);
                    is(whole, &swapped);
                }
            }
        }
    }
    assert_eq!((tried, behaviours > 50, behaviours < tried / 2), (2268, true, true), "{behaviours}");
}

#[test]
fn lines_that_were_written_afterwards_are_taken_as_such_only_where_they_say_so() {
    let all = bodies("recovered");
    assert_eq!(look(1, &all).fault, None);
    let unmarked: Vec<_> = all.iter().map(|body| body.replace(r#""recovered":true,"#, "")).collect();
    let fault = look(1, &unmarked).fault.unwrap();
    assert!(matches!(fault.wrong, Wrong::Clock { .. }), "{fault:?}");
    assert_eq!(fault.seq, 5, "the first that tells of a time before the one before it");
    // One that was lost and written again at the end stands where it was.
    let life = bodies("life");
    for n in 0..life.len() {
        let others = [&life[..n], &life[n + 1..]].concat();
        let late = [&others[..], &[life[n].clone() + r#""recovered":true,"#]].concat();
        assert_eq!(look(1, &late).fault, None, "{}", life[n]);
        // Without the mark it stands where it is.
        agrees(true, &[&others[..], &life[n..=n]].concat());
    }
    // Each of them twice is once too often.
    for n in (0..all.len()).filter(|n| all[*n].contains("recovered")) {
        let doubled = [&all[..], &all[n..=n]].concat();
        assert!(look(1, &doubled).fault.is_some(), "{}", all[n]);
    }
}

#[test]
fn a_log_without_its_oldest_segments_is_taken_from_where_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("events");
    fs::create_dir(&events).unwrap();
    let names = ["00000000000000000001", "00000000000000000008", "00000000000000000013"];
    for name in names.map(|name| format!("{name}.ndjson")) {
        fs::copy(log("segments").join(&name), events.join(&name)).unwrap();
    }
    fs::remove_file(events.join("00000000000000000001.ndjson")).unwrap();
    let verdict = validate(dir.path()).unwrap();
    assert_eq!((verdict.fault, verdict.first, verdict.segments, verdict.lines), (None, 8, 2, 11));
    assert_eq!((verdict.handoffs, verdict.from_start), (7, 3));
    // But not without one in between.
    fs::copy(log("segments").join("00000000000000000001.ndjson"), events.join("00000000000000000001.ndjson"))
        .unwrap();
    fs::remove_file(events.join("00000000000000000008.ndjson")).unwrap();
    let fault = validate(&events).unwrap().fault.unwrap();
    assert_eq!((fault.seq, fault.line), (8, 1));
    assert!(fault.file.ends_with("00000000000000000013.ndjson"), "{fault:?}");
    assert!(fault.wrong.to_string().contains("Event 8 belongs here"), "{}", fault.wrong);
}

#[test]
fn what_is_no_line_or_not_the_next_one_is_named_with_its_place() {
    let good = fs::read_to_string(log("life").join("00000000000000000001.ndjson")).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let wrong = |text: String| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("00000000000000000001.ndjson"), text).unwrap();
        let fault = validate(dir.path()).unwrap().fault.unwrap();
        (fault.line, fault.seq, fault.text, fault.wrong.to_string())
    };
    let of = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let changed = lines[4].replace("declined-in-hand", "declined-on-foot");
    let mut all = lines.clone();
    all[4] = &changed;
    let (line, seq, text, why) = wrong(of(&all));
    assert_eq!((line, seq, text.as_str()), (6, 6, lines[5]));
    assert!(why.contains("one of the two is not what was written"), "{why}");
    let (line, _, _, why) = wrong(of(&[lines[0], lines[2]]));
    assert_eq!(line, 2);
    assert!(why.contains("Event 2 belongs here, and this is event 3"), "{why}");
    let (line, _, text, why) = wrong(of(&[lines[0], "{}"]));
    assert_eq!((line, text.as_str()), (2, "{}"));
    assert!(why.contains("not a line of an event log: missing field"), "{why}");
    let first = lines[0].replace(&"0".repeat(64), &"1".repeat(64));
    assert!(wrong(of(&[&first])).3.contains("Its prev is not"));
    // What is at the very end counts only once it has its line break.
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("00000000000000000001.ndjson");
    fs::write(&first, &good[..good.len() - 1]).unwrap();
    let verdict = validate(dir.path()).unwrap();
    assert_eq!((verdict.fault, verdict.unfinished, verdict.lines), (None, true, 24));
    fs::write(dir.path().join("00000000000000000026.ndjson"), "").unwrap();
    let fault = validate(dir.path()).unwrap().fault.unwrap();
    assert_eq!((fault.line, fault.seq, fault.text.as_str()), (25, 25, lines[24]));
    fs::write(&first, &good).unwrap();
    assert_eq!(validate(dir.path()).unwrap().fault, None, "a segment may be there before its first line");
}

fn spec(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_handoff-spec")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn the_command_says_yes_with_figures_and_exits_with_0() {
    let (code, out, _) = spec(&["validate-log", log("recovered").to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
    let says = "a behaviour of the protocol\n  13 lines in 1 segment tell of 5 handoffs, 5 from the start\n  9 lines written afterwards, in place of what was lost\n";
    assert!(out.ends_with(says), "{out}");
    let (code, out, _) = spec(&["validate-log", log("segments").to_str().unwrap(), "--format", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["result"], &json["segments"]), (0, &"behaviour".into(), &3.into()));
    assert!(json["fault"].is_null());
}

#[test]
fn the_command_names_the_line_the_rules_and_what_was_legal_and_exits_with_1() {
    let all = bodies("life");
    // Claimed, and then claimed by somebody else.
    let other = Digest::of(b"another").to_string();
    let again = all[5].replace(&field(&all[5], "claim"), &other);
    let dir = mended(1, &[&all[..6], &[again][..], &all[6..]].concat());
    let (code, out, _) = spec(&["validate-log", dir.path().to_str().unwrap()]);
    assert_eq!(code, 1, "{out}");
    for says in [
        "00000000000000000001.ndjson, line 7 (event 7): the first line that no behaviour of the protocol has\n  {\"seq\":7,",
        "\n  S1 SingleWinner: At most one claim is ever acknowledged for a handoff, and a record's claim never changes. Here: a step changed a record's claim.\n",
        "\n  Legal here, after event 6: completed by alice under the claim 2765",
    ] {
        assert!(out.contains(says), "{says}: {out}");
    }
    let (code, out, _) = spec(&["validate-log", dir.path().to_str().unwrap(), "--format", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    let fault = &json["fault"];
    assert_eq!((code, &json["result"], &fault["seq"]), (1, &"no_behaviour".into(), &7.into()));
    assert_eq!((&fault["kind"], &fault["rules"][0]["rule"]), (&"rules".into(), &"S1".into()));
    assert_eq!(fault["legal"].as_array().unwrap().len(), 2, "{fault}");
}

#[test]
fn the_command_says_what_to_do_when_there_is_no_log_to_read_and_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let newer = dir.path().join("newer");
    fs::create_dir_all(newer.join("events")).unwrap();
    fs::write(newer.join("FORMAT"), "3\n").unwrap();
    for (directory, says) in [
        (dir.path(), "name a hub's data directory, or the events/ in one."),
        (&nowhere, "Name a hub's data directory."),
        (&newer, "does not say that this is format 2"),
    ] {
        let (code, out, err) = spec(&["validate-log", directory.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(says), "{err}");
    }
    fs::write(newer.join("FORMAT"), "2\n").unwrap();
    let (code, out, _) = spec(&["validate-log", newer.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("0 lines in 0 segments tell of 0 handoffs"), "{out}");
}
