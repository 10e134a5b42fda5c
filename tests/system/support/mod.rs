//! What whole-system tests share: binaries, a running hub, a plain HTTP client. No sleeps: wait for the thing.

pub(crate) mod ambient;
pub(crate) mod artifacts;
pub(crate) mod chance;
pub(crate) mod disk;
pub(crate) mod history;
pub(crate) mod hub;
pub(crate) mod session;
pub(crate) mod witness;

pub(crate) use handoff_sim::real::http;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cargo that runs these tests, at the repository's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// A directory that goes away with the value.
pub(crate) fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("handoff-test-").tempdir().expect("a temporary directory can be made")
}

/// The path of a binary of this workspace, built with `features` (comma-separated, "" for the default ones) in the profile
/// that tests run in: a hub by itself, as somebody ships it; others as their own tests have built them.
///
/// The path is what cargo says it is: neither the target directory nor the profile's name is guessed.
pub(crate) fn bin(package: &str, bin: &str, features: &str) -> PathBuf {
    // Held while building: two tests that ask for one binary build it once.
    static BUILT: Mutex<BTreeMap<[String; 3], PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let key = [package, bin, features].map(str::to_owned);
    built.entry(key).or_insert_with(|| build(package, bin, features)).clone()
}

fn build(package: &str, bin: &str, features: &str) -> PathBuf {
    let mut command = cargo();
    if package == "handoff-hub" {
        command.args(["build", "--profile", "test", "--bin", bin]);
    } else {
        command.args(["test", "--no-run"]);
    }
    command.args(["--locked", "--message-format", "json", "-p", package]);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    let out = command.output().expect("cargo runs");
    assert!(
        out.status.success(),
        "{package} --bin {bin} --features {features:?} does not build:\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
    executable(&out.stdout, bin).unwrap_or_else(|| panic!("cargo built no executable {bin} of {package}"))
}

/// Cargo's word for where it put the executable: one JSON message a line, one of them with the path.
fn executable(messages: &[u8], bin: &str) -> Option<PathBuf> {
    messages
        .split(|&b| b == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == bin)
        // Its own tests are called so too.
        .filter(|message| message["profile"]["test"] == false)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
