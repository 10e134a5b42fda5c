//! Data directories of every format that there ever was: opened, upgraded in place, and nothing is lost; also when the
//! upgrade itself is cut short.
//!
//! A sample is what a hub of that format left behind when the power went: `tests/samples/format-N.ndjson` has a file a
//! line (bytes that are no text in hex), with directories that are older than the journal is. What the hub had answered
//! before is in `format-N.expected.json`.

use std::collections::BTreeMap;
use std::path::Path;

use handoff_hub::clock::TestClock;
use handoff_hub::relay::Relay;
use handoff_hub::request::{Reply, Request};
use handoff_kernel::ident::Wire;
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;
use serde_json::Value;

use crate::world::{BEGIN, World, agent, config, id, in_memory};

const FORMATS: [(&str, &str, &str); 1] =
    [("1", include_str!("../samples/format-1.ndjson"), include_str!("../samples/format-1.expected.json"))];

/// When the samples' hubs were gone: nothing has timed out since.
const AFTER: Time = BEGIN.plus(Millis(80_000));

fn unpack(sample: &str, to: &Path) {
    for line in sample.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let file = to.join(line["file"].as_str().unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let bytes = match (&line["text"], &line["hex"]) {
            (Value::String(text), _) => text.clone().into_bytes(),
            (_, Value::String(hex)) => {
                let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                (0..hex.len()).step_by(2).map(byte).collect()
            }
            other => panic!("{other:?}"),
        };
        std::fs::write(&file, bytes).unwrap();
        let modified = std::time::Duration::from_millis(line["modified"].as_u64().unwrap());
        std::fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH + modified)
            .unwrap();
    }
}

/// What the answers of the time said, in the words of the record.
fn said(record: &Record<Wire>, artifact: &[u8]) -> Value {
    let (mut history, started) = (Vec::new(), Rfc3339(record.started_at).to_string());
    history.push(format!("started {started}"));
    if let Some(claim) = record.claim() {
        history.push(format!("claimed {}", Rfc3339(claim.at)));
    }
    match &record.state {
        State::Pending | State::Claimed(_) => {}
        State::Completed { completion, .. } => history.push(format!("completed {}", Rfc3339(completion.at))),
        State::Rejected(Rejection::Declined { decline, .. }) => {
            history.push(format!("rejected {}", Rfc3339(decline.at)));
        }
        State::Rejected(Rejection::Expired { at } | Rejection::ClaimExpired { at, .. }) => {
            history.push(format!("expired {}", Rfc3339(*at)));
        }
    }
    serde_json::json!({
        "claim_id": record.claim().map(|claim| claim.id.map(|id| id.to_string())),
        "digest": record.digest.to_string(),
        "history": history,
        "artifact": serde_json::from_slice::<Value>(artifact).unwrap(),
    })
}

/// The same, of an answer that was recorded then.
fn was_said(answer: &Value) -> Value {
    let event =
        |event: &Value| format!("{} {}", event["event"].as_str().unwrap(), event["at"].as_str().unwrap());
    let history: Vec<_> = answer["history"].as_array().unwrap().iter().map(event).collect();
    serde_json::json!({
        "claim_id": answer.get("claim").map(|claim| claim["claim_id"].clone()),
        "digest": answer["digest"],
        "history": history,
        "artifact": answer["artifact"],
    })
}

fn open(data: &Path) -> World {
    World::around(Relay::open(&config(data.to_owned()), TestClock::at(AFTER)).unwrap())
}

fn check(world: &mut World, expected: &str) {
    world.turn();
    let expected: BTreeMap<String, Value> = serde_json::from_str(expected).unwrap();
    assert!(expected.len() > 10);
    for (name, answer) in expected {
        let reply = world.ask(Request::Get { by: agent("bob"), handoff: id(&name), artifact: true });
        let Reply::Got(Ok(story)) = reply else { panic!("{name}: {reply:?}") };
        assert_eq!(said(&story.record, &story.artifact.unwrap()), was_said(&answer), "{name}");
    }
}

#[test]
fn a_directory_of_every_older_format_is_upgraded_in_place_and_nothing_is_lost() {
    for (format, sample, expected) in FORMATS {
        let dir = in_memory();
        unpack(sample, dir.path());
        assert_eq!(std::fs::read_to_string(dir.path().join("FORMAT")).unwrap().trim(), format);
        let mut world = open(dir.path());
        check(&mut world, expected);
        assert_eq!(std::fs::read_to_string(dir.path().join("FORMAT")).unwrap(), "2\n");
        assert!(!dir.path().join("journal").exists(), "the old journal is done with");
        // The clock's mark came along: what was overdue stays so.
        let mark: u64 = std::fs::read_to_string(dir.path().join("clock")).unwrap().trim().parse().unwrap();
        assert!(mark >= BEGIN.plus(Millis(71_000)).0, "{mark}");
        drop(world);
        check(&mut open(dir.path()), expected);
        // What it had put aside is still there.
        assert_eq!(std::fs::read(dir.path().join("quarantine/junk.json")).unwrap(), b"not json");
    }
}

#[test]
fn a_hub_of_an_older_format_without_its_format_file_is_known_by_its_journal() {
    let (_, sample, expected) = FORMATS[0];
    let dir = in_memory();
    unpack(sample, dir.path());
    std::fs::remove_file(dir.path().join("FORMAT")).unwrap();
    check(&mut open(dir.path()), expected);
}
