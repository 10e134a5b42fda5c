//! What a decision costs, and what an artifact costs: parsing, canonicalising, signing, verifying, beside the bare HMAC-SHA256 of as many
//! bytes, which no implementation can do without.
//!
//! Two shapes. *prose*: long strings, in which every 16th word has a letter that is not ASCII (2 bytes here,
//! 6 in the canonical form) and every 20th is followed by an escape. *dense*: small integers, short decimals,
//! booleans, nulls, short strings, small arrays and objects, keys in no order.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::canonical;
use handoff_kernel::command::Command;
use handoff_kernel::ident::{ClaimId, Wire};
use handoff_kernel::json::Document;
use handoff_kernel::law::Protocol;
use handoff_kernel::record::Record;
use handoff_kernel::seal::{self, Key};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::time::Time;
use std::fmt::Write as _;
use std::hint::black_box;

/// A small generator with a fixed seed: the same artifacts on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn prose(chance: &mut Chance, size: usize) -> String {
    const WORDS: [&str; 12] = [
        "the",
        "meeting",
        "with",
        "Alice",
        "is",
        "moved",
        "to",
        "Thursday,",
        "please",
        "confirm",
        "a",
        "room.",
    ];
    let mut text = String::from("[");
    while text.len() < size {
        text.push_str(if text.len() > 1 {
            ",{\"role\":\"user\",\"text\":\""
        } else {
            "{\"role\":\"user\",\"text\":\""
        });
        let end = text.len() + 300 + usize::try_from(chance.below(900)).unwrap();
        while text.len() < end.min(size) {
            text.push_str(if chance.below(16) == 0 {
                "café"
            } else {
                WORDS[usize::try_from(chance.below(12)).unwrap()]
            });
            text.push_str(if chance.below(20) == 0 { "\\n" } else { " " });
        }
        text.push_str("\"}");
    }
    text.push(']');
    text
}

fn dense(chance: &mut Chance, size: usize) -> String {
    let mut text = String::from("[");
    while text.len() < size {
        if text.len() > 1 {
            text.push(',');
        }
        let (x, n) = (chance.below(100_000), chance.below(1000));
        write!(
            text,
            "{{\"id\": {x}, \"score\": {}.{:02}, \"ok\": {}, \"note\": null, \"kind\": \"k{n}\", \
             \"at\": [{}, {n}, -1], \"box\": {{\"y\": {n}, \"x\": {}.5}}, \"b\": \"short text\"}}",
            n % 100,
            x % 100,
            if n % 2 == 0 { "true" } else { "false" },
            x % 7,
            n % 50,
        )
        .unwrap();
    }
    text.push(']');
    text
}

/// A sealed artifact of about `size` bytes, as an author would send it (and not in canonical form).
fn artifact(key: &Key, size: usize, shape: Shape) -> String {
    let frame = |context: &str, hmac: &str| {
        format!(
            "{{\"protocol_version\": 1, \"handoff_id\": \"1776765600-bob-alice-b275013166a65f69\", \
             \"from_agent\": \"bob\", \"to_agent\": \"alice\", \"reason\": \"scheduling_capability\", \
             \"initiated_at\": \"2026-04-21T10:00:00Z\", \"expires_at\": \"2026-04-21T10:01:00Z\", \
             \"context\": {context}, \"hmac\": \"{hmac}\"}}"
        )
    };
    let room = size - frame("", "").len() - 44 - 100;
    let context = shape(&mut Chance(1), room);
    let mac = seal::sign(key, &Document::parse(frame(&context, "").as_bytes()).unwrap());
    let mut sealed = frame(&context, &mac.to_base64());
    sealed.extend(std::iter::repeat_n(' ', size.saturating_sub(sealed.len())));
    sealed
}

type Shape = fn(&mut Chance, usize) -> String;

fn artifacts(c: &mut Criterion) {
    let key = Key::new(b"a key of the bench, for nobody").unwrap();
    let shapes: [(&str, Shape); 2] = [("prose", prose), ("dense", dense)];
    for (size, size_name) in [(1024, "1KiB"), (64 * 1024, "64KiB")] {
        for (shape_name, shape) in shapes {
            let text = artifact(&key, size, shape);
            let bytes = text.as_bytes();
            let keys = [key.clone()];
            let document = Document::parse(bytes).unwrap();
            assert_eq!(seal::verify(&document, &keys), Ok(0));

            let mut group = c.benchmark_group("artifact");
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            let name = format!("{shape_name}-{size_name}");
            group.bench_function(BenchmarkId::new("hmac", &name), |b| b.iter(|| key.mac(black_box(bytes))));
            group.bench_function(BenchmarkId::new("parse", &name), |b| {
                b.iter(|| Document::parse(black_box(bytes)).unwrap());
            });
            group.bench_function(BenchmarkId::new("canonicalise", &name), |b| {
                b.iter(|| canonical::unsigned(black_box(&document)));
            });
            group.bench_function(BenchmarkId::new("sign", &name), |b| {
                b.iter(|| seal::sign(&key, black_box(&document)));
            });
            // From bytes to a verdict: what a target does.
            group.bench_function(BenchmarkId::new("verify", &name), |b| {
                b.iter(|| seal::verify(&Document::parse(black_box(bytes)).unwrap(), &keys).unwrap());
            });
            // From bytes to a header with its digest: what the hub does.
            group.bench_function(BenchmarkId::new("header", &name), |b| {
                b.iter(|| Artifact::parse(black_box(bytes)).unwrap().header());
            });
            group.finish();
        }
    }
}

/// The three steps of a life, and the refusal that a loser gets, over the names of the wire.
fn steps(c: &mut Criterion) {
    let text = artifact(&Key::new(b"a key of the bench, for nobody").unwrap(), 1024, prose);
    let start = Artifact::parse(text.as_bytes()).unwrap().header().start();
    let now = Time(1_776_765_600_000);
    let begin: Command<Wire> = Command::Start { sender: start.author, artifact: start.clone() };
    let claim = |name| Some(ClaimId::parse(name).unwrap());
    let accept =
        |name| Command::Accept { by: start.target, claim_id: claim(name), attempt: 1, receipt: None };
    let complete = Command::Complete {
        by: start.target,
        claim_id: claim("winner"),
        result: Some("{\"ok\":true}".into()),
        receipt: None,
    };
    let after = |record: Option<&Record<Wire>>, command: &Command<Wire>| match step(
        &Protocol, record, command, now,
    ) {
        Ok(Transition::To { next, .. }) => next,
        Ok(Transition::Same(_)) | Err(_) => unreachable!("each of these changes the record"),
    };
    let pending = after(None, &begin);
    let claimed = after(Some(&pending), &accept("winner"));
    let mut group = c.benchmark_group("step");
    let cases = [
        ("start", None, begin),
        ("accept", Some(pending), accept("winner")),
        ("accept-too-late", Some(claimed.clone()), accept("loser")),
        ("complete", Some(claimed), complete),
    ];
    for (name, record, command) in cases {
        group.bench_function(name, |b| {
            b.iter(|| step(&Protocol, black_box(record.as_ref()), black_box(&command), now));
        });
    }
    group.finish();
}

criterion_group!(benches, artifacts, steps);
criterion_main!(benches);
