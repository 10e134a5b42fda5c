//! Receipts: a target's signature over a transition that it made, relayed to the author. With one, the author
//! knows what the target did even if the hub lies.

use crate::canonical::quote;
use crate::ident::{AgentId, ClaimId, Digest, HandoffId, Mac};
use crate::json::Value;
use crate::seal::{Key, VerifyError};
use alloc::format;
use alloc::string::String;

/// What the target did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// It claimed the handoff.
    Accept,
    /// It finished it, with this result if there was one: see [`result_digest`].
    Complete {
        /// The SHA-256 of the result's canonical form.
        result: Option<Digest>,
    },
    /// It declined.
    Reject {
        /// Why, as text.
        reason: &'a str,
    },
}

/// What a receipt is a signature of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// What the target did.
    pub act: Act<'a>,
    /// Under which claim; none for an anonymous one.
    pub claim_id: Option<ClaimId>,
    /// The artifact's bytes that the target saw.
    pub handoff_digest: Digest,
    /// The handoff's name.
    pub handoff_id: HandoffId,
    /// The target itself.
    pub to_agent: AgentId,
}

/// The digest of a result: the SHA-256 of its canonical form.
#[must_use]
pub fn result_digest(result: Value<'_>) -> Digest {
    Digest::of(crate::canonical::value(result).as_bytes())
}

impl Receipt<'_> {
    /// The bytes that are signed: a JSON object in canonical form. An anonymous claim's `claim_id` is `null`;
    /// a completion without a result has no `result_digest`.
    #[must_use]
    pub fn canonical(&self) -> String {
        let action = match self.act {
            Act::Accept => "accept",
            Act::Complete { .. } => "complete",
            Act::Reject { .. } => "reject",
        };
        let claim_id = self.claim_id.map_or("null".into(), |id| format!("\"{id}\""));
        // The keys stand sorted, and none of these alphabets has anything to escape.
        let mut out = format!(
            "{{\"action\":\"{action}\",\"claim_id\":{claim_id},\"handoff_digest\":\"{}\",\"handoff_id\":\"{}\"",
            self.handoff_digest, self.handoff_id
        );
        match self.act {
            Act::Reject { reason } => {
                out.push_str(",\"reason\":");
                quote(reason, &mut out);
            }
            Act::Complete { result: Some(digest) } => {
                out.push_str(&format!(",\"result_digest\":\"{digest}\""));
            }
            Act::Accept | Act::Complete { result: None } => {}
        }
        out.push_str(&format!(",\"to_agent\":\"{}\"}}", self.to_agent));
        out
    }

    /// The target's signature.
    #[must_use]
    pub fn sign(&self, key: &Key) -> Mac {
        key.mac(self.canonical().as_bytes())
    }

    /// Checks a signature with each of these keys in turn, and answers which one fits, by its index.
    ///
    /// # Errors
    /// When none of these keys made it over this receipt.
    pub fn verify(&self, mac: &Mac, keys: &[Key]) -> Result<usize, VerifyError> {
        let signed = self.canonical();
        keys.iter().position(|key| key.matches(signed.as_bytes(), mac)).ok_or(VerifyError::NoKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn accept() -> Receipt<'static> {
        Receipt {
            act: Act::Accept,
            claim_id: Some(ClaimId::parse("c-1").unwrap()),
            handoff_digest: Digest::of(b"abc"),
            handoff_id: HandoffId::parse("H.1").unwrap(),
            to_agent: AgentId::parse("alice").unwrap(),
        }
    }

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_receipt_is_a_canonical_object_of_what_was_done() {
        let result = Document::parse_any(b"{\"b\": 1, \"a\": [ ]}").unwrap();
        let digest = result_digest(result.root());
        assert_eq!(digest, Digest::of(br#"{"a":[],"b":1}"#));
        let common = format!("\"handoff_digest\":\"{DIGEST}\",\"handoff_id\":\"H.1\"");
        for (act, action, more) in [
            (Act::Accept, "accept", String::new()),
            (Act::Complete { result: None }, "complete", String::new()),
            (Act::Complete { result: Some(digest) }, "complete", format!(",\"result_digest\":\"{digest}\"")),
            (Act::Reject { reason: "no \"é\"\n" }, "reject", ",\"reason\":\"no \\\"\\u00e9\\\"\\n\"".into()),
        ] {
            for (claim_id, shown) in [(accept().claim_id, "\"c-1\""), (None, "null")] {
                let receipt = Receipt { act, claim_id, ..accept() };
                let text = receipt.canonical();
                assert_eq!(
                    text,
                    format!(
                        "{{\"action\":\"{action}\",\"claim_id\":{shown},{common}{more},\"to_agent\":\"alice\"}}"
                    )
                );
                let read = Document::parse(text.as_bytes()).unwrap();
                assert_eq!(crate::canonical::document(&read), text);
            }
        }
    }

    #[test]
    fn a_receipt_verifies_only_as_it_was_signed() {
        let (old, new) = (Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap());
        let mac = accept().sign(&new);
        let keys = [old, new];
        assert_eq!(accept().verify(&mac, &keys), Ok(1));
        assert_eq!(accept().verify(&mac, &keys[..1]), Err(VerifyError::NoKey));
        let others = [
            Receipt { act: Act::Complete { result: None }, ..accept() },
            Receipt { claim_id: None, ..accept() },
            Receipt { handoff_digest: Digest::of(b""), ..accept() },
            Receipt { handoff_id: HandoffId::parse("H.2").unwrap(), ..accept() },
            Receipt { to_agent: AgentId::parse("mallory").unwrap(), ..accept() },
        ];
        assert!(others.iter().all(|other| other.verify(&mac, &keys) == Err(VerifyError::NoKey)));
    }
}
