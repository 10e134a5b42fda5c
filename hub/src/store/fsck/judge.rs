//! One file, judged by itself: what it tells, whether that fits its name and place, and what a cut would make of it.

use std::io;

use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::{Record, Status};
use handoff_kernel::time::Time;

use super::super::index::Live;
use super::super::neighbour::{Stray, stray, vet};
use super::super::place::Place;
use super::super::{FILE_LIMIT, line};
use crate::disk::Disk;

/// A file that tells a whole story.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) record: Record<Wire>,
    /// Where it should be instead, or what a same-host agent has said by moving it.
    pub(super) stray: Option<Stray>,
    /// When it was last written: its arrival, while it is pending.
    pub(super) modified: Time,
}

/// What a file is.
#[derive(Debug)]
pub(super) enum Judged {
    Gone,
    Whole(Box<Whole>),
    /// Whole up to here, and then something that no transition wrote.
    Torn {
        why: String,
        end: usize,
        rest: Box<Whole>,
        bytes: Vec<u8>,
    },
    Broken(String),
}

/// Which handoff a name in one of the four directories is, and where that is.
pub(super) fn read_name(status: Status, name: &str) -> Option<(HandoffId, Place)> {
    if !status.is_terminal() {
        return Place::read(status, name);
    }
    let id = HandoffId::parse(name.strip_suffix(".json")?).ok()?;
    let place = Place::PLAIN.into_iter().find(|place| place.status() == status)?;
    Some((id, place))
}

/// Judges a file by itself.
///
/// # Errors
/// When it cannot be read now.
pub(super) fn judge<D: Disk>(disk: &D, id: &HandoffId, place: Place, now: Time) -> io::Result<Judged> {
    let contents = match disk.read(&place.file(id), FILE_LIMIT) {
        Ok(Some(contents)) => contents,
        Ok(None) => return Ok(Judged::Gone),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(Judged::Broken("it is not a regular file".to_owned()));
        }
        Err(error) => return Err(error),
    };
    let (bytes, modified) = (contents.bytes, contents.modified);
    if bytes.len() as u64 > FILE_LIMIT {
        return Ok(Judged::Broken(format!("it is longer than {FILE_LIMIT} bytes, and no handoff's file is")));
    }
    let why = match whole(&bytes, id, place, modified, now) {
        Ok(whole) => return Ok(Judged::Whole(Box::new(whole))),
        Err(why) => why,
    };
    let zeros = bytes.len() - bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    let said = bytes.len() - zeros;
    // What ends in no break was not written to its end. Without a line, nothing says where the artifact ends, and what
    // comes after it cannot be told from it.
    let lines = bytes[..said].iter().rposition(|&b| b == b'\n').map_or(0, |last| last + 1);
    let torn = said - lines;
    for (end, why) in [
        (said, format!("it ends in {zeros} zeros, as a power cut leaves them")),
        (lines, format!("its last line breaks off after {torn} bytes")),
    ] {
        let fits =
            |whole: &Whole| whole.stray.is_none() && (end == said || has_lines(&bytes[..end], modified));
        if end < bytes.len()
            && let Ok(rest) = whole(&bytes[..end], id, place, modified, now)
            && fits(&rest)
        {
            return Ok(Judged::Torn { why, end, rest: Box::new(rest), bytes });
        }
    }
    Ok(Judged::Broken(line::misfit(&bytes).unwrap_or(why)))
}

fn has_lines(bytes: &[u8], modified: Time) -> bool {
    line::read(bytes, modified).is_ok_and(|told| told.artifact_bytes < bytes.len())
}

/// What these bytes tell, when they stand under this name.
fn whole(bytes: &[u8], id: &HandoffId, place: Place, modified: Time, now: Time) -> Result<Whole, line::Why> {
    let told = line::read(bytes, modified.min(now))?;
    let (told, _) = vet(&Protocol, id, place, told, now)?;
    let artifact_bytes = told.artifact_bytes;
    let live = Live { record: told.record, place, moved_from: None, len: bytes.len() as u64, artifact_bytes };
    let stray = stray(&live);
    Ok(Whole { record: live.record, stray, modified })
}
