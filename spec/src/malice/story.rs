//! What is told of each step: enough to live it through again with real keys and real bytes.

use std::collections::BTreeMap;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::operation::NotDone;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::hub::Reply;
use super::token::{Act, Bytes, Content, Deed, KeyName, Token, claim, name};
use super::{Hub, Instance, Malice, Reads, State, Watch};
use crate::model::{Story, Witness, tells};
use crate::trace::{Event, Line, handoff};

/// An instance as a host.
pub(super) fn host(instance: &Instance) -> String {
    format!("{} {}", name(instance.agent), instance.claim)
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn told<const N: usize>(now: Time, host: impl Into<String>, does: &str, with: [(&str, String); N]) -> Line {
    let with: BTreeMap<_, _> = with.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Line::at(now.0, host, None, Event::Tells { does: does.to_owned(), with })
}

pub(super) fn signs(story: &mut Story, now: Time, bytes: &Bytes) {
    story.tell(|| told(now, name(bytes.content.author), "signs", [("artifact", bytes.to_string())]));
}

pub(super) fn shows(
    story: &mut Story,
    now: Time,
    to: &Instance,
    shown_as: u8,
    bytes: &Bytes,
    key: KeyName,
    takes: bool,
) {
    story.tell(|| {
        let with = [("artifact", bytes.to_string()), ("as", handoff(shown_as)), ("to", host(to))];
        told(now, "hub", "shows", with)
    });
    story.tell(|| {
        let fits = bytes.token.fits(key, &bytes.content);
        let named = bytes.content.id == shown_as && bytes.content.target == to.agent;
        let altered = bytes.token.by == key && !fits;
        let with = [
            ("altered", yes(altered)),
            ("artifact", bytes.to_string()),
            ("as", handoff(shown_as)),
            ("fits", yes(fits)),
            ("key", key.to_string()),
            ("named", yes(named)),
        ];
        told(now, host(to), if takes { "takes" } else { "refuses" }, with)
    });
}

pub(super) fn shows_nothing(story: &mut Story, now: Time, to: &Instance) {
    story.tell(|| told(now, "hub", "shows_nothing", [("to", host(to))]));
}

pub(super) fn asks(story: &mut Story, now: Time, who: &Instance, deed: &Deed, key: KeyName) {
    let with = || [("handoff", handoff(deed.id)), ("key", key.to_string()), ("receipt", deed.to_string())];
    story.tell(|| told(now, host(who), "asks", with()));
}

pub(super) fn answers(
    story: &mut Story,
    now: Time,
    to: &str,
    id: u8,
    command: &Command<Small>,
    reply: Reply,
    verdict: &Result<Answer<Small>, Refusal>,
) {
    story.tell(|| {
        let reply = match reply {
            Reply::True => "truth",
            Reply::Yes | Reply::NotFound | Reply::Taken => "lie",
        };
        let with = [("handoff", handoff(id)), ("it_is", reply.to_owned()), ("to", to.to_owned())];
        told(now, "hub", "answers", with)
    });
    story.tell(|| {
        let verdict = verdict.clone().map_err(NotDone::Refused);
        let event = Event::Receives { command: command.into(), verdict: (&verdict).into() };
        Line::at(now.0, to, None, event)
    });
}

pub(super) fn presents(
    story: &mut Story,
    now: Time,
    token: &Token<Deed>,
    expected: &Deed,
    key: KeyName,
    believed: bool,
    reads: Reads,
) {
    let author = name(expected.bytes.content.author);
    story.tell(|| {
        let with = [("key", token.by.to_string()), ("receipt", token.over.to_string())];
        told(now, "hub", "presents", with)
    });
    story.tell(|| {
        let with = [
            ("fits", yes(token.fits(key, expected))),
            ("key", key.to_string()),
            ("of", handoff(expected.id)),
            ("reads", if reads == Reads::Held { "held" } else { "asked" }.to_owned()),
            ("receipt_of", handoff(token.over.id)),
            ("says", expected.to_string()),
            ("under", claim(expected.claim)),
        ];
        told(now, author, if believed { "believes" } else { "disbelieves" }, with)
    });
}

pub(super) fn takes_from_eve(story: &mut Story, now: Time, content: &Content, expires_at: Time) {
    story.tell(|| {
        let with = [("artifact", content.to_string()), ("expires_at", expires_at.0.to_string())];
        told(now, "hub", "takes_from_eve", with)
    });
}

/// The hub does something to its own records or log.
pub(super) fn forces(story: &mut Story, now: Time, does: &str, id: u8) {
    story.tell(|| told(now, "hub", does, [("handoff", handoff(id))]));
}

pub(super) fn ticks(story: &mut Story, now: Time) {
    story.tell(|| Line::at(now.0, "world", None, Event::Ticks));
}

fn one(lines: &[Line], what: &str, holds: impl Fn(&dyn Fn(&str) -> String) -> bool) -> bool {
    tells(lines, |event| {
        let Event::Tells { does, with } = event else { return false };
        does == what && holds(&|name: &str| with.get(name).cloned().unwrap_or_default())
    })
}

/// The interesting cases of S8, where a hub tampers and is not believed; and, of an honest one, that work is handed
/// over and known of.
pub(super) fn witnesses(model: &Malice) -> Vec<Witness<State>> {
    let mut all = Vec::new();
    let mut add = |name, says, seen: fn(&State, &[Line], &State) -> bool| {
        all.push(Witness { rule: Rule::S8, name, says, seen });
    };
    if model.watch == Watch::Regardless
        && model.hub == Hub::Tampers
        && model.verifies
        && model.author_verifies
    {
        add("altered-artifact", "An altered artifact is refused by its target.", |_, lines, _| {
            one(lines, "refuses", |get| get("altered") == "yes" && get("named") == "yes")
        });
        add(
            "artifact-of-another-id",
            "An artifact that is replayed under another id is refused.",
            |_, lines, _| one(lines, "refuses", |get| get("fits") == "yes" && get("named") == "no"),
        );
        let twice = model.instances.iter().enumerate().any(|(i, one)| model.instances[..i].contains(one));
        if twice {
            add(
                "replayed-artifact",
                "A second instance takes what the first has finished: signed is signed.",
                |was, lines, _| {
                    one(lines, "takes", |_| true)
                        && was.instances.iter().any(|done| {
                            done.at == super::At::Done(Act::Complete)
                                && done.took.is_some_and(|(id, _)| {
                                    one(lines, "takes", |get| get("as") == handoff(id))
                                })
                        })
                },
            );
        }
        add(
            "receipt-of-another-handoff",
            "A receipt of another handoff is disbelieved by the author.",
            |_, lines, _| one(lines, "disbelieves", |get| get("receipt_of") != get("of")),
        );
    }
    if model.watch == Watch::All || model.watch == Watch::Regardless {
        add("true-receipt", "A true receipt is believed.", |_, lines, _| {
            one(lines, "believes", |get| get("fits") == "yes")
        });
    }
    all
}
