//! `log`: what can be asked of the event log. It is read without the hub's lock, so a hub may be running on it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{ended, print};
use crate::disk::{Disk as _, RealDisk};
use crate::events::{Checkpoint, DIRECTORY, Verified, verify};

/// What can be asked of the event log.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Find the first event that was changed, removed or put elsewhere since it was written
    Verify {
        /// The hub's data directory
        #[arg(long, value_name = "DIR", default_value = "./handoff-data")]
        data: PathBuf,
        /// What an earlier `log verify` said of the last event, kept elsewhere since; may be given several times
        #[arg(long, value_name = "SEQ:SHA256")]
        checkpoint: Vec<Checkpoint>,
    },
}

/// `log verify`.
#[must_use]
pub fn log(command: LogCommand) -> ExitCode {
    let LogCommand::Verify { data, checkpoint } = command;
    ended(verified(&data, &checkpoint).and_then(|verified| print(&told(&verified))))
}

fn verified(data: &Path, checkpoints: &[Checkpoint]) -> Result<Verified, String> {
    let unreadable = |error: io::Error| format!("{} cannot be looked into: {error}.", data.display());
    let disk = RealDisk::look(data).map_err(unreadable)?;
    if disk.about(DIRECTORY).map_err(unreadable)?.is_none() {
        return Err(format!(
            "There is no {DIRECTORY}/ in {}: no hub has run on it yet, or its event log has been removed.",
            data.display()
        ));
    }
    // A hub that runs may have been writing over a line that it could not write whole: then a second look finds it so.
    let verified = verify(&disk, checkpoints).or_else(|_| verify(&disk, checkpoints));
    verified.map_err(|why| why.to_string())
}

fn told(verified: &Verified) -> String {
    let Verified { segments, events, first, last, recovered, torn_tail } = *verified;
    let many = |n: u64, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    let (events, segments) = (many(events, "event"), many(segments, "segment"));
    let mut text = match last.seq {
        0 => format!("{events} in {segments}.\n"),
        seq => format!("{events} in {segments}, {first} to {seq}, whole.\n"),
    };
    if recovered > 0 {
        text +=
            &format!("{} written afterwards, in place of what had been lost.\n", many(recovered, "event"));
    }
    if torn_tail {
        text += "After the last one there is the begin of another: the hub is writing it, or a crash cut it short.\n";
    }
    if last.seq > 0 {
        text += &format!(
            "Checkpoint {last}\nKeep it elsewhere: `--checkpoint {last}` proves later that the log still says what it says now.\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::ident::Digest;

    #[test]
    fn what_was_verified_is_told_in_plain_lines() {
        let last = Checkpoint { seq: 7, sha256: Digest([0xab; 32]) };
        let verified = Verified { segments: 2, events: 4, first: 4, last, recovered: 1, torn_tail: true };
        let hex = "ab".repeat(32);
        let expected = format!(
            "4 events in 2 segments, 4 to 7, whole.\n\
             1 event written afterwards, in place of what had been lost.\n\
             After the last one there is the begin of another: the hub is writing it, or a crash cut it short.\n\
             Checkpoint 7:{hex}\n\
             Keep it elsewhere: `--checkpoint 7:{hex}` proves later that the log still says what it says now.\n"
        );
        assert_eq!(told(&verified), expected);
        let last = Checkpoint { seq: 0, sha256: Digest([0; 32]) };
        let empty = Verified { segments: 1, events: 0, first: 1, last, recovered: 0, torn_tail: false };
        assert_eq!(told(&empty), "0 events in 1 segment.\n");
    }
}
