//! The server in this process, on real sockets: both versions of HTTP by the shipped listener's own configuration,
//! bodies that are too much, stopping in good order, and what answers carry.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use handoff_hub::ambient::SystemClock;
use handoff_hub::clock::Clock as _;
use handoff_hub::relay::Config;
use handoff_hub::server::{Failed, Server};
use handoff_hub::tokens::{Scope, TokenFile};
use handoff_kernel::ident::{AgentId, Digest};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// A hub on a data directory of its own.
struct Hub {
    data: tempfile::TempDir,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Failed>>,
}

impl Hub {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = Config::on(data.path().to_owned());
        let server = Server::start(&config, ([127, 0, 0, 1], 0).into(), SystemClock::start()).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { data, address, stop, running }
    }

    fn token(&self, agent: &str, scopes: &[Scope]) -> String {
        let file = TokenFile::in_directory(self.data.path().to_owned());
        let scopes: BTreeSet<_> = scopes.iter().copied().collect();
        file.add(AgentId::parse(agent).unwrap(), scopes, Time(0)).unwrap().secret.reveal().to_owned()
    }

    /// Tokens for bob and alice.
    fn pair(&self) -> [String; 2] {
        ["bob", "alice"].map(|agent| self.token(agent, &[Scope::Send, Scope::Receive]))
    }

    fn request(&self, method: &str, path: &str, token: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(uri).header("host", self.address.to_string());
        request.header("authorization", format!("Bearer {token}")).body(Full::from(body.into())).unwrap()
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request = self.request(method, path, token, body);
        *request.uri_mut() = path.parse().unwrap();
        whole(sender.send_request(request).await.unwrap()).await
    }

    /// Sends this many polls of an agent that wait long.
    async fn polls(&self, token: &str, count: usize) -> JoinSet<Response<Bytes>> {
        let mut polls = JoinSet::new();
        while polls.len() < count {
            let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            // As many as the hub allows on one connection.
            for _ in 0..(count - polls.len()).min(256) {
                let answer = sender.send_request(self.request("GET", "/poll?wait=50", token, ""));
                polls.spawn(async move { whole(answer.await.unwrap()).await });
            }
        }
        polls
    }

    async fn end(self) -> Result<(), Failed> {
        self.stop.send(()).unwrap();
        self.running.await.unwrap()
    }
}

async fn whole(response: Response<hyper::body::Incoming>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// A handoff from bob to alice, laid out oddly on purpose.
fn artifact(id: &str) -> String {
    let now = SystemClock::start().wall();
    format!(
        " \r\n{{ \"handoff_id\" :\"{id}\",\"protocol_version\":1,\n\t\"from_agent\":\"bob\",\"to_agent\":\"alice\",\
         \"reason\":\"\\u00e9 }}\",\"initiated_at\":\"{}\",\"expires_at\":\"{}\",\"hmac\":\"x\"}}\n ",
        Rfc3339(now),
        Rfc3339(now.plus(Millis::from_secs(3600)))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_answer_alike() {
    let hub = Hub::start().await;
    let [bob, alice] = hub.pair();
    let first = hub.send("POST", "/v1/handoffs", &bob, artifact("h")).await;
    assert_eq!((first.status().as_u16(), first.version()), (201, Version::HTTP_11));

    let stream = TokioIo::new(TcpStream::connect(hub.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    for (method, path, status) in [
        ("GET", "/readyz", 200),
        ("GET", "/v1/handoffs/poll?wait=50", 200),
        ("HEAD", "/v1/handoffs/h", 200),
        ("POST", "/v1/handoffs/h/accept", 200),
        ("POST", "/v1/handoffs/h/accept", 409),
        ("DELETE", "/v1/handoffs/h", 405),
    ] {
        let answer = whole(sender.send_request(hub.request(method, path, &alice, "")).await.unwrap()).await;
        assert_eq!(
            (answer.status().as_u16(), answer.version()),
            (status, Version::HTTP_2),
            "{method} {path}"
        );
    }
    hub.end().await.unwrap();
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_when_the_hub_stops_is_answered() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let hub = Hub::start().await;
    let [bob, _] = hub.pair();
    let body = artifact("h");
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    let head = format!(
        "POST /start HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {bob}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n", "it is being handled now");
    hub.stop.send(()).unwrap();
    // The listener is gone before anything is waited for.
    while TcpStream::connect(hub.address).await.is_ok() {}
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    hub.running.await.unwrap().unwrap();
    assert!(hub.data.path().join("handoff/h.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_too_much_or_without_a_token_still_hears_why() {
    let hub = Hub::start().await;
    let [bob, _] = hub.pair();
    let large = Bytes::from(vec![b' '; 3 * 1024 * 1024]);
    let answer = hub.send("POST", "/v1/handoffs", &bob, large.clone()).await;
    assert_eq!((answer.status().as_u16(), json(&answer)["reason"].as_str()), (413, Some("too_large")));
    let answer = hub.send("POST", "/v1/handoffs", "", large).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"handoff-hub\"");
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_carries_the_artifact_verbatim_as_its_last_member() {
    let hub = Hub::start().await;
    let [bob, alice] = hub.pair();
    let sent = artifact("h");
    assert_eq!(hub.send("POST", "/v1/handoffs", &bob, sent.clone()).await.status(), 201);
    let accept = "{\"claim_id\":\"c\"}";
    let claimed = json(&hub.send("POST", "/v1/handoffs/h/accept", &alice, accept).await);
    let reject = "{\"claim_id\":\"c\",\"reason\":\"caf\\u00e9\"}";
    let rejected = json(&hub.send("POST", "/v1/handoffs/h/reject", &alice, reject).await);

    let answer = hub.send("GET", "/v1/handoffs/h?include=artifact", &bob, "").await;
    let text = std::str::from_utf8(answer.body()).unwrap();
    let (_, artifact) = text.split_once(",\"artifact\":").unwrap();
    assert_eq!(artifact.strip_suffix('}'), Some(sent.as_str()));
    let story = json(&answer);
    assert_eq!(story["digest"], Digest::of(sent.as_bytes()).to_string());
    assert_eq!(story["artifact"]["reason"], "é }");
    assert_eq!((&story["status"], &story["cause"]), (&"rejected".into(), &"declined".into()));
    assert_eq!((&story["reason"], &story["claim_id"]), (&"café".into(), &"c".into()));
    let history: Vec<_> =
        story["history"].as_array().unwrap().iter().map(|e| [&e["event"], &e["by"]]).collect();
    assert_eq!(history, [["started", "bob"], ["claimed", "alice"], ["rejected", "alice"]]);
    assert_eq!(story["history"][1]["at"], claimed["claimed_at"]);
    assert_eq!(story["finished_at"], rejected["rejected_at"]);
    assert!(json(&hub.send("GET", "/v1/handoffs/h", &alice, "").await)["artifact"].is_null());
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_on_where_its_cursor_says() {
    let hub = Hub::start().await;
    let [bob, _] = hub.pair();
    for n in 0..5 {
        assert_eq!(hub.send("POST", "/v1/handoffs", &bob, artifact(&format!("h-{n}"))).await.status(), 201);
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = json(&hub.send("GET", &format!("/v1/handoffs?limit=2{cursor}"), &bob, "").await);
        pages += 1;
        let ids =
            page["handoffs"].as_array().unwrap().iter().map(|h| h["handoff_id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((pages, seen), (3, (0..5).map(|n| format!("h-{n}")).collect()));
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say_and_lets_its_agent_look() {
    let hub = Hub::start().await;
    let [_, alice] = hub.pair();
    let (sender, receiver) = (hub.token("bob", &[Scope::Send]), hub.token("alice", &[Scope::Receive]));
    let observer = hub.token("eve", &[Scope::Observe]);
    assert_eq!(hub.send("POST", "/v1/handoffs", &sender, artifact("h")).await.status(), 201);
    let sending = ["/v1/handoffs", "/start", "/api/v1/handoffs/start"].map(|path| ("POST", path.to_owned()));
    let mut receiving = vec![];
    for base in ["", "/v1/handoffs", "/api/v1/handoffs"] {
        let named = if base.is_empty() { "" } else { "/h" };
        receiving.push(("GET", format!("{base}/poll")));
        receiving
            .extend(["accept", "complete", "reject"].map(|act| ("POST", format!("{base}{named}/{act}"))));
    }
    let to_send = sending.iter().flat_map(|what| [(what, &receiver), (what, &observer)]);
    let to_receive = receiving.iter().flat_map(|what| [(what, &sender), (what, &observer)]);
    for ((method, path), token) in to_send.chain(to_receive) {
        let answer = hub.send(method, path, token, "").await;
        let told = (answer.status().as_u16(), json(&answer)["reason"].clone());
        assert_eq!(told, (403, "insufficient_scope".into()), "{method} {path}");
    }
    for token in [&sender, &receiver, &alice] {
        assert_eq!(hub.send("GET", "/v1/handoffs/h", token, "").await.status(), 200);
        assert_eq!(hub.send("GET", "/v1/handoffs/h?include=artifact", token, "").await.status(), 200);
        assert_eq!(hub.send("GET", "/v1/handoffs", token, "").await.status(), 200);
    }
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_may_not_receive_gets_no_artifact_by_looking() {
    let hub = Hub::start().await;
    let bob = hub.token("bob", &[Scope::Send]);
    let alice = hub.token("alice", &[Scope::Send]);
    assert_eq!(hub.send("POST", "/v1/handoffs", &bob, artifact("h")).await.status(), 201);
    let answer = hub.send("GET", "/v1/handoffs/h?include=artifact", &alice, "").await;
    let told = (answer.status().as_u16(), json(&answer)["reason"].clone());
    assert_eq!(told, (403, "insufficient_scope".into()));
    assert_eq!(hub.send("GET", "/v1/handoffs/h", &alice, "").await.status(), 200);
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_waits_while_its_token_is_revoked_is_shown_nothing() {
    let hub = Hub::start().await;
    let [bob, alice] = hub.pair();
    // Whichever of the two the hub hears of first: it must show nothing.
    let mut polls = hub.polls(&alice, 1).await;
    TokenFile::in_directory(hub.data.path().to_owned()).revoke("alice").unwrap();
    hub.token("alice", &[Scope::Receive]);
    assert_eq!(hub.send("POST", "/v1/handoffs", &bob, artifact("h")).await.status(), 201);
    let answer = polls.join_next().await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), json(&answer)["reason"].as_str()), (401, Some("unauthenticated")));
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_polls_too_much_is_told_so_and_a_hub_that_stops_answers_every_poll() {
    let hub = Hub::start().await;
    let [bob, alice] = hub.pair();
    let mut polls = hub.polls(&alice, 1024 + 6).await;
    for _ in 0..6 {
        let refused = polls.join_next().await.unwrap().unwrap();
        assert_eq!((refused.status().as_u16(), json(&refused)["reason"].as_str()), (429, Some("too_many")));
        assert_eq!(refused.headers()["retry-after"], "1");
    }
    assert_eq!(hub.send("GET", "/v1/handoffs/poll", &bob, "").await.status(), 204, "nobody else's fault");
    hub.end().await.unwrap();
    let answered = polls.join_all().await;
    assert!(answered.len() == 1024 && answered.iter().all(|answer| answer.status() == 204));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_parameters_takes_none() {
    let hub = Hub::start().await;
    let [bob, alice] = hub.pair();
    for (path, token) in
        [("/v1/handoffs?x=1", &bob), ("/start?wait=1", &bob), ("/v1/handoffs/h/accept?claim_id=c", &alice)]
    {
        let answer = hub.send("POST", path, token, artifact("h")).await;
        assert_eq!(
            (answer.status().as_u16(), json(&answer)["reason"].as_str()),
            (422, Some("invalid")),
            "{path}"
        );
    }
    assert_eq!(hub.send("POST", "/v1/handoffs", &bob, artifact("h")).await.status(), 201);
    hub.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_with_a_ttl_says_when_it_lapses_and_a_completed_story_tells_all() {
    let hub = Hub::start().await;
    let [bob, alice] = hub.pair();
    let sent = artifact("h").replace("\"reason\"", "\"claim_ttl_seconds\":60,\"reason\"");
    assert_eq!(hub.send("POST", "/v1/handoffs", &bob, sent).await.status(), 201);
    let claimed = json(&hub.send("POST", "/v1/handoffs/h/accept", &alice, "{\"claim_id\":\"c\"}").await);
    let at = |text: &Value| handoff_kernel::timestamp::parse(text.as_str().unwrap()).unwrap();
    assert_eq!(at(&claimed["claim_expires_at"]).0, at(&claimed["claimed_at"]).0 + 60_000);
    let complete = "{\"claim_id\":\"c\",\"result\":7}";
    let completed = json(&hub.send("POST", "/v1/handoffs/h/complete", &alice, complete).await);
    let story = json(&hub.send("GET", "/v1/handoffs/h", &bob, "").await);
    assert_eq!((&story["claim_ttl_seconds"], &story["result"]), (&60.into(), &7.into()));
    assert_eq!(story["claim"]["claim_expires_at"], claimed["claim_expires_at"]);
    let history: Vec<_> =
        story["history"].as_array().unwrap().iter().map(|e| [&e["event"], &e["by"]]).collect();
    assert_eq!(history, [["started", "bob"], ["claimed", "alice"], ["completed", "alice"]]);
    assert_eq!(story["history"][2]["at"], completed["completed_at"]);
    hub.end().await.unwrap();
}

#[test]
fn what_ships_takes_no_law() {
    let mut hub = std::process::Command::new(env!("CARGO_BIN_EXE_handoff-hub"));
    let refused = hub.args(["serve", "--law", "protocol"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("unexpected argument '--law'"), "{said}");
}

#[cfg(feature = "testing")]
mod law {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn serve(law: &str, data: &std::path::Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handoff-hub-testing"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--law", law, "--data"]).arg(data);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A process that ends with the test, however that ends.
    struct Ends(Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hub_for_tests_decides_as_its_law_has_it() {
        for (law, second) in [("protocol", 409), ("bytes_ignored", 200)] {
            let data = tempfile::tempdir().unwrap();
            let mut process = Ends(serve(law, data.path()).spawn().unwrap());
            let mut line = String::new();
            BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
            let (stop, stopped) = oneshot::channel();
            let running = tokio::spawn(async {
                let _ = stopped.await;
                Ok(())
            });
            let hub = Hub { data, address, stop, running };
            let [bob, _] = hub.pair();
            assert_eq!(hub.send("POST", "/v1/handoffs", &bob, artifact("h")).await.status(), 201, "{law}");
            let other = artifact("h").replace("\"x\"", "\"y\"");
            assert_eq!(hub.send("POST", "/v1/handoffs", &bob, other).await.status(), second, "{law}");
            hub.end().await.unwrap();
        }
    }

    #[test]
    fn a_law_that_nobody_knows_is_refused_with_those_that_there_are() {
        let data = tempfile::tempdir().unwrap();
        let refused = serve("gravity", data.path()).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("there is no such law") && said.contains("expires_at_deadline"), "{said}");
    }
}
