//! Properties of artifacts: total on all bytes, one canonical form for all spellings, and no change of the
//! meaning that a signature lets through.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use handoff_kernel::artifact::Artifact;
use handoff_kernel::canonical;
use handoff_kernel::json::Document;
use handoff_kernel::seal::{self, Key, VerifyError};
use handoff_kernel::testing::artifact::{Choices, check_artifact_bytes, respell};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn key() -> Key {
    Key::new(b"a key of the property tests").unwrap()
}

/// Any JSON value, with the characters and numbers that are hard to write canonically more often than by chance.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ -~]{0,12}", "\\PC{0,8}", "[\u{0}-\u{1f}\"\\\\/\u{7f}é☃😀]{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        any::<f64>().prop_filter("JSON has only finite ones", |x| x.is_finite()).prop_map(Value::from),
        (-100_000i64..100_000, 0..5).prop_map(|(n, digits)| Value::from(n as f64 / 10f64.powi(digits))),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A legal artifact that carries any value, not signed yet.
fn artifact() -> impl Strategy<Value = Map<String, Value>> {
    (value(), "[a-z]{1,3}", any::<bool>()).prop_map(|(context, reason, ttl)| {
        let mut artifact = json!({
            "protocol_version": 1, "handoff_id": "h.1", "from_agent": "bob", "to_agent": "alice",
            "reason": reason, "initiated_at": "2026-04-21T10:00:00Z",
            "expires_at": "2026-04-21T10:01:00.250+00:00", "context": context,
        });
        if ttl {
            artifact["claim_ttl_seconds"] = json!(60);
        }
        artifact.as_object().unwrap().clone()
    })
}

fn sealed(artifact: &Map<String, Value>) -> String {
    let text = serde_json::to_string(artifact).unwrap();
    seal::seal(&key(), &Document::parse(text.as_bytes()).unwrap())
}

fn verified(text: &str) -> Result<usize, VerifyError> {
    seal::verify(&Document::parse(text.as_bytes()).unwrap(), &[key()])
}

/// Changes one leaf, key or length somewhere in a value: its meaning, whatever the spelling.
fn change(value: &mut Value, choices: &mut Choices<'_>) {
    match value {
        Value::Array(items) if !items.is_empty() && choices.below(4) > 0 => {
            let at = choices.below(items.len());
            change(&mut items[at], choices);
        }
        Value::Array(items) => items.push(Value::Null),
        Value::Object(members) if !members.is_empty() => {
            let key = members.keys().nth(choices.below(members.len())).unwrap().clone();
            match choices.below(4) {
                0 => drop(members.remove(&key)),
                1 => {
                    let value = members.remove(&key).unwrap();
                    members.insert(format!("{key}x"), value);
                }
                _ => change(members.get_mut(&key).unwrap(), choices),
            }
        }
        Value::Object(members) => drop(members.insert(String::new(), Value::Null)),
        Value::String(text) if choices.below(2) == 0 => text.push('\u{0}'),
        Value::String(text) if text.is_empty() => text.push('x'),
        Value::String(text) => drop(text.pop()),
        Value::Bool(b) => *b = !*b,
        Value::Null => *value = json!(false),
        Value::Number(n) if n.is_f64() => *value = json!(n.to_string()),
        // An integer and a double of the same value are told apart, too.
        Value::Number(n) if choices.below(2) == 0 && n.as_f64().is_some() => *value = json!(n.as_f64()),
        Value::Number(n) => *value = json!(n.as_i64().map_or(0, |n| n.wrapping_add(1))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused_with_their_place(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_artifact_bytes(&bytes);
    }

    #[test]
    fn any_text_of_jsons_own_characters_is_read_or_refused(text in r#"[\[\]{}:, "\\ntrufalse0-9eE+.\-ud89abé]{0,80}"#) {
        check_artifact_bytes(text.as_bytes());
        check_artifact_bytes(format!("{{\"a\":{text}}}").as_bytes());
    }

    #[test]
    fn a_legal_artifact_holds_all_properties(artifact in artifact()) {
        let text = sealed(&artifact);
        prop_assert!(Artifact::parse(text.as_bytes()).is_ok());
        check_artifact_bytes(text.as_bytes());
        check_artifact_bytes(serde_json::to_string_pretty(&artifact).unwrap().as_bytes());
    }

    #[test]
    fn a_mutated_artifact_is_read_or_refused(
        artifact in artifact(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
    ) {
        let mut bytes = sealed(&artifact).into_bytes();
        for (at, byte, kind) in mutations {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + 1),
            }
        }
        check_artifact_bytes(&bytes);
    }

    #[test]
    fn what_was_signed_verifies_in_every_other_spelling(
        artifact in artifact(),
        choices in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let sealed = sealed(&artifact);
        let document = Document::parse(sealed.as_bytes()).unwrap();
        let other = respell(document.root(), &mut Choices::new(&choices));
        prop_assert_eq!(verified(&other), Ok(0), "{}", other);
        prop_assert_eq!(canonical::document(&Document::parse(other.as_bytes()).unwrap()), sealed);
    }

    #[test]
    fn any_change_of_the_meaning_fails_verification(
        artifact in artifact(),
        choices in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let sealed = sealed(&artifact);
        prop_assert_eq!(verified(&sealed), Ok(0));
        let mac = Document::parse(sealed.as_bytes()).unwrap().root().get("hmac").unwrap().as_str().unwrap().into_owned();
        let mut changed = Value::Object(artifact.clone());
        change(&mut changed, &mut Choices::new(&choices));
        prop_assert_ne!(&changed, &Value::Object(artifact));
        changed["hmac"] = json!(mac);
        prop_assert_eq!(verified(&serde_json::to_string(&changed).unwrap()), Err(VerifyError::NoKey));
    }

    #[test]
    fn an_independent_reader_reads_the_canonical_form_as_the_same_value(artifact in artifact()) {
        let text = serde_json::to_string(&artifact).unwrap();
        let canonical = canonical::document(&Document::parse(text.as_bytes()).unwrap());
        // That reader may miss a double by its last bit, but then it does so for both spellings.
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        prop_assert_eq!(read(&canonical), read(&text));
    }
}
