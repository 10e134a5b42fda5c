//! `spec/TABLE.md` is what the kernel does.

use handoff_kernel::law::Protocol;
use handoff_kernel::testing::table::render;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};

#[test]
fn the_committed_table_is_the_one_that_the_kernel_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/TABLE.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == render(&Protocol),
        "spec/TABLE.md is not what the kernel does; print it anew with\n  cargo run -p handoff-spec -- table > spec/TABLE.md"
    );
}

#[test]
fn every_fault_of_step_that_a_single_table_can_show_changes_it() {
    let table = render(&Protocol);
    assert_eq!(render(&Variant::default()), table);
    let unseen: Vec<_> = Fault::ALL
        .into_iter()
        .filter(|fault| fault.machine() == Machine::Step && render(&Variant::with(*fault)) == table)
        .collect();
    // They need a claim without a time limit, one without end, to see what is on record, and an author that rejects.
    assert_eq!(
        unseen,
        [Fault::LapsesUnbounded, Fault::LapseWraps, Fault::AuthorDeclines, Fault::LimitForgotten]
    );
}
