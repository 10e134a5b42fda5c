//! Any trace, lived through again by the kernel: by the replay of the model that it comes from.

use handoff_kernel::testing::variant::Variant;

use crate::trace::Trace;
use crate::{bootstrap, hubs, malice, proof};

/// The law of this name: `protocol`, or what is different about it.
///
/// # Errors
/// When there is none of this name.
pub fn law(name: &str) -> Result<Variant, String> {
    Variant::named(name).ok_or_else(|| format!("there is no law {name:?}"))
}

/// Lives the trace through again.
///
/// # Errors
/// Where the kernel does something else than the trace tells, as a sentence.
pub fn replay(trace: &Trace) -> Result<(), String> {
    match trace.header.model.as_str() {
        "hubs" => hubs::replay::replay(trace, law(&trace.header.law)?),
        "induction" => proof::replay::replay(trace, law(&trace.header.law)?),
        "bootstrap" => bootstrap::replay::replay(trace),
        "malice" => malice::replay::replay(trace),
        other => Err(format!(
            "there is no model {other:?} here: only the crate that has it can live its traces through"
        )),
    }
}
