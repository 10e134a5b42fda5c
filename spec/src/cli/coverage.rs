//! `coverage`: how much can happen to one handoff, by all that the models of hubs show.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use handoff_spec::coverage::{Explored, Seen, Truth, explore_all};
use handoff_spec::profile::Profile;

use super::{BROKEN, HOLDS, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How large the models are: quick while one works, ci for the whole list
    #[arg(long, value_enum, default_value_t = Size::Quick)]
    profile: Size,
    /// Write the list of every step of a handoff into this file (spec/coverage.txt); with the profile ci only
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// The profiles of which there is a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    Quick,
    Ci,
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    if args.record.is_some() && args.profile != Size::Ci {
        return Err("--record writes the whole list: add --profile ci".into());
    }
    let mut found = Truth::default();
    let mut text = String::new();
    let profiles: &[Profile] = match args.profile {
        Size::Quick => &[Profile::Quick],
        Size::Ci => &[Profile::Quick, Profile::Ci],
    };
    for &profile in profiles {
        let mut seen = Seen::default();
        for Explored { id, states, seen: shown } in explore_all(profile) {
            let before = seen.edges.len();
            seen.merge(&shown);
            let (edges, new) = (shown.edges.len(), seen.edges.len() - before);
            // Writing to a string cannot fail.
            let _written =
                writeln!(text, "{profile:<6} {id:<36} {states:>9} states {edges:>6} steps {new:>6} new");
        }
        found.add(profile, &seen);
        let (situations, edges) = (found.situations(profile).len(), found.edges(profile).count());
        let _written = writeln!(text, "{profile:<6} {situations} situations, {edges} steps of one handoff");
    }
    print(&text)?;
    if let Some(file) = &args.record {
        fs::write(file, found.render())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        return print(&format!("written: {}\n", file.display())).map(|()| HOLDS);
    }
    let listed = Truth::committed().map_err(|error| error.to_string())?;
    let profile = profiles.iter().copied().max().unwrap_or(Profile::Quick);
    let differ = differences(&found, &listed, profile);
    if differ.is_empty() {
        return print("as listed in spec/coverage.txt\n").map(|()| HOLDS);
    }
    let hint = "When this was meant: handoff-spec coverage --profile ci --record spec/coverage.txt\n";
    print(&format!("{differ}{hint}")).map(|()| BROKEN)
}

/// What only one of the two has.
fn differences(found: &Truth, listed: &Truth, profile: Profile) -> String {
    let only = |what: &str, these: &Truth, those: &Truth| {
        let mut text = String::new();
        let those: std::collections::BTreeSet<_> = those.edges(profile).collect();
        for edge in these.edges(profile).filter(|edge| !those.contains(edge)) {
            let _written = writeln!(text, "{what}: {edge}");
        }
        text
    };
    only("not listed", found, listed) + &only("listed, and cannot happen", listed, found)
}
