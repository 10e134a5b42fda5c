//! The designer's bench: what becomes of the rules when the law is bent.
//!
//! [`mutants`] bends it by one seeded fault at a time, to show that every rule can fail, and that none is there for
//! nothing. [`variant`] bends it as a designer's file says. [`worlds`] are the small worlds in which a law is tried out.
//!
//! Read [`mutants::Matrix`] first.

pub mod mutants;
pub mod variant;
pub mod worlds;

use handoff_kernel::rules::Rules;
use handoff_kernel::testing::variant::Variant;

use crate::check::{Expect, Limits, Name, Report, look};
use crate::hubs::{Config, Hubs};

/// What breaks in a world under a law, of these rules. Our explorer looks alone: stateright looks at the protocol.
#[must_use]
pub fn broken_by(law: Variant, mut world: Config, rules: Rules) -> Report {
    world.rules = rules;
    let name = Name { trace: world.name.to_string(), says: world.says.to_owned() };
    let limits = Limits { max_states: u64::from(u32::MAX) - 1, second: false, symmetry: false };
    look(&Hubs { law, config: world }, &name, Expect::Holds, limits, &mut |_| {})
}
