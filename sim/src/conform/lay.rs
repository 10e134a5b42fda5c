//! Records that a trace begins with: brought about by the commands that make them; or laid into the data directory, in
//! the format that `docs/format.md` describes, when no commands do.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use handoff_kernel::command::{Command, Start};
use handoff_kernel::ident::Wire;
use handoff_kernel::law::Law;
use handoff_kernel::record::{Claim, Record, Rejection, State, Status};
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;
use serde_json::{Map, Value, json};

use super::cast::Order;
use super::oracle::Oracle;

/// A record, and the bytes of its artifact.
pub(super) type Known = (Record<Wire>, Vec<u8>);

/// The commands that make these records under this law, and when, in the order of time; none if some record is not to
/// be had so.
pub(super) fn made_by<L: Law>(law: &L, janitor: bool, known: &[Known]) -> Option<Vec<(Time, Order)>> {
    let mut orders: Vec<_> = known.iter().flat_map(|(record, bytes)| orders(record, bytes)).collect();
    orders.sort_by_key(|(at, _)| *at);
    let begin = orders.first().map(|(at, _)| *at)?;
    let mut oracle = Oracle::new(law.clone(), janitor, begin);
    for (at, order) in &orders {
        oracle.set(*at);
        oracle.ask(order.handoff, order.command.clone());
    }
    let made =
        |record: &Record<Wire>| oracle.record(&record.id).is_some_and(|made| forgotten(made) == *record);
    known.iter().all(|(record, _)| made(record)).then_some(orders)
}

/// The same record, without the nonces that a data directory does not keep.
fn forgotten(record: &Record<Wire>) -> Record<Wire> {
    let without = |claim: &Claim<Wire>| Claim { attempt: None, ..claim.clone() };
    let state = match &record.state {
        State::Pending => State::Pending,
        State::Claimed(claim) => State::Claimed(without(claim)),
        State::Completed { claim, completion } => {
            State::Completed { claim: without(claim), completion: completion.clone() }
        }
        State::Rejected(rejection) => State::Rejected(match rejection {
            Rejection::Declined { claim, decline } => {
                Rejection::Declined { claim: claim.as_ref().map(without), decline: decline.clone() }
            }
            Rejection::Expired { at } => Rejection::Expired { at: *at },
            Rejection::ClaimExpired { claim, at } => {
                Rejection::ClaimExpired { claim: without(claim), at: *at }
            }
        }),
    };
    record.with(state)
}

fn orders(record: &Record<Wire>, bytes: &[u8]) -> Vec<(Time, Order)> {
    let (by, handoff) = (record.target, record.id);
    let order = |command| Order { handoff, command, bytes: Vec::new() };
    let start = Command::Start { sender: record.author, artifact: Start::of(record) };
    let mut all = vec![(record.started_at, Order { bytes: bytes.to_vec(), ..order(start) })];
    if let Some(claim) = record.claim() {
        let accept = Command::Accept { by, claim_id: claim.id, attempt: 0, receipt: claim.receipt };
        all.push((claim.at, order(accept)));
    }
    let claim_id = record.claim().and_then(|claim| claim.id);
    match &record.state {
        State::Pending | State::Claimed(_) => {}
        State::Completed { completion, .. } => {
            let (result, receipt) = (completion.result.clone(), completion.receipt);
            all.push((completion.at, order(Command::Complete { by, claim_id, result, receipt })));
        }
        State::Rejected(Rejection::Declined { decline, .. }) => {
            let (claim_id, reason) = (decline.claim_id, decline.reason.clone());
            let reject = Command::Reject { by, claim_id, reason, receipt: decline.receipt };
            all.push((decline.at, order(reject)));
        }
        // A deadline passes when somebody looks.
        State::Rejected(Rejection::Expired { at }) => {
            all.push((*at, order(Command::Accept { by, claim_id: None, attempt: 0, receipt: None })));
        }
        State::Rejected(Rejection::ClaimExpired { at, .. }) => {
            all.push((*at, order(Command::Complete { by, claim_id, result: None, receipt: None })));
        }
    }
    all
}

/// Writes these records into a data directory that no hub uses.
///
/// # Errors
/// Those of the file system.
pub(super) fn lay(data: &Path, known: &[Known]) -> io::Result<()> {
    for (record, bytes) in known {
        let id = &record.id;
        let (directory, name) = match (record.status(), record.claim()) {
            (Status::Claimed, Some(claim)) => {
                let claim_id = claim.id.map(|id| id.to_string()).unwrap_or_default();
                ("claimed", format!("{id}~{claim_id}~{}.json", claim.at.0))
            }
            (Status::Pending | Status::Claimed, _) => ("handoff", format!("{id}.json")),
            (Status::Completed, _) => ("archive", format!("{id}.json")),
            (Status::Rejected, _) => ("rejected", format!("{id}.json")),
        };
        fs::create_dir_all(data.join(directory))?;
        let mut file = File::create(data.join(directory).join(name))?;
        file.write_all(bytes)?;
        for (n, line) in lines(record, bytes.len()).into_iter().enumerate() {
            let before = if n == 0 { "\n" } else { "" };
            file.write_all(format!("{before}{line}\n").as_bytes())?;
        }
        // While there is no line, this is when it arrived.
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(record.started_at.0))?;
    }
    Ok(())
}

/// The lines behind the artifact, in the spelling of the format.
fn lines(record: &Record<Wire>, bytes: usize) -> Vec<String> {
    let time = |at: Time| json!(Rfc3339(at).to_string());
    let by = json!(record.target.as_str());
    let line = |event: &str, at: Time, more: Vec<(&str, Option<Value>)>| {
        // In this order: a map would sort them.
        let mut members = vec![("event", Some(json!(event))), ("at", Some(time(at)))];
        members.extend(more);
        members.push(("started_at", Some(time(record.started_at))));
        members.push(("artifact_bytes", Some(json!(bytes))));
        members.push(("artifact_sha256", Some(json!(record.digest.to_string()))));
        let members = members.into_iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let name = |id: &Option<handoff_kernel::ident::ClaimId>| id.map(|id| json!(id.to_string()));
    let mac = |receipt: &Option<handoff_kernel::ident::Mac>| receipt.map(|mac| json!(mac.to_base64()));
    let json_of = |text: &str| serde_json::from_str(text).unwrap_or(Value::Object(Map::new()));
    let mut all = Vec::new();
    if let Some(claim) = record.claim() {
        let more =
            vec![("by", Some(by.clone())), ("claim_id", name(&claim.id)), ("receipt", mac(&claim.receipt))];
        all.push(line("claimed", claim.at, more));
    }
    match &record.state {
        State::Pending | State::Claimed(_) => {}
        State::Completed { completion, .. } => {
            let result = completion.result.as_deref().map(json_of);
            let more = vec![("by", Some(by)), ("result", result), ("receipt", mac(&completion.receipt))];
            all.push(line("completed", completion.at, more));
        }
        State::Rejected(Rejection::Declined { decline, .. }) => {
            let more = vec![
                ("by", Some(by)),
                ("claim_id", name(&decline.claim_id)),
                ("cause", Some(json!("declined"))),
                ("reason", Some(json_of(&decline.reason))),
                ("receipt", mac(&decline.receipt)),
            ];
            all.push(line("rejected", decline.at, more));
        }
        State::Rejected(rejection @ (Rejection::Expired { at } | Rejection::ClaimExpired { at, .. })) => {
            all.push(line("expired", *at, vec![("cause", Some(json!(rejection.name())))]));
        }
    }
    all
}
