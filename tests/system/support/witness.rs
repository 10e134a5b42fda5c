//! Holds a history against a hub that runs and against its directories: finds each handoff by GET, asks again what
//! was acknowledged, lists the files, and lets the history judge.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::history::{Asked, Served, Told};
use super::session::{Session, Tokens};

/// So many connections ask at a time.
const ABREAST: usize = 4;

/// One whose deadline passes while it is looked at may be between two looks; it moves twice in its life at the most.
const LOOKS: usize = 10;

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What is not as it was acknowledged, one sentence each.
    pub(crate) losses: Vec<String>,
    /// How many acknowledgements were compared.
    pub(crate) compared: usize,
}

/// Compares these handoffs with what the hub serves and with what lies in its directories, and remembers what it was
/// shown.
pub(crate) fn compare(mut told: Vec<&mut Told>, to: SocketAddr, tokens: &Tokens, data: &Path) -> Findings {
    let files = files(data);
    let mut losses: Vec<_> =
        names(&data.join("quarantine")).map(|name| format!("quarantined: {name}")).collect();
    let compared = AtomicUsize::new(0);
    let share = told.len().div_ceil(ABREAST).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = told
            .chunks_mut(share)
            .map(|share| {
                let (files, compared) = (&files, &compared);
                scope.spawn(move || {
                    let mut session = Session::open(to, tokens).expect("the hub listens");
                    let mut losses = Vec::new();
                    for told in share {
                        losses.extend(one(&mut session, told, files, data));
                        compared.fetch_add(told.acknowledged().count(), Ordering::Relaxed);
                    }
                    losses
                })
            })
            .collect();
        for thread in threads {
            losses.extend(thread.join().expect("a witness does not panic"));
        }
    });
    Findings { losses, compared: compared.into_inner() }
}

fn one(session: &mut Session<'_>, told: &mut Told, files: &Files, data: &Path) -> Vec<String> {
    let mut losses = look(session, told, files);
    for _ in 1..LOOKS {
        if losses.is_empty() || !told.may_expire {
            break;
        }
        losses = look(session, told, &self::files(data));
    }
    losses
}

/// One look: what is served and what lies there, and what is answered to the same questions again.
fn look(session: &mut Session<'_>, told: &mut Told, files: &Files) -> Vec<String> {
    let path = format!("/v1/handoffs/{}?include=artifact", told.id);
    let response = session.get(&path, || {}).expect("an answer");
    let (record, artifact) = match response.status {
        404 => (None, Vec::new()),
        200 => {
            let mut record = response.json().expect("JSON");
            record.as_object_mut().expect("an object").remove("artifact");
            (Some(record), verbatim(&response.body).to_vec())
        }
        _ => return vec![format!("{}: {}", told.id, response.text())],
    };
    let served = Served { record, artifact, files: files.get(&told.id).cloned().unwrap_or_default() };
    let status = served.record.as_ref().and_then(|record| record["status"].as_str()).unwrap_or_default();
    let before = told.asked.len();
    for ask in told.repeatable(status) {
        let heard = session.ask(&told.id, &told.bytes, &ask, || {}).expect("an answer");
        told.asked.push(Asked { ask, heard });
    }
    let losses = told.losses(&served);
    // The same as the first time, or a loss that is told now: either way they need not be kept.
    told.asked.truncate(before);
    if losses.is_empty() {
        told.seen = served.record;
    }
    losses
}

/// What stands between `"artifact":` and the last `}`.
fn verbatim(body: &[u8]) -> &[u8] {
    let name = br#","artifact":"#;
    let at = body.windows(name.len()).position(|window| window == name);
    at.map_or(&[], |at| &body[at + name.len()..body.len() - 1])
}

/// The files of each id in the four directories.
pub(crate) type Files = BTreeMap<String, Vec<String>>;

/// Lists the four directories, in the order in which files move through them: none is missed on its way.
pub(crate) fn files(data: &Path) -> Files {
    let mut files = Files::new();
    for directory in ["handoff", "claimed", "archive", "rejected"] {
        for name in names(&data.join(directory)) {
            let stem = name.strip_suffix(".json").unwrap_or(&name);
            let id = stem.split('~').next().unwrap_or(stem).to_owned();
            files.entry(id).or_default().push(format!("{directory}/{name}"));
        }
    }
    files
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
}

/// The bytes that a poll has shown, and of which handoff.
pub(crate) fn polled(response: &super::http::Response) -> Option<(String, &[u8])> {
    match response.status {
        204 => None,
        200 => Some((response.header("handoff-id").to_owned(), &response.body)),
        _ => panic!("a poll was answered {response:?}"),
    }
}
