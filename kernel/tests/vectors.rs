//! The vectors of `spec/vectors/artifact-v1.json`, made with the protocol's reference implementation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use handoff_kernel::artifact::Artifact;
use handoff_kernel::canonical;
use handoff_kernel::ident::Mac;
use handoff_kernel::json::Document;
use handoff_kernel::seal::{self, Key, hmac_sha256};
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/artifact-v1.json");

fn vectors(list: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(FILE).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file[list].as_array().unwrap().clone()
}

#[test]
fn canonical_bytes_and_hmacs_are_those_of_the_reference() {
    let vectors = vectors("vectors");
    assert_eq!(vectors.len(), 13);
    for vector in &vectors {
        let get = |field: &str| vector[field].as_str().unwrap();
        let document = Document::parse(get("artifact_without_hmac").as_bytes()).unwrap();
        assert_eq!(canonical::document(&document), get("canonical"), "{}", get("name"));
        assert_eq!(canonical::unsigned(&document), get("canonical"), "{}", get("name"));
        let mac = hmac_sha256(get("secret").as_bytes(), get("canonical").as_bytes());
        assert_eq!(mac.to_base64(), get("hmac"), "{}", get("name"));
    }
}

#[test]
fn what_the_reference_signed_verifies_and_what_is_sealed_here_is_the_same() {
    let mut keys = 0;
    for vector in vectors("vectors") {
        let get = |field: &str| vector[field].as_str().unwrap();
        let unsigned = get("artifact_without_hmac");
        let signed =
            format!("{},\"hmac\":\"{}\"}}", unsigned.trim_end().strip_suffix('}').unwrap(), get("hmac"));
        let artifact = Artifact::parse(signed.as_bytes()).unwrap();
        assert_eq!(artifact.header().handoff_id.as_str(), "1776765600-bob-alice-b275013166a65f69");
        match Key::new(get("secret").as_bytes()) {
            Ok(key) => {
                keys += 1;
                let document = Document::parse(unsigned.as_bytes()).unwrap();
                assert_eq!(
                    seal::verify(artifact.document(), std::slice::from_ref(&key)),
                    Ok(0),
                    "{}",
                    get("name")
                );
                assert_eq!(seal::sign(&key, &document), Mac::from_base64(get("hmac")).unwrap());
                let sealed = seal::seal(&key, &document);
                let read = Artifact::parse(sealed.as_bytes()).unwrap();
                assert_eq!(seal::verify(read.document(), &[key]), Ok(0));
                assert_eq!(canonical::unsigned(read.document()), get("canonical"));
            }
            Err(short) => assert_eq!(short.bytes, 1),
        }
    }
    assert_eq!(keys, 12, "one vector has a secret that is too short for a key");
}

#[test]
fn what_must_be_refused_is_refused_with_its_place() {
    let told: Vec<(String, String)> = vectors("refuse")
        .iter()
        .map(|vector| {
            let get = |field: &str| vector[field].as_str().unwrap();
            let error = Artifact::parse(get("artifact").as_bytes()).unwrap_err();
            (get("name").into(), error.to_string())
        })
        .collect();
    let expected = [
        ("duplicate key", "duplicate key \"reason\" at $, byte 360"),
        ("not a number", "NaN or an infinity, which JSON does not have, at $.context.x, byte 391"),
        ("infinite by overflow", "a number too large for a double at $.context.x, byte 391"),
        ("duplicate key deep inside", "duplicate key \"a\" at $.context.x[0], byte 399"),
        ("invalid UTF-8 is refused too: this one by its escape", "a lone surrogate at $.context.x, byte 392"),
        ("lone surrogate", "a lone surrogate at $.context.x, byte 392"),
        ("trailing bytes", "something follows the one value at $, byte 377"),
        ("not an object", "not an object, which the top value must be, at $, byte 0"),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, why)| {
            ((*name).into(), format!("The artifact is not one well-formed JSON object: {why}."))
        })
        .collect();
    assert_eq!(told, expected);
}
