//! The upgrade of a data directory of format 1, cut short anywhere: resumed, it comes to the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use handoff_hub::clock::TestClock;
use handoff_hub::disk::simulated::{Image, SimulatedDisk};
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Reply, Request, Ticket};
use handoff_hub::store::Options;
use handoff_kernel::time::{Millis, Time};
use serde_json::Value;

use crate::world::{BEGIN, agent, id};

const SAMPLE: &str = include_str!("../samples/format-1.ndjson");
const EXPECTED: &str = include_str!("../samples/format-1.expected.json");

/// When the sample's hub was gone.
const AFTER: Time = BEGIN.plus(Millis(80_000));

/// The sample, all of it durable.
fn sample() -> Image {
    let disk = SimulatedDisk::default();
    for line in SAMPLE.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = line["file"].as_str().unwrap();
        if let Some((directory, _)) = name.split_once('/') {
            disk.make_directory(directory).unwrap();
        }
        let bytes = match (&line["text"], &line["hex"]) {
            (Value::String(text), _) => text.clone().into_bytes(),
            (_, Value::String(hex)) => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
            other => panic!("{other:?}"),
        };
        let file = disk.open(name, Mode::New).unwrap();
        file.write_all_at(0, &bytes).unwrap();
        file.set_modified(Time(line["modified"].as_u64().unwrap())).unwrap();
    }
    disk.flush_all().unwrap();
    disk.power_cut().none()
}

fn open(disk: SimulatedDisk) -> Option<Relay<TestClock, SimulatedDisk>> {
    let store = Options { journal_bytes: 4096, ..Options::default() };
    let config = Config { store, ..Config::on(PathBuf::from("/data")) };
    Relay::on(disk, &config, TestClock::at(AFTER)).ok()
}

/// What the hub says of everything that the sample's hub had answered for.
fn said(image: &Image) -> BTreeMap<String, String> {
    let mut relay = open(image.disk()).unwrap_or_else(|| panic!("it does not start on {image}"));
    let names: BTreeMap<String, Value> = serde_json::from_str(EXPECTED).unwrap();
    relay.tick();
    let _ = relay.commit().unwrap();
    let mut said = BTreeMap::new();
    for (n, name) in (1..).zip(names.keys()) {
        relay.submit(Ticket(n), Request::Get { by: agent("bob"), handoff: id(name), artifact: true });
        let replies = relay.drain().0;
        let [(_, Reply::Got(Ok(story)))] = replies.as_slice() else {
            panic!("{name}: {replies:?} on {image}")
        };
        let mut record = format!("{:?}", story.record);
        // A claim's nonce lives in memory only.
        if let Some(at) = record.find("attempt: Some") {
            record.truncate(at);
        }
        said.insert(name.clone(), record.replace("attempt: None", "").trim_end().to_owned());
    }
    said
}

#[test]
fn an_upgrade_that_is_cut_short_anywhere_is_resumed_and_loses_nothing() {
    let sample = sample();
    let expected = said(&sample);
    assert!(expected.len() > 10);
    let mut seen = 0;
    for operation in 0.. {
        let disk = sample.disk();
        disk.crash_at(operation);
        let relay = open(disk.same_process());
        drop(relay);
        let crash = disk.power_cut();
        for image in crash.at_most_lost(1).chain(crash.at_most_kept(1)) {
            seen += 1;
            let told = said(&image);
            for (name, expected) in &expected {
                let prefix = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
                assert!(prefix(&told[name], expected), "{name}: {}\nand not {expected}\n{image}", told[name]);
            }
        }
        if !disk.is_dead() {
            break;
        }
    }
    assert!(seen > 1000, "{seen}");
}
