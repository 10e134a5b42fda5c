//! Any bytes, read as commands on a few handoffs: every rule holds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(broken) = handoff_kernel::testing::walk::walk(&handoff_kernel::law::Protocol, bytes) {
        panic!("{broken}");
    }
});
