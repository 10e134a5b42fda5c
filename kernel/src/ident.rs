//! Names: identifiers that are legal by construction, and the bundle of types the protocol is generic over.
//!
//! An identifier is parsed once, at the edge, and is legal from then on. The three kinds below are inline
//! (no heap), `Copy`, and ordered as their text is, so that `step` never allocates.

use core::fmt;
use core::hash::Hash;

/// What any identity type must offer for the protocol to run over it: a model uses one byte, the hub text.
pub trait Name: Clone + Eq + Ord + Hash + fmt::Debug {}
impl<T: Clone + Eq + Ord + Hash + fmt::Debug> Name for T {}

/// The identity types that one instance of the protocol uses.
///
/// [`Wire`] is the one that ships. Models implement this over one-byte names: same `step`, same rules.
pub trait Names: Copy + Eq + Ord + Hash + fmt::Debug + 'static {
    /// A named party.
    type Agent: Name;
    /// The name of one handoff.
    type Handoff: Name;
    /// The name that a claimant gave its claim.
    type Claim: Name;
    /// The SHA-256 of an artifact's bytes as sent.
    type Digest: Name;
    /// A result or a reason, by its canonical bytes.
    type Text: Name;
    /// A receipt, relayed and never interpreted.
    type Receipt: Name;
    /// The nonce by which a driver recognises its own claim after an unknown outcome.
    type Attempt: Name;
}

/// The names that travel over the wire and lie in the directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {}

impl Names for Wire {
    type Agent = AgentId;
    type Handoff = HandoffId;
    type Claim = ClaimId;
    type Digest = Digest;
    type Text = alloc::sync::Arc<str>;
    type Receipt = Mac;
    type Attempt = u64;
}

/// Why a text is not a legal identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadName {
    /// What was expected, as a phrase: "1 to 63 of a-z 0-9 _ -, …".
    pub expected: &'static str,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be {}", self.expected)
    }
}

impl core::error::Error for BadName {}

/// Text of at most `N` bytes, inline. Unused bytes are zero, and no alphabet here has a zero, so the
/// derived order is the order of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inline<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Inline<N> {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len: u8::try_from(text.len()).ok()? })
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("made from a str, whole")
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $max:literal, $expected:literal, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Inline<$max>);

        impl $name {
            /// Reads an identifier.
            ///
            /// # Errors
            /// Says what an identifier of this kind must look like.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                let bad = BadName { expected: $expected };
                let (first, rest) = text.as_bytes().split_first().ok_or(bad)?;
                let first_ok: fn(u8) -> bool = $first;
                let rest_ok: fn(u8) -> bool = $rest;
                if !first_ok(*first) || !rest.iter().all(|&b| rest_ok(b)) {
                    return Err(bad);
                }
                Inline::new(text).map(Self).ok_or(bad)
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }
    };
}

identifier! {
    /// A named party: `[a-z0-9][a-z0-9_-]{0,62}`.
    AgentId, 63, "1 to 63 characters of a-z 0-9 _ -, the first a letter or digit",
    |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-'
}

identifier! {
    /// The name of a handoff, made by its author: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    HandoffId, 128, "1 to 128 characters of A-Z a-z 0-9 . _ -, the first a letter or digit",
    |b| b.is_ascii_alphanumeric(),
    |b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_' || b == b'-'
}

identifier! {
    /// The name of a claim, made by its claimant: `[A-Za-z0-9_-]{1,64}`.
    ClaimId, 64, "1 to 64 characters of A-Z a-z 0-9 _ -",
    |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-',
    |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

/// A SHA-256, shown as lower-case hex. Of an artifact: of its bytes as sent, white space and all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Self(out))
    }
}

fn hex_digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An HMAC-SHA256, 32 bytes; on the wire standard base64 with padding, 44 characters.
///
/// There is no `==` against a secret here: comparing a computed value with a received one is
/// [`crate::seal`]'s, in constant time. The derived `Eq` tells relayed receipts apart, which are no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 32]);

impl Mac {
    /// Reads 44 characters of standard base64 with padding; any other spelling is refused.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        use base64ct::Encoding as _;
        let mut out = [0; 32];
        let read = base64ct::Base64::decode(text.as_bytes(), &mut out).ok()?;
        let whole = read.len() == out.len();
        whole.then_some(Self(out))
    }

    /// Standard base64 with padding.
    #[must_use]
    pub fn to_base64(&self) -> alloc::string::String {
        use base64ct::Encoding as _;
        base64ct::Base64::encode_string(&self.0)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn identifiers_accept_exactly_their_alphabet_and_length() {
        assert!(AgentId::parse("a").is_ok());
        assert!(AgentId::parse("0_-z").is_ok());
        assert!(AgentId::parse(&"a".repeat(63)).is_ok());
        for bad in ["", "A", "_a", "-a", "a.b", "é", "a b", &"a".repeat(64)] {
            assert!(AgentId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(HandoffId::parse("Z.-_9").is_ok());
        assert!(HandoffId::parse(&"a".repeat(128)).is_ok());
        for bad in ["", ".a", "-a", "_a", "a~b", "a/b", "..", &"a".repeat(129)] {
            assert!(HandoffId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ClaimId::parse("-_A").is_ok());
        assert!(ClaimId::parse(&"c".repeat(64)).is_ok());
        for bad in ["", "a.b", "a~b", &"a".repeat(65)] {
            assert!(ClaimId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn identifiers_sort_as_their_text() {
        let mut names = ["b", "a", "ab", "a-b", "a_b", "a0"];
        let mut ids: alloc::vec::Vec<_> = names.iter().map(|n| AgentId::parse(n).unwrap()).collect();
        names.sort_unstable();
        ids.sort_unstable();
        assert!(names.iter().zip(&ids).all(|(n, id)| *n == id.as_str()));
    }

    #[test]
    fn every_byte_is_legal_or_refused_and_never_a_panic() {
        for b in 0..=255u8 {
            let text = alloc::format!("a{}", char::from(b));
            let in_agent = b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
            assert_eq!(AgentId::parse(&text).is_ok(), in_agent, "{b}");
        }
    }

    #[test]
    fn a_digest_reads_back_from_its_hex_and_nothing_else_does() {
        let d = Digest::of(b"abc");
        assert_eq!(d.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Digest::from_hex(&d.to_string()), Some(d));
        assert_eq!(Digest::from_hex(&d.to_string().to_uppercase()), None);
        assert_eq!(Digest::from_hex("ba78"), None);
    }

    #[test]
    fn a_mac_has_one_spelling() {
        let mac = Mac([7; 32]);
        assert_eq!(Mac::from_base64(&mac.to_base64()), Some(mac));
        assert_eq!(Mac::from_base64("AAAA"), None);
        assert_eq!(Mac::from_base64(mac.to_base64().trim_end_matches('=')), None);
        assert_eq!(Mac::from_base64(&alloc::format!("{}\n", mac.to_base64())), None);
        assert_eq!(Mac::from_base64(""), None);
    }

    #[test]
    fn names_are_read_by_parse_too() {
        assert_eq!("bob".parse(), AgentId::parse("bob"));
        assert_eq!("h.1".parse(), HandoffId::parse("h.1"));
        assert_eq!("".parse::<ClaimId>(), Err(BadName { expected: "1 to 64 characters of A-Z a-z 0-9 _ -" }));
    }

    #[test]
    fn names_show_as_their_text() {
        let id = HandoffId::parse("x.1").unwrap();
        assert_eq!(alloc::format!("{id} {id:?} {id:>5}|"), "x.1 \"x.1\"   x.1|");
        assert_eq!(
            AgentId::parse("A").unwrap_err().to_string(),
            "must be 1 to 63 characters of a-z 0-9 _ -, the first a letter or digit"
        );
    }

    #[test]
    fn a_digest_and_a_mac_show_as_they_are_written() {
        let (digest, mac) = (Digest::of(b"abc"), Mac([7; 32]));
        assert_eq!(alloc::format!("{digest:?}"), digest.to_string());
        assert_eq!(alloc::format!("{mac:?}"), mac.to_base64());
    }
}
