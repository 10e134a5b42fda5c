//! `fsck`: looks through a data directory, and says line by line what it finds.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{ended, print};
use crate::ambient::SystemClock;
use crate::clock::Clock as _;
use crate::server::written;
use crate::store::fsck::fsck;

/// What to look through, and how.
#[derive(Debug, Args)]
pub struct FsckOptions {
    /// The hub's data directory; the hub must not run
    #[arg(long, value_name = "DIR", default_value = "./handoff-data")]
    data: PathBuf,
    /// Mend what can be mended. Nothing is deleted: what has to go from its place goes to quarantine/. Without this,
    /// nothing at all is changed
    #[arg(long)]
    repair: bool,
}

/// `fsck`: 0 when nothing is wrong, or nothing any more; 1 when something is left, or it could not be looked through.
#[must_use]
pub fn run(options: &FsckOptions) -> ExitCode {
    let mut shown = Ok(());
    let summary = fsck(&options.data, options.repair, SystemClock::start().wall(), &mut |finding| {
        if shown.is_ok() {
            shown = print(&format!("{finding}\n"));
        }
    });
    let clean = summary.as_ref().is_ok_and(|summary| summary.is_clean());
    let result = summary
        .map_err(|failed| failed.to_string())
        .and_then(|summary| shown.and_then(|()| print(&format!("{summary}\n"))));
    if result.is_ok() && !clean {
        written();
        return ExitCode::FAILURE;
    }
    ended(result)
}
