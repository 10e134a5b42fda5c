//! `coverage`: what runs have shown, of what the models can show.

use std::collections::BTreeMap;

use handoff_kernel::law::Protocol;
use handoff_sim::batch::{self, Plan};
use handoff_sim::swarm::Profile;
use handoff_spec::coverage::{Deadline, Edge, Kind, Label, Seen, Stage, Truth, Wrote};
use handoff_spec::profile;

use super::{BROKEN, HOLDS, Progress, counted, print, profile as profile_named, thread_count, threads};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// So many seeds of each profile
    #[arg(long, value_name = "K", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Only this profile; none is all of them
    #[arg(long, value_parser = profile_named)]
    profile: Option<Profile>,
    /// Print every step that no run has shown, in groups, with the reason where one is known
    #[arg(long)]
    missing: bool,
    /// Fail, unless all together have shown at least so much of the steps of the models' ci profile
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    at_least: Option<u8>,
    /// On so many threads
    #[arg(long, value_name = "T", value_parser = thread_count())]
    threads: Option<u16>,
    /// Say on standard error how far it is, at most every 10 seconds; a terminal is told every second anyway
    #[arg(long)]
    progress: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    let truth = Truth::committed().map_err(|error| error.to_string())?;
    let progress = Progress::new(args.progress);
    let profiles = args.profile.map_or_else(|| Profile::ALL.to_vec(), |profile| vec![profile]);
    let (mut all, mut broken) = (Seen::default(), 0_u64);
    print(&format!(
        "{:<10} {:>6}  {}\n",
        "profile", "runs", "of the models: situations, steps of a handoff"
    ))?;
    for profile in profiles {
        let threads = threads(args.threads);
        let plan = Plan { seed: 0, runs: args.runs, profile, threads, digests: false };
        let report = batch::run(&Protocol, &plan, |done| {
            progress.say(|| format!("{}, {}", profile.name(), counted(done, "run")));
            true
        });
        row(&truth, profile.name(), report.runs, &report.coverage)?;
        all.merge(&report.coverage);
        for (seed, failure) in &report.failures() {
            broken += 1;
            let name = profile.name();
            print(&format!("seed {seed}: {failure}\n  handoff-sim run --seed {seed} --profile {name}\n"))?;
        }
    }
    if args.profile.is_none() {
        row(&truth, "together", args.runs.saturating_mul(Profile::ALL.len() as u64), &all)?;
    }
    if args.missing {
        print(&missing(&truth.missing(profile::Profile::Ci, &all)))?;
    }
    let share = truth.share_of_edges(profile::Profile::Ci, &all);
    let short = args.at_least.filter(|percent| !share.is_at_least(usize::from(*percent)));
    if let Some(percent) = short {
        print(&format!(
            "shown were {share} of the steps, and not {percent} %: --missing names the others\n"
        ))?;
    }
    Ok(if short.is_some() || broken > 0 { BROKEN } else { HOLDS })
}

fn row(truth: &Truth, name: &str, runs: u64, seen: &Seen) -> Result<(), String> {
    for models in [profile::Profile::Quick, profile::Profile::Ci] {
        let situations = truth.share_of_situations(models, seen).to_string();
        let edges = truth.share_of_edges(models, seen);
        print(&format!("{name:<10} {runs:>6}  {:<6} {situations:<24} {edges}\n", models.to_string()))?;
    }
    Ok(())
}

/// Those that no run has shown, by what they have in common.
fn missing(edges: &[Edge]) -> String {
    let mut groups: BTreeMap<&'static str, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        groups.entry(why(edge)).or_default().push(edge);
    }
    let mut out = String::new();
    for (why, edges) in groups {
        out += &format!("\n{} never seen: {why}\n", counted(edges.len() as u64, "step"));
        out.extend(edges.iter().map(|edge| format!("  {edge}\n")));
    }
    out
}

/// Why a run has not shown it, as far as that is known.
fn why(edge: &Edge) -> &'static str {
    const CHANCE: &str =
        "several operations at once on one handoff, in an order that these seeds have not drawn";
    match edge.label {
        Label::Prunes => {
            "retention is a directory store's, which does one operation at a time: it never removes what another is about to write"
        }
        Label::Decides { kind: Kind::Sweep, .. }
        | Label::Writes(Kind::Sweep, ..)
        | Label::Hears(Kind::Sweep, _)
        | Label::LoadHeld(Kind::Sweep)
        | Label::LoadLost(Kind::Sweep)
        | Label::Fails(Kind::Sweep, _)
        | Label::Follows(Kind::Sweep, _) => {
            "a sweep: a janitor looks only after what is due, and models sweep anything at any time"
        }
        Label::Decides { deadline: Deadline::At, .. } => "at the very millisecond of a deadline",
        Label::Follows(..) | Label::Writes(_, Wrote::Delayed, _) | Label::Hears(_, Wrote::Delayed) => {
            "a write that the store carries out late"
        }
        Label::Fails(_, Stage::ToLoad | Stage::ToWrite | Stage::Heard) => "the store says that it cannot",
        Label::LoadHeld(_) | Label::LoadLost(_) => "the store's answer to a load that is held or lost",
        Label::Crashes => "a hub that dies with just this in hand",
        Label::Decides { .. } | Label::Writes(..) | Label::Hears(..) => {
            if edge.before.in_hand() > 1 {
                CHANCE
            } else {
                "one operation alone, and nobody knows why"
            }
        }
    }
}
