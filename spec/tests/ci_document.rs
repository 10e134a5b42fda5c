//! `docs/ci.md`: what people paste from it is well-formed, and the commands that it names exist.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_norway::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn document() -> String {
    fs::read_to_string(root().join("docs/ci.md")).unwrap()
}

/// The fenced blocks of this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.match_indices(&fence).map(|(at, _)| text[at + fence.len()..].split("```").next().unwrap()).collect()
}

/// Every command line of `handoff-spec` in a text: a line of shell, of a workflow, or a piece of code between backticks.
/// It ends where the shell's own words begin.
fn commands(text: &str) -> Vec<Vec<String>> {
    let lines =
        text.lines().map(|line| line.trim_start().trim_start_matches("- ").trim_start_matches("run: "));
    let pieces = lines.chain(text.split('`'));
    // `handoff-spec = …` is a dependency.
    let named =
        pieces.filter_map(|piece| piece.strip_prefix("handoff-spec ")).filter(|rest| !rest.starts_with('='));
    let words = |line: &str| -> Vec<String> {
        let shell = |word: &&str| ![">", ">>", "|", "&&", "||", ";", "<"].contains(word);
        line.split_whitespace().take_while(shell).map(str::to_owned).collect()
    };
    named.map(words).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What the binary's own parser says of a command line: it reads all that stands before `--help`, and then runs nothing.
fn accepts(args: &[String]) -> Result<(), String> {
    let out = Command::new(env!("CARGO_BIN_EXE_handoff-spec")).args(args).arg("--help").output().unwrap();
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
}

#[test]
fn every_command_that_the_document_names_is_one_that_the_binary_takes() {
    let commands = commands(&document());
    assert!(commands.len() >= 5, "not all are found: {commands:?}");
    let refused: Vec<_> = commands
        .iter()
        .filter_map(|args| Some(format!("handoff-spec {}\n{}", args.join(" "), accepts(args).err()?)))
        .collect();
    assert!(refused.is_empty(), "\n{}", refused.join("\n"));
}

#[test]
fn a_command_that_does_not_exist_is_found_and_refused() {
    let text = "so `handoff-spec check\n--profile tiny` and\n      - run: handoff-spec frobnicate && true\nhandoff-spec claims > x\n";
    let commands = commands(text);
    let lines: Vec<String> = commands.iter().map(|args| args.join(" ")).collect();
    assert_eq!(lines, ["check --profile tiny", "claims", "frobnicate"]);
    let taken: Vec<bool> = commands.iter().map(|args| accepts(args).is_ok()).collect();
    assert_eq!(taken, [false, true, false]);
}

/// What is wrong with a workflow, as far as that can be told without running it.
fn faults(yaml: &str) -> Vec<String> {
    let workflow: Value = match serde_norway::from_str(yaml) {
        Ok(workflow) => workflow,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults = Vec::new();
    for key in ["name", "on", "permissions", "jobs"] {
        if workflow.get(key).is_none() {
            faults.push(format!("it has no {key}"));
        }
    }
    let jobs = workflow.get("jobs").and_then(Value::as_mapping).cloned().unwrap_or_default();
    for (job, does) in &jobs {
        let job = job.as_str().unwrap_or("?");
        for key in ["runs-on", "timeout-minutes"] {
            if does.get(key).is_none() {
                faults.push(format!("{job} has no {key}"));
            }
        }
        let steps = does.get("steps").and_then(Value::as_sequence).cloned().unwrap_or_default();
        if steps.is_empty() {
            faults.push(format!("{job} has no steps"));
        }
        for step in steps {
            match (step.get("uses").and_then(Value::as_str), step.get("run").and_then(Value::as_str)) {
                (Some(action), None) if is_pinned(action) => {}
                (Some(action), None) => {
                    faults.push(format!("{job}: {action} is not pinned by a major version"));
                }
                (None, Some(_)) => {}
                (Some(_), Some(_)) | (None, None) => {
                    faults.push(format!("{job}: a step either uses or runs"));
                }
            }
        }
    }
    faults
}

/// `owner/name@v4`.
fn is_pinned(action: &str) -> bool {
    let version = action.split_once("@v").map(|(_, version)| version);
    version.is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
}

#[test]
fn the_workflow_to_paste_and_our_own_are_well_formed() {
    let document = document();
    let workflows = blocks(&document, "yaml");
    assert_eq!(workflows.len(), 1);
    let own = fs::read_to_string(root().join(".github/workflows/ci.yml")).unwrap();
    for workflow in [workflows[0], &own] {
        assert_eq!(faults(workflow), [""; 0]);
    }
}

#[test]
fn a_workflow_that_is_none_is_found_out() {
    let good = "name: n\non: push\npermissions: {}\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 1\n    steps:\n      - uses: a/b@v1\n";
    assert_eq!(faults(good), [""; 0]);
    for (from, to, fault) in [
        ("a/b@v1", "a/b@main", "a: a/b@main is not pinned by a major version"),
        ("uses: a/b@v1", "name: nothing", "a: a step either uses or runs"),
        ("    timeout-minutes: 1\n", "", "a has no timeout-minutes"),
        ("permissions: {}\n", "", "it has no permissions"),
    ] {
        assert_eq!(faults(&good.replace(from, to)), [fault]);
    }
    assert!(faults(&good.replace("on: push", "name: m"))[0].contains("duplicate"), "a key that stands twice");
    assert!(!faults(&good.replace("    steps", "   steps")).is_empty(), "indented wrongly");
}

#[test]
fn the_workflow_fuzzes_every_target_that_there_is() {
    let document = document();
    let workflow: Value = serde_norway::from_str(blocks(&document, "yaml")[0]).unwrap();
    let named = &workflow["jobs"]["fuzz"]["strategy"]["matrix"]["target"];
    let named: BTreeSet<_> =
        named.as_sequence().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let targets = fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
    let targets = targets.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    assert_eq!(named, targets.collect());
}

#[test]
fn every_file_that_the_document_links_to_is_there() {
    let document = document();
    let links: Vec<_> = document
        .match_indices("](")
        .map(|(at, _)| document[at + 2..].split([')', '#']).next().unwrap())
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    let missing: Vec<_> = links.iter().filter(|link| !root().join("docs").join(link).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
