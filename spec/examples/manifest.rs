//! Brings the manifest of rules, `spec/rules.toml`, up to date, for the rules of which one says why:
//!
//! ```text
//! cargo run -p handoff-spec --example manifest                                says what is open
//! cargo run -p handoff-spec --example manifest -- --why "S3=The reason."      adds an entry for S3
//! cargo run -p handoff-spec --example manifest -- --why "S3,S14=The reason."  for both
//! ```
//!
//! It adds entries for exactly the rules that are named, and ends with exit code 1 while another has changed as well. Where
//! there is no manifest at all, it writes the first one.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use clap::Parser;

use support::definition::definitions;
use support::manifest::{FILE, Manifest, path};
use support::source::{sources, subjects};

/// Bring the manifest of rules up to date
#[derive(Debug, Parser)]
struct Arguments {
    /// Why these rules changed, or were removed; may be given more than once
    #[arg(long, value_name = "ID[,ID…]=REASON")]
    why: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(open) if open.is_empty() => ExitCode::SUCCESS,
        Ok(open) => {
            eprintln!("{}", open.join("\n"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Writes the manifest, and returns what is open.
fn run(arguments: &Arguments) -> Result<Vec<String>, String> {
    let whys = whys(&arguments.why)?;
    let definitions = definitions(&sources()?, &subjects())?;
    let file = path();
    let written = if file.exists() {
        Some(fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?)
    } else {
        None
    };
    let mut manifest = match &written {
        Some(text) => Manifest::parse(text)?,
        None => Manifest::first(&definitions),
    };
    manifest.explain(&definitions, &whys)?;
    let text = manifest.render(&definitions);
    if written.as_ref() != Some(&text) {
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("wrote {FILE}");
    }
    Ok(manifest.findings(&definitions))
}

/// `S3,S14=The reason.`, taken apart.
fn whys(all: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut whys = BTreeMap::new();
    for one in all {
        let Some((ids, why)) = one.split_once('=') else {
            return Err(format!("\"{one}\" is not of the form ID=REASON"));
        };
        for id in ids.split(',') {
            if whys.insert(id.trim().to_owned(), why.trim().to_owned()).is_some() {
                return Err(format!("{} is given two reasons", id.trim()));
            }
        }
    }
    Ok(whys)
}
