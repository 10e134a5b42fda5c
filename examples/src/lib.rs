//! How to check an extension of the handoff protocol, without changing it.
//!
//! This crate refuses to be clever: it is what you would write in a repository of your own. It depends on
//! `handoff-kernel` for the protocol, and on `handoff-spec` for two checkers, traces and pictures.
//!
//! The extension is *forwarding*: who holds a handoff hands the work on to a third agent. The kernel knows nothing of
//! it, and needs not: it is a habit of agents, made of a start and a complete. Which comes first, and when? [`Design`]
//! has three answers. Two are wrong, and the checker says how:
//!
//! ```text
//! cargo run -p handoff-examples
//! cargo run -p handoff-examples -- --out DIR     also writes each counterexample as NDJSON and as a picture
//! ```
//!
//! Read [`Forwarding`] first, the model: all that it needs is an `impl` of [`Model`](handoff_spec::model::Model).
//! Then [`check`], which hands it to both checkers. To check an extension of yours, copy this crate and replace the
//! first.

mod design;
mod forwarding;
mod story;

use std::collections::BTreeSet;

pub use design::{Alice, Design};
pub use forwarding::{Forwarding, NEVER_DROPPED, ONE_WORKER, Step, World};
use handoff_spec::explorer::{Options, counterexample, explore, witness};
use handoff_spec::model::{Model as _, Property};
use handoff_spec::second;
use handoff_spec::trace::Trace;

/// What came of checking one design.
#[derive(Debug)]
pub struct Verdict {
    /// How many states it has: a model that shrank by accident proves less than it says.
    pub states: u64,
    /// The shortest way to break each rule that is broken.
    pub broken: Vec<Trace>,
    /// The shortest way to the interesting case of each rule, if all hold.
    pub witnesses: Vec<Trace>,
    /// What else is wrong: nothing, or the verdict means nothing.
    pub doubts: Vec<String>,
}

/// Looks through the whole model, twice.
#[must_use]
pub fn check(design: Design) -> Verdict {
    let model = Forwarding { design };
    let found = explore(&model, Options::default(), &mut |_| {});
    // Another checker, by other people: it must count as many states, and find the same rules broken.
    let opinion = second::look(model, 1);

    let mut doubts = Vec::new();
    if !found.complete {
        doubts.push("the run was cut off".to_owned());
    }
    if opinion.states != found.reached.states {
        doubts.push(format!("{} states here, {} by stateright", found.reached.states, opinion.states));
    }
    if opinion.broken != found.breaches.keys().copied().collect::<BTreeSet<_>>() {
        doubts.push(format!("stateright finds broken: {:?}", opinion.broken));
    }

    let name = |rule: &str| format!("{}-{}", design.name(), rule.to_lowercase());
    let broken: Vec<_> = found
        .breaches
        .iter()
        .map(|(property, breach)| {
            let says = format!("{}: {}.", design.says(), breach.0.how);
            counterexample(&model, breach, &name(&property.id()), &says)
        })
        .collect();
    let mut witnesses = Vec::new();
    // What a design that breaks has reached on the way there means nothing.
    for own in model.own().iter().filter(|_| broken.is_empty()) {
        match &found.witnesses[own.name] {
            Some(path) => {
                let name = format!("witness-{}", name(own.name));
                witnesses.push(witness(&model, Property::Own(own.name), path, &name, own.witness));
            }
            // The rule holds, but perhaps only because nothing ever happens.
            None => doubts.push(format!("never reached: {}", own.witness)),
        }
    }
    Verdict { states: found.reached.states, broken, witnesses, doubts }
}
