//! Both agents on one kept connection: questions go out as an [`Ask`], answers come back as what was [`Heard`].

use std::io;
use std::net::SocketAddr;

use serde_json::json;

use super::history::{Ask, Heard};
use super::http::{Connection, Response};

/// The tokens of bob, who starts, and of alice, who does the rest.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) bob: String,
    pub(crate) alice: String,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    connection: Connection,
    tokens: &'a Tokens,
}

impl<'a> Session<'a> {
    pub(crate) fn open(to: SocketAddr, tokens: &'a Tokens) -> io::Result<Self> {
        Ok(Self { connection: Connection::open(to)?, tokens })
    }

    /// Asks, and says when the question is on its way. An error means that the outcome is unknown.
    pub(crate) fn ask(
        &mut self,
        id: &str,
        artifact: &[u8],
        ask: &Ask,
        sent: impl FnOnce(),
    ) -> io::Result<Heard> {
        let act = |verb: &str| format!("/v1/handoffs/{id}/{verb}");
        let (token, path, body) = match ask {
            Ask::Start => (&self.tokens.bob, "/v1/handoffs".to_owned(), artifact.to_vec()),
            Ask::Accept { claim_id } => {
                let body = json!({ "claim_id": claim_id });
                (&self.tokens.alice, act("accept"), body.to_string().into_bytes())
            }
            Ask::Complete { claim_id, result } => {
                let body = json!({ "claim_id": claim_id, "result": result });
                (&self.tokens.alice, act("complete"), body.to_string().into_bytes())
            }
            Ask::Reject { claim_id, reason } => {
                let mut body = json!({ "reason": reason });
                if let Some(claim_id) = claim_id {
                    body["claim_id"] = json!(claim_id);
                }
                (&self.tokens.alice, act("reject"), body.to_string().into_bytes())
            }
        };
        let response = self.exchange(token, "POST", &path, &body, sent)?;
        Ok(heard(&response))
    }

    /// A GET by alice.
    pub(crate) fn get(&mut self, path: &str, sent: impl FnOnce()) -> io::Result<Response> {
        self.exchange(&self.tokens.alice, "GET", path, b"", sent)
    }

    fn exchange(
        &mut self,
        token: &str,
        method: &str,
        path: &str,
        body: &[u8],
        sent: impl FnOnce(),
    ) -> io::Result<Response> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.connection.send(method, path, headers, body)?;
        sent();
        self.connection.receive(method)
    }
}

/// What an answer to a command says. A 503 says that the hub cannot do it now, or not whether it did: it must tell
/// when to come back.
#[track_caller]
pub(crate) fn heard(response: &Response) -> Heard {
    if matches!(response.status, 200 | 201) {
        return Heard::Done(response.status, response.json().expect("JSON"));
    }
    assert_eq!(response.header("content-type"), "application/problem+json", "{response:?}");
    let problem = response.json().expect("JSON");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{problem}");
    match response.status {
        503 => {
            assert_eq!(problem["reason"], "unavailable", "{problem}");
            let seconds = response.header("retry-after");
            assert!(seconds.parse::<u64>().is_ok(), "a Retry-After of {seconds:?}: {problem}");
            Heard::Unknown
        }
        400..=499 => Heard::Refused(problem["reason"].as_str().expect("a reason").to_owned()),
        _ => panic!("nobody expects this: {response:?}"),
    }
}
