//! What this model tells, in words for a person.

use std::collections::BTreeMap;

use crate::picture::{Life, Mark};

/// What a file says.
fn contents(with: &BTreeMap<String, String>) -> String {
    match (with.get("contents").map(String::as_str), with.get("accepted_at")) {
        (Some("dated"), Some(at)) => format!("a bootstrap of what was accepted at {at}"),
        (Some("undated"), _) => "a bootstrap without a date".to_owned(),
        _ => "something that is no bootstrap".to_owned(),
    }
}

/// How a session ends.
fn verdict(with: &BTreeMap<String, String>) -> String {
    let get = |name: &str| with.get(name).map_or("?", String::as_str);
    match get("verdict") {
        "consumed" => match with.get("age") {
            Some(age) => format!("has consumed it, {age} ms old; {} is the window", get("window")),
            None => "has consumed it, of unknown age".to_owned(),
        },
        "missing" => "refuses: there is nothing to resume".to_owned(),
        "malformed" => "refuses: it is no bootstrap".to_owned(),
        "stale" => format!("refuses: {} ms old is stale, {} is the window", get("age"), get("window")),
        "future" => format!("refuses: its date is {} ms ahead", get("ahead")),
        other => other.to_owned(),
    }
}

/// What is drawn of a line of this model.
pub(crate) fn marks(host: &str, does: &str, with: &BTreeMap<String, String>) -> Vec<Mark> {
    let get = |name: &str| with.get(name).map_or("", String::as_str);
    let asks = match does {
        "takes" => "rename what was left to my own name",
        "reads" => "read",
        "sets_aside" => "put it aside",
        "leaves" => return vec![Mark::arrow(host, "disk", format!("leaves {}", contents(with)))],
        "begins" => return vec![Mark::note(host, format!("begins: what of {}?", get("handoff")))],
        "ends" => return vec![Mark::note(host, verdict(with))],
        "dies" => return vec![Mark::trouble(host, "dies"), Mark::Turns(host.to_owned(), Life::Down)],
        "follows" => {
            let what = if get("took_effect") == "true" { "takes effect after all" } else { "comes too late" };
            return vec![Mark::trouble("disk", format!("the rename from {} {what}", get("from")))];
        }
        other => return vec![Mark::note(host, other.replace('_', " "))],
    };
    let request = Mark::arrow(host, "disk", asks);
    let answer = match get("outcome") {
        "moved" => "done".to_owned(),
        "missing" => "there is nothing".to_owned(),
        "contents" => contents(with),
        other => other.to_owned(),
    };
    let answer = Mark::answer("disk", host, answer);
    match get("fate") {
        "lost_after" => vec![request, Mark::answer("disk", host, "done").that_is_lost(true)],
        "lost_before" => vec![request.that_is_lost(true)],
        "delayed" => {
            vec![request.that_is_lost(true), Mark::trouble("disk", "the rename is still under way")]
        }
        "failed" => vec![request, Mark::answer("disk", host, "cannot")],
        _ => vec![request, answer],
    }
}
