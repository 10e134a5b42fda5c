//! What this model tells, in words for a person.

use std::collections::BTreeMap;

use super::token::{Bytes, Content, Deed, KeyName, name};
use crate::picture::Mark;
use crate::trace::handoff;

fn who(content: &Content) -> String {
    format!("{} from {} to {}", handoff(content.id), name(content.author), name(content.target))
}

fn key(key: KeyName) -> String {
    match key {
        KeyName::Direction { author, target } => format!("the key of {} for {}", name(author), name(target)),
        KeyName::Pair { low, high } => format!("the key of {} and {}", name(low), name(high)),
        KeyName::Shared => "the key that everybody has".to_owned(),
        KeyName::Nobodys => "a key that the hub made up".to_owned(),
    }
}

/// What an artifact says, and whose signature it carries.
fn artifact(bytes: &Bytes) -> String {
    let says = who(&bytes.content);
    let spelled = if bytes.respelled { ", with other white space" } else { "" };
    let by = key(bytes.token.by);
    if bytes.token.over == bytes.content {
        return format!("{says}, signed with {by}{spelled}");
    }
    let signed = who(&bytes.token.over);
    let over = if signed == says { "other words".to_owned() } else { signed };
    format!("{says}, but what is signed with {by} is {over}{spelled}")
}

fn deed(deed: &Deed) -> String {
    let under = deed.claim.map_or_else(String::new, |claim| format!(" under c{claim}"));
    format!("{} of {} by {}{under}", deed.act.name(), handoff(deed.id), name(deed.target))
}

/// What is drawn of a line of this model. `heard_by` is who has the next line of the same step.
pub(crate) fn marks(
    host: &str,
    does: &str,
    with: &BTreeMap<String, String>,
    heard_by: Option<&str>,
) -> Vec<Mark> {
    let get = |name: &str| with.get(name).map_or("", String::as_str);
    let bytes = Bytes::read(get("artifact")).map_or_else(|| get("artifact").to_owned(), |it| artifact(&it));
    let receipt = Deed::read(get("receipt")).map_or_else(|| get("receipt").to_owned(), |it| deed(&it));
    let by = KeyName::read(get("key")).map_or_else(|| get("key").to_owned(), key);
    let one = match does {
        "signs" => Mark::arrow(host, "hub", format!("hands over {bytes}")),
        "shows" => Mark::arrow("hub", get("to"), format!("shows, as {}: {bytes}", get("as"))),
        "shows_nothing" => Mark::answer("hub", get("to"), "there is nothing for you"),
        "takes" if get("fits") == "yes" && get("named") == "yes" => {
            Mark::note(host, format!("takes {}: the signature fits {by}", get("as")))
        }
        "takes" => Mark::trouble(host, format!("takes {} unchecked", get("as"))),
        "refuses" if get("named") == "no" => {
            Mark::note(host, format!("refuses it: it is not {} for {host}", get("as")))
        }
        "refuses" => Mark::note(host, format!("refuses it: it does not fit {by}")),
        "asks" => Mark::arrow(host, "hub", format!("{receipt}, and a receipt of that, signed with {by}")),
        "answers" if get("it_is") == "lie" => Mark::trouble("hub", format!("lies to {}", get("to"))),
        "answers" => Mark::note("hub", format!("answers {} truly", get("to"))),
        "presents" => Mark::arrow(
            "hub",
            heard_by.unwrap_or("hub"),
            format!("presents a receipt: {receipt}, signed with {by}"),
        ),
        "believes" => {
            let owns = if get("reads") == "held" { "is held" } else { "was asked for" };
            Mark::note(host, format!("believes that {} {owns} under {}", get("of"), get("under")))
        }
        "disbelieves" => Mark::note(host, format!("disbelieves it: it is no receipt of {}", get("of"))),
        "takes_from_eve" => Mark::trouble("hub", "takes a handoff from eve that names another author"),
        "lets_eve_claim" => Mark::trouble("hub", format!("lets eve claim {}", get("handoff"))),
        "reopens" => Mark::trouble("hub", format!("makes {} pending again", get("handoff"))),
        "invents_a_claim_in_the_log" => {
            Mark::trouble("hub", format!("logs a claim of {} that nobody made", get("handoff")))
        }
        "sweeps" => Mark::note("hub", format!("sweeps {}", get("handoff"))),
        other => Mark::note(host, other.replace('_', " ")),
    };
    vec![one]
}
