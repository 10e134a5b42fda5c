//! The memory of what was acknowledged, which the kills lean on, is shown to notice each kind of loss.

use serde_json::{Value, json};

use crate::support::history::{Ask, Asked, Heard, Served, Told};

const AT: &str = "2026-01-01T00:00:00.000Z";
const LATER: &str = "2026-01-01T00:00:01.000Z";

fn start() -> Asked {
    let answer = json!({ "handoff_id": "h", "status": "pending", "expires_at": LATER });
    Asked { ask: Ask::Start, heard: Heard::Done(201, answer) }
}

fn accept(claim_id: &str) -> Asked {
    let answer = json!({ "handoff_id": "h", "status": "claimed", "claim_id": claim_id, "claimed_at": AT });
    Asked { ask: Ask::Accept { claim_id: claim_id.to_owned() }, heard: Heard::Done(200, answer) }
}

fn complete() -> Asked {
    let answer = json!({ "handoff_id": "h", "status": "completed", "completed_at": AT });
    let ask = Ask::Complete { claim_id: "c".to_owned(), result: json!({ "n": 1 }) };
    Asked { ask, heard: Heard::Done(200, answer) }
}

fn reject() -> Asked {
    let answer = json!({ "handoff_id": "h", "status": "rejected", "rejected_at": AT });
    let ask = Ask::Reject { claim_id: Some("c".to_owned()), reason: "no".to_owned() };
    Asked { ask, heard: Heard::Done(200, answer) }
}

fn unheard(asked: Asked) -> Asked {
    Asked { heard: Heard::Unknown, ..asked }
}

fn refused(asked: Asked, reason: &str) -> Asked {
    Asked { heard: Heard::Refused(reason.to_owned()), ..asked }
}

fn told(asked: impl IntoIterator<Item = Asked>) -> Told {
    let mut told = Told::new("h", b"{}".to_vec(), false);
    told.asked.extend(asked);
    told
}

fn record(status: &str) -> Value {
    let mut record = json!({ "handoff_id": "h", "status": status, "started_at": AT, "expires_at": LATER });
    if status != "pending" {
        record["claim"] = json!({ "claim_id": "c", "claimed_at": AT });
        record["claim_id"] = json!("c");
    }
    match status {
        "completed" => {
            record["result"] = json!({ "n": 1 });
            record["finished_at"] = json!(AT);
        }
        "rejected" => {
            record["reason"] = json!("no");
            record["cause"] = json!("declined");
            record["finished_at"] = json!(AT);
        }
        _ => {}
    }
    record
}

fn served(status: &str) -> Served {
    let file = match status {
        "pending" => "handoff/h.json",
        "claimed" => "claimed/h~c~5.json",
        "completed" => "archive/h.json",
        _ => "rejected/h.json",
    };
    Served { record: Some(record(status)), artifact: b"{}".to_vec(), files: vec![file.to_owned()] }
}

fn nothing() -> Served {
    Served { record: None, artifact: vec![], files: vec![] }
}

/// The same, with one field of the record set.
fn with(mut served: Served, field: &[&str], value: Value) -> Served {
    let mut at = served.record.as_mut().expect("there is a record");
    for name in field {
        at = &mut at[*name];
    }
    *at = value;
    served
}

#[track_caller]
fn lost(told: &Told, served: &Served, word: &str) {
    let losses = told.losses(served);
    assert!(losses.iter().any(|loss| loss.contains(word)), "{word:?} is not in {losses:?}");
}

#[test]
fn what_is_as_it_was_acknowledged_is_no_loss() {
    let none: [String; 0] = [];
    for (told, served) in [
        (told([start()]), served("pending")),
        (told([start(), accept("c")]), served("claimed")),
        (told([start(), accept("c"), accept("c")]), served("claimed")),
        (told([start(), accept("c"), refused(accept("d"), "already_claimed")]), served("claimed")),
        (told([start(), accept("c"), complete()]), served("completed")),
        (told([start(), accept("c"), reject()]), served("rejected")),
        // Of what nobody heard the answer of, either may be so.
        (told([unheard(start())]), nothing()),
        (told([unheard(start())]), served("pending")),
        (told([start(), unheard(accept("c"))]), served("pending")),
        (told([start(), unheard(accept("c"))]), served("claimed")),
        (told([start(), accept("c"), unheard(complete())]), served("claimed")),
        (told([start(), accept("c"), unheard(complete())]), served("completed")),
    ] {
        assert_eq!(told.losses(&served), none);
    }
}

#[test]
fn a_start_that_is_gone_is_noticed() {
    lost(&told([start()]), &nothing(), "not found");
    lost(&told([start(), refused(accept("c"), "not_found")]), &served("pending"), "not_found");
    let mut polled = told([unheard(start())]);
    polled.polled = true;
    lost(&polled, &nothing(), "not found");
    let mut seen = told([unheard(start())]);
    seen.seen = Some(record("pending"));
    lost(&seen, &nothing(), "not found");
    lost(&told([start(), start()]), &served("pending"), "made 2 times");
}

#[test]
fn other_bytes_are_noticed() {
    lost(&told([start()]), &Served { artifact: b"{ }".to_vec(), ..served("pending") }, "other bytes");
}

#[test]
fn a_changed_or_forgotten_claim_is_noticed() {
    let claimed = told([start(), accept("c")]);
    lost(&claimed, &served("pending"), "an accept was acknowledged");
    lost(&claimed, &with(served("claimed"), &["claim", "claimed_at"], json!(LATER)), "an accept");
    lost(&claimed, &with(served("claimed"), &["claim", "claim_id"], json!("d")), "an accept");
    let mut again = accept("c");
    again.heard = Heard::Done(200, json!({ "claim_id": "c", "claimed_at": LATER }));
    lost(&told([start(), accept("c"), again]), &served("claimed"), "answered otherwise");
}

#[test]
fn a_second_winner_is_noticed() {
    lost(&told([start(), accept("c"), accept("d")]), &served("claimed"), "a second accept");
    let loser = told([start(), refused(accept("c"), "already_claimed"), unheard(accept("d"))]);
    lost(&loser, &served("claimed"), "told that it lost");
}

#[test]
fn a_finish_that_is_undone_or_changed_is_noticed() {
    let done = told([start(), accept("c"), complete()]);
    lost(&done, &served("claimed"), "a complete");
    lost(&done, &served("rejected"), "a complete");
    lost(&done, &with(served("completed"), &["result"], json!({ "n": 2 })), "a complete");
    lost(&done, &with(served("completed"), &["finished_at"], json!(LATER)), "a complete");
    let declined = told([start(), accept("c"), reject()]);
    lost(&declined, &served("claimed"), "a reject");
    lost(&declined, &with(served("rejected"), &["reason"], json!("yes")), "a reject");
    lost(&told([start(), accept("c"), complete(), reject()]), &served("completed"), "as rejected");
}

#[test]
fn what_was_served_once_is_served_again_or_what_follows_from_it() {
    let mut claimed = told([start(), unheard(accept("c")), unheard(complete())]);
    claimed.seen = Some(record("claimed"));
    lost(&claimed, &served("pending"), "was served");
    assert!(claimed.losses(&served("completed")).is_empty());
    lost(&claimed, &with(served("claimed"), &["claim", "claimed_at"], json!(LATER)), "was served");
    claimed.seen = Some(record("completed"));
    lost(&claimed, &served("claimed"), "was served");
    lost(&claimed, &with(served("completed"), &["finished_at"], json!(LATER)), "was served");
}

#[test]
fn what_nobody_asked_for_is_noticed() {
    lost(&told([start()]), &served("claimed"), "nobody has asked");
    lost(&told([start(), accept("c")]), &served("completed"), "nobody has asked");
    let lapsed = with(served("rejected"), &["cause"], json!("claim_expired"));
    let expired = with(with(served("rejected"), &["cause"], json!("expired")), &["claim"], Value::Null);
    let mut short = told([start(), accept("c")]);
    lost(&short, &lapsed, "nobody has asked");
    lost(&told([start()]), &expired, "nobody has asked");
    lost(&told([start(), refused(accept("c"), "expired")]), &served("pending"), "refused as expired");
    short.may_expire = true;
    assert!(short.losses(&lapsed).is_empty());
    lost(&short, &expired, "an accept was acknowledged");
    let mut never_claimed = told([start()]);
    never_claimed.may_expire = true;
    assert!(never_claimed.losses(&expired).is_empty());
}

#[test]
fn a_file_that_is_missing_double_or_elsewhere_is_noticed() {
    let claimed = told([start(), accept("c")]);
    for (files, word) in [
        (vec![], "not one"),
        (vec!["handoff/h.json", "claimed/h~c~5.json"], "not one"),
        (vec!["handoff/h.json"], "its file is"),
        (vec!["claimed/h~d~5.json"], "its file is"),
    ] {
        let files = files.into_iter().map(str::to_owned).collect();
        lost(&claimed, &Served { files, ..served("claimed") }, word);
    }
    let files = vec!["archive/h.json".to_owned()];
    lost(&told([unheard(start())]), &Served { files, ..nothing() }, "there are files");
}
