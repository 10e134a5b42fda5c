//! The shape of the house: which crate may stand on which.
//!
//! Features decide what a crate depends on, and a workspace build unifies them; so each question is put to
//! `cargo tree` for one package alone, as it would be built by somebody who depends on it. A query that finds
//! nothing proves nothing, so each absence here is paired with a query of the same form that does find it.

use std::collections::BTreeSet;

/// A runtime, HTTP, and what they are made of: none of it may reach the kernel or the hub's core.
const TRANSPORT: [&str; 8] =
    ["h2", "http", "http-body-util", "hyper", "hyper-util", "mio", "tokio", "tokio-util"];

/// One line of `cargo tree`: a package below the asked one, and the features that it is built with.
struct Node {
    depth: usize,
    name: String,
    features: BTreeSet<String>,
}

/// What `cargo tree -e normal ARGS` says.
fn tree(args: &[&str]) -> Vec<Node> {
    let out = crate::support::cargo()
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "depth", "--format", ";{p};{f}"])
        .args(args)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "cargo tree {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    let nodes: Vec<Node> = text.lines().map(node).collect();
    assert!(!nodes.is_empty(), "cargo tree {args:?} printed nothing");
    nodes
}

/// `2;sha2 v0.11.1;default,oid` (a repeated package ends in ` (*)`).
fn node(line: &str) -> Node {
    let mut fields = line.trim_end_matches(" (*)").splitn(3, ';');
    let mut field = || fields.next().unwrap_or_else(|| panic!("unexpected line of cargo tree: {line:?}"));
    let depth = field().parse().expect("a depth");
    let name = field().split(' ').next().expect("a name").to_owned();
    let features = field().split(',').filter(|f| !f.is_empty()).map(str::to_owned).collect();
    Node { depth, name, features }
}

fn names(nodes: &[Node]) -> BTreeSet<&str> {
    nodes.iter().map(|n| n.name.as_str()).collect()
}

/// Those of [`TRANSPORT`] that are there.
fn transport(args: &[&str]) -> Vec<&'static str> {
    let nodes = tree(args);
    let found = names(&nodes);
    TRANSPORT.into_iter().filter(|name| found.contains(name)).collect()
}

/// The packages built with a feature `testing`.
fn built_for_testing(args: &[&str]) -> BTreeSet<String> {
    tree(args).into_iter().filter(|n| n.features.contains("testing")).map(|n| n.name).collect()
}

#[test]
fn the_hubs_core_has_no_runtime_and_no_http() {
    assert_eq!(transport(&["-p", "handoff-hub", "--no-default-features"]), [""; 0]);
    assert_eq!(transport(&["-p", "handoff-hub", "--no-default-features", "--features", "testing"]), [""; 0]);

    let with_server = transport(&["-p", "handoff-hub"]);
    assert!(with_server.contains(&"tokio"), "the query above could not have failed: {with_server:?}");
    assert!(with_server.contains(&"hyper"), "the query above could not have failed: {with_server:?}");
}

#[test]
fn the_kernel_stands_on_three_crates_and_none_of_them_is_a_runtime() {
    for features in [&[][..], &["--features", "testing"]] {
        let args = [&["-p", "handoff-kernel"][..], features].concat();
        assert_eq!(transport(&args), [""; 0]);
        let nodes = tree(&args);
        let direct: BTreeSet<&str> = nodes.iter().filter(|n| n.depth == 1).map(|n| n.name.as_str()).collect();
        assert_eq!(direct, BTreeSet::from(["base64ct", "hmac", "sha2"]));
    }
}

/// The specification runs the kernel and nothing else of ours, and its second checker reaches nothing that ships.
#[test]
fn the_specification_stands_on_the_kernel_and_what_it_checks_with_reaches_no_other_crate() {
    let spec = tree(&["-p", "handoff-spec"]);
    let ours: BTreeSet<&str> = names(&spec).into_iter().filter(|name| name.starts_with("handoff")).collect();
    assert_eq!(ours, BTreeSet::from(["handoff-kernel", "handoff-spec"]));
    assert!(names(&spec).contains("stateright"), "the query below could not have failed");
    assert_eq!(transport(&["-p", "handoff-spec"]), [""; 0]);
    for shipped in ["handoff-kernel", "handoff-hub"] {
        assert!(!names(&tree(&["-p", shipped, "--all-features"])).contains("stateright"), "{shipped}");
    }
}

/// The simulator runs what ships, and brings no runtime and no HTTP with it: neither could be simulated.
#[test]
fn the_simulator_stands_on_the_kernel_the_hubs_core_and_the_specification() {
    let sim = tree(&["-p", "handoff-sim"]);
    let ours: BTreeSet<&str> = names(&sim).into_iter().filter(|name| name.starts_with("handoff")).collect();
    assert_eq!(ours, BTreeSet::from(["handoff-hub", "handoff-kernel", "handoff-sim", "handoff-spec"]));
    assert_eq!(transport(&["-p", "handoff-sim"]), [""; 0]);
}

/// The examples show what somebody else needs to check an extension: the kernel and the specification, and no more.
#[test]
fn the_examples_stand_on_the_kernel_and_the_specification_and_bring_nothing_of_their_own() {
    let examples = tree(&["-p", "handoff-examples"]);
    let direct: BTreeSet<&str> = examples.iter().filter(|n| n.depth == 1).map(|n| n.name.as_str()).collect();
    assert_eq!(direct, BTreeSet::from(["handoff-kernel", "handoff-spec"]));
    assert_eq!(transport(&["-p", "handoff-examples"]), [""; 0]);
}

#[test]
fn the_feature_testing_is_never_on_by_default() {
    assert_eq!(built_for_testing(&["-p", "handoff-kernel"]), BTreeSet::new());
    assert_eq!(built_for_testing(&["-p", "handoff-hub"]), BTreeSet::new());

    let kernel = built_for_testing(&["-p", "handoff-kernel", "--features", "testing"]);
    assert!(kernel.contains("handoff-kernel"), "the query above could not have failed: {kernel:?}");
    let hub = built_for_testing(&["-p", "handoff-hub", "--features", "testing"]);
    assert!(hub.contains("handoff-hub"), "the query above could not have failed: {hub:?}");
}

#[test]
fn a_line_of_the_tree_is_read_whole() {
    let n = node("2;handoff-kernel v0.1.0 (/somewhere/kernel);default,testing (*)");
    assert_eq!((n.depth, n.name.as_str()), (2, "handoff-kernel"));
    assert!(n.features.contains("testing") && n.features.contains("default"));
    assert!(node("0;a v1;").features.is_empty());
}
