//! `mutants`: every seeded fault and slip, and the seed that finds it.

use handoff_kernel::testing::variant::Fault;
use handoff_sim::mutants::{Found, Mutant};

use super::{BROKEN, HOLDS, Progress, counted, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these; none is all of them
    #[arg(value_name = "FAULT", value_parser = mutant)]
    mutants: Vec<Mutant>,
    /// Look through so many seeds of each profile: first directory, then several, then races
    #[arg(long, value_name = "K", default_value_t = 300)]
    seeds: u64,
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
    let mutants = if args.mutants.is_empty() { Mutant::all() } else { args.mutants.clone() };
    let progress = Progress::new(args.progress);
    let (mut silent, mut wrong, mut found) = (Vec::new(), 0_u64, 0_u64);
    for mutant in mutants {
        if let Some(why) = mutant.is_silent() {
            silent.push((mutant, why));
            continue;
        }
        let hunted = mutant.hunt(args.seeds, |runs| {
            progress.say(|| format!("{}, {}", mutant.name(), counted(runs, "run")));
        });
        *(if hunted.is_some() { &mut found } else { &mut wrong }) += 1;
        print(&line(mutant, hunted.as_ref()))?;
    }
    if !silent.is_empty() {
        print("\nwhat no run of these worlds can show:\n")?;
    }
    for (mutant, why) in silent {
        print(&format!("  {:<28} {why}\n", mutant.name()))?;
    }
    print(&format!("\n{found} found, {wrong} not found\n"))?;
    Ok(if wrong > 0 { BROKEN } else { HOLDS })
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
    format!("found {name:<28} {:<9} seed {seed:<4} {:>4} runs  {breach}{other}\n", profile.name(), runs)
}
