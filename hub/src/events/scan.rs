//! Going through the whole log once, line by line: what each says, and where it does not hold fast to the one before.

use std::io;

use handoff_kernel::ident::Digest;

use super::event::Logged;
use super::read::{Piece, Reader};
use super::segment::{self, path};
use super::{DIRECTORY, NOTHING};
use crate::disk::Disk;

/// What is seen on the way.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is matched at once")]
pub(crate) enum Seen {
    /// A line of ours.
    Line(Logged),
    /// Something in this file that is not as the hub writes it, as a sentence.
    Wrong(String, String),
    /// Bytes at the very end that are no whole line: a crash leaves them, and the hub cuts them off.
    Torn(String),
}

/// Goes through the log from its begin. No log is an empty one.
pub(crate) fn scan<D: Disk>(disk: &D, mut see: impl FnMut(Seen) -> io::Result<()>) -> io::Result<()> {
    if disk.about(DIRECTORY)?.is_none() {
        return Ok(());
    }
    let segments = segment::list(disk)?;
    let newest = segments.last().copied();
    // The number and the digest of the line before; none where nothing is known of it.
    let mut before: Option<(u64, Digest)> = Some((0, NOTHING)).filter(|_| segments.first() == Some(&1));
    for segment in segments {
        let file = path(segment);
        let mut reader = Reader::open(disk, segment)?;
        let mut first = true;
        let mut number = 0_u64;
        loop {
            let line = match reader.next()? {
                Piece::Line(line) => line,
                Piece::Torn if Some(segment) == newest => {
                    see(Seen::Torn(file.clone()))?;
                    break;
                }
                Piece::Torn => {
                    see(Seen::Wrong(file.clone(), "it ends in bytes that are no whole line".to_owned()))?;
                    break;
                }
                Piece::TooLong => {
                    see(Seen::Wrong(
                        file.clone(),
                        "it has a line that is longer than any line is".to_owned(),
                    ))?;
                    break;
                }
                Piece::End => break,
            };
            number += 1;
            let sha256 = Digest::of(line);
            let Some(logged) = Logged::read(line) else {
                see(Seen::Wrong(file.clone(), format!("its line {number} is not as the hub writes one")))?;
                before = None;
                continue;
            };
            let seq = logged.seq;
            if first && seq != segment {
                see(Seen::Wrong(
                    file.clone(),
                    format!("it begins with the event {seq}, and its name says another"),
                ))?;
            }
            if let Some((last, prev)) = before {
                if seq != last.saturating_add(1) {
                    see(Seen::Wrong(file.clone(), format!("after the event {last} comes the event {seq}")))?;
                } else if logged.prev != prev {
                    let what = format!(
                        "the event {seq} does not hold fast to the event {last}: one of them, or what is between, has been changed"
                    );
                    see(Seen::Wrong(file.clone(), what))?;
                }
            }
            (before, first) = (Some((seq, sha256)), false);
            see(Seen::Line(logged))?;
        }
    }
    Ok(())
}
