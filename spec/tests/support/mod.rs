//! The manifest of rules: what each rule's definition is made of, and what `spec/rules.toml` says of it. For the test
//! that compares them, and for the command that brings the file up to date (`examples/manifest.rs`).

pub(crate) mod definition;
pub(crate) mod item;
pub(crate) mod manifest;
pub(crate) mod source;
pub(crate) mod word;
