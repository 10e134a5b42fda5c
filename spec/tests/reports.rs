//! The reports for other programs, as the command writes them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod schemas;

use std::fs;
use std::process::{Command, Output};

use roxmltree::{Document, Node};
use serde_json::Value;

fn spec(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, .. } =
        Command::new(env!("CARGO_BIN_EXE_handoff-spec")).args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

fn all<'d>(document: &'d Document<'_>, name: &'d str) -> Vec<Node<'d, 'd>> {
    document.descendants().filter(|node| node.has_tag_name(name)).collect()
}

/// With every time taken out: the rest must be the same in every run.
fn timeless(junit: &str) -> String {
    let (first, rest) = junit.split_once(" time=\"").unwrap();
    let parts = rest.split(" time=\"").map(|part| part.split_once('"').unwrap().1);
    std::iter::once(first).chain(parts).collect()
}

#[test]
fn junit_has_a_suite_for_each_kind_of_check_and_a_case_for_each_check() {
    let run = || spec(&["check", "--rule", "l2", "--alone", "--format", "junit"]);
    let (code, out) = run();
    assert_eq!(code, 0, "{out}");
    schemas::junit(&out).unwrap();
    let document = Document::parse(&out).unwrap();
    let suites = all(&document, "testsuite");
    let kinds: Vec<_> = suites.iter().map(|suite| suite.attribute("name").unwrap()).collect();
    assert_eq!(kinds, ["mutants", "dropped", "malice", "live"], "in the order in which they ran");
    for suite in suites {
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        assert_eq!(suite.attribute("tests").unwrap(), cases.len().to_string());
        for case in cases {
            let (name, kind) = (case.attribute("name").unwrap(), suite.attribute("name").unwrap());
            assert!(name == kind || name.starts_with(&format!("{kind}/")), "{name} in {kind}");
            assert!(case.attribute("time").unwrap().parse::<f64>().is_ok());
        }
    }
    let (_, json) = spec(&["check", "--rule", "l2", "--alone", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let checks = json["checks"].as_array().unwrap();
    let cases = all(&document, "testcase");
    assert_eq!(cases.len(), checks.len());
    for (case, check) in cases.into_iter().zip(checks) {
        assert_eq!(case.attribute("name"), check["id"].as_str());
        let out = case.descendants().find(|node| node.has_tag_name("system-out")).unwrap().text().unwrap();
        for figure in ["states", "edges"] {
            let line = format!("\n{figure}: {}\n", check["figures"][figure]);
            assert!(out.contains(&line), "{line} is not in {out}");
        }
    }
    assert_eq!(timeless(&out), timeless(&run().1));
}

#[test]
fn sarif_is_the_same_in_every_run_and_has_every_rule() {
    let run = || spec(&["check", "--only", "bootstrap", "--format", "sarif"]);
    let (code, out) = run();
    assert_eq!(code, 0, "{out}");
    schemas::sarif(&out).unwrap();
    assert_eq!(out, run().1);
    let json: Value = serde_json::from_str(&out).unwrap();
    let [run] = json["runs"].as_array().unwrap().as_slice() else { panic!("{out}") };
    assert_eq!(run["automationDetails"]["id"], "handoff-spec/quick/bootstrap/");
    assert_eq!(run["results"], serde_json::json!([]));
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let s3 = rules.iter().find(|rule| rule["id"] == "S3").unwrap();
    assert_eq!(s3["name"], "NoLateClaim");
    let says = s3["shortDescription"]["text"].as_str().unwrap();
    assert!(says.starts_with("A claim's claimed_at is never after expires_at"), "{says}");
    let help = s3["help"]["text"].as_str().unwrap();
    assert!(help.contains("by the pairs of bounds in `hubs/bounds.rs`, each"), "{help}");
    assert_eq!(rules.len(), 19 + 7);
}

#[test]
fn a_run_that_is_cut_off_passes_nowhere() {
    let cut = |format| spec(&["check", "--only", "hubs/log", "--max-states", "10", "--format", format]);
    let (code, out) = cut("junit");
    assert_eq!(code, 3, "{out}");
    schemas::junit(&out).unwrap();
    let document = Document::parse(&out).unwrap();
    assert_eq!(document.root_element().attribute("errors"), Some("1"));
    assert_eq!(document.root_element().attribute("failures"), Some("0"));
    let message = all(&document, "error")[0].attribute("message").unwrap();
    assert!(message.contains("more states than the 10 of --max-states"), "{message}");

    let (code, out) = cut("sarif");
    assert_eq!(code, 3, "{out}");
    schemas::sarif(&out).unwrap();
    let json: Value = serde_json::from_str(&out).unwrap();
    let invocation = &json["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["exitCode"], 3);
    let notes = invocation["toolExecutionNotifications"].as_array().unwrap();
    let text = notes[0]["message"]["text"].as_str().unwrap();
    assert!(text.starts_with("hubs/log: cut off: it has more states"), "{text}");
    assert_eq!(notes.len(), 1);
}

#[test]
fn out_has_every_report_whatever_is_printed() {
    for format in ["text", "json", "junit", "sarif"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().to_str().unwrap();
        let args = ["check", "--only", "hubs/lost", "--out", out, "--progress", "--format", format];
        let (code, printed) = spec(&args);
        assert_eq!(code, 0, "{printed}");
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let [json, junit, sarif] = ["report.json", "report.junit.xml", "report.sarif"].map(read);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["result"], "holds");
        schemas::junit(&junit).unwrap();
        schemas::sarif(&sarif).unwrap();
        // One document, and nothing before or after it.
        match format {
            "json" => assert_eq!(printed, json),
            "junit" => assert_eq!(printed, junit),
            "sarif" => assert_eq!(printed, sarif),
            _ => assert!(printed.ends_with(&format!("all hold\ntraces and reports in {out}\n")), "{printed}"),
        }
    }
}

#[test]
fn what_is_not_valid_is_refused() {
    let (_, junit) = spec(&["check", "--only", "hubs/lost", "--format", "junit"]);
    for (from, to) in [
        ("<testsuites name", "<testsuites skipped=\"0\" name"),
        ("<testcase name=", "<testcase title="),
        ("</testsuite>", ""),
    ] {
        let wrong = junit.replacen(from, to, 1);
        assert_ne!(wrong, junit);
        assert!(schemas::junit(&wrong).is_err(), "{to}");
    }
    let (_, sarif) = spec(&["check", "--only", "hubs/lost", "--format", "sarif"]);
    for (from, to) in [
        ("\"2.1.0\"", "\"2.0.0\""),
        ("\"shortDescription\"", "\"shortDescriptions\""),
        ("\"results\": []", "\"results\": [{}]"),
    ] {
        let wrong = sarif.replacen(from, to, 1);
        assert_ne!(wrong, sarif);
        assert!(schemas::sarif(&wrong).is_err(), "{to}");
    }
}
