//! What the model of the bootstrap tells, line by line: all that a replay needs.

use std::collections::BTreeMap;

use handoff_kernel::bootstrap::{Contents, Effect, Outcome, Session};
use handoff_kernel::time::Time;

use super::disk::{Fate, Late, Lies};
use crate::trace::{Event, Line};

/// The one handoff whose bootstraps are looked at: sessions meet nowhere else.
pub(super) const HANDOFF: u8 = 0;

/// The handoff's name in traces.
pub(super) fn handoff() -> String {
    crate::trace::handoff(HANDOFF)
}

/// The host that a session is in traces.
pub(super) fn host(session: Session) -> String {
    format!("session {}", session.0)
}

/// A line that a session tells.
pub(super) fn line(
    now: Time,
    session: Session,
    does: &str,
    with: impl IntoIterator<Item = (&'static str, String)>,
) -> Line {
    Line::at(now.0, host(session), Some(now.0), tells(does, with))
}

/// Something told, with names and values.
pub(super) fn tells(does: &str, with: impl IntoIterator<Item = (&'static str, String)>) -> Event {
    let with: BTreeMap<_, _> = with.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Event::Tells { does: does.to_owned(), with }
}

/// What a bootstrap says, as names and values.
pub(super) fn contents_told(contents: Contents) -> Vec<(&'static str, String)> {
    match contents {
        Contents::Dated(at) => vec![("contents", "dated".to_owned()), ("accepted_at", at.0.to_string())],
        Contents::Undated => vec![("contents", "undated".to_owned())],
        Contents::Malformed => vec![("contents", "malformed".to_owned())],
    }
}

/// What an effect is called in traces.
pub(super) const fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Take => "takes",
        Effect::Read(_) => "reads",
        Effect::SetAside => "sets_aside",
    }
}

/// What came of an effect, as names and values.
pub(super) fn effect_told(fate: Fate, outcome: Outcome) -> Vec<(&'static str, String)> {
    let (name, contents) = match outcome {
        Outcome::Moved => ("moved", None),
        Outcome::Missing => ("missing", None),
        Outcome::Contents(contents) => ("contents", Some(contents)),
        Outcome::Unknown => ("unknown", None),
        Outcome::Failed => ("failed", None),
    };
    let mut told = vec![("fate", fate.name().to_owned()), ("outcome", name.to_owned())];
    told.extend(contents.into_iter().flat_map(contents_told));
    told
}

/// The client leaves a bootstrap.
pub(super) fn leaves(now: Time, contents: Contents) -> Line {
    let with = contents_told(contents).into_iter().chain([("handoff", handoff())]);
    Line::at(now.0, "client 1", Some(now.0), tells("leaves", with))
}

/// A late rename comes to the disk.
pub(super) fn follows(now: Time, late: Late, took_effect: bool) -> Line {
    let with = [
        ("from", late.from.to_string()),
        ("to", late.to.to_string()),
        ("took_effect", took_effect.to_string()),
    ];
    Line::at(now.0, "disk", None, tells("follows", with))
}

/// Time passes: it is now so late.
pub(super) fn ticks(now: Time) -> Line {
    Line::at(now.0, "time", None, Event::Ticks)
}

impl core::fmt::Display for Lies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Taken(session) => write!(f, "taken by {}", host(*session)),
            Self::Aside(session) => write!(f, "aside by {}", host(*session)),
        }
    }
}
