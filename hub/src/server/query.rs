//! Queries: what stands after the `?`. As strict as a body: an unknown or repeated name is refused, because a
//! misspelt `target_agent` must not become a list of everything.

use std::collections::BTreeMap;

use handoff_kernel::ident::{AgentId, HandoffId};
use handoff_kernel::record::Status;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::{Millis, Time};

use super::problem::Problem;
use super::route::decode;
use crate::request::{Cursor, Filter, Request};

/// The longest that a poll may wait, in seconds: below the minute after which proxies give up.
const LONGEST_WAIT: u64 = 50;

const LONGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 50;

/// Names and values, each name once.
struct Query(BTreeMap<String, String>);

impl Query {
    fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut members = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (name.replace('+', " "), value.replace('+', " "));
            let (Some(name), Some(value)) = (decode(&name), decode(&value)) else {
                return Err(Problem::invalid(&name, "has a value that is not percent-encoded UTF-8"));
            };
            if !known.contains(&name.as_ref()) {
                let wanted = format!("is not a parameter here; there are {}", known.join(", "));
                return Err(Problem::invalid(&name, &wanted));
            }
            if members.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Problem::invalid(&name, "is given twice; give it once"));
            }
        }
        Ok(Self(members))
    }

    /// The value of this name, read.
    fn read<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Problem::invalid(name, &format!("must be {wanted}")))
    }

    fn agent(&self, name: &str) -> Result<Option<AgentId>, Problem> {
        let wanted = "the name of an agent: 1 to 63 characters of a-z 0-9 _ -, the first a letter or digit";
        self.read(name, wanted, |value| AgentId::parse(value).ok())
    }
}

/// A poll by this agent.
///
/// # Errors
/// `invalid`, or `wrong_agent` when it names another one.
pub(super) fn poll(query: Option<&str>, by: AgentId) -> Result<Request, Problem> {
    let query = Query::parse(query, &["agent", "wait"])?;
    let named = query.agent("agent")?;
    let wait = query.read("wait", "a whole number of seconds from 0 to 50", |value| {
        digits(value).filter(|seconds| *seconds <= LONGEST_WAIT)
    })?;
    if named.is_some_and(|named| named != by) {
        return Err(Refusal::WrongAgent.into());
    }
    Ok(Request::Poll { by, wait: Millis::from_secs(wait.unwrap_or(0)) })
}

/// One record, asked for by this agent.
///
/// # Errors
/// `invalid`.
pub(super) fn get(query: Option<&str>, by: AgentId, handoff: HandoffId) -> Result<Request, Problem> {
    let query = Query::parse(query, &["include"])?;
    let include =
        query.read("include", "`artifact`, or left out", |value| (value == "artifact").then_some(()))?;
    Ok(Request::Get { by, handoff, artifact: include.is_some() })
}

/// A page of records that this agent is a party to.
///
/// # Errors
/// `invalid`.
pub(super) fn list(query: Option<&str>, by: AgentId) -> Result<Request, Problem> {
    let query = Query::parse(query, &["target_agent", "source_agent", "status", "limit", "cursor"])?;
    let target = query.agent("target_agent")?;
    let author = query.agent("source_agent")?;
    let status =
        query.read("status", "one of pending, claimed, completed and rejected", Status::from_name)?;
    let limit = query.read("limit", "a whole number from 1 to 200", |value| {
        digits(value).and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=LONGEST_PAGE).contains(n))
    })?;
    let after = query.read("cursor", "the `next_cursor` of the page before", read_cursor)?;
    let filter = Filter { status: status.unwrap_or(Status::Pending), target, author };
    Ok(Request::List { by, filter, limit: limit.unwrap_or(USUAL_PAGE), after })
}

/// A request without parameters.
///
/// # Errors
/// `invalid` when it has some.
pub(super) fn none(query: Option<&str>) -> Result<(), Problem> {
    Query::parse(query, &[]).map(|_| ())
}

/// A cursor, as `next_cursor` carries it. It needs no encoding in a query, and is nobody's to take apart.
pub(super) fn show_cursor(cursor: &Cursor) -> String {
    format!("{}~{}", cursor.arrived.0, cursor.handoff)
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let (arrived, handoff) = text.split_once('~')?;
    Some(Cursor { arrived: Time(digits(arrived)?), handoff: HandoffId::parse(handoff).ok()? })
}

/// A number of nothing but digits; Rust's own reading takes a sign.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::problem::Kind;

    fn alice() -> AgentId {
        AgentId::parse("alice").unwrap()
    }

    #[test]
    fn a_poll_waits_for_whole_seconds_up_to_fifty_and_for_its_own_agent() {
        let poll = |query: &str| poll(Some(query), alice());
        for (query, wait) in [("", 0), ("wait=0", 0), ("wait=50&agent=alice", 50_000), ("agent=%61lice&", 0)]
        {
            assert_eq!(poll(query), Ok(Request::Poll { by: alice(), wait: Millis(wait) }), "{query}");
        }
        for bad in [
            "wait=51",
            "wait=-1",
            "wait=+1",
            "wait=1.5",
            "wait=",
            "wait",
            "wait=1&wait=1",
            "wait=99999999999999999999",
            "wait=%",
            "wait=%ff",
            "agent=Alice",
            "agent=",
            "wiat=5",
            "%=1",
            "=",
        ] {
            assert_eq!(poll(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
        assert_eq!(poll("agent=bob").unwrap_err(), Refusal::WrongAgent.into());
    }

    #[test]
    fn a_list_shows_fifty_pending_unless_it_is_asked_for_others() {
        let list = |query: &str| list(Some(query), alice());
        let Ok(Request::List { filter, limit, after, .. }) = list("") else { panic!("not a list") };
        assert_eq!(
            (filter.status, filter.target, filter.author, limit, after),
            (Status::Pending, None, None, 50, None)
        );
        let asked = "status=rejected&limit=200&target_agent=alice&source_agent=bob&cursor=12~h.1";
        let Ok(Request::List { filter, limit, after, .. }) = list(asked) else { panic!("not a list") };
        assert_eq!((filter.status, limit), (Status::Rejected, 200));
        assert_eq!((filter.target, filter.author), (Some(alice()), AgentId::parse("bob").ok()));
        assert_eq!(after.map(|cursor| show_cursor(&cursor)), Some("12~h.1".into()));
        for bad in [
            "limit=0",
            "limit=201",
            "limit=x",
            "status=done",
            "status=",
            "cursor=",
            "cursor=12",
            "cursor=~h",
            "cursor=x~h",
            "cursor=1~",
            "cursor=1~a/b",
            "target_agent=A",
            "source_agent=%20",
            "agent=alice",
            "stauts=pending",
        ] {
            assert_eq!(list(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_get_includes_the_artifact_or_nothing() {
        let id = HandoffId::parse("h").unwrap();
        for (query, wanted) in [(None, false), (Some("include=artifact"), true)] {
            assert_eq!(
                get(query, alice(), id),
                Ok(Request::Get { by: alice(), handoff: id, artifact: wanted })
            );
        }
        assert!(
            get(Some("include=all"), alice(), id).is_err()
                && none(Some("x=1")).is_err()
                && none(None).is_ok()
        );
    }
}
