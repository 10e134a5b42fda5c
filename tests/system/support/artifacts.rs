//! Artifacts that are current: a running hub takes nothing that has expired.

use handoff_kernel::json::Document;
use handoff_kernel::seal::{Key, hmac_sha256, sign};
use handoff_kernel::{canonical, seal};

use super::ambient::{now_ms, rfc3339};

/// The key of bob and alice, in the tests.
pub(crate) fn key() -> Key {
    Key::new(b"a test's key of bob and alice, long enough").expect("24 bytes or more")
}

/// A signed artifact from bob to alice that can be claimed until then.
pub(crate) fn artifact(id: &str, expires_ms: u64) -> Vec<u8> {
    artifact_between(id, "bob", "alice", expires_ms)
}

/// A signed artifact from bob to alice that says so much and can be claimed until then.
pub(crate) fn artifact_about(id: &str, expires_ms: u64, about: &str) -> Vec<u8> {
    signed(id, "bob", "alice", expires_ms, about, "")
}

/// The same, whose claim lapses after a second: no deadline is shorter.
pub(crate) fn artifact_with_a_short_claim(id: &str, expires_ms: u64, about: &str) -> Vec<u8> {
    signed(id, "bob", "alice", expires_ms, about, r#", "claim_ttl_seconds": 1"#)
}

/// The same, of so many bytes.
pub(crate) fn artifact_of(id: &str, expires_ms: u64, bytes: usize) -> Vec<u8> {
    let least = artifact_about(id, expires_ms, "").len();
    artifact_about(
        id,
        expires_ms,
        &"x".repeat(bytes.checked_sub(least).expect("an artifact needs more bytes")),
    )
}

/// A signed artifact that can be claimed until then.
pub(crate) fn artifact_between(id: &str, from: &str, to: &str, expires_ms: u64) -> Vec<u8> {
    signed(id, from, to, expires_ms, "a test", "")
}

/// It began the day before it expires.
fn signed(id: &str, from: &str, to: &str, expires_ms: u64, about: &str, more: &str) -> Vec<u8> {
    let unsigned = format!(
        r#"{{"protocol_version": 1, "handoff_id": "{id}", "from_agent": "{from}", "to_agent": "{to}",
  "reason": "{about}", "initiated_at": "{}", "expires_at": "{}", "context": {{"n": [1, 2.50, "é"]}}{more}}}"#,
        rfc3339(expires_ms.saturating_sub(86_400_000)),
        rfc3339(expires_ms)
    );
    seal::seal(&key(), &Document::parse(unsigned.as_bytes()).expect("written above")).into_bytes()
}

/// In an hour.
pub(crate) fn soon() -> u64 {
    now_ms() + 3_600_000
}

/// A vector of `spec/vectors`, made current: its two timestamps are set and its `hmac` is computed anew with its own
/// secret; odd white space, key order and escapes stay as they are.
pub(crate) fn current(vector: &serde_json::Value, id: &str) -> Vec<u8> {
    let text = vector["artifact_without_hmac"].as_str().expect("a vector has a text");
    let text = set(text, "initiated_at", &rfc3339(now_ms()));
    let text = set(&text, "expires_at", &rfc3339(soon()));
    let text = set(&text, "handoff_id", id);
    let document = Document::parse(text.as_bytes()).expect("a vector is legal");
    let secret = vector["secret"].as_str().expect("a vector has a secret").as_bytes();
    let mac = match Key::new(secret) {
        Ok(key) => sign(&key, &document),
        // One vector's key is one byte long, which signers refuse.
        Err(_) => hmac_sha256(secret, canonical::unsigned(&document).as_bytes()),
    };
    let end = text.rfind('}').expect("an object ends so");
    format!("{}, \"hmac\" :\t\"{}\"{}", text[..end].trim_end(), mac.to_base64(), &text[end..]).into_bytes()
}

/// The same text with another value for a string field of the top object.
fn set(text: &str, field: &str, value: &str) -> String {
    let name = format!("\"{field}\"");
    let after = text.find(&name).expect("the field is there") + name.len();
    let open = after + text[after..].find('"').expect("its value is a string") + 1;
    let close = open + text[open..].find('"').expect("which ends");
    format!("{}{value}{}", &text[..open], &text[close..])
}
