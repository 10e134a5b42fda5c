//! A reader of data directories that knows only what `docs/format.md` says, and finds that it is true.

use std::collections::{BTreeMap, BTreeSet};

use handoff_hub::tokens::{Scope, TokenFile};
use handoff_kernel::ident::Digest;
use handoff_kernel::time::Millis;
use serde_json::Value;

use crate::house::{House, fill};
use crate::world::{BEGIN, World, agent, artifact};

const DOCUMENT: &str = include_str!("../../../docs/format.md");

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn names(house: &House, directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(house.path(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect()
}

/// The entries in the backticks of a table's first column, in the document's part of this heading.
fn told(heading: &str, word: &str) -> BTreeSet<String> {
    let part = &DOCUMENT[DOCUMENT.find(heading).unwrap()..];
    let table = &part[part.find(&format!("| {word} |")).unwrap()..];
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        row.split('|')
            .nth(1)
            .unwrap()
            .split('`')
            .enumerate()
            .filter(|(n, _)| n % 2 == 1)
            .map(|(_, name)| name.to_owned())
            .collect::<Vec<_>>()
    })
    .collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// The artifact and the lines.
fn split(bytes: &[u8]) -> (Vec<u8>, Vec<Value>) {
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let last = end.rsplit(|&b| b == b'\n').next().unwrap();
    let line = serde_json::from_slice::<Value>(last).ok();
    let artifact = line.and_then(|line| {
        let artifact = bytes.get(..usize::try_from(line.get("artifact_bytes")?.as_u64()?).ok()?)?;
        (sha256(artifact) == *line["artifact_sha256"].as_str()?).then_some(artifact)
    });
    let Some(artifact) = artifact else { return (bytes.to_owned(), Vec::new()) };
    let lines = &bytes[artifact.len()..];
    assert!(lines.starts_with(b"\n") && lines.ends_with(b"\n"));
    let lines = lines.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    (artifact.to_owned(), lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
}

struct Frame {
    generation: u64,
    number: u64,
    line: Value,
    artifacts: Vec<u8>,
}

fn frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if bytes.get(..4)? != b"hoj2" {
        return None;
    }
    let n = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    if bytes.get(24 + n..24 + n + 32)? != Digest::of(&bytes[..24 + n]).0 {
        return None;
    }
    let payload = &bytes[24..24 + n];
    let end = payload.iter().position(|&b| b == b'\n').unwrap();
    let frame = Frame {
        generation: u64_at(8)?,
        number: u64_at(16)?,
        line: serde_json::from_slice(&payload[..end]).unwrap(),
        artifacts: payload[end + 1..].to_owned(),
    };
    let room = (24 + n + 32).next_multiple_of(512);
    assert!(bytes[24 + n + 32..room].iter().all(|&b| b == 0));
    Some((frame, room))
}

/// The frames that count, in order.
fn journal(house: &House) -> Vec<Frame> {
    let mut all: Vec<Frame> = Vec::new();
    for file in ["journal.0", "journal.1"] {
        let bytes = house.read(file);
        let (mut at, mut before) = (0, None);
        while let Some((frame, room)) = frame(&bytes[at..]) {
            if before.is_some_and(|before| before != (frame.generation, frame.number - 1)) {
                break;
            }
            before = Some((frame.generation, frame.number));
            all.push(frame);
            at += room;
        }
    }
    let base = all.iter().map(|frame| frame.line["base"].as_u64().unwrap()).max().unwrap();
    all.retain(|frame| frame.generation >= base);
    all.sort_by_key(|frame| frame.number);
    assert!(all.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    all
}

/// What the entries that count do: files by their names, and the events' bodies.
fn redone(frames: &[Frame]) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let void: BTreeSet<u64> = frames
        .iter()
        .flat_map(|frame| frame.line["void"].as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .collect();
    let (mut files, mut events) = (BTreeMap::new(), Vec::new());
    for frame in frames {
        assert_eq!(keys(&frame.line), told("## The journal", "the line's field"));
        assert_eq!(keys(&frame.line["log"]), ["offset", "prev", "segment", "seq"].map(String::from).into());
        let mut artifacts = &frame.artifacts[..];
        for (number, entry) in
            (frame.line["first"].as_u64().unwrap()..).zip(frame.line["entries"].as_array().unwrap())
        {
            let (kind, entry) = entry.as_object().unwrap().iter().next().unwrap();
            assert_eq!(
                keys(entry),
                told("## The journal", &format!("`{kind}`")).into_iter().filter(|key| key != kind).collect()
            );
            let text = |key: &str| entry[key].as_str().unwrap();
            let mut artifact = &[][..];
            if kind == "start" {
                (artifact, artifacts) =
                    artifacts.split_at(usize::try_from(entry["bytes"].as_u64().unwrap()).unwrap());
            }
            if void.contains(&number) {
                continue;
            }
            events.push(text("event").to_owned());
            if kind == "start" {
                files.insert(format!("handoff/{}.json", text("id")), artifact.to_owned());
            } else {
                let mut bytes: Vec<u8> = files.remove(text("from")).unwrap();
                bytes.truncate(usize::try_from(entry["offset"].as_u64().unwrap()).unwrap());
                bytes.extend(text("line").as_bytes());
                files.insert(text("to").to_owned(), bytes);
            }
        }
        assert!(artifacts.is_empty());
    }
    (files, events)
}

/// The lines of the event log.
fn events(house: &House) -> Vec<String> {
    let (mut prev, mut all) = ("0".repeat(64), Vec::new());
    for segment in names(house, "events") {
        let digits = segment.strip_suffix(".ndjson").unwrap();
        assert_eq!((digits.len(), digits.parse::<usize>().unwrap()), (20, all.len() + 1));
        for line in String::from_utf8(house.read(&format!("events/{segment}"))).unwrap().lines() {
            let read: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (read["seq"].as_u64().unwrap(), read["prev"].as_str().unwrap()),
                (all.len() as u64 + 1, &prev[..])
            );
            assert!(keys(&read).is_subset(&told("## The event log", "field")));
            prev = sha256(line.as_bytes());
            all.push(line.to_owned());
        }
    }
    all
}

/// Reads every handoff's file: how many lines each has, and what it says last.
fn handoffs(house: &House) -> BTreeMap<String, (usize, String)> {
    let mut all = BTreeMap::new();
    for directory in ["handoff", "claimed", "archive", "rejected"] {
        for name in names(house, directory) {
            let file = format!("{directory}/{name}");
            let (sent, lines) = split(&house.read(&file));
            let stem = name.strip_suffix(".json").unwrap();
            let id = stem.split('~').next().unwrap();
            let ttl = (id == "k-1").then_some(1);
            let lives = if id == "e-1" { Millis(1000) } else { Millis(3_600_000) };
            assert_eq!(sent, artifact(id, lives, ttl), "verbatim");
            for line in &lines {
                assert!(keys(line).is_subset(&told("## A handoff", "field")), "{line}");
            }
            if directory == "handoff" {
                let modified = house.path(&file).metadata().unwrap().modified().unwrap();
                let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
                assert_eq!(modified, u128::from(BEGIN.0), "when it arrived");
            }
            if let Some((_, claim)) = stem.split_once('~') {
                let (claim_id, ms) = claim.split_once('~').unwrap();
                assert_eq!(lines[0].get("claim_id").and_then(Value::as_str).unwrap_or(""), claim_id);
                assert_eq!((ms, lines[0]["at"].as_str()), ("1776765600000", Some("2026-04-21T10:00:00Z")));
            }
            let last = lines.last().map_or(String::new(), |line| {
                format!(
                    "{}{}",
                    line["event"].as_str().unwrap(),
                    line.get("cause").map_or(String::new(), |cause| format!(" {}", cause.as_str().unwrap()))
                )
            });
            all.insert(file, (lines.len(), last));
        }
    }
    all
}

/// A world in which everything has happened that can.
fn world() -> World {
    let mut world = World::new();
    fill(&mut world);
    for (name, lives, ttl) in [("a-1", 3_600_000, None), ("e-1", 1000, None), ("k-1", 3_600_000, Some(1))] {
        world.start(&artifact(name, Millis(lives), ttl)).unwrap();
    }
    world.accept("a-1", None).unwrap();
    world.accept("k-1", None).unwrap();
    world.clock.set(BEGIN.plus(Millis(1001)));
    world.turn();
    world
}

#[test]
fn the_directory_has_what_the_document_says_and_nothing_else() {
    let house = House::of(world());
    TokenFile::in_directory(house.data.clone()).add(agent("bob"), [Scope::Send].into(), BEGIN).unwrap();
    let on_disk: BTreeSet<String> = names(&house, "")
        .into_iter()
        .map(|name| if house.path(&name).is_dir() { format!("{name}/") } else { name })
        .collect();
    assert_eq!(on_disk, told("# The format", "entry"));
    assert_eq!(house.read("FORMAT"), b"2\n");
    assert_eq!(house.read("clock"), format!("{}\n", BEGIN.0 + 1001).as_bytes());
    assert!(house.read("lock").is_empty() && house.read("tokens.lock").is_empty());
}

#[test]
fn every_handoff_is_read_by_the_document_alone() {
    let house = House::of(world());
    let expected = [
        ("archive/d-1.json", 2, "completed"),
        ("claimed/a-1~~1776765600000.json", 1, "claimed"),
        ("claimed/c-1~c~1776765600000.json", 1, "claimed"),
        ("handoff/p-1.json", 0, ""),
        ("handoff/p-2.json", 0, ""),
        ("rejected/e-1.json", 1, "expired expired"),
        ("rejected/k-1.json", 2, "expired claim_expired"),
        ("rejected/r-1.json", 1, "rejected declined"),
    ];
    let expected = expected.map(|(file, lines, last)| (file.to_owned(), (lines, last.to_owned())));
    assert_eq!(handoffs(&house), expected.into());
    assert_eq!(events(&house).len(), 16);
    assert!(redone(&journal(&house)).1.is_empty(), "nothing is left to redo");
}

#[test]
fn the_journal_has_what_a_crash_may_have_taken() {
    let house = House::crashed(world());
    let (files, bodies) = redone(&journal(&house));
    for (file, bytes) in &files {
        assert_eq!(house.read(file), *bytes, "{file}");
    }
    assert_eq!(files.keys().collect::<Vec<_>>(), handoffs(&house).keys().collect::<Vec<_>>());
    let lines = events(&house);
    assert_eq!(lines.len(), bodies.len());
    for (line, body) in lines.iter().zip(&bodies) {
        let (mut line, body): (Value, Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_str(body).unwrap());
        for own in ["seq", "prev"] {
            line.as_object_mut().unwrap().remove(own).unwrap();
        }
        assert_eq!(line, body);
    }
    assert_eq!(house.read("journal.0").len() % 512, 0);
}

#[test]
fn quarantine_and_tokens_are_as_the_document_says() {
    let house = House::new();
    for _ in 0..2 {
        house.write("handoff/x.json", "junk");
        house.repair();
    }
    for name in ["x.json", "x.json.1"] {
        assert_eq!(house.read(&format!("quarantine/{name}")), b"junk");
        let why = house.why(name);
        assert_eq!(keys(&why), ["at", "from", "why"].map(String::from).into());
        assert_eq!(
            (why["from"].as_str(), why["at"].as_str()),
            (Some("handoff/x.json"), Some("2026-04-21T10:01:00Z"))
        );
    }
    let tokens = TokenFile::in_directory(house.data.clone());
    let added = tokens.add(agent("bob"), [Scope::Send].into(), BEGIN).unwrap();
    let read: Value = serde_json::from_slice(&house.read("tokens.json")).unwrap();
    let expected = serde_json::json!({"format": 1, "tokens": [{
        "id": added.id, "agent": "bob", "sha256": sha256(added.secret.reveal().as_bytes()),
        "scopes": ["send"], "created_at": "2026-04-21T10:00:00Z"}]});
    assert_eq!(read, expected);
}
