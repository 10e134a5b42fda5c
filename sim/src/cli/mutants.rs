//! `mutants`: every seeded fault and slip, and the seed that finds it.

use std::fs;
use std::path::PathBuf;

use handoff_kernel::testing::variant::Fault;
use handoff_sim::batch;
use handoff_sim::mutants::recorded::{self, LIST, Said};
use handoff_sim::mutants::{Found, Mutant};

use super::{BROKEN, HOLDS, Progress, counted, ended, print, thread_count, threads, writable_file};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these; none is all of them
    #[arg(value_name = "FAULT", value_parser = mutant)]
    mutants: Vec<Mutant>,
    /// Look through so many seeds of each profile: first directory, then several, then races
    #[arg(long, value_name = "K", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Look for none: hold each line of the committed list (sim/mutants.txt) to its word; fails when one of all is missing there
    #[arg(long, conflicts_with_all = ["mutants", "seeds"])]
    recorded: bool,
    /// Write what was found, and what the committed list says of the others, into this file
    #[arg(long, value_name = "FILE", conflicts_with = "recorded")]
    out: Option<PathBuf>,
    /// On so many threads; what comes out is the same whatever their number
    #[arg(long, value_name = "T", value_parser = thread_count())]
    threads: Option<u16>,
    /// Say on standard error how far it is, at most every 10 seconds; a terminal is told every second anyway
    #[arg(long)]
    progress: bool,
}

fn mutant(name: &str) -> Result<Mutant, String> {
    Mutant::named(name).ok_or_else(|| {
        let names: Vec<_> = Mutant::all().into_iter().map(Mutant::name).collect();
        format!("there is no such fault; there are {}", names.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    args.out.as_deref().map_or(Ok(()), writable_file)?;
    let list = recorded::read(LIST).map_err(|why| format!("sim/mutants.txt, {why}"))?;
    let threads = threads(args.threads);
    if args.recorded { hold(&list, threads) } else { hunt(args, &list, threads) }
}

/// Holds the list to its word.
fn hold(list: &[(Mutant, Said<'_>)], threads: usize) -> Result<u8, String> {
    let missing = recorded::missing(list).into_iter().map(|mutant| {
        let name = mutant.name();
        format!(
            "{name}: sim/mutants.txt does not speak of it; `handoff-sim mutants {name} --out sim/mutants.txt` looks for a seed"
        )
    });
    let mut wrong: Vec<String> = missing.collect();
    batch::each(list, threads, |(mutant, said)| said.holds(*mutant), |_, held| wrong.extend(held.err()));
    for why in &wrong {
        print(&format!("{why}\n"))?;
    }
    let silent = list.iter().filter(|(_, said)| matches!(said, Said::Silent(_))).count();
    let found = list.len() - silent;
    print(&format!(
        "of sim/mutants.txt: {found} that a seed finds, {silent} that no run can show, {} wrong\n",
        wrong.len()
    ))?;
    Ok(if wrong.is_empty() { HOLDS } else { BROKEN })
}

/// Looks for all that are asked for, but for those of which the list says that no run can show them.
fn hunt(args: &Args, list: &[(Mutant, Said<'_>)], threads: usize) -> Result<u8, String> {
    let asked = if args.mutants.is_empty() { Mutant::all() } else { args.mutants.clone() };
    let why_not = |mutant: &Mutant| {
        list.iter().find(|(other, _)| other == mutant).and_then(|(_, said)| match said {
            Said::Silent(why) => Some(*why),
            Said::Found { .. } => None,
        })
    };
    let (silent, hunted): (Vec<_>, Vec<_>) = asked.into_iter().partition(|mutant| why_not(mutant).is_some());
    let progress = Progress::new(args.progress);
    let (mut found, mut printed) = (Vec::new(), Ok(()));
    let hunt = |mutant: &Mutant| {
        mutant.hunt(args.seeds, |runs| {
            progress.say(|| format!("{}, {}", mutant.name(), counted(runs, "run")));
        })
    };
    batch::each(&hunted, threads, hunt, |mutant, hit| {
        if printed.is_ok() {
            printed = print(&line(*mutant, hit.as_ref()));
        }
        found.push((*mutant, hit));
    });
    printed?;
    if !silent.is_empty() {
        print("\nwhat no run of these worlds can show:\n")?;
    }
    for mutant in &silent {
        print(&format!("  {:<28} {}\n", mutant.name(), why_not(mutant).unwrap_or_default()))?;
    }
    let alive = found.iter().filter(|(_, hit)| hit.is_none()).count();
    print(&format!("\n{} found, {alive} not found\n", found.len() - alive))?;
    let written = args.out.as_ref().map_or(Ok(()), |file| {
        let text = recorded::write(&found, list)?;
        fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
    });
    ended(if alive > 0 { BROKEN } else { HOLDS }, written)
}

fn line(mutant: Mutant, found: Option<&Found>) -> String {
    let name = mutant.name();
    let Some(Found { profile, seed, runs, breach }) = found else {
        return format!("ALIVE {name:<28}\n");
    };
    let other = match mutant {
        Mutant::Law(fault) if !mutant.is_named(breach) => {
            format!("; named for {}", Fault::caught_by(fault))
        }
        Mutant::Law(_) | Mutant::Store(_) => String::new(),
    };
    format!(
        "found {name:<28} {:<9} seed {seed:<4} {:>9}  {breach}{other}\n",
        profile.name(),
        counted(*runs, "run")
    )
}
