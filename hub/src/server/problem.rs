//! Problems: what the hub answers instead of an answer (RFC 9457). The one place where a refusal gets a status
//! code; the protocol knows no HTTP.

use std::borrow::Cow;

use handoff_kernel::artifact::ArtifactError;
use handoff_kernel::ident::HandoffId;
use handoff_kernel::operation::{Done, NotDone};
use handoff_kernel::record::Status;
use handoff_kernel::refusal::Refusal;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::answer::{Answer, json};

/// How long somebody should wait who was told to come back.
const RETRY_AFTER_SECONDS: &str = "1";

/// A name of a field may come from anybody, and be of any length.
const LONGEST_FIELD: usize = 64;

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The protocol refuses.
    Refused(Refusal),
    /// A member of the body or of the query that the protocol has no name for: as good as [`Refusal::Invalid`].
    Invalid,
    /// Not the token's to do.
    InsufficientScope,
    /// There is nothing at this path.
    NoSuchRoute,
    /// There is something at this path, but not by this method; these are allowed.
    MethodNotAllowed(&'static str),
    /// The body is too long.
    TooLarge,
    /// The body did not come in time.
    RequestTimeout,
    /// The body is not JSON by its own word.
    UnsupportedMediaType,
    /// This agent asks for more than its share.
    TooMany,
    /// The hub cannot do it now.
    Unavailable,
}

impl Kind {
    /// Its name: the end of `type`, and `reason`.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.name(),
            Self::Invalid => "invalid",
            Self::InsufficientScope => "insufficient_scope",
            Self::NoSuchRoute => "no_such_route",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::RequestTimeout => "request_timeout",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
        }
    }

    /// Its status code.
    #[must_use]
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::Unauthenticated => StatusCode::UNAUTHORIZED,
                Refusal::Malformed => StatusCode::BAD_REQUEST,
                Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
                Refusal::WrongSender | Refusal::WrongAgent => StatusCode::FORBIDDEN,
                Refusal::NotFound => StatusCode::NOT_FOUND,
                Refusal::IdConflict
                | Refusal::AlreadyClaimed
                | Refusal::NotClaimed
                | Refusal::WrongClaim
                | Refusal::AlreadyCompleted
                | Refusal::AlreadyRejected => StatusCode::CONFLICT,
                Refusal::Expired | Refusal::ClaimExpired => StatusCode::GONE,
            },
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it is called, for a person who reads many.
    const fn title(self) -> &'static str {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::Unauthenticated => "No valid token",
                Refusal::Malformed => "Not one well-formed JSON object",
                Refusal::Invalid(_) => "A field is missing or not as it must be",
                Refusal::WrongSender => "Not your name",
                Refusal::NotFound => "No such handoff",
                Refusal::WrongAgent => "Not for this agent to do",
                Refusal::IdConflict => "The id is taken",
                Refusal::AlreadyClaimed => "Somebody else has it",
                Refusal::NotClaimed => "Nobody has claimed it",
                Refusal::WrongClaim => "Not your claim",
                Refusal::AlreadyCompleted => "Completed already",
                Refusal::AlreadyRejected => "Rejected already",
                Refusal::Expired => "Expired",
                Refusal::ClaimExpired => "The claim has lapsed",
            },
            Self::Invalid => "A field is missing or not as it must be",
            Self::InsufficientScope => "Not for this token to do",
            Self::NoSuchRoute => "Nothing here",
            Self::MethodNotAllowed(_) => "Not by this method",
            Self::TooLarge => "Too large",
            Self::RequestTimeout => "Too slow",
            Self::UnsupportedMediaType => "Not JSON",
            Self::TooMany => "Too many at once",
            Self::Unavailable => "Not now",
        }
    }
}

/// One problem, to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    field: Option<String>,
    /// The record that it is about, where the asker may know of it.
    record: Option<Box<(HandoffId, Status)>>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handoff_id: Option<&'a str>,
    /// RFC 9457 has taken `status` for the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    handoff_status: Option<&'static str>,
}

impl Problem {
    /// A problem with a sentence that says what can be done.
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), field: None, record: None }
    }

    /// A field that is not as it must be. `wanted` goes on after its name.
    #[must_use]
    pub(super) fn invalid(field: &str, wanted: &str) -> Self {
        let field = shortened(field);
        let detail = format!("`{field}` {wanted}.");
        Self { field: Some(field), ..Self::new(Kind::Invalid, detail) }
    }

    /// The same problem, with a sentence that knows more of what was asked.
    #[must_use]
    pub(super) fn because(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The hub cannot do it now.
    #[must_use]
    pub(super) fn unavailable(why: &str) -> Self {
        Self::new(Kind::Unavailable, why.to_owned())
    }

    /// What kind of problem it is.
    #[cfg(test)]
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Why a command was not done.
    #[must_use]
    pub(super) fn not_done(
        handoff: HandoffId,
        done: &Done<impl handoff_kernel::ident::Names>,
        why: NotDone,
    ) -> Self {
        let problem = match why {
            NotDone::Refused(refusal) => refusal.into(),
            NotDone::Unavailable => {
                Self::unavailable("The store cannot do it now; ask again with the same ids, which is safe.")
            }
            // The change was not made, and the hub says of itself that it is not ready: it is not the asker's fault.
            NotDone::Broken(rule) => Self::unavailable(&format!(
                "A decision broke rule {rule}, so nothing was changed; the hub's operator must look into it."
            )),
        };
        Self { record: done.status.map(|status| Box::new((handoff, status))), ..problem }
    }

    /// As HTTP.
    #[must_use]
    pub(super) fn answer(&self) -> Answer {
        let status = self.kind.status();
        let body = Body {
            r#type: format!("/problems/{}", self.kind.name()),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            reason: self.kind.name(),
            field: self.field.as_deref(),
            handoff_id: self.record.as_deref().map(|(id, _)| id.as_str()),
            handoff_status: self.record.as_deref().map(|(_, status)| status.name()),
        };
        let mut answer: Response<_> = json(status, &body);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::MethodNotAllowed(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Kind::TooMany | Kind::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            Kind::Refused(Refusal::Unauthenticated) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"handoff-hub\""));
            }
            Kind::Refused(_)
            | Kind::Invalid
            | Kind::InsufficientScope
            | Kind::NoSuchRoute
            | Kind::TooLarge
            | Kind::RequestTimeout
            | Kind::UnsupportedMediaType => {}
        }
        answer
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let field = match refusal {
            Refusal::Invalid(field) => Some(field.name().to_owned()),
            Refusal::Unauthenticated
            | Refusal::Malformed
            | Refusal::WrongSender
            | Refusal::NotFound
            | Refusal::WrongAgent
            | Refusal::IdConflict
            | Refusal::AlreadyClaimed
            | Refusal::NotClaimed
            | Refusal::WrongClaim
            | Refusal::AlreadyCompleted
            | Refusal::AlreadyRejected
            | Refusal::Expired
            | Refusal::ClaimExpired => None,
        };
        Self { field, ..Self::new(Kind::Refused(refusal), refusal.to_string()) }
    }
}

impl From<ArtifactError> for Problem {
    /// The artifact's own words say where and what.
    fn from(error: ArtifactError) -> Self {
        match error.refusal() {
            None => Self::new(Kind::TooLarge, error.to_string()),
            Some(refusal) => Self { detail: error.to_string().into(), ..refusal.into() },
        }
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_FIELD).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::ident::Wire;
    use handoff_kernel::refusal::Field;
    use http_body_util::BodyExt as _;

    fn shown(problem: &Problem) -> (Answer, serde_json::Value) {
        let (parts, body) = problem.answer().into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(body.collect()).unwrap().to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap();
        (Response::from_parts(parts, bytes.into()), value)
    }

    #[test]
    fn every_refusal_has_the_status_code_of_the_design() {
        let codes = [401, 400, 403, 404, 403, 409, 409, 409, 409, 409, 409, 410, 410];
        for (refusal, code) in Refusal::PLAIN.into_iter().zip(codes) {
            let (answer, body) = shown(&refusal.into());
            assert_eq!(answer.status(), code, "{refusal:?}");
            assert_eq!(body["status"], code);
            assert_eq!(body["type"], format!("/problems/{}", refusal.name()));
            assert_eq!(body["reason"], refusal.name());
            assert_eq!(body["detail"], refusal.to_string());
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(answer.headers().contains_key(WWW_AUTHENTICATE), code == 401);
            assert!(body["field"].is_null() && body["handoff_id"].is_null() && !body["title"].is_null());
        }
        for field in Field::ALL {
            let (answer, body) = shown(&Refusal::Invalid(field).into());
            assert_eq!((answer.status().as_u16(), &body["field"]), (422, &field.name().into()));
        }
    }

    #[test]
    fn every_problem_of_the_transport_says_what_to_do_and_when() {
        for (kind, code, header) in [
            (Kind::InsufficientScope, 403, None),
            (Kind::NoSuchRoute, 404, None),
            (Kind::MethodNotAllowed("GET, HEAD"), 405, Some((ALLOW, "GET, HEAD"))),
            (Kind::RequestTimeout, 408, None),
            (Kind::TooLarge, 413, None),
            (Kind::UnsupportedMediaType, 415, None),
            (Kind::TooMany, 429, Some((RETRY_AFTER, "1"))),
            (Kind::Unavailable, 503, Some((RETRY_AFTER, "1"))),
        ] {
            let (answer, body) = shown(&Problem::new(kind, "Why."));
            assert_eq!((answer.status().as_u16(), &body["detail"]), (code, &"Why.".into()));
            if let Some((name, value)) = header {
                assert_eq!(answer.headers()[name], value);
            }
        }
    }

    #[test]
    fn the_record_is_named_only_to_who_may_know_of_it() {
        let id = HandoffId::parse("h").unwrap();
        let mut done = Done::<Wire> {
            verdict: Err(NotDone::Refused(Refusal::AlreadyClaimed)),
            status: Some(Status::Claimed),
            changed: false,
        };
        let (_, body) = shown(&Problem::not_done(id, &done, NotDone::Refused(Refusal::AlreadyClaimed)));
        assert_eq!((&body["handoff_id"], &body["handoff_status"]), (&"h".into(), &"claimed".into()));
        done.status = None;
        let (_, body) = shown(&Problem::not_done(id, &done, NotDone::Refused(Refusal::NotFound)));
        assert!(body["handoff_id"].is_null() && body["handoff_status"].is_null(), "{body}");
        for why in [NotDone::Unavailable, NotDone::Broken(handoff_kernel::rules::Rule::S1)] {
            assert_eq!(Problem::not_done(id, &done, why).kind(), Kind::Unavailable);
        }
    }

    #[test]
    fn a_field_of_any_name_and_length_is_shown_short() {
        let (answer, body) = shown(&Problem::invalid(&"\"é".repeat(1000), "is not a field"));
        assert_eq!(answer.status(), 422);
        assert_eq!(body["field"].as_str().unwrap().chars().count(), LONGEST_FIELD + 1);
        assert_eq!(body["reason"], "invalid");
    }
}
