//! `conform`: traces played on a real hub, and histories of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use handoff_kernel::law::{Law as _, PROTOCOL, Protocol};
use handoff_kernel::testing::variant::Variant;
use handoff_sim::conform::{Settings, all};
use handoff_sim::swarm::Swarm;
use handoff_sim::{histories, live};
use handoff_spec::trace::Trace;

use super::trace::read;
use super::{BROKEN, HOLDS, Progress, counted, ended, law, print, threads, writable_directory};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hub that is built for tests: `cargo build --profile test -p handoff-hub --bin handoff-hub-testing --features testing`
    #[arg(long, value_name = "PATH")]
    hub_binary: PathBuf,
    /// Play this trace, or every trace (*.ndjson) of this directory
    #[arg(long, value_name = "PATH")]
    traces: Option<PathBuf>,
    /// Play so many traces that the simulator writes for it
    #[arg(long, value_name = "N", default_value_t = 0)]
    fresh: u64,
    /// What the fresh traces, the trouble on the way and the histories are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Look for an order of so many histories
    #[arg(long, value_name = "N", default_value_t = 0)]
    histories: u64,
    /// The law that the hub is run under
    #[arg(long, default_value = PROTOCOL, value_name = "NAME", value_parser = law)]
    law: Variant,
    /// The law that traces hold it to, if that is another: a hub with a fault is found out by `protocol`
    #[arg(long, value_name = "NAME", value_parser = law)]
    held_to: Option<Variant>,
    /// Write each trace that does not conform (NDJSON) into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Say on standard error how far it is, at most every 10 seconds; a terminal is told every second anyway
    #[arg(long)]
    progress: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    if args.traces.is_none() && args.fresh == 0 && args.histories == 0 {
        return Err("nothing is asked for: name --traces PATH, --fresh N or --histories N".into());
    }
    if !args.hub_binary.is_file() {
        return Err(format!("{} is no file: name the hub's binary", args.hub_binary.display()));
    }
    let traces = args.traces.as_deref().map_or_else(|| Ok(Vec::new()), committed)?;
    args.out.as_deref().map_or(Ok(()), writable_directory)?;
    is_built_for_tests(&args.hub_binary)?;
    let fresh = (0..args.fresh).filter_map(|number| {
        let seed = args.seed.wrapping_add(number);
        let mut trace = live::run(&Protocol, &Swarm::conformable(seed), true).trace?;
        trace.header.name = format!("fresh-seed-{seed}");
        Some(trace)
    });
    let progress = Progress::new(args.progress);
    let (mut failed, mut written) = (0_u64, Ok(()));
    if !traces.is_empty() || args.fresh > 0 {
        let settings = Settings {
            binary: args.hub_binary.clone(),
            law: args.law.name(),
            held_to: args.held_to.as_ref().unwrap_or(&args.law).name(),
            at_once: threads(None),
            trouble: Some(args.seed),
        };
        let mut done = 0_u64;
        let played = all(traces.into_iter().chain(fresh), &settings, |trace, result| {
            done += 1;
            progress.say(|| counted(done, "trace"));
            let Err(why) = result else { return };
            let said = print(&format!("NOT {why}\n"));
            let file = args.out.as_deref().map_or_else(|| Ok(String::new()), |out| write(out, trace));
            let said = said.and(file.and_then(|file| print(&file)));
            if written.is_ok() {
                written = said;
            }
        });
        failed += played.failed;
        print(&played.to_string())?;
        if failed == 0 && played.answers == 0 {
            failed += 1;
            print("not one answer was compared: nothing is known of the hub\n")?;
        }
    }
    if args.histories > 0 {
        let more: Vec<String> =
            if args.law.name() == PROTOCOL { Vec::new() } else { vec!["--law".to_owned(), args.law.name()] };
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let found = histories::run_with(&args.hub_binary, &more, args.histories, args.seed, |so_far| {
            progress.say(|| histories_of(so_far.histories));
        });
        match found {
            Ok(summary) => print(&format!(
                "{} of {} in an order: {} without an answer, {}, {} overlapping at most\n",
                histories_of(summary.histories),
                counted(summary.operations, "operation"),
                summary.unknown,
                counted(summary.kills, "kill"),
                summary.overlapping
            ))?,
            Err(why) => {
                failed += 1;
                print(&format!("{why}\n"))?;
            }
        }
    }
    let (text, code) = if failed == 0 {
        ("the hub does as the kernel does\n".to_owned(), HOLDS)
    } else {
        (format!("{failed} not as the kernel's\n"), BROKEN)
    };
    ended(code, written.and(print(&text)))
}

fn histories_of(count: u64) -> String {
    if count == 1 { "1 history".to_owned() } else { format!("{count} histories") }
}

/// The hub that is built for tests has a clock that is set. Of one that ships every trace would be told not to be as the
/// kernel's, which it is.
fn is_built_for_tests(binary: &Path) -> Result<(), String> {
    let asked = Command::new(binary).args(["serve", "--help"]).stdin(Stdio::null()).output();
    let help = asked.map_err(|error| format!("{} does not run: {error}", binary.display()))?.stdout;
    if String::from_utf8_lossy(&help).contains("--test-clock") {
        return Ok(());
    }
    Err(format!(
        "{} is no hub that is built for tests, whose clock can be set; this builds one, target/debug/handoff-hub-testing:\n  \
         cargo build --profile test -p handoff-hub --bin handoff-hub-testing --features testing",
        binary.display()
    ))
}

/// Writes a trace that does not conform, and says where.
fn write(out: &Path, trace: &Trace) -> Result<String, String> {
    let file = out.join(format!("{}.ndjson", trace.header.name));
    fs::write(&file, trace.to_ndjson())
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(format!("  written: {}\n", file.display()))
}

/// A trace, by the name of its file: many a trace of the simulator has the same name in it, or none.
fn named(file: &Path) -> Result<Trace, String> {
    let mut trace = read(file)?;
    if let Some(name) = file.file_stem() {
        trace.header.name = name.to_string_lossy().into_owned();
    }
    Ok(trace)
}

/// One trace, or every trace of a directory, in the order of their names.
fn committed(directory: &Path) -> Result<Vec<Trace>, String> {
    if directory.is_file() {
        return named(directory).map(|trace| vec![trace]);
    }
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    let files = fs::read_dir(directory).map_err(failed)?;
    let mut files: Vec<PathBuf> =
        files.map(|file| file.map(|file| file.path())).collect::<Result<_, _>>().map_err(failed)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    if files.is_empty() {
        return Err(format!("there is no trace (*.ndjson) in {}", directory.display()));
    }
    files.iter().map(|file| named(file)).collect()
}
