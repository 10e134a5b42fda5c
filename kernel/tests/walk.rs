//! Any sequence of commands: the rules hold, and the mutants of `step` are caught by walking too.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use handoff_kernel::law::Protocol;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_kernel::testing::walk::{Been, walk};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};

proptest! {
    #![proptest_config(Config { cases: 4096, ..Config::default() })]

    #[test]
    fn no_walk_breaks_a_rule(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(walk(&Protocol, &bytes).map(|_| ()), Ok(()));
    }
}

/// The same walks each time, so that what they reach can be demanded.
fn walks() -> impl Iterator<Item = Vec<u8>> {
    let config = Config { rng_seed: RngSeed::Fixed(7), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let bytes = proptest::collection::vec(any::<u8>(), 0..600);
    (0..2048).map(move |_| bytes.new_tree(&mut runner).unwrap().current())
}

#[test]
fn walks_go_somewhere() {
    let mut total = Been::default();
    for bytes in walks() {
        let been = walk(&Protocol, &bytes).unwrap();
        total.asked += been.asked;
        total.changes += been.changes;
        total.ended += been.ended;
    }
    assert!(total.changes > 5_000 && total.ended > 1_700, "{total:?}");
}

#[test]
fn each_fault_of_step_is_found_by_walking() {
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        let found = walks().find_map(|bytes| walk(&Variant::with(fault), &bytes).err());
        assert!(found.is_some(), "{fault:?} was not found");
    }
}
