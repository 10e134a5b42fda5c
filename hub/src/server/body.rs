//! Bodies: read within limits, parsed by the kernel's strict parser, and understood whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use handoff_kernel::artifact::{Artifact, MAX_BYTES};
use handoff_kernel::canonical;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Mac};
use handoff_kernel::json::{Document, Value};
use handoff_kernel::refusal::Refusal;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};

use super::problem::{Kind, Problem};
use super::route::{Act, Named};
use crate::request::{Asker, Request};

/// A body that has not come by then will not.
const READ_TIME: Duration = Duration::from_secs(30);

/// How much of a body is read for nothing, so that whoever is still sending it can hear the answer.
const DISCARDED: usize = 4 * 1024 * 1024;

/// For how long: the answer waits meanwhile.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1024;

/// Reads a body of at most 256 KiB that is JSON by its own word, or says nothing of what it is.
///
/// # Errors
/// 413, 415, 408; or 400 when it breaks off.
pub(super) async fn read<B>(headers: &HeaderMap, body: &mut B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || {
        let detail =
            format!("The body has more than {MAX_BYTES} bytes, and no more are taken; send less context.");
        Problem::new(Kind::TooLarge, detail)
    };
    if body.size_hint().lower() > MAX_BYTES as u64 {
        return Err(too_large());
    }
    let whole = Limited::new(body, MAX_BYTES).collect();
    let bytes = match tokio::time::timeout(READ_TIME, whole).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => {
            return Err(Problem::new(
                Kind::Refused(Refusal::Malformed),
                "The body broke off; send it whole.",
            ));
        }
        Err(_) => {
            let detail =
                format!("The body did not come within {} seconds; send it at once.", READ_TIME.as_secs());
            return Err(Problem::new(Kind::RequestTimeout, detail));
        }
    };
    // Nothing is of no type.
    if bytes.is_empty() || is_json(headers) {
        return Ok(bytes);
    }
    let detail =
        "The body must be JSON as it is: send `Content-Type: application/json`, and no Content-Encoding.";
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

/// Reads on, within limits, what nobody asked for: a connection that is closed on somebody who is still sending
/// loses the answer.
pub(super) async fn discard<B>(headers: &HeaderMap, body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Whoever expects to be told to go on is waiting, not sending.
    if body.is_end_stream() || headers.contains_key(EXPECT) || body.size_hint().lower() > DISCARDED as u64 {
        return;
    }
    let mut rest = Limited::new(body, DISCARDED);
    let reading = async { while let Some(Ok(_)) = rest.frame().await {} };
    // However it ends: the answer is what it is.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}

fn is_json(headers: &HeaderMap) -> bool {
    let plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"identity"));
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    plain
        && match (types.next(), types.next()) {
            (None, _) => true,
            (Some(value), None) => value.to_str().is_ok_and(is_json_type),
            (Some(_), Some(_)) => false,
        }
}

fn is_json_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("application", "json")) => true,
        Some((kind, subtype)) => {
            !kind.is_empty() && subtype.len() > "+json".len() && subtype.ends_with("+json")
        }
        None => false,
    }
}

/// A start: the body is the artifact.
///
/// # Errors
/// 413, `malformed`, `invalid`. Whether a target that the hub does not know is refused is the relay's to say: a repeat
/// is answered as the first time, though the target's tokens are revoked by now (rule S9).
pub(super) fn start(
    bytes: &[u8],
    sender: AgentId,
    knows: impl FnOnce(&AgentId) -> bool,
) -> Result<Request, Problem> {
    if bytes.is_empty() {
        let detail = "The body is empty; send the artifact, as it was signed.";
        return Err(Problem::new(Kind::Refused(Refusal::Malformed), detail));
    }
    let header = Artifact::parse(bytes)?.header();
    let target_known = knows(&header.to_agent);
    Ok(Request::Start { sender, start: header.start(), bytes: bytes.into(), target_known })
}

/// A target's command. An empty body says as much as `{}`.
///
/// # Errors
/// `malformed`, or `invalid` with the first field at fault.
pub(super) fn act(act: Act, named: &Named, bytes: &[u8], agent: AgentId) -> Result<Request, Problem> {
    let document = Document::parse(if bytes.is_empty() { b"{}" } else { bytes }).map_err(|malformed| {
        let detail = format!("The body is not one well-formed JSON object: {malformed}.");
        Problem::new(Kind::Refused(Refusal::Malformed), detail)
    })?;
    let body = document.root();
    let in_path = match named {
        Named::InPath(text) => Some(handoff(text)?),
        Named::InBody => None,
    };
    let known: &[&str] = match act {
        Act::Accept => &["handoff_id", "agent", "claim_id", "receipt"],
        Act::Complete => &["handoff_id", "agent", "claim_id", "receipt", "result"],
        Act::Reject => &["handoff_id", "agent", "claim_id", "receipt", "reason"],
    };
    // A misspelt `claim_id` must not become an anonymous claim.
    if let Some((name, _)) = body.members().find(|(name, _)| !known.contains(&name.as_ref())) {
        let wanted = format!("is not a field of this command; it has {}", known.join(", "));
        return Err(Problem::invalid(&name, &wanted));
    }
    let in_body = string(body, "handoff_id", |text| handoff(text).ok(), HANDOFF_ID)?;
    let handoff = match (in_path, in_body) {
        (Some(path), Some(body)) if path != body => {
            return Err(Problem::invalid(
                "handoff_id",
                "is not the one in the path; leave it out of the body",
            ));
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err(Problem::invalid("handoff_id", "is missing; say which handoff")),
    };
    let named = string(body, "agent", |text| AgentId::parse(text).ok(), "the name of an agent")?;
    let claim_id = string(body, "claim_id", |text| ClaimId::parse(text).ok(), CLAIM_ID)?;
    let receipt = string(body, "receipt", Mac::from_base64, RECEIPT)?;
    let by = Asker { agent, named };
    Ok(match act {
        Act::Accept => Request::Accept { by, handoff, claim_id, receipt },
        Act::Complete => {
            let result = body.get("result").map(|value| Arc::from(canonical::value(value)));
            Request::Complete { by, handoff, claim_id, result, receipt }
        }
        Act::Reject => {
            Request::Reject { by, handoff, claim_id, reason: canonical::value(reason(body)?).into(), receipt }
        }
    })
}

const HANDOFF_ID: &str = "1 to 128 characters of A-Z a-z 0-9 . _ -, the first a letter or digit";
const CLAIM_ID: &str = "1 to 64 characters of A-Z a-z 0-9 _ -, or be left out";
const RECEIPT: &str = "an HMAC-SHA256 in standard base64, 44 characters, or be left out";

/// A handoff's id from a path.
///
/// # Errors
/// `invalid`: nothing can be under a name that is not legal.
pub(super) fn handoff(text: &str) -> Result<HandoffId, Problem> {
    HandoffId::parse(text).map_err(|_| Problem::invalid("handoff_id", &format!("must be {HANDOFF_ID}")))
}

/// A member that is a string, read; none when it is not there. `null` is not the same as leaving it out.
fn string<T>(
    body: Value<'_>,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
    wanted: &str,
) -> Result<Option<T>, Problem> {
    let Some(value) = body.get(name) else { return Ok(None) };
    let read = value.as_str().and_then(|text| read(&text));
    read.map(Some).ok_or_else(|| Problem::invalid(name, &format!("must be {wanted}")))
}

fn reason(body: Value<'_>) -> Result<Value<'_>, Problem> {
    let legal = |value: &Value<'_>| {
        value.as_str().is_some_and(|text| (1..=LONGEST_REASON).contains(&text.chars().count()))
    };
    body.get("reason")
        .filter(legal)
        .ok_or_else(|| Problem::invalid("reason", "must be a string of 1 to 1024 characters that says why"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    fn alice() -> AgentId {
        AgentId::parse("alice").unwrap()
    }

    fn by_path(what: Act, body: &str) -> Result<Request, Problem> {
        act(what, &Named::InPath("h".into()), body.as_bytes(), alice())
    }

    fn field(told: Result<Request, Problem>) -> String {
        let answer = told.unwrap_err().answer();
        let body = futures(answer.into_body().collect()).unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["status"], 422, "{body}");
        body["field"].as_str().unwrap().to_owned()
    }

    fn futures<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        for body in ["", "{}", " {\n} "] {
            let Ok(Request::Accept { by, claim_id, receipt, .. }) = by_path(Act::Accept, body) else {
                panic!("{body:?} is no accept")
            };
            assert_eq!((by.agent, by.named, claim_id, receipt), (alice(), None, None, None));
        }
    }

    #[test]
    fn a_command_is_read_whole() {
        let mac = Mac([7; 32]);
        let body = format!(
            r#"{{"handoff_id":"h","agent":"bob","claim_id":"c","receipt":"{}","result":{{"b":1.0,"a":"é"}}}}"#,
            mac.to_base64()
        );
        let Ok(Request::Complete { by, handoff, claim_id, result, receipt }) = by_path(Act::Complete, &body)
        else {
            panic!("not a complete")
        };
        assert_eq!((by.named, handoff.as_str(), receipt), (AgentId::parse("bob").ok(), "h", Some(mac)));
        assert_eq!(claim_id, ClaimId::parse("c").ok());
        assert_eq!(result.as_deref(), Some(r#"{"a":"\u00e9","b":1.0}"#), "canonical");
        for value in ["null", "0", "\"\"", "[]"] {
            let Ok(Request::Complete { result, .. }) =
                by_path(Act::Complete, &format!("{{\"result\":{value}}}"))
            else {
                panic!("any JSON is a result")
            };
            assert_eq!(result.as_deref(), Some(value));
        }
        let Ok(Request::Reject { reason, .. }) = by_path(Act::Reject, r#"{"reason":"no\u0020way"}"#) else {
            panic!("not a reject")
        };
        assert_eq!(&*reason, "\"no way\"");
    }

    #[test]
    fn every_field_that_is_not_as_it_must_be_is_told_by_name() {
        for (what, body, wanted) in [
            (Act::Accept, r#"{"claim-id":"c"}"#, "claim-id"),
            (Act::Accept, r#"{"cla\u0069m_ids":"c"}"#, "claim_ids"),
            (Act::Accept, r#"{"result":1}"#, "result"),
            (Act::Accept, r#"{"reason":"x"}"#, "reason"),
            (Act::Complete, r#"{"reason":"x"}"#, "reason"),
            (Act::Accept, r#"{"claim_id":null}"#, "claim_id"),
            (Act::Accept, r#"{"claim_id":"a.b"}"#, "claim_id"),
            (Act::Accept, r#"{"claim_id":1}"#, "claim_id"),
            (Act::Accept, r#"{"agent":"Alice"}"#, "agent"),
            (Act::Accept, r#"{"receipt":"x"}"#, "receipt"),
            (Act::Accept, r#"{"handoff_id":"other"}"#, "handoff_id"),
            (Act::Accept, r#"{"handoff_id":"../h"}"#, "handoff_id"),
            (Act::Reject, "{}", "reason"),
            (Act::Reject, r#"{"reason":""}"#, "reason"),
            (Act::Reject, r#"{"reason":["x"]}"#, "reason"),
        ] {
            assert_eq!(field(by_path(what, body)), wanted, "{body}");
        }
        let reason = |n| by_path(Act::Reject, &format!("{{\"reason\":\"{}\"}}", "é".repeat(n)));
        assert!(reason(LONGEST_REASON).is_ok());
        assert_eq!(field(reason(LONGEST_REASON + 1)), "reason");
        assert_eq!(field(act(Act::Accept, &Named::InBody, b"", alice())), "handoff_id");
        let nowhere = Named::InPath("a/b".into());
        assert_eq!(field(act(Act::Accept, &nowhere, b"{\"x\":1}", alice())), "handoff_id");
        let malformed = act(Act::Accept, &nowhere, b"not json", alice()).unwrap_err();
        assert_eq!(malformed.kind(), Kind::Refused(Refusal::Malformed), "before any field");
        assert!(act(Act::Accept, &Named::InBody, br#"{"handoff_id":"h"}"#, alice()).is_ok());
    }

    #[test]
    fn what_is_no_object_is_malformed_and_says_where() {
        for body in
            ["[]", "null", "{", "{}{}", "\u{feff}{}", "{\"a\":1,\"a\":1}", "{\"claim_id\":\"\\ud800\"}"]
        {
            let problem = by_path(Act::Accept, body).unwrap_err();
            assert_eq!(problem.kind(), Kind::Refused(Refusal::Malformed), "{body}");
        }
        assert!(act(Act::Accept, &Named::InBody, b"\xff{}", alice()).is_err());
        let empty = start(b"", alice(), |_| true).unwrap_err();
        assert_eq!(empty.kind(), Kind::Refused(Refusal::Malformed));
    }

    #[test]
    fn a_body_is_json_by_its_type_or_has_none() {
        let told = |name: &'static str, value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.append(name, hyper::header::HeaderValue::from_bytes(value).unwrap());
            let read = futures(read(&headers, &mut Full::from("{}"))).map_err(|problem| problem.kind());
            assert!(matches!(read, Ok(_) | Err(Kind::UnsupportedMediaType)));
            read.is_ok()
        };
        for good in
            ["application/json", "APPLICATION/JSON; charset=utf-8", "application/handoff+json", "a/b+JSON"]
        {
            assert!(told("content-type", good.as_bytes()), "{good}");
        }
        for bad in
            ["", "text/plain", "application/x-www-form-urlencoded", "json", "+json", "a/+json", "text/json5"]
        {
            assert!(!told("content-type", bad.as_bytes()), "{bad}");
        }
        assert!(!told("content-type", b"\xff") && !told("content-encoding", b"gzip"));
        assert!(told("content-encoding", b"Identity"));
        assert!(futures(read(&HeaderMap::new(), &mut Full::from("{}"))).is_ok());
    }

    #[test]
    fn a_body_has_256_kib_and_not_a_byte_more() {
        let of = |n: usize| futures(read(&HeaderMap::new(), &mut Full::from(vec![b' '; n])));
        assert_eq!(of(MAX_BYTES).unwrap().len(), MAX_BYTES);
        assert_eq!(of(MAX_BYTES + 1).unwrap_err().kind(), Kind::TooLarge);
        let mut chunked = Endless;
        let told = futures(read(&HeaderMap::new(), &mut chunked)).unwrap_err();
        assert_eq!(told.kind(), Kind::TooLarge, "a body that does not say how long it is");
        futures(discard(&HeaderMap::new(), &mut chunked));
    }

    /// A body that never ends, and never says so.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            let frame = hyper::body::Frame::data(Bytes::from_static(&[b' '; 4096]));
            std::task::Poll::Ready(Some(Ok(frame)))
        }
    }
}
