//! What a hub writes into its event log is a behaviour of the protocol, says who shares nothing with it but the kernel.

use std::path::Path;
use std::process::Output;

use handoff_kernel::ident::Digest;
use serde_json::json;

use crate::support::artifacts::{artifact, artifact_with_a_short_claim};
use crate::support::hub::{Hub, run, testing, token};

const BEGIN: u64 = 1_776_765_600_000;

fn validated(data: &Path) -> (Option<i32>, String) {
    let spec = crate::support::bin("handoff-spec", "handoff-spec", "");
    let Output { status, stdout, stderr } =
        run(&spec, &["validate-log", data.to_str().expect("a path of text")]);
    (status.code(), [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
}

/// The lines with these two swapped, and with numbers and chain as a hub would have written them.
fn swapped(text: &str, a: usize, b: usize) -> String {
    let body = |line: &str| {
        let from = line.find(r#""at""#).expect("a line tells when");
        line[from..line.rfind(r#""prev""#).expect("a line holds the one before")].to_owned()
    };
    let mut bodies: Vec<_> = text.lines().map(body).collect();
    bodies.swap(a, b);
    let (mut prev, mut out) = (Digest([0; 32]), String::new());
    for (n, body) in bodies.iter().enumerate() {
        let line = format!(r#"{{"seq":{},{body}"prev":"{prev}"}}"#, n + 1);
        prev = Digest::of(line.as_bytes());
        out += &(line + "\n");
    }
    out
}

#[test]
fn the_log_of_a_hub_is_a_behaviour_until_two_of_its_lines_are_swapped() {
    let dir = crate::support::temp_dir();
    let [bob, alice] = ["bob", "alice"].map(|name| token(&testing(), dir.path(), name));
    let clock = BEGIN.to_string();
    let hub = Hub::start(&testing(), dir.path(), &["--test-clock", &clock]);
    let ask = |token: &str, method: &str, path: &str, body: &[u8], status: u16| {
        let answer = hub.request(token, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    };
    let set = |now: u64| ask("", "PUT", "/testing/clock", json!({ "now": now }).to_string().as_bytes(), 200);
    let act = |id: &str, verb: &str, body: &serde_json::Value, status| {
        ask(&alice, "POST", &format!("/v1/handoffs/{id}/{verb}"), body.to_string().as_bytes(), status);
    };
    for n in 0..20 {
        ask(&bob, "POST", "/v1/handoffs", &artifact(&format!("done-{n}"), BEGIN + 60_000), 201);
    }
    ask(&bob, "POST", "/v1/handoffs", &artifact("late", BEGIN + 1000), 201);
    ask(&bob, "POST", "/v1/handoffs", &artifact_with_a_short_claim("lapsed", BEGIN + 60_000, ""), 201);
    act("lapsed", "accept", &json!({ "claim_id": "c" }), 200);
    for n in 0..20 {
        act(&format!("done-{n}"), "accept", &json!({ "claim_id": format!("c-{n}") }), 200);
    }
    set(BEGIN + 1001);
    act("late", "accept", &json!({ "claim_id": "c" }), 410);
    act("lapsed", "complete", &json!({ "claim_id": "c" }), 410);
    for n in 0..20 {
        let (id, claim) = (format!("done-{n}"), format!("c-{n}"));
        match n % 3 {
            0 => act(&id, "reject", &json!({ "claim_id": claim, "reason": "no" }), 200),
            _ => act(&id, "complete", &json!({ "claim_id": claim }), 200),
        }
    }
    // While the hub runs, too.
    let (code, said) = validated(dir.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("65 lines in 1 segment tell of 22 handoffs, 22 from the start"), "{said}");
    hub.kill();
    assert_eq!(validated(dir.path()), (code, said));

    let file = dir.path().join("events/00000000000000000001.ndjson");
    let text = std::fs::read_to_string(&file).expect("the log");
    let line = |event: &str| {
        let is = |line: &str| line.contains(event) && line.contains(r#""handoff_id":"done-7""#);
        text.lines().position(is).expect("each happened")
    };
    let (claimed, completed) = (line(r#""claimed""#), line(r#""completed""#));
    std::fs::write(&file, swapped(&text, claimed, completed)).expect("written");
    let (code, said) = validated(dir.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!(".ndjson, line {n} (event {n}): ", n = claimed + 1)), "{said}");
    assert!(
        said.contains("S5 LegalPath") && said.contains("claimed by alice, or rejected by alice"),
        "{said}"
    );
}
