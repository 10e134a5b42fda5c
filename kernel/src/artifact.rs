//! The artifact: the signed JSON object that an author made. Here its bytes become a [`Header`], all that the
//! protocol reads of it; the rest is opaque and relayed as it is.

use crate::command::Start;
use crate::ident::{AgentId, BadName, Digest, HandoffId, Wire};
use crate::json::{Document, Malformed, Value};
use crate::refusal::{Field, Refusal};
use crate::time::{Millis, Time};
use crate::timestamp::{self, BadTimestamp};
use alloc::borrow::Cow;
use core::fmt;

/// The most bytes that an artifact may have.
pub const MAX_BYTES: usize = 256 * 1024;

/// The longest `claim_ttl_seconds`: seven days.
pub const MAX_CLAIM_TTL_SECONDS: u64 = 604_800;

/// What the protocol reads of an artifact. It is legal by construction and outlives the bytes.
///
/// How far `expires_at` lies ahead is not checked here: that depends on the time at which the handoff is
/// started, which [`step`](mod@crate::step) knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The handoff's name, made by its author.
    pub handoff_id: HandoffId,
    /// The author.
    pub from_agent: AgentId,
    /// The target, another agent than the author.
    pub to_agent: AgentId,
    /// When the author says that it began. Read, and never decided with.
    pub initiated_at: Time,
    /// Until when it can be claimed; after `initiated_at`.
    pub expires_at: Time,
    /// For how long a claim holds; for good when there is none.
    pub claim_ttl: Option<Millis>,
    /// Whether it carries an `hmac`. Only an agent can tell whether that fits.
    pub signed: bool,
    /// The SHA-256 of the bytes as sent.
    pub digest: Digest,
}

/// Bytes that are an artifact.
#[derive(Debug, Clone)]
pub struct Artifact<'a> {
    header: Header,
    document: Document<'a>,
}

/// Why bytes are not an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactError {
    /// More than [`MAX_BYTES`].
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not one well-formed JSON object.
    Malformed(Malformed),
    /// The first field, in the protocol's order, that is not as it must be.
    Invalid {
        /// Which field.
        field: Field,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not there.
    Missing,
    /// It is not a string.
    NotAString,
    /// It is no identifier of its kind.
    Name(BadName),
    /// It is not the integer 1.
    NotVersion1,
    /// Author and target are one.
    SameAgent,
    /// It is no timestamp.
    Timestamp(BadTimestamp),
    /// It is not after `initiated_at`.
    NotAfterStart,
    /// It is empty: the artifact is not signed.
    Unsigned,
    /// It is no integer from 1 to [`MAX_CLAIM_TTL_SECONDS`].
    ClaimTtl,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::NotAString => f.write_str("must be a string"),
            Self::Name(bad) => bad.fmt(f),
            Self::NotVersion1 => f.write_str("must be the integer 1"),
            Self::SameAgent => f.write_str("must be another agent than `from_agent`"),
            Self::Timestamp(bad) => {
                write!(f, "must be an RFC 3339 timestamp such as 2026-04-21T10:00:00Z, but {bad}")
            }
            Self::NotAfterStart => f.write_str("must be after `initiated_at`"),
            Self::Unsigned => f.write_str("must not be empty: sign the artifact with the key of the pair"),
            Self::ClaimTtl => {
                write!(f, "must be an integer from 1 to {MAX_CLAIM_TTL_SECONDS}, or be left out")
            }
        }
    }
}

impl fmt::Display for ArtifactError {
    /// One sentence that names the place or the field, and what is wanted there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "The artifact has {bytes} bytes, and at most {MAX_BYTES} are relayed; send less context."
                )
            }
            Self::Malformed(malformed) => {
                write!(f, "The artifact is not one well-formed JSON object: {malformed}.")
            }
            Self::Invalid { field, flaw } => write!(f, "The artifact's `{field}` {flaw}."),
        }
    }
}

impl core::error::Error for ArtifactError {}

impl ArtifactError {
    /// The protocol's refusal. None for what is too large: the transport turns that away before it is an
    /// artifact at all.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Malformed(_) => Some(Refusal::Malformed),
            Self::Invalid { field, .. } => Some(Refusal::Invalid(*field)),
        }
    }
}

impl Header {
    /// What it asks to be started.
    #[must_use]
    pub const fn start(&self) -> Start<Wire> {
        Start {
            id: self.handoff_id,
            author: self.from_agent,
            target: self.to_agent,
            digest: self.digest,
            expires_at: self.expires_at,
            claim_ttl: self.claim_ttl,
        }
    }
}

impl<'a> Artifact<'a> {
    /// Reads a signed artifact.
    ///
    /// # Errors
    /// When the bytes are too many, not one well-formed JSON object, or a field is not as it must be; an
    /// artifact without an `hmac` is `invalid`, too.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArtifactError> {
        Self::parse_unsigned_if(bytes, |_, _| false)
    }

    /// Reads an artifact, and one without an `hmac` as well if `allowed` says so of its author and target.
    ///
    /// # Errors
    /// As [`Artifact::parse`].
    pub fn parse_unsigned_if(
        bytes: &'a [u8],
        allowed: impl FnOnce(&AgentId, &AgentId) -> bool,
    ) -> Result<Self, ArtifactError> {
        if bytes.len() > MAX_BYTES {
            return Err(ArtifactError::TooLarge { bytes: bytes.len() });
        }
        let document = Document::parse(bytes).map_err(ArtifactError::Malformed)?;
        let header = header(document.root(), Digest::of(bytes), allowed)?;
        Ok(Self { header, document })
    }

    /// What the protocol reads of it.
    #[must_use]
    pub fn header(&self) -> Header {
        self.header
    }

    /// All of it, to be verified, or for its author's and target's own fields.
    #[must_use]
    pub fn document(&self) -> &Document<'a> {
        &self.document
    }
}

fn invalid(field: Field, flaw: Flaw) -> ArtifactError {
    ArtifactError::Invalid { field, flaw }
}

/// Reads the fields, in the order in which the protocol lists them.
fn header(
    root: Value<'_>,
    digest: Digest,
    unsigned_allowed: impl FnOnce(&AgentId, &AgentId) -> bool,
) -> Result<Header, ArtifactError> {
    let version = root.get(Field::ProtocolVersion.name());
    match version.map(Value::as_u64) {
        Some(Some(1)) => {}
        Some(_) => return Err(invalid(Field::ProtocolVersion, Flaw::NotVersion1)),
        None => return Err(invalid(Field::ProtocolVersion, Flaw::Missing)),
    }
    let handoff_id = name(root, Field::HandoffId, HandoffId::parse)?;
    let from_agent = name(root, Field::FromAgent, AgentId::parse)?;
    let to_agent = name(root, Field::ToAgent, AgentId::parse)?;
    if to_agent == from_agent {
        return Err(invalid(Field::ToAgent, Flaw::SameAgent));
    }
    string(root, Field::Reason)?;
    let initiated_at = time(root, Field::InitiatedAt)?;
    let expires_at = time(root, Field::ExpiresAt)?;
    if expires_at <= initiated_at {
        return Err(invalid(Field::ExpiresAt, Flaw::NotAfterStart));
    }
    let unsigned = match root.get(Field::Hmac.name()) {
        None => Some(Flaw::Missing),
        Some(hmac) if hmac.as_str().is_some_and(|text| text.is_empty()) => Some(Flaw::Unsigned),
        Some(_) => string(root, Field::Hmac).map(|_| None)?,
    };
    if let Some(flaw) = unsigned
        && !unsigned_allowed(&from_agent, &to_agent)
    {
        return Err(invalid(Field::Hmac, flaw));
    }
    let claim_ttl = match root.get(Field::ClaimTtlSeconds.name()).map(Value::as_u64) {
        None => None,
        Some(Some(seconds @ 1..=MAX_CLAIM_TTL_SECONDS)) => Some(Millis::from_secs(seconds)),
        Some(_) => return Err(invalid(Field::ClaimTtlSeconds, Flaw::ClaimTtl)),
    };
    let signed = unsigned.is_none();
    Ok(Header { handoff_id, from_agent, to_agent, initiated_at, expires_at, claim_ttl, signed, digest })
}

fn string(root: Value<'_>, field: Field) -> Result<Cow<'_, str>, ArtifactError> {
    let value = root.get(field.name()).ok_or(invalid(field, Flaw::Missing))?;
    value.as_str().ok_or(invalid(field, Flaw::NotAString))
}

fn name<N>(
    root: Value<'_>,
    field: Field,
    parse: impl FnOnce(&str) -> Result<N, BadName>,
) -> Result<N, ArtifactError> {
    parse(&string(root, field)?).map_err(|bad| invalid(field, Flaw::Name(bad)))
}

fn time(root: Value<'_>, field: Field) -> Result<Time, ArtifactError> {
    timestamp::parse(&string(root, field)?).map_err(|bad| invalid(field, Flaw::Timestamp(bad)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    const FIELDS: [(Field, &str); 9] = [
        (Field::ProtocolVersion, "1"),
        (Field::HandoffId, "\"h-1\""),
        (Field::FromAgent, "\"bob\""),
        (Field::ToAgent, "\"alice\""),
        (Field::Reason, "\"\""),
        (Field::InitiatedAt, "\"2026-04-21T10:00:00Z\""),
        (Field::ExpiresAt, "\"2026-04-21T10:01:00.5+00:00\""),
        (Field::Hmac, "\"x\""),
        (Field::ClaimTtlSeconds, "60"),
    ];

    /// A legal artifact but for one field: with this value, or without it.
    fn with(changed: Field, value: Option<&str>) -> String {
        let members = FIELDS.iter().filter_map(|&(field, legal)| {
            let value = if field == changed { value? } else { legal };
            Some(format!("\"{field}\":{value}"))
        });
        format!("{{{}}}", members.collect::<alloc::vec::Vec<_>>().join(","))
    }

    fn told(changed: Field, value: Option<&str>) -> String {
        let error = Artifact::parse(with(changed, value).as_bytes()).unwrap_err();
        assert!(matches!(error.refusal(), Some(Refusal::Invalid(field)) if field == changed), "{error}");
        error.to_string()
    }

    #[test]
    fn a_legal_artifact_gives_its_header() {
        let text = with(Field::Reason, Some("\"any\""));
        let artifact = Artifact::parse(text.as_bytes()).unwrap();
        assert_eq!(
            artifact.header(),
            Header {
                handoff_id: HandoffId::parse("h-1").unwrap(),
                from_agent: AgentId::parse("bob").unwrap(),
                to_agent: AgentId::parse("alice").unwrap(),
                initiated_at: Time(1_776_765_600_000),
                expires_at: Time(1_776_765_660_500),
                claim_ttl: Some(Millis(60_000)),
                signed: true,
                digest: Digest::of(text.as_bytes()),
            }
        );
        assert_eq!(artifact.document().root().get("reason").unwrap().as_str().unwrap(), "any");
        let without = with(Field::ClaimTtlSeconds, None);
        assert_eq!(Artifact::parse(without.as_bytes()).unwrap().header().claim_ttl, None);
    }

    #[test]
    fn each_field_that_is_missing_is_told_by_name() {
        for (field, _) in FIELDS.into_iter().filter(|(field, _)| *field != Field::ClaimTtlSeconds) {
            assert_eq!(told(field, None), format!("The artifact's `{field}` is missing."));
        }
    }

    #[test]
    fn each_field_of_the_wrong_shape_is_told_with_what_is_wanted() {
        for bad in [
            "0",
            "2",
            "1.0",
            "-1",
            "\"1\"",
            "true",
            "null",
            "1e0",
            "10000000000000000000000",
            "[1]",
            "{\"a\":[1]}",
        ] {
            let told = told(Field::ProtocolVersion, Some(bad));
            assert_eq!(told, "The artifact's `protocol_version` must be the integer 1.");
        }
        let strings = &FIELDS[1..8];
        for (field, _) in strings {
            for bad in ["1", "null", "[]", "{}", "false"] {
                assert_eq!(told(*field, Some(bad)), format!("The artifact's `{field}` must be a string."));
            }
        }
        for bad in ["0", "604801", "1.5", "60.0", "-1", "-0", "\"60\"", "null", "[60]", "{\"a\":1,\"b\":2}"] {
            assert_eq!(
                told(Field::ClaimTtlSeconds, Some(bad)),
                "The artifact's `claim_ttl_seconds` must be an integer from 1 to 604800, or be left out."
            );
        }
        for good in ["1", "604800"] {
            assert!(Artifact::parse(with(Field::ClaimTtlSeconds, Some(good)).as_bytes()).is_ok());
        }
        assert_eq!(
            told(Field::HandoffId, Some("\"a/b\"")),
            "The artifact's `handoff_id` must be 1 to 128 characters of A-Z a-z 0-9 . _ -, the first a letter or digit."
        );
        for field in [Field::FromAgent, Field::ToAgent] {
            assert_eq!(
                told(field, Some("\"Al\"")),
                format!(
                    "The artifact's `{field}` must be 1 to 63 characters of a-z 0-9 _ -, the first a letter or digit."
                )
            );
        }
        assert_eq!(
            told(Field::InitiatedAt, Some("\"2026-04-21T10:00:00\"")),
            "The artifact's `initiated_at` must be an RFC 3339 timestamp such as 2026-04-21T10:00:00Z, \
             but it has no offset: end it with Z, or with one like +02:00."
        );
    }

    #[test]
    fn author_and_target_differ_and_the_end_is_after_the_start() {
        assert_eq!(
            told(Field::ToAgent, Some("\"bob\"")),
            "The artifact's `to_agent` must be another agent than `from_agent`."
        );
        for end in
            ["\"2026-04-21T10:00:00Z\"", "\"2026-04-21T10:00:00.0009Z\"", "\"2026-04-21T10:00:00+01:00\""]
        {
            assert_eq!(
                told(Field::ExpiresAt, Some(end)),
                "The artifact's `expires_at` must be after `initiated_at`."
            );
        }
        assert!(
            Artifact::parse(with(Field::ExpiresAt, Some("\"2026-04-21T10:00:00.001Z\"")).as_bytes()).is_ok()
        );
    }

    #[test]
    fn an_unsigned_artifact_is_read_only_where_that_is_allowed() {
        assert_eq!(
            told(Field::Hmac, Some("\"\"")),
            "The artifact's `hmac` must not be empty: sign the artifact with the key of the pair."
        );
        for hmac in [None, Some("\"\"")] {
            let text = with(Field::Hmac, hmac);
            let allowed = Artifact::parse_unsigned_if(text.as_bytes(), |from, to| {
                (from.as_str(), to.as_str()) == ("bob", "alice")
            });
            assert!(!allowed.unwrap().header().signed);
            assert!(Artifact::parse_unsigned_if(text.as_bytes(), |_, _| false).is_err());
        }
        let wrong = with(Field::Hmac, Some("null"));
        assert!(Artifact::parse_unsigned_if(wrong.as_bytes(), |_, _| true).is_err());
        let signed = with(Field::Hmac, Some("\"x\""));
        assert!(Artifact::parse_unsigned_if(signed.as_bytes(), |_, _| false).unwrap().header().signed);
    }

    #[test]
    fn of_several_wrong_fields_the_first_in_the_protocols_order_is_told() {
        for (first, (field, _)) in FIELDS.into_iter().enumerate() {
            // Everything from `first` on is wrong, and written last to first.
            let members =
                FIELDS.iter().enumerate().rev().map(|(at, (field, legal))| {
                    format!("\"{field}\":{}", if at < first { legal } else { "[]" })
                });
            let text = format!("{{{}}}", members.collect::<alloc::vec::Vec<_>>().join(","));
            let error = Artifact::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.refusal(), Some(Refusal::Invalid(field)));
        }
    }

    #[test]
    fn at_256_kib_it_is_read_and_one_byte_beyond_it_is_not() {
        let mut text = with(Field::Reason, Some("\"\""));
        text.push_str(&" ".repeat(MAX_BYTES - text.len()));
        assert!(Artifact::parse(text.as_bytes()).is_ok());
        text.push(' ');
        let error = Artifact::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.refusal(), None);
        assert_eq!(
            error.to_string(),
            "The artifact has 262145 bytes, and at most 262144 are relayed; send less context."
        );
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        let error = Artifact::parse(br#"{"context":{"x":[1,01]}}"#).unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Malformed));
        assert_eq!(
            error.to_string(),
            "The artifact is not one well-formed JSON object: no number as JSON writes them at $.context.x[1], byte 19."
        );
    }
}
