//! Seals: an artifact's HMAC, made and checked. What the hub never does: it holds no key.

use crate::canonical::{self, Sink};
use crate::ident::Mac;
use crate::json::Document;
use alloc::string::String;
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The fewest bytes that a key may have.
pub const MIN_KEY_BYTES: usize = 24;

/// A key of a pair of agents (and, when made by this project's tools, of one direction).
///
/// It is kept only as the state that HMAC starts from, and never shown.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

/// A key that is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortKey {
    /// How many bytes it has.
    pub bytes: usize,
}

impl fmt::Display for ShortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "A key must have at least {MIN_KEY_BYTES} bytes, and this one has {}; make a new one.",
            self.bytes
        )
    }
}

impl core::error::Error for ShortKey {}

impl Key {
    /// Takes these bytes as a key.
    ///
    /// # Errors
    /// When there are fewer than [`MIN_KEY_BYTES`].
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < MIN_KEY_BYTES {
            Err(ShortKey { bytes: secret.len() })
        } else {
            Ok(Self(keyed(secret)))
        }
    }

    /// The HMAC-SHA256 of these bytes.
    #[must_use]
    pub fn mac(&self, bytes: &[u8]) -> Mac {
        Mac(self.0.clone().chain_update(bytes).finalize().into_bytes().into())
    }

    /// Whether `mac` is that of these bytes, found out in constant time.
    #[must_use]
    pub fn matches(&self, bytes: &[u8], mac: &Mac) -> bool {
        self.0.clone().chain_update(bytes).verify((&mac.0).into()).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes a key of any length")
}

/// HMAC-SHA256 with a secret of any length. Only the vectors need one that is no [`Key`].
#[must_use]
pub fn hmac_sha256(secret: &[u8], bytes: &[u8]) -> Mac {
    Key(keyed(secret)).mac(bytes)
}

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyError {
    /// There is none.
    Unsigned,
    /// It is no HMAC-SHA256 in standard base64 with padding.
    NotBase64,
    /// It was made with none of these keys, or over something else.
    NoKey,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "It is not signed: ask its author to sign it with the key of the pair.",
            Self::NotBase64 => "Its `hmac` is not the 44 characters of standard base64 that 32 bytes make.",
            Self::NoKey => "Its `hmac` fits none of the keys of the pair: it was changed, or signed with another key. Do not act on it.",
        })
    }
}

impl core::error::Error for VerifyError {}

/// The HMAC of a document: over its canonical form without its top-level `hmac`.
#[must_use]
pub fn sign(key: &Key, document: &Document<'_>) -> Mac {
    Mac(feed(key, document).finalize().into_bytes().into())
}

/// The document in canonical form, signed: its `hmac` is set, instead of any that it had.
#[must_use]
pub fn seal(key: &Key, document: &Document<'_>) -> String {
    let mac = sign(key, document).to_base64();
    canonical::with_hmac(document, Some(&mac))
}

/// Checks a document's `hmac` with each of these keys in turn; several are valid while keys are rotated.
/// Answers which one fits, by its index.
///
/// # Errors
/// When it is not signed, or with none of these keys.
pub fn verify(document: &Document<'_>, keys: &[Key]) -> Result<usize, VerifyError> {
    let hmac = document.root().get("hmac").ok_or(VerifyError::Unsigned)?;
    let text = hmac.as_str().ok_or(VerifyError::NotBase64)?;
    if text.is_empty() {
        return Err(VerifyError::Unsigned);
    }
    let mac = Mac::from_base64(&text).ok_or(VerifyError::NotBase64)?;
    // Mostly the first one fits, so that it does not pay to keep the canonical form for the others.
    let fits = |key| feed(key, document).verify((&mac.0).into()).is_ok();
    keys.iter().position(fits).ok_or(VerifyError::NoKey)
}

/// The HMAC of what is signed, the canonical bytes going into it as they come: they are never all in memory.
fn feed(key: &Key, document: &Document<'_>) -> Hmac<Sha256> {
    let mut feed = Feed { hmac: key.0.clone(), waiting: [0; _], len: 0 };
    canonical::write_with_hmac(document, None, &mut feed);
    feed.flush();
    feed.hmac
}

/// An HMAC that is fed small pieces: they wait until they fill many blocks of SHA-256 exactly.
struct Feed {
    hmac: Hmac<Sha256>,
    waiting: [u8; 4096],
    len: usize,
}

impl Feed {
    fn flush(&mut self) {
        self.hmac.update(&self.waiting[..self.len]);
        self.len = 0;
    }
}

impl Sink for Feed {
    #[inline]
    fn put(&mut self, mut bytes: &[u8]) {
        while bytes.len() > self.waiting.len() - self.len {
            let (now, later) = bytes.split_at(self.waiting.len() - self.len);
            self.waiting[self.len..].copy_from_slice(now);
            self.len = self.waiting.len();
            self.flush();
            bytes = later;
        }
        self.waiting[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; MIN_KEY_BYTES]).unwrap()
    }

    fn verified(text: &str, keys: &[Key]) -> Result<usize, VerifyError> {
        verify(&Document::parse(text.as_bytes()).unwrap(), keys)
    }

    #[test]
    fn hmac_sha256_is_that_of_rfc_4231() {
        let hex = |mac: Mac| mac.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_key_has_at_least_24_bytes_and_is_never_shown() {
        assert_eq!(Key::new(&[b'x'; 23]).unwrap_err(), ShortKey { bytes: 23 });
        assert_eq!(
            ShortKey { bytes: 23 }.to_string(),
            "A key must have at least 24 bytes, and this one has 23; make a new one."
        );
        assert_eq!(format!("{:?}", Key::new(b"a very secret secret that is long").unwrap()), "Key(secret)");
        assert_eq!(key(7).mac(b"x"), hmac_sha256(&[7; 24], b"x"));
    }

    #[test]
    fn what_is_sealed_verifies_and_says_with_which_key() {
        let document = Document::parse(br#"{"b":"caf\u00e9","a":[1.50],"hmac":"old"}"#).unwrap();
        let sealed = seal(&key(2), &document);
        assert!(sealed.starts_with(r#"{"a":[1.5],"b":"caf\u00e9","hmac":""#));
        assert_eq!(verified(&sealed, &[key(1), key(2)]), Ok(1));
        assert_eq!(verified(&sealed, &[key(2), key(1)]), Ok(0));
        assert_eq!(verified(&sealed, &[key(1), key(3)]), Err(VerifyError::NoKey));
        assert_eq!(verified(&sealed, &[]), Err(VerifyError::NoKey));
        assert_eq!(verified(&sealed.replace("1.5", "1.6"), &[key(2)]), Err(VerifyError::NoKey));
        assert_eq!(seal(&key(2), &Document::parse(sealed.as_bytes()).unwrap()), sealed);
    }

    #[test]
    fn an_hmac_that_is_fed_pieces_is_that_of_the_whole_however_long() {
        for (length, times) in [(0, 1), (1, 5000), (7, 1500), (4060, 1), (4096, 3), (9000, 2), (50_000, 1)] {
            for more in 0..40 {
                let item = format!("\"{}\"", "x".repeat(length));
                let items = alloc::vec![item; times].join(",");
                let text = format!("{{\"a\":[{items}],\"b\":\"{}\"}}", "y".repeat(more));
                let document = Document::parse(text.as_bytes()).unwrap();
                assert_eq!(sign(&key(1), &document), key(1).mac(text.as_bytes()), "{length} {times} {more}");
            }
        }
    }

    #[test]
    fn a_missing_or_misspelled_signature_is_told_apart_from_a_wrong_one() {
        let keys = [key(1)];
        assert_eq!(verified("{}", &keys), Err(VerifyError::Unsigned));
        assert_eq!(verified(r#"{"hmac":""}"#, &keys), Err(VerifyError::Unsigned));
        assert_eq!(verified(r#"{"hmac":null}"#, &keys), Err(VerifyError::NotBase64));
        assert_eq!(verified(r#"{"hmac":"AAAA"}"#, &keys), Err(VerifyError::NotBase64));
        let mac = sign(&keys[0], &Document::parse(b"{}").unwrap()).to_base64();
        assert_eq!(verified(&format!(r#"{{"hmac":"{mac}"}}"#), &keys), Ok(0));
        assert_eq!(verified(&format!(r#"{{"hmac":"{mac} "}}"#), &keys), Err(VerifyError::NotBase64));
        let unpadded = mac.trim_end_matches('=');
        assert_eq!(verified(&format!(r#"{{"hmac":"{unpadded}"}}"#), &keys), Err(VerifyError::NotBase64));
    }

    #[test]
    fn the_spare_bits_of_base64_are_not_a_second_spelling() {
        let keys = [key(1)];
        let mac = sign(&keys[0], &Document::parse(b"{}").unwrap()).to_base64();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let spelled = |c: char| format!("{{\"hmac\":\"{}{c}=\"}}", &mac[..42]);
        let accepted: alloc::vec::Vec<char> =
            alphabet.chars().filter(|c| verified(&spelled(*c), &keys) == Ok(0)).collect();
        assert_eq!(accepted, [char::from(mac.as_bytes()[42])]);
    }

    #[test]
    fn every_reason_tells_what_to_do() {
        for why in [VerifyError::Unsigned, VerifyError::NotBase64, VerifyError::NoKey] {
            assert!(why.to_string().starts_with("It") && why.to_string().ends_with('.'));
        }
    }
}
