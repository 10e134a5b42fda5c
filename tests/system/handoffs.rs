//! The hub as its users meet it: a process, sockets, files.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use crate::support::artifacts::{artifact, artifact_between, current, soon};
use crate::support::http::{self, Response};
use crate::support::hub::{Hub, run, shipped, testing, token};
use serde_json::{Value, json};

/// A hub on a data directory of its own, with tokens for bob and alice.
struct World {
    dir: tempfile::TempDir,
    hub: Hub,
    bob: String,
    alice: String,
}

impl World {
    fn new() -> Self {
        Self::with(&shipped(), &[])
    }

    fn with(binary: &Path, args: &[&str]) -> Self {
        let dir = crate::support::temp_dir();
        let [bob, alice] = ["bob", "alice"].map(|name| token(binary, dir.path(), name));
        let hub = Hub::start(binary, dir.path(), args);
        Self { dir, hub, bob, alice }
    }

    fn start(&self, bytes: &[u8]) -> Response {
        self.hub.request(&self.bob, "POST", "/v1/handoffs", bytes)
    }

    fn act(&self, id: &str, verb: &str, body: &Value) -> Response {
        self.hub.request(
            &self.alice,
            "POST",
            &format!("/v1/handoffs/{id}/{verb}"),
            body.to_string().as_bytes(),
        )
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join(directory)).expect("a directory of the hub's");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[track_caller]
fn refused(response: &Response, status: u16, reason: &str) -> Value {
    let problem = response.json().expect("JSON");
    assert_eq!((response.status, problem["reason"].as_str()), (status, Some(reason)), "{}", response.text());
    assert_eq!(response.header("content-type"), "application/problem+json");
    assert_eq!(problem["type"], format!("/problems/{reason}"));
    assert_eq!(problem["status"], status);
    assert!(
        problem["title"].is_string() && problem["detail"].as_str().is_some_and(|d| d.ends_with('.')),
        "{problem}"
    );
    problem
}

#[test]
fn sixty_four_concurrent_accepts_have_one_winner_who_may_ask_again() {
    let world = World::new();
    assert_eq!(world.start(&artifact("h", soon())).status, 201);
    let barrier = Barrier::new(64);
    let answers: Vec<(String, Response)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|n| {
                let (world, barrier) = (&world, &barrier);
                scope.spawn(move || {
                    let claim = format!("claim-{n}");
                    barrier.wait();
                    let answer = world.act("h", "accept", &json!({ "claim_id": claim }));
                    (claim, answer)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no client panics")).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    for (_, answer) in &lost {
        let problem = refused(answer, 409, "already_claimed");
        assert_eq!((&problem["handoff_id"], &problem["handoff_status"]), (&json!("h"), &json!("claimed")));
    }
    let (claim, first) = &won[0];
    let again = world.act("h", "accept", &json!({ "claim_id": claim }));
    assert_eq!((again.status, again.json().expect("JSON")), (200, first.json().expect("JSON")));
    assert_eq!(world.names("claimed").len(), 1);
}

#[test]
fn at_the_last_millisecond_it_is_claimed_and_one_later_expired_whether_or_not_the_janitor_ran() {
    let begin = 1_776_765_600_000_u64;
    for janitor in [true, false] {
        let clock = begin.to_string();
        let mut args = vec!["--test-clock", clock.as_str()];
        if !janitor {
            args.push("--no-janitor");
        }
        let world = World::with(&testing(), &args);
        for id in ["in-time", "late"] {
            let started = world.start(&artifact(id, begin + 1000));
            assert_eq!(started.status, 201, "{}", started.text());
        }
        let set = |now: u64| {
            let body = json!({ "now": now }).to_string();
            let answer = world.hub.request("", "PUT", "/testing/clock", body.as_bytes());
            assert!(answer.status < 300, "{}", answer.text());
        };
        set(begin + 1000);
        assert_eq!(world.act("in-time", "accept", &json!({ "claim_id": "c" })).status, 200);
        set(begin + 1001);
        let before = world.names("rejected");
        assert_eq!(before, if janitor { vec!["late.json"] } else { vec![] }, "janitor: {janitor}");
        refused(&world.act("late", "accept", &json!({ "claim_id": "c" })), 410, "expired");
        assert!(world.read("rejected/late.json").contains(r#""event":"expired""#));
        assert_eq!(world.act("in-time", "complete", &json!({ "claim_id": "c" })).status, 200);
    }
}

/// With `curl`, as a person would; the bytes that come back are compared with `cmp`.
#[test]
fn curl_sends_every_vector_under_both_old_names_and_polls_the_same_bytes() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../spec/vectors/artifact-v1.json")).expect("JSON");
    for (n, route) in ["/start", "/api/v1/handoffs/start"].into_iter().enumerate() {
        for (m, vector) in vectors["vectors"].as_array().expect("a list").iter().enumerate() {
            let world = World::new();
            let id = format!("vector-{n}-{m}");
            let sent = world.dir.path().join("sent.json");
            std::fs::write(&sent, current(vector, &id)).expect("written");
            let url = |path: &str| format!("http://{}{path}", world.hub.address());
            let curl = |token: &str, args: &[&str]| {
                let out = Command::new("curl")
                    .args(["-sS", "--fail-with-body", "-H", &format!("Authorization: Bearer {token}")])
                    .args(args)
                    .output()
                    .expect("curl is installed: scripts/test sees to it");
                assert!(out.status.success(), "{}: {}", vector["name"], String::from_utf8_lossy(&out.stdout));
                out.stdout
            };
            let data = format!("@{}", sent.display());
            let json =
                ["-H", "Content-Type: application/json", "-w", "\n%{http_code}", "--data-binary", &data];
            let answer = curl(&world.bob, &[&json[..], &[&url(route)]].concat());
            let answer = String::from_utf8(answer).expect("text");
            let (body, code) = answer.rsplit_once('\n').expect("a code on the last line");
            let body: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!((code, &body["handoff_id"], &body["status"]), ("201", &json!(id), &json!("pending")));
            assert!(body["expires_at"].is_string());
            let polled = world.dir.path().join("polled.json");
            curl(&world.alice, &["-o", &polled.display().to_string(), &url("/poll?agent=alice")]);
            let same = Command::new("cmp").args([&sent, &polled]).status().expect("cmp runs");
            assert!(same.success(), "{}: other bytes came back", vector["name"]);
        }
    }
}

#[test]
fn every_name_of_every_route_does_the_same() {
    let world = World::new();
    for (n, start) in ["/v1/handoffs", "/start", "/api/v1/handoffs/start"].into_iter().enumerate() {
        let ids = [format!("a-{n}"), format!("b-{n}")];
        for id in &ids {
            assert_eq!(world.hub.request(&world.bob, "POST", start, &artifact(id, soon())).status, 201);
        }
        let poll = ["/v1/handoffs/poll", "/poll", "/api/v1/handoffs/poll"][n];
        let polled = world.hub.request(&world.alice, "GET", poll, b"");
        assert_eq!((polled.status, polled.header("handoff-id")), (200, ids[0].as_str()));
        let post = |verb: &str, id: &str, mut body: Value| {
            let path = match n {
                0 => format!("/v1/handoffs/{id}/{verb}"),
                1 => {
                    body["handoff_id"] = json!(id);
                    format!("/{verb}")
                }
                _ => format!("/api/v1/handoffs/{id}/{verb}"),
            };
            let answer = world.hub.request(&world.alice, "POST", &path, body.to_string().as_bytes());
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answer.json().expect("JSON")
        };
        let claimed = post("accept", &ids[0], json!({ "claim_id": "c", "agent": "alice" }));
        assert_eq!((&claimed["status"], &claimed["claim_id"]), (&json!("claimed"), &json!("c")));
        assert!(claimed["claimed_at"].is_string());
        let done = post("complete", &ids[0], json!({ "claim_id": "c", "result": { "ok": true } }));
        assert_eq!(done["status"], "completed");
        let declined = post("reject", &ids[1], json!({ "reason": "busy", "agent": "alice" }));
        assert_eq!(declined["status"], "rejected");
        let none = world.hub.request(&world.alice, "GET", poll, b"");
        assert_eq!((none.status, none.body.len()), (204, 0));
    }
    let one =
        world.hub.request(&world.bob, "GET", "/v1/handoffs/a-0?include=artifact", b"").json().expect("JSON");
    assert_eq!(
        (&one["handoff_id"], &one["status"], &one["result"]),
        (&json!("a-0"), &json!("completed"), &json!({ "ok": true }))
    );
    let list = world
        .hub
        .request(&world.bob, "GET", "/v1/handoffs?status=rejected&target_agent=alice", b"")
        .json()
        .expect("JSON");
    assert_eq!(list["handoffs"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_waiting_poll_is_answered_by_the_start_that_it_waits_for() {
    let world = World::new();
    let polled = std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| world.hub.request(&world.alice, "GET", "/v1/handoffs/poll?wait=50", b""));
        // Whichever of the two comes first, the poll shows it: there is nothing to wait for here.
        assert_eq!(world.start(&artifact("h", soon())).status, 201);
        waiting.join().expect("it does not panic")
    });
    assert_eq!((polled.status, polled.header("handoff-id")), (200, "h"));
}

#[test]
fn asked_to_stop_it_answers_the_polls_that_wait_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let World { dir, hub, alice, .. } = World::new();
        let address = hub.address();
        let bearer = format!("Bearer {alice}");
        let head = format!("GET /poll?wait=50 HTTP/1.1\r\nhost: h\r\nauthorization: {bearer}\r\n\r\n");
        // Answered one after the other: when the first is, the hub has read the second.
        let both = [b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n", head.as_bytes()].concat();
        let (told, heard) = std::sync::mpsc::channel();
        let polled = std::thread::spawn(move || http::after_the_first(address, &both, &told));
        heard.recv().expect("the first answer came");
        let (exit, said) = hub.signal(signal);
        assert_eq!(exit.code(), Some(0), "{signal}: {said}");
        let polled = polled.join().expect("it does not panic").expect("an answer");
        let polled = String::from_utf8_lossy(&polled);
        assert!(polled.starts_with("HTTP/1.1 204 "), "{signal}: {polled}");
        drop(dir);
    }
}

/// Prior knowledge, as gRPC-like clients and proxies speak it.
#[test]
fn curl_speaks_http_2_to_it() {
    let world = World::new();
    let url = format!("http://{}/poll", world.hub.address());
    let out = Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "-H"])
        .args([&format!("Authorization: Bearer {}", world.alice), &url])
        .output()
        .expect("curl is installed: scripts/test sees to it");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "2 204", "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn what_is_acknowledged_survives_a_kill() {
    let binary = shipped();
    let World { dir, hub, bob, alice } = World::with(&binary, &[]);
    let post = |hub: &Hub, token: &str, path: &str, body: &[u8]| hub.request(token, "POST", path, body);
    for id in ["p", "c", "d", "r"] {
        assert_eq!(post(&hub, &bob, "/v1/handoffs", &artifact(id, soon())).status, 201);
    }
    let claimed = post(&hub, &alice, "/v1/handoffs/c/accept", br#"{"claim_id":"x"}"#);
    assert_eq!(post(&hub, &alice, "/v1/handoffs/d/accept", br#"{"claim_id":"y"}"#).status, 200);
    assert_eq!(post(&hub, &alice, "/v1/handoffs/d/complete", br#"{"claim_id":"y","result":1}"#).status, 200);
    assert_eq!(post(&hub, &alice, "/v1/handoffs/r/reject", br#"{"reason":"no"}"#).status, 200);
    hub.kill();
    let hub = Hub::start(&binary, dir.path(), &[]);
    let again = post(&hub, &alice, "/v1/handoffs/c/accept", br#"{"claim_id":"x"}"#);
    assert_eq!(
        (again.status, again.json().expect("JSON")),
        (200, claimed.json().expect("JSON")),
        "the winner is answered as the first time"
    );
    let status = |id: &str| {
        hub.request(&bob, "GET", &format!("/v1/handoffs/{id}"), b"").json().expect("JSON")["status"].clone()
    };
    assert_eq!(
        ["p", "c", "d", "r"].map(status),
        ["pending", "claimed", "completed", "rejected"].map(|s| json!(s))
    );
    let (exit, _) = hub.terminate();
    assert_eq!(exit.code(), Some(0), "asked to stop, it stops in good order");
}

#[test]
fn a_same_hosts_file_is_served_and_an_unintelligible_one_is_quarantined() {
    let world = World::new();
    let bytes = artifact("dropped", soon());
    for (name, bytes) in [("dropped", bytes.as_slice()), ("junk", b"{\"protocol_version\": 2}")] {
        let aside = world.dir.path().join(format!("handoff/.{name}"));
        std::fs::write(&aside, bytes).expect("written");
        std::fs::rename(&aside, world.dir.path().join(format!("handoff/{name}.json"))).expect("renamed");
    }
    let polled = world.hub.request(&world.alice, "GET", "/v1/handoffs/poll?wait=50", b"");
    assert_eq!((polled.status, polled.body.as_slice()), (200, bytes.as_slice()));
    assert!(world.read("quarantine/junk.json.why").contains("protocol_version"));
    assert_eq!(world.read("quarantine/junk.json"), "{\"protocol_version\": 2}");
}

#[test]
fn the_order_of_refusals_is_the_protocols() {
    let world = World::new();
    let start = |token: &str, bytes: &[u8]| world.hub.request(token, "POST", "/v1/handoffs", bytes);
    let expired = artifact_between("h", "alice", "bob", 1000);
    // Everything is wrong at once; one thing after the other is put right.
    refused(&start("", b"{"), 401, "unauthenticated");
    refused(&start("hh_no-such-token", b"{"), 401, "unauthenticated");
    refused(&start(&world.bob, b"{"), 400, "malformed");
    refused(&world.hub.request(&world.bob, "POST", "/v1/handoffs?x=y", b"{"), 400, "malformed");
    let no_hmac = String::from_utf8(expired.clone()).expect("text").replace("\"hmac\"", "\"other\"");
    let problem = refused(&start(&world.bob, no_hmac.as_bytes()), 422, "invalid");
    assert_eq!(problem["field"], "hmac");
    let problem =
        refused(&start(&world.bob, &artifact_between("h", "bob", "nobody", soon())), 422, "invalid");
    assert_eq!(problem["field"], "to_agent", "an unknown agent");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("`handoff-hub token add nobody`"), "{detail}");
    refused(&start(&world.bob, &expired), 403, "wrong_sender");
    refused(&start(&world.alice, &expired), 410, "expired");
    let too_far = artifact("h", soon() + 7 * 86_400_000);
    let problem = refused(&start(&world.bob, &too_far), 422, "invalid");
    assert_eq!(problem["field"], "expires_at");
    assert_eq!(problem["detail"], "`expires_at` must be at most 7 days from now.");
    assert_eq!(world.names("handoff"), Vec::<String>::new(), "nothing was written");

    refused(&world.act("h", "accept", &json!({})), 404, "not_found");
    let first = artifact("h", soon());
    assert_eq!(start(&world.bob, &first).status, 201);
    assert_eq!(start(&world.bob, &first).status, 200, "a repeat");
    refused(&start(&world.bob, &artifact("h", soon() + 5)), 409, "id_conflict");
    let by_bob = world.hub.request(&world.bob, "POST", "/v1/handoffs/h/accept", b"{}");
    refused(&by_bob, 403, "wrong_agent");
    refused(&world.act("h", "accept", &json!({ "agent": "bob" })), 403, "wrong_agent");
    refused(&world.act("h", "complete", &json!({ "claim_id": "c" })), 409, "not_claimed");
    assert_eq!(refused(&world.act("h", "reject", &json!({})), 422, "invalid")["field"], "reason");
    assert_eq!(
        refused(&world.act("h", "accept", &json!({ "claim_id": "a b" })), 422, "invalid")["field"],
        "claim_id"
    );
    assert_eq!(
        refused(&world.act("h", "accept", &json!({ "claimid": "a" })), 422, "invalid")["field"],
        "claimid"
    );
    assert_eq!(world.act("h", "accept", &json!({ "claim_id": "c" })).status, 200);
    refused(&world.act("h", "complete", &json!({ "claim_id": "d" })), 409, "wrong_claim");
    for (verb, body) in [("complete", json!({})), ("reject", json!({ "reason": "no" }))] {
        let problem = refused(&world.act("h", verb, &body), 409, "wrong_claim");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("send the claim_id that you accepted with"), "{detail}");
    }
    assert_eq!(world.act("h", "complete", &json!({ "claim_id": "c" })).status, 200);
    refused(&world.act("h", "accept", &json!({ "claim_id": "c" })), 409, "already_completed");
    let stranger = token(&shipped(), world.dir.path(), "eve");
    refused(&world.hub.request(&stranger, "GET", "/v1/handoffs/h", b""), 404, "not_found");
}

/// Any bytes as a body, a path, a header, a token: a refusal with its detail, never a panic, never a 500.
#[test]
fn whatever_is_sent_is_refused_in_good_order_and_nothing_is_written() {
    let world = World::new();
    let vectors: Value =
        serde_json::from_str(include_str!("../../spec/vectors/artifact-v1.json")).expect("JSON");
    let to_refuse = vectors["refuse"].as_array().expect("a list").iter();
    let mut bodies: Vec<Vec<u8>> =
        to_refuse.map(|r| r["artifact"].as_str().expect("a text").as_bytes().to_vec()).collect();
    bodies.extend([
        b"\xff\xfe".to_vec(),
        b"null".to_vec(),
        b"[".repeat(100_000),
        b"{\"a\":".repeat(1000),
        vec![0; 100],
    ]);
    for body in &bodies {
        let answer = world.start(body);
        refused(&answer, 400, "malformed");
    }
    let large = [b"{\"x\":\"".as_slice(), &b"a".repeat(300 * 1024), b"\"}"].concat();
    refused(&world.start(&large), 413, "too_large");
    let bearer = format!("Bearer {}", world.bob);
    let form = [("authorization", bearer.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let answer =
        http::request(world.hub.address(), "POST", "/v1/handoffs", &form, b"a=b").expect("an answer");
    assert_eq!(answer.status, 415, "{}", answer.text());
    let mut seen = BTreeMap::new();
    let paths = [
        "/",
        "//",
        "/v1",
        "/v1/handoffs/",
        "/v1/handoffs/%00/accept",
        "/v1/handoffs/%ff",
        "/v1/handoffs/../../etc",
        "/v1/handoffs/a%2fb/accept",
        "/v1/handoffs/poll?wait=-1",
        "/v1/handoffs/poll?wait=51",
        "/v1/handoffs/poll?agent=%zz",
        "/v1/handoffs?limit=0",
        "/v1/handoffs?limit=x",
        "/v1/handoffs?status=open",
        "/v1/handoffs?cursor=%20",
        "/v1/handoffs/.x",
        "/accept",
        "/poll/",
        "/%",
        "/v1/handoffs/x/accept/y",
        "/v1/handoffs?status=claimed&status=pending",
    ];
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for path in paths {
            for body in [b"".as_slice(), b"{}", b"{\"claim_id\": 5}", b"\xff"] {
                let answer = world.hub.request(&world.alice, method, path, body);
                assert!(answer.status < 500 || answer.status == 501, "{method} {path}: {}", answer.text());
                *seen.entry(answer.status).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.contains_key(&404) && seen.contains_key(&405) && seen.contains_key(&422), "{seen:?}");
    let long = "x".repeat(100_000);
    for bytes in [
        b"\x00\x01\x02\x03".as_slice(),
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /start HTTP/1.1\r\nhost: h\r\ncontent-length: -5\r\n\r\n",
        b"POST /start HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        format!("GET /{long} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes(),
        format!("GET / HTTP/1.1\r\nhost: h\r\nx: {long}{long}{long}{long}{long}\r\n\r\n").as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x09\x09\x00\x00\x00\x00garbage",
    ] {
        // It may answer or hang up; it may not die, and it may not say 500.
        let answer = http::raw(world.hub.address(), bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.starts_with("HTTP/1.1 5") || text.starts_with("HTTP/1.1 505"), "{text}");
    }
    for head in [b"\xff\xff".as_slice(), b"Bearer"] {
        let head =
            [b"GET /poll HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: ", head, b"\r\n\r\n"]
                .concat();
        let answer = http::raw_and_open(world.hub.address(), &head).expect("an answer");
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 401 "), "{text}");
    }
    for directory in ["handoff", "claimed", "archive", "rejected", "quarantine"] {
        assert_eq!(world.names(directory), Vec::<String>::new(), "{directory}");
    }
    assert_eq!(world.start(&artifact("h", soon())).status, 201, "and it still works");
    assert!(!world.hub.stderr().contains("panicked"), "{}", world.hub.stderr());
}

#[test]
fn a_data_directory_that_cannot_be_used_is_one_clear_sentence_and_exit_1() {
    let binary = shipped();
    let world = World::new();
    let file = world.dir.path().join("FORMAT");
    // Under a file nothing can be made, not even by root.
    let under_a_file = file.join("data");
    for (data, what) in [
        (world.dir.path().to_owned(), "in use by another hub"),
        (file, "cannot be used"),
        (under_a_file, "cannot be used"),
    ] {
        let out = run(&binary, &["serve", "--listen", "127.0.0.1:0", "--data", &data.to_string_lossy()]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert!(said.contains(what), "{said}");
        assert!(out.stdout.is_empty());
    }
    assert_eq!(run(&binary, &["serve", "--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn tokens_are_made_listed_and_revoked_and_only_their_hashes_lie_on_disk() {
    let binary = shipped();
    let world = World::new();
    let data = world.dir.path().to_string_lossy().into_owned();
    assert!(!world.read("tokens.json").contains(&world.bob));
    let list = run(&binary, &["token", "list", "--data", &data]);
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(text.contains("alice") && text.contains("bob") && !text.contains("hh_"), "{text}");
    let second = token(&binary, world.dir.path(), "bob");
    let third = run(&binary, &["token", "add", "bob", "--data", &data]);
    assert_eq!(third.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&third.stderr).contains("revoke"));
    assert_eq!(world.hub.request(&second, "GET", "/v1/handoffs", b"").status, 200, "without a restart");
    assert_eq!(run(&binary, &["token", "revoke", "bob", "--data", &data]).status.code(), Some(0));
    for token in [&world.bob, &second] {
        refused(&world.hub.request(token, "GET", "/v1/handoffs", b""), 401, "unauthenticated");
    }
}

#[test]
fn a_repeated_start_is_answered_also_when_its_target_is_gone() {
    let binary = shipped();
    let world = World::new();
    let data = world.dir.path().to_string_lossy().into_owned();
    let (first, other) = (artifact("h", soon()), artifact("other", soon()));
    let started = world.start(&first);
    assert_eq!(started.status, 201);
    assert_eq!(run(&binary, &["token", "revoke", "alice", "--data", &data]).status.code(), Some(0));
    let again = world.start(&first);
    assert_eq!(
        (again.status, again.json().expect("JSON")),
        (200, started.json().expect("JSON")),
        "the same as the first time"
    );
    assert_eq!(refused(&world.start(&other), 422, "invalid")["field"], "to_agent");
}

#[test]
fn without_a_token_it_starts_and_says_how_to_add_one() {
    let dir = crate::support::temp_dir();
    let hub = Hub::start(&shipped(), dir.path(), &[]);
    assert_eq!(hub.request("", "GET", "/livez", b"").status, 200);
    assert_eq!(hub.request("", "GET", "/readyz", b"").status, 200);
    // Notes hold nobody up, so they may come after the line that says it listens: all are there at the end.
    let (exit, said) = hub.terminate();
    assert_eq!(exit.code(), Some(0));
    assert!(said.contains("handoff-hub token add"), "{said}");
}

#[test]
fn the_demo_goes_as_told() {
    let out = run(&shipped(), &["demo", "--once"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    for word in ["409", "already_claimed", "hmac_mismatch", "expired", "archive/"] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
}
