//! Any bytes as an artifact: read or refused, never a panic; one canonical form; signatures hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handoff_kernel::testing::artifact::check_artifact_bytes(bytes));
