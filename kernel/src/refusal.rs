//! Refusals: why a command was not carried out. A closed list, in the order of precedence.

use core::fmt;

/// A field of an artifact or of a command's body, named by an [`Refusal::Invalid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the field of its name")]
pub enum Field {
    ProtocolVersion,
    HandoffId,
    FromAgent,
    ToAgent,
    Reason,
    InitiatedAt,
    ExpiresAt,
    Hmac,
    ClaimTtlSeconds,
    ClaimId,
    Agent,
    Receipt,
    Result,
}

impl Field {
    /// Every field, in the order above.
    pub const ALL: [Self; 13] = [
        Self::ProtocolVersion,
        Self::HandoffId,
        Self::FromAgent,
        Self::ToAgent,
        Self::Reason,
        Self::InitiatedAt,
        Self::ExpiresAt,
        Self::Hmac,
        Self::ClaimTtlSeconds,
        Self::ClaimId,
        Self::Agent,
        Self::Receipt,
        Self::Result,
    ];

    /// The field's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "protocol_version",
            Self::HandoffId => "handoff_id",
            Self::FromAgent => "from_agent",
            Self::ToAgent => "to_agent",
            Self::Reason => "reason",
            Self::InitiatedAt => "initiated_at",
            Self::ExpiresAt => "expires_at",
            Self::Hmac => "hmac",
            Self::ClaimTtlSeconds => "claim_ttl_seconds",
            Self::ClaimId => "claim_id",
            Self::Agent => "agent",
            Self::Receipt => "receipt",
            Self::Result => "result",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a command was not carried out.
///
/// Down to [`Refusal::WrongAgent`] the derived order *is* the precedence: where two apply, the smaller one is the
/// answer. The first three are found before there is a command at all (by whoever authenticates, and by the parser),
/// the next by [`crate::step`]. Of the others the transition table gives at most one, and a deadline that has passed
/// comes before what the status would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The sender did not show who it is. Before everything else, so that strangers learn nothing.
    Unauthenticated,
    /// Not one well-formed JSON object.
    Malformed,
    /// Well-formed, but this field is missing, of the wrong shape or out of range.
    Invalid(Field),
    /// `from_agent` is not the authenticated sender (rule S13).
    WrongSender,
    /// There is no such handoff, or the asker is no party to it: the two are the same answer.
    NotFound,
    /// A party, but in the wrong role: only the target accepts, completes and rejects (rule S2).
    WrongAgent,
    /// Start: the id is taken by other bytes.
    IdConflict,
    /// Accept: somebody else holds the claim (rule S1).
    AlreadyClaimed,
    /// Complete: nobody has claimed it yet.
    NotClaimed,
    /// Complete or reject: claimed, but not under this `claim_id` (rule S6).
    WrongClaim,
    /// It is completed, and not by this very command (rule S4).
    AlreadyCompleted,
    /// It was declined, and not by this very command (rule S4).
    AlreadyRejected,
    /// `expires_at` has passed unclaimed (rules S3, S14).
    Expired,
    /// The claim has outlived its `claim_ttl_seconds` (rule S14).
    ClaimExpired,
}

impl Refusal {
    /// Every refusal but [`Refusal::Invalid`] (which there is one of for every [`Field`]), in precedence.
    pub const PLAIN: [Self; 13] = [
        Self::Unauthenticated,
        Self::Malformed,
        Self::WrongSender,
        Self::NotFound,
        Self::WrongAgent,
        Self::IdConflict,
        Self::AlreadyClaimed,
        Self::NotClaimed,
        Self::WrongClaim,
        Self::AlreadyCompleted,
        Self::AlreadyRejected,
        Self::Expired,
        Self::ClaimExpired,
    ];

    /// The refusal's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Malformed => "malformed",
            Self::Invalid(_) => "invalid",
            Self::WrongSender => "wrong_sender",
            Self::NotFound => "not_found",
            Self::WrongAgent => "wrong_agent",
            Self::IdConflict => "id_conflict",
            Self::AlreadyClaimed => "already_claimed",
            Self::NotClaimed => "not_claimed",
            Self::WrongClaim => "wrong_claim",
            Self::AlreadyCompleted => "already_completed",
            Self::AlreadyRejected => "already_rejected",
            Self::Expired => "expired",
            Self::ClaimExpired => "claim_expired",
        }
    }
}

impl fmt::Display for Refusal {
    /// One sentence that says what happened and what the asker can do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "The request carries no valid token; send `Authorization: Bearer hh_…`.",
            Self::Malformed => "The body is not one well-formed JSON object; send exactly one.",
            Self::Invalid(field) => return write!(f, "The field `{field}` is missing or not as the protocol wants it."),
            Self::WrongSender => "`from_agent` is not the agent whose token this is; send under your own name.",
            Self::NotFound => "There is no such handoff for this agent.",
            Self::WrongAgent => "This agent has no right to do that here; only a handoff's target accepts, completes and rejects it.",
            Self::IdConflict => "This handoff_id is taken by an artifact with other bytes; make a new id.",
            Self::AlreadyClaimed => "Somebody else has claimed this handoff; leave it to them.",
            Self::NotClaimed => "Nobody has claimed this handoff yet; accept it first.",
            Self::WrongClaim => "The handoff is claimed under another claim_id; only its holder can finish it.",
            Self::AlreadyCompleted => "The handoff is already completed; nothing more will happen to it.",
            Self::AlreadyRejected => "The handoff was already rejected; nothing more will happen to it.",
            Self::Expired => "The handoff expired before anybody claimed it; its author may send a new one.",
            Self::ClaimExpired => "The claim outlived its claim_ttl_seconds; its author may send a new handoff.",
        })
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_order_is_the_precedence_and_names_are_unique() {
        assert!(Refusal::PLAIN.is_sorted());
        assert!(Refusal::Malformed < Refusal::Invalid(Field::ProtocolVersion));
        assert!(Refusal::Invalid(Field::Result) < Refusal::WrongSender);
        let mut names: alloc::vec::Vec<_> = Refusal::PLAIN.iter().map(|r| r.name()).collect();
        names.push(Refusal::Invalid(Field::Hmac).name());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 14);
        assert!(Refusal::PLAIN.iter().all(|r| r.to_string().ends_with('.')));
        assert!(Refusal::Invalid(Field::Hmac).to_string().contains("`hmac`"));
        assert!(Field::ALL.is_sorted());
        let mut fields = Field::ALL.map(Field::name);
        fields.sort_unstable();
        assert!(fields.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(Field::ClaimTtlSeconds.to_string(), "claim_ttl_seconds");
    }
}
