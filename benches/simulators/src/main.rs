//! How fast the simulator is, beside another: the same scenario in `handoff_sim` and in turmoil, in turn, in one thread.
//!
//! The work is the same (so many handoffs, started, claimed and completed over a network that loses and delays alike), so
//! what is compared is handoffs completed a second of wall time. `scripts/simulators` runs it.

mod peer;
mod wire;

use std::process::ExitCode;

use handoff_sim::scenario::{self, Scenario};
use handoff_spec::ambient::Stopwatch;

const USAGE: &str = "\
usage: simulators [--runs N] [--thinks MS] [--demand]
       so many runs (5) of the scenario in each simulator, in turn
       --thinks   clients think for up to so long (300) between an answer and the next request
       --demand   exit status 1 when ours is not ten times as fast
";

/// Ours is to complete so many times as many handoffs a second.
const DEMANDED: f64 = 10.0;

/// What one run of one simulator came to.
struct Run {
    /// Handoffs completed.
    completed: u64,
    /// How much time has passed in it, in milliseconds.
    simulated: u64,
    /// How long it took, in seconds.
    took: f64,
}

impl Run {
    /// Handoffs completed a second of wall time.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn rate(&self) -> f64 {
        self.completed as f64 / self.took
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn show(&self, name: &str, seed: u64) {
        println!(
            "seed {seed}  {name:<12} {} completed in {:>6.1} simulated s, {:>5.0} ms: {:>6.0} a second",
            self.completed,
            self.simulated as f64 / 1000.0,
            self.took * 1000.0,
            self.rate()
        );
    }
}

/// Ours, and how many steps a second it took.
fn ours(scenario: &Scenario) -> Result<(Run, f64), String> {
    let watch = Stopwatch::start();
    let ran = scenario::run(scenario)?;
    let took = watch.elapsed().as_secs_f64();
    if let Some(breach) = ran.breach {
        return Err(format!("a rule is broken: {breach}"));
    }
    let run = all(scenario, Run { completed: ran.completed, simulated: ran.simulated, took })?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let steps = ran.steps as f64 / run.took;
    Ok((run, steps))
}

/// The other.
fn theirs(scenario: &Scenario) -> Result<Run, String> {
    let watch = Stopwatch::start();
    let (completed, simulated) = peer::run(scenario).map_err(|error| error.to_string())?;
    let took = watch.elapsed().as_secs_f64();
    all(scenario, Run { completed, simulated, took })
}

/// A run counts when everything was done in it.
fn all(scenario: &Scenario, run: Run) -> Result<Run, String> {
    if run.completed == scenario.handoffs {
        Ok(run)
    } else {
        Err(format!("{} of {} handoffs were completed", run.completed, scenario.handoffs))
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn measure(Options { runs, thinks, demand }: Options) -> Result<bool, String> {
    let (mut our_rates, mut their_rates, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 1..=runs {
        let scenario = Scenario { thinks, ..Scenario::of(seed) };
        let (run, steps_a_second) = ours(&scenario)?;
        run.show("handoff-sim", seed);
        our_rates.push(run.rate());
        steps.push(steps_a_second);
        let run = theirs(&scenario)?;
        run.show("turmoil", seed);
        their_rates.push(run.rate());
    }
    let (our_rate, their_rate) = (median(our_rates), median(their_rates));
    let ratio = our_rate / their_rate;
    println!(
        "median       handoff-sim {our_rate:.0}, turmoil {their_rate:.0} handoffs a second: {ratio:.1} times"
    );
    println!("steps        handoff-sim {:.0} a second", median(steps));
    Ok(!demand || ratio >= DEMANDED)
}

/// What was asked for on the command line.
struct Options {
    runs: u64,
    thinks: u64,
    demand: bool,
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    // Agents think before they ask; most of them for longer.
    let (mut runs, mut thinks, mut demand) = (5, 300, false);
    while let Some(word) = words.next() {
        match &*word {
            "--runs" => runs = words.next()?.parse().ok().filter(|runs| *runs > 0)?,
            "--thinks" => thinks = words.next()?.parse().ok()?,
            "--demand" => demand = true,
            // Cargo's own word to whatever `cargo bench` runs.
            "--bench" => {}
            _ => return None,
        }
    }
    Some(Options { runs, thinks, demand })
}

fn main() -> ExitCode {
    // The first word is the program's own name.
    let mut words = std::env::args();
    words.next();
    let Some(options) = options(words) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match measure(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("handoff-sim is to be {DEMANDED} times as fast as turmoil.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
