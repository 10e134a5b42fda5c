//! What must hold of any bytes that might be an artifact: shared by the property tests and the fuzz target.

use crate::artifact::{Artifact, ArtifactError};
use crate::canonical;
use crate::json::{Document, Kind, MAX_DEPTH, Malformed, Value};
use crate::seal::{self, Key, VerifyError};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Chance, given from outside: a run of bytes, which a fuzzer mutates and a property test generates.
/// Once they are used up, always zero.
#[derive(Debug, Clone)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// These bytes decide.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A number below `bound`, which is not 0 and at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % bound
    }
}

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).expect("32 bytes are enough for a key")
}

/// Checks all that must hold of these bytes, whatever they are.
///
/// # Panics
/// When something does not.
pub fn check_artifact_bytes(bytes: &[u8]) {
    match Document::parse(bytes) {
        Ok(document) => check_document(&document, bytes),
        Err(malformed) => check_malformed(&malformed, bytes),
    }
    match Artifact::parse_unsigned_if(bytes, |_, _| true) {
        Ok(artifact) => {
            let header = artifact.header();
            assert!(header.from_agent != header.to_agent && header.initiated_at < header.expires_at);
            assert_eq!(header.signed, Artifact::parse(bytes).is_ok(), "only an hmac may be missing");
        }
        Err(error) => {
            assert_eq!(Artifact::parse(bytes).err().map(|e| e.refusal()), Some(error.refusal()));
            assert!(
                error.to_string().ends_with('.')
                    && !matches!(error, ArtifactError::Malformed(_) if Document::parse(bytes).is_ok())
            );
        }
    }
}

fn check_malformed(malformed: &Malformed, bytes: &[u8]) {
    assert!(malformed.at <= bytes.len());
    assert!(malformed.place.starts_with('$') && malformed.place.is_ascii() && malformed.place.len() < 300);
    assert!(malformed.to_string().ends_with(&alloc::format!(", byte {}", malformed.at)));
    // What came before it was in order: a cut there ends too early, or is whole, or fails at its very end.
    if let Err(cut) = Document::parse(&bytes[..malformed.at]) {
        assert!(cut.at <= malformed.at);
    }
}

fn check_document(document: &Document<'_>, bytes: &[u8]) {
    let canonical = canonical::document(document);
    assert!(canonical.bytes().all(|b| (0x20..0x7f).contains(&b)), "canonical bytes are printable ASCII");
    let again = Document::parse(canonical.as_bytes()).expect("a canonical form is well-formed");
    assert_eq!(canonical::document(&again), canonical, "the canonical form is a fixed point");
    check_value(document.root(), again.root(), 1);

    let sealed = seal::seal(&key(1), document);
    let signed = Document::parse(sealed.as_bytes()).expect("what is sealed is well-formed");
    assert_eq!(seal::verify(&signed, &[key(1)]), Ok(0), "what was signed verifies");
    assert_eq!(seal::verify(&signed, &[key(2), key(1)]), Ok(1));
    assert_eq!(seal::verify(&signed, &[key(2)]), Err(VerifyError::NoKey));
    assert_eq!(canonical::unsigned(&signed), canonical::unsigned(document));

    // The bytes themselves choose the spelling, so that a fuzzer finds all of them.
    let mut choices = Choices::new(bytes);
    let respelled = respell(signed.root(), &mut choices);
    let read = Document::parse(respelled.as_bytes()).expect("another spelling is well-formed");
    assert_eq!(canonical::document(&read), sealed, "a spelling does not change the canonical form");
    assert_eq!(seal::verify(&read, &[key(1)]), Ok(0), "nor the signature");
}

/// Two spellings of one value say the same, by every way to ask.
fn check_value(one: Value<'_>, other: Value<'_>, depth: usize) {
    assert!(depth <= MAX_DEPTH + 1);
    assert_eq!(one.kind(), other.kind());
    assert_eq!(one.as_str(), other.as_str());
    assert_eq!(one.as_u64(), other.as_u64());
    assert_eq!(one.as_bool(), other.as_bool());
    assert_eq!(one.is_null(), one.kind() == Kind::Null);
    assert_eq!(one.items().count(), other.items().count());
    one.items().zip(other.items()).for_each(|(one, other)| check_value(one, other, depth + 1));
    assert_eq!(one.members().count(), other.members().count());
    let mut last = None;
    for ((key, value), (other_key, other_value)) in one.members().zip(other.members()) {
        assert!(last.as_ref().is_none_or(|last| *last < key), "keys come sorted, each once");
        assert_eq!(key, other_key);
        assert!(other.get(&key).is_some_and(|found| found.kind() == value.kind()));
        check_value(value, other_value, depth + 1);
        last = Some(key);
    }
}

/// The same value as another author might write it: other white space, order of keys, escapes.
#[must_use]
pub fn respell(value: Value<'_>, choices: &mut Choices<'_>) -> String {
    let mut out = String::new();
    respell_into(value, choices, &mut out);
    out
}

fn respell_into(value: Value<'_>, choices: &mut Choices<'_>, out: &mut String) {
    space(choices, out);
    match value.kind() {
        Kind::Object => {
            let mut members: Vec<_> = value.members().collect();
            // Not sorted any more, if chance will have it.
            for at in 1..members.len() {
                members.swap(at, at - choices.below(at.min(255) + 1));
            }
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                space(choices, out);
                respell_text(&key, choices, out);
                space(choices, out);
                out.push(':');
                respell_into(value, choices, out);
            }
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for (at, item) in value.items().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                respell_into(item, choices, out);
            }
            out.push(']');
        }
        Kind::String => respell_text(&value.as_str().expect("it is a string"), choices, out),
        Kind::Double => respell_double(&canonical::value(value), choices, out),
        Kind::Null | Kind::Bool | Kind::Integer => out.push_str(&canonical::value(value)),
    }
    space(choices, out);
}

fn space(choices: &mut Choices<'_>, out: &mut String) {
    out.push_str(["", "", "", "", " ", "\n\t", "\r\n", "  "][choices.below(8)]);
}

fn respell_text(text: &str, choices: &mut Choices<'_>, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match choices.below(6) {
            0 if c >= ' ' && c != '"' && c != '\\' => out.push(c),
            1 if c == '/' => out.push_str("\\/"),
            1 | 2 => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let upper = choices.below(2) == 1;
                    let digits = alloc::format!("{unit:04x}");
                    out.push_str("\\u");
                    out.push_str(&if upper { digits.to_uppercase() } else { digits });
                }
            }
            _ => {
                let mut quoted = String::new();
                canonical::quote(c.encode_utf8(&mut [0; 4]), &mut quoted);
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
    out.push('"');
}

fn respell_double(canonical: &str, choices: &mut Choices<'_>, out: &mut String) {
    let (digits, exponent) = canonical.split_once('e').unwrap_or((canonical, "0"));
    out.push_str(digits);
    if !digits.contains('.') {
        out.push_str(".0");
    }
    out.push_str(["", "0", "00000000000000000000"][choices.below(3)]);
    let exponent: i32 = exponent.parse().expect("an exponent that the canonical form wrote");
    if exponent != 0 || choices.below(2) == 1 {
        out.push_str(["e", "E"][choices.below(2)]);
        out.push_str(&match choices.below(3) {
            0 => alloc::format!("{exponent}"),
            1 => alloc::format!("{exponent:+}"),
            _ => alloc::format!("{exponent:+06}"),
        });
    }
}
