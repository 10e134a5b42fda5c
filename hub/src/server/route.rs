//! Routes: which path and method ask for what. Every alias stands here, and nowhere else.

use std::borrow::Cow;

use hyper::Method;

use super::problem::{Kind, Problem};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// Hand over.
    Start,
    /// The oldest pending handoff.
    Poll,
    /// A command on one handoff.
    Act(Act, Named),
    /// One handoff's record.
    Get(String),
    /// A page of records.
    List,
    /// Whether the process answers.
    Live,
    /// Whether the hub takes requests.
    Ready,
    /// Where the test clock stands.
    #[cfg(feature = "testing")]
    Clock,
}

/// What a target can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Accept,
    Complete,
    Reject,
}

impl Act {
    /// Every one of them.
    pub(super) const ALL: [Self; 3] = [Self::Accept, Self::Complete, Self::Reject];

    /// Its name in paths.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Complete => "complete",
            Self::Reject => "reject",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }
}

/// Where the handoff is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// In the path: this, which may be no legal id.
    InPath(String),
    /// In the body, as `handoff_id`.
    InBody,
}

/// The methods that a place allows, as `Allow` says them.
const GET: &str = "GET, HEAD";
const POST: &str = "POST";
const GET_AND_POST: &str = "GET, HEAD, POST";
#[cfg(feature = "testing")]
const PUT: &str = "PUT";

/// Finds what a method and a path (without its query) ask for.
///
/// A `HEAD` is a `GET` whose body is not sent.
///
/// # Errors
/// 404 when there is nothing at that path, 405 when it is not for that method.
pub(super) fn route(method: &Method, path: &str) -> Result<Route, Problem> {
    let nothing = || {
        let detail = "There is nothing at this path; start with POST /v1/handoffs or GET /v1/handoffs/poll.";
        Problem::new(Kind::NoSuchRoute, detail)
    };
    let decoded: Option<Vec<_>> = path.strip_prefix('/').and_then(|p| p.split('/').map(decode).collect());
    let segments = decoded.ok_or_else(nothing)?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let get = method == Method::GET || method == Method::HEAD;
    let post = method == Method::POST;

    let (found, allowed) = match segments.as_slice() {
        ["livez"] => (get.then_some(Route::Live), GET),
        ["readyz"] => (get.then_some(Route::Ready), GET),
        ["start"] | ["api", "v1", "handoffs", "start"] => (post.then_some(Route::Start), POST),
        ["poll"] | ["v1", "handoffs", "poll"] | ["api", "v1", "handoffs", "poll"] => {
            (get.then_some(Route::Poll), GET)
        }
        ["v1", "handoffs"] if post => (Some(Route::Start), GET_AND_POST),
        ["v1", "handoffs"] => (get.then_some(Route::List), GET_AND_POST),
        ["v1", "handoffs", id] if !id.is_empty() => (get.then(|| Route::Get((*id).to_owned())), GET),
        ["v1", "handoffs", id, act] | ["api", "v1", "handoffs", id, act] => {
            let act = Act::from_name(act).ok_or_else(nothing)?;
            (post.then(|| Route::Act(act, Named::InPath((*id).to_owned()))), POST)
        }
        #[cfg(feature = "testing")]
        ["testing", "clock"] => ((method == Method::PUT).then_some(Route::Clock), PUT),
        [act] => {
            let act = Act::from_name(act).ok_or_else(nothing)?;
            (post.then_some(Route::Act(act, Named::InBody)), POST)
        }
        _ => return Err(nothing()),
    };
    found.ok_or_else(|| {
        Problem::new(Kind::MethodNotAllowed(allowed), format!("This path is for {allowed} only."))
    })
}

/// Undoes percent-encoding; none when that is broken, or hides what is no UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_first_chunk::<2>()?;
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_path(act: Act) -> Route {
        Route::Act(act, Named::InPath("h.1".into()))
    }

    #[test]
    fn every_route_and_alias_is_found_by_its_methods_and_by_no_other() {
        let mut table = vec![
            ("/v1/handoffs", "POST", Route::Start),
            ("/start", "POST", Route::Start),
            ("/api/v1/handoffs/start", "POST", Route::Start),
            ("/v1/handoffs/poll", "GET", Route::Poll),
            ("/poll", "GET", Route::Poll),
            ("/api/v1/handoffs/poll", "GET", Route::Poll),
            ("/v1/handoffs/h.1", "GET", Route::Get("h.1".into())),
            ("/v1/handoffs", "GET", Route::List),
            ("/livez", "GET", Route::Live),
            ("/readyz", "GET", Route::Ready),
        ];
        let acts = Act::ALL.map(|act| {
            let name = act.name();
            let paths = [
                format!("/v1/handoffs/h.1/{name}"),
                format!("/api/v1/handoffs/h.1/{name}"),
                format!("/{name}"),
            ];
            (act, paths)
        });
        for (act, [v1, api, body]) in &acts {
            table.push((v1, "POST", in_path(*act)));
            table.push((api, "POST", in_path(*act)));
            table.push((body, "POST", Route::Act(*act, Named::InBody)));
        }
        for (path, right, wanted) in &table {
            assert_eq!(route(&right.parse().unwrap(), path).as_ref(), Ok(wanted), "{right} {path}");
            if *right == "GET" {
                assert_eq!(route(&Method::HEAD, path).as_ref(), Ok(wanted), "HEAD {path}");
            }
            for other in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
                let found = route(&other.parse().unwrap(), path);
                let known = table.iter().find(|(p, m, _)| p == path && *m == other);
                match known {
                    Some((_, _, wanted)) => assert_eq!(found.as_ref(), Ok(wanted)),
                    None => {
                        let kind = found.unwrap_err().kind();
                        assert!(
                            matches!(kind, Kind::MethodNotAllowed(allow) if allow.contains(right)),
                            "{other} {path}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_route_is_told_so_whatever_it_is() {
        for path in [
            "",
            "/",
            "//",
            "*",
            "start",
            "/start/",
            "/v1",
            "/v1/handoffs/",
            "/v1//handoffs",
            "/V1/handoffs",
            "/v1/handoffs/h/claim",
            "/v1/handoffs/h/accept/",
            "/api/v1/handoffs",
            "/api/v1/handoffs/h",
            "/api/v2/handoffs/start",
            "/%",
            "/%4",
            "/%zz",
            "/poll%",
            "/%ff",
            "/v1/handoffs/%ff/accept",
            "/é",
            "/accept/h",
            "/../etc/passwd",
            "/testing",
            "/+1",
            "/%+1",
        ] {
            for method in [Method::GET, Method::POST] {
                let kind = route(&method, path).unwrap_err().kind();
                assert_eq!(kind, Kind::NoSuchRoute, "{method} {path}");
            }
        }
    }

    #[test]
    fn percent_encoding_is_undone_after_the_path_is_split() {
        assert_eq!(route(&Method::POST, "/%73tart"), Ok(Route::Start));
        assert_eq!(route(&Method::GET, "/v1/handoffs/h%2E1"), Ok(Route::Get("h.1".into())));
        assert_eq!(route(&Method::GET, "/v1/handoffs/a%2Fb"), Ok(Route::Get("a/b".into())));
        assert_eq!(route(&Method::GET, "/v1/handoffs/%C3%A9"), Ok(Route::Get("é".into())));
    }
}
