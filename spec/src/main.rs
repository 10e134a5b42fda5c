//! tmp
#![allow(clippy::all, missing_docs)]
use handoff_kernel::law::Protocol;
use handoff_spec::explorer::{Options, explore, lassos, tell};
use handoff_spec::hubs::*;
use handoff_spec::model::Model;
use handoff_spec::profile::Profile;
use handoff_spec::trace::Trace;
fn main() {
    let p = match std::env::args().nth(1).as_deref() {
        Some("ci") => Profile::Ci,
        Some("deep") => Profile::Deep,
        _ => Profile::Quick,
    };
    let only = std::env::args().nth(2);
    for config in sound(p) {
        if only.as_ref().is_some_and(|o| o != config.name) {
            continue;
        }
        let hubs = Hubs { law: Protocol, config };
        let t = handoff_spec::ambient::Stopwatch::start();
        let e = explore(&hubs, Options { max_states: 30_000_000, ..Options::default() }, &mut |_| {});
        let el = t.elapsed().as_secs_f64();
        println!(
            "{:10} states {:9} edges {:9} depth {:3} rests {} bytes/state {} {:.2}s {:.0} edges/s complete {} steps {}",
            hubs.config.name,
            e.reached.states,
            e.reached.edges,
            e.reached.depth,
            e.rests,
            e.reached.bytes / e.reached.states.max(1),
            el,
            e.reached.edges as f64 / el,
            e.complete,
            e.steps
        );
        if std::env::var("SECOND").is_ok() {
            let t = handoff_spec::ambient::Stopwatch::start();
            let o = handoff_spec::second::look(hubs.clone(), 1);
            let el = t.elapsed().as_secs_f64();
            println!(
                "    second {} generated {} {:.2}s {:.0}/s {:?}",
                o.states,
                o.generated,
                el,
                o.generated as f64 / el,
                o.broken
            );
        }
        for (b, path) in e.breaches.values() {
            println!("BREACH {b} {} steps", path.actions.len());
            println!("{}", Trace::new(hubs.header(), tell(&hubs, path)));
        }
        for (n, w) in &e.witnesses {
            println!("   witness {n}: {:?}", w.as_ref().map(|p| p.actions.len()));
        }
    }
    for config in live() {
        if only.as_ref().is_some_and(|o| o != config.name) {
            continue;
        }
        let hubs = Hubs { law: Protocol, config };
        let t = handoff_spec::ambient::Stopwatch::start();
        let e = lassos(&hubs, Options::default(), &mut |_| {});
        println!(
            "{:10} states {:9} edges {:9} {:.2}s promised {:?}",
            hubs.config.name,
            e.reached.states,
            e.reached.edges,
            t.elapsed().as_secs_f64(),
            e.promised
        );
        for l in &e.lassos {
            println!("LASSO {} stem {} cycle {:?}", l.breach, l.stem.actions.len(), l.cycle);
            println!("{}", Trace::new(hubs.header(), tell(&hubs, &l.stem)));
        }
    }

    if only.as_deref() == Some("drop") {
        for d in dropped() {
            let hubs = Hubs { law: Protocol, config: d.config };
            let e = explore(&hubs, Options::default(), &mut |_| {});
            let l = lassos(&hubs, Options::default(), &mut |_| {});
            println!(
                "{} {} states {} breaks {:?} want {:?}",
                hubs.config.name,
                d.assumes,
                e.reached.states,
                e.breaches.values().map(|(b, p)| (b.to_string(), p.actions.len())).collect::<Vec<_>>(),
                d.breaks
            );
            for (_, path) in e.breaches.values() {
                println!("{}", Trace::new(hubs.header(), tell(&hubs, path)));
            }
            for l in &l.lassos {
                println!("LASSO {} stem {} cycle {:?}", l.breach, l.stem.actions.len(), l.cycle);
            }
        }
    }
    if only.as_deref() == Some("bounds") {
        for d in bounds() {
            for config in [d.pass, d.fail] {
                let hubs = Hubs { law: Protocol, config };
                let e = explore(&hubs, Options::default(), &mut |_| {});
                println!(
                    "{} {} states {} breaks {:?} want {:?}",
                    hubs.config.name,
                    d.says,
                    e.reached.states,
                    e.breaches.values().map(|(b, p)| (b.to_string(), p.actions.len())).collect::<Vec<_>>(),
                    d.rule
                );
                for (_, path) in e.breaches.values() {
                    println!("{}", Trace::new(hubs.header(), tell(&hubs, path)));
                }
            }
        }
    }
}
