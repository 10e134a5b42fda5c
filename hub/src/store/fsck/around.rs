//! What is around the handoffs: the format, the directories, the clock, the tokens, and what belongs to nobody.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use handoff_kernel::ident::HandoffId;
use handoff_kernel::time::{Millis, Time};
use serde_json::Value;

use super::super::files::{ASIDE, Files as _, MAKING};
use super::super::journal::FILES;
use super::super::open::{self, DIRECTORIES, FORMAT};
use super::super::upgrade;
use super::{Said, Then, id_of};
use crate::disk::{Disk, Kind};
use crate::tokens::TokenFile;

/// What else there is in a data directory.
const OTHERS: [&str; 6] = ["FORMAT", "clock", "lock", "tokens.json", "tokens.lock", upgrade::JOURNAL];

/// A clock that is further ahead than this is no clock that is a little fast.
const A_DAY: Millis = Millis::from_secs(24 * 3600);

/// A `.why` says one sentence.
const LONGEST_WHY: u64 = 64 * 1024;

/// Which format a data directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Current,
    Old,
    /// None that this hub could say anything about.
    Unknown,
}

pub(super) fn format<D: Disk>(disk: &D, repair: bool, said: &mut Said<'_>) -> io::Result<Format> {
    let found = match disk.read("FORMAT", 64) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            said.left("FORMAT", "it is not a regular file", "Nothing else was looked at: move it away first");
            return Ok(Format::Unknown);
        }
        found => found?,
    };
    let found = found.map(|found| String::from_utf8_lossy(found.bytes.trim_ascii()).into_owned());
    let old = disk.exists(upgrade::JOURNAL)?;
    Ok(match found.as_deref() {
        Some(FORMAT) => Format::Current,
        None if !old => {
            let then = if repair {
                Then::Done(format!("It was written anew, for format {FORMAT}"))
            } else {
                Then::Left("The next start, or --repair, writes it anew".to_owned())
            };
            said.say("FORMAT", "it is missing", then);
            Format::Current
        }
        Some("1") | None => {
            let what = if found.is_some() {
                "it says format 1"
            } else {
                "it is missing, and there is a journal of format 1"
            };
            let then = if repair {
                Then::Done(format!("The directory was upgraded to format {FORMAT}"))
            } else {
                Then::Left(format!("The next start, or --repair, upgrades it to format {FORMAT}"))
            };
            said.say("FORMAT", what, then);
            Format::Old
        }
        Some(other) => {
            said.left(
                "FORMAT",
                format!("it says {other:?}, and this hub knows formats 1 and {FORMAT} only"),
                "Nothing else was looked at: use the hub that wrote it, or a newer one",
            );
            Format::Unknown
        }
    })
}

/// Whether every directory is one, or can be made.
pub(super) fn directories<D: Disk>(
    disk: &D,
    repair: bool,
    wall: Time,
    said: &mut Said<'_>,
) -> io::Result<bool> {
    let mut all = true;
    for name in DIRECTORIES {
        match disk.about(name)?.map(|about| about.kind) {
            Some(Kind::Directory) => {}
            None if repair => {
                said.tried(
                    name,
                    "it is missing",
                    disk.make_directory(name).map(|()| "It was made".to_owned()),
                );
            }
            None => {
                let then =
                    "The next start makes it, and so does --repair; what was in it comes from a backup only";
                said.left(name, "it is missing", then);
            }
            Some(Kind::Regular | Kind::Other) if repair && name != ASIDE && name != MAKING => {
                let moved = disk
                    .make_directory(ASIDE)
                    .and_then(|()| disk.put_aside(name, "it is no directory", wall));
                let made = moved.and_then(|to| disk.make_directory(name).map(|()| went(to)));
                all &= made.is_ok();
                said.tried(name, "it is no directory", made);
            }
            Some(Kind::Regular | Kind::Other) => {
                all &= !repair;
                said.left(name, "it is no directory", "Move it away: no hub starts here until then");
            }
        }
    }
    Ok(all)
}

/// What is said of a file that was moved aside.
pub(super) fn went(to: Option<String>) -> String {
    to.map_or_else(|| "It is gone already".to_owned(), |to| format!("It went to {to}"))
}

/// How far the hub's time had come, by its own file.
pub(super) fn clock<D: Disk>(disk: &D, repair: bool, wall: Time, said: &mut Said<'_>) -> io::Result<Time> {
    let by_others = "by the journal and the wall clock";
    let what = match (disk.about("clock")?.map(|about| about.kind), open::clock(disk)) {
        (None, _) => {
            let then = if repair {
                Then::Done(format!("It was written anew, {by_others}"))
            } else {
                Then::Left(format!("The next start, or --repair, writes it anew, {by_others}"))
            };
            said.say("clock", "it is missing", then);
            return Ok(Time(0));
        }
        (Some(Kind::Regular), Ok(time)) => {
            if time > wall.plus(A_DAY) {
                let ahead = time.since(wall).0 / A_DAY.0;
                said.left(
                    "clock",
                    format!("the hub's time is {ahead} days ahead of the wall clock, and never goes back: whatever has a deadline before it is overdue"),
                    "Set the machine's clock right if it is wrong. If it is the file that is wrong, only you can know: move it and both journals away while the hub is stopped, and everything is decided by the wall clock again",
                );
            }
            return Ok(time);
        }
        (Some(Kind::Regular), Err(error)) => error.to_string(),
        (Some(Kind::Directory | Kind::Other), _) => "it is not a regular file".to_owned(),
    };
    if repair {
        let moved = disk.make_directory(ASIDE).and_then(|()| disk.put_aside("clock", &what, wall));
        let then = moved.map(|to| format!("{}, and a new one was written {by_others}", went(to)));
        said.tried("clock", what, then);
    } else {
        said.left(
            "clock",
            what,
            format!(
                "No hub starts here until then: --repair moves it to {ASIDE}/ and writes one {by_others}"
            ),
        );
    }
    Ok(Time(0))
}

/// The tokens. They are nobody's but the operator's to mend.
pub(super) fn tokens(path: &Path, said: &mut Said<'_>) {
    const FILE: &str = "tokens.json";
    if let Err(error) = TokenFile::in_directory(path.to_owned()).list() {
        said.left(FILE, "the tokens cannot be read", error.to_string());
    }
    let open =
        path.join(FILE).symlink_metadata().is_ok_and(|about| about.is_file() && about.mode() & 0o007 != 0);
    if open {
        said.left(
            FILE,
            "everybody on this machine may read or change it",
            "Nobody can show a token by its hash, but whoever may write makes tokens: chmod 600 it",
        );
    }
}

/// What is in `tmp/`, and what belongs to nobody.
pub(super) fn leftovers<D: Disk>(disk: &D, said: &mut Said<'_>) -> io::Result<()> {
    if disk.exists(MAKING)? {
        let left = disk.walk(MAKING)?.count();
        if left > 0 {
            let what = format!("{left} files were being written when a hub was interrupted");
            said.note(MAKING, what, "They are copies, or halves of copies: the next start removes them");
        }
    }
    let mut foreign: Vec<String> = disk.walk("")?.collect::<io::Result<_>>()?;
    foreign.sort_unstable();
    for name in foreign {
        let ours = [&DIRECTORIES[..], &FILES, &OTHERS].iter().any(|names| names.contains(&name.as_str()));
        if !ours {
            said.note(&name, "it is none of the hub's", "It is in nobody's way");
        }
    }
    Ok(())
}

/// What has been moved aside before, and why; returns of which handoffs.
pub(super) fn aside<D: Disk>(disk: &D, said: &mut Said<'_>) -> io::Result<BTreeSet<HandoffId>> {
    let mut handoffs = BTreeSet::new();
    if !disk.exists(ASIDE)? {
        return Ok(handoffs);
    }
    for name in disk.list(ASIDE)? {
        let file = format!("{ASIDE}/{name}");
        if let Some(about) = name.strip_suffix(".why") {
            let read = disk.read(&file, LONGEST_WHY).ok().flatten();
            let why: Option<Value> = read.and_then(|read| serde_json::from_slice(&read.bytes).ok());
            let word = |key| why.as_ref().and_then(|why| why.get(key)?.as_str());
            handoffs.extend(word("from").and_then(id_of));
            let (from, why) = (word("from").unwrap_or("?"), word("why").unwrap_or("it does not say why"));
            let what = format!("it was {from}, and went here: {why}");
            said.note(
                &format!("{ASIDE}/{about}"),
                what,
                "Look at it, and remove both when they are of no use",
            );
        } else if !disk.exists(&format!("{file}.why"))? {
            said.note(&file, "nothing says why it is here", "Look at it, and remove it when it is of no use");
        }
    }
    Ok(handoffs)
}
