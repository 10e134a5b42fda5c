//! A large data directory: copies of one completed and of one pending handoff that a hub has written itself, so that
//! nothing here knows its format but this: a file carries its id, and its lines the SHA-256 of the artifact.
//!
//! The copies are not signed anew. No hub has the key, and what is measured is the hub.

use std::io;
use std::path::Path;
use std::time::Duration;

use handoff_kernel::ident::Digest;

use crate::{Hub, ambient, artifacts, timed};

/// As long as the ids of the copies, so that the artifact's length, which the lines carry, stays as it is.
const ARCHIVED: &str = "archived-samples";
const PENDING: &str = "pending-samples";

const FIVE_DAYS: Duration = Duration::from_hours(5 * 24);

/// The id of an archived copy.
pub(crate) fn archived(n: usize) -> String {
    format!("archived-{n:07}")
}

/// The id of a pending copy.
pub(crate) fn pending(n: usize) -> String {
    format!("pending-{n:07}")
}

/// Lets a hub make the two that are to be copied.
pub(crate) fn sample(hub: &Hub) -> io::Result<()> {
    let mut connection = hub.connect()?;
    let expires = ambient::now_ms() + u64::try_from(FIVE_DAYS.as_millis()).map_err(io::Error::other)?;
    let mut post = |bearer: &str, path: &str, body: &[u8], wanted| {
        timed(&mut connection, bearer, ("POST", path), body, &[wanted]).map(drop)
    };
    for id in [ARCHIVED, PENDING] {
        let about = "what there is to know ".repeat(40);
        post(&hub.bob, "/v1/handoffs", &artifacts::artifact_about(id, expires, &about), 201)?;
    }
    let act = |verb: &str| format!("/v1/handoffs/{ARCHIVED}/{verb}");
    post(&hub.alice, &act("accept"), br#"{"claim_id":"c"}"#, 200)?;
    post(&hub.alice, &act("complete"), br#"{"claim_id":"c","result":{"ok":true}}"#, 200)
}

/// Writes so many copies of each.
pub(crate) fn fill(data: &Path, archived_count: usize, pending_count: usize) -> io::Result<()> {
    let archive = Template::read(&data.join("archive"), ARCHIVED)?;
    let handoff = Template::read(&data.join("handoff"), PENDING)?;
    archive.copy(&data.join("archive"), archived_count, archived)?;
    handoff.copy(&data.join("handoff"), pending_count, pending)
}

/// A file in pieces.
struct Template {
    artifact: String,
    lines: String,
    id: &'static str,
    digest: String,
}

impl Template {
    fn read(directory: &Path, id: &'static str) -> io::Result<Self> {
        let text = std::fs::read_to_string(directory.join(format!("{id}.json")))?;
        // Each line of the hub's begins so, and no artifact of ours has such a line.
        let at = text.find("\n{\"event\":").unwrap_or(text.len());
        let (artifact, lines) = text.split_at(at);
        let digest = Digest::of(artifact.as_bytes()).to_string();
        if !lines.is_empty() && !lines.contains(&digest) {
            return Err(io::Error::other(format!("{id}: its lines do not carry the artifact's SHA-256")));
        }
        Ok(Self { artifact: artifact.to_owned(), lines: lines.to_owned(), id, digest })
    }

    fn copy(&self, into: &Path, count: usize, name: fn(usize) -> String) -> io::Result<()> {
        let threads = std::thread::available_parallelism()?.get();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|first| {
                    scope.spawn(move || {
                        (first..count).step_by(threads).try_for_each(|n| self.write(into, &name(n)))
                    })
                })
                .collect();
            for writer in writers {
                writer.join().map_err(|_| io::Error::other("a writer has panicked"))??;
            }
            Ok(())
        })
    }

    fn write(&self, into: &Path, id: &str) -> io::Result<()> {
        let artifact = self.artifact.replace(self.id, id);
        let digest = Digest::of(artifact.as_bytes()).to_string();
        let lines = self.lines.replace(&self.digest, &digest);
        std::fs::write(into.join(format!("{id}.json")), artifact + &lines)
    }
}
