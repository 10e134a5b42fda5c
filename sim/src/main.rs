//! `handoff-sim`: runs the simulator.

use handoff_kernel::law::Protocol;
use handoff_sim::batch::{Plan, run};
use handoff_sim::swarm::Profile;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let seed = args[1].parse().unwrap();
    let runs = args[2].parse().unwrap();
    let profile = Profile::named(&args[3]).unwrap();
    let watch = handoff_spec::ambient::Stopwatch::start();
    if runs == 1 {
        let swarm = handoff_sim::swarm::Swarm::draw(seed, profile);
        println!("{swarm}");
        let outcome = handoff_sim::live::run(&Protocol, &swarm, true);
        println!("{:?} steps {} simulated {}", outcome.breach, outcome.steps, outcome.simulated);
        println!("{}", outcome.trace.unwrap());
        return;
    }
    let report = run(&Protocol, &Plan { seed, runs, profile, threads: 1, stops: false }, |_| true);
    let secs = watch.elapsed().as_secs_f64();
    println!(
        "{} runs {} dirs, {} steps in {secs:.2}s: {:.0} steps/s; simulated/wall {:.0}",
        report.runs,
        report.directories,
        report.steps,
        report.steps as f64 / secs,
        report.simulated as f64 / 1000.0 / secs
    );
    for (seed, breach) in report.broken.iter().take(20) {
        println!("seed {seed}: {breach}");
    }
    println!("broken {}", report.broken.len());
    for (w, case) in report.missing() {
        println!("missing {w}: {case}");
    }
    if args.len() > 4 {
        for r in &report.reached {
            for (c, n) in r.all() {
                println!("{n:>8} {c}");
            }
            println!();
        }
    }
    let truth = handoff_spec::coverage::Truth::committed().unwrap();
    for p in [handoff_spec::profile::Profile::Quick, handoff_spec::profile::Profile::Ci] {
        println!(
            "{p}: edges {} situations {}",
            truth.share_of_edges(p, &report.coverage),
            truth.share_of_situations(p, &report.coverage)
        );
    }
    println!("strays {}", report.coverage.strays);
    if args.len() > 5 {
        for e in truth.missing(handoff_spec::profile::Profile::Ci, &report.coverage) {
            println!("M {e}");
        }
    }
}
