//! The command as its users have it: what it prints, and what its exit code says.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn sim(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_handoff-sim")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A seed of `races` under a law with a fault, found by the command itself, and its trace.
fn broken(directory: &Path) -> String {
    let out = text(directory);
    let (code, said, _) = sim(&[
        "run",
        "--seed",
        "0",
        "--runs",
        "6",
        "--profile",
        "races",
        "--law",
        "everybody_wins",
        "--out",
        out,
    ]);
    assert_eq!(code, 1, "{said}");
    let (_, file) = said.split_once("written: ").unwrap();
    file.split_once(';').unwrap().0.to_owned()
}

#[test]
fn one_seed_says_what_was_drawn_and_what_came_of_it() {
    let (code, out, err) = sim(&["run", "--seed", "5", "--profile", "several"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("seed 5: ") && out.contains("1 run, ") && out.ends_with("all hold\n"), "{out}");
}

#[test]
fn a_batch_says_how_much_it_did_and_the_same_on_any_number_of_threads() {
    let figures = |threads| {
        let args = ["run", "--seed", "0", "--runs", "8", "--profile", "races", "--catalogue", "--coverage"];
        let (code, out, err) = sim(&[&args[..], &["--threads", threads]].concat());
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("8 runs") && out.contains("of the models' ci"), "{out}");
        // The first line has the time that it took.
        out.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(figures("1"), figures("2"));
}

#[test]
fn a_seed_that_breaks_a_rule_is_named_with_the_rule_and_the_line_that_does_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.xml");
    let args = ["run", "--seed", "0", "--runs", "6", "--profile", "races", "--law", "everybody_wins"];
    let (code, out, err) = sim(&[&args[..], &["--junit", text(&report)]].concat());
    assert_eq!(code, 1, "{out}{err}");
    let line = out.lines().find(|line| line.starts_with("  handoff-sim run --seed ")).unwrap();
    assert!(line.ends_with("--profile races --law everybody_wins"), "{line}");
    assert!(out.contains("S1 SingleWinner") && out.contains("  | "), "the end of its trace: {out}");
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains(line.trim()) && report.contains("<failure type=\"S1\""), "{report}");
    // It is pasted as it stands.
    let again: Vec<&str> = line.split_whitespace().filter(|word| *word != "handoff-sim").collect();
    let (code, out, _) = sim(&again);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("S1 SingleWinner"), "{out}");
}

#[test]
fn a_trace_is_done_again_shrunk_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let file = broken(directory.path());
    let (code, out, err) = sim(&["replay", &file]);
    assert_eq!(code, 1, "it breaks the rule again: {out}{err}");
    assert!(out.contains("S1 SingleWinner") && out.contains("as told, to the byte"), "{out}");
    let small = directory.path().join("small.ndjson");
    let (code, out, err) = sim(&["shrink", &file, "--out", text(&small)]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("none of them can be left out"), "{out}");
    let (code, out, _) = sim(&["replay", text(&small)]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("as told, to the byte"), "{out}");
    let (code, out, _) = sim(&["draw", text(&small)]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("is set up") && !out.contains("is_set_up"), "{out}");
    let (code, out, _) = sim(&["draw", text(&small), "--format", "svg"]);
    assert!(code == 0 && out.starts_with("<svg") && out.contains("S1 SingleWinner is broken"), "{out}");
    assert!(out.contains("time passes: t = 60000 ms") && out.contains("In this run: "), "{out}");
    let (code, out, _) = sim(&["draw", text(&small), "--format", "mermaid"]);
    assert!(code == 0 && out.contains("sequenceDiagram"), "{out}");
}

#[test]
fn a_trace_that_was_edited_is_not_as_told_and_the_first_line_that_differs_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = broken(directory.path());
    let told = fs::read_to_string(&file).unwrap();
    // A hub that lost a race is said to have won it.
    let (wrote, lost) = ("\"outcome\":\"written\"", "\"outcome\":\"conflict\"");
    let edited = told.replacen(wrote, lost, 1);
    let line = 1 + edited.lines().zip(told.lines()).position(|(edited, told)| edited != told).unwrap();
    fs::write(&file, edited).unwrap();
    let (code, out, err) = sim(&["replay", &file]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains(&format!("NOT as told; first in line {line}:\n  told  {{")), "{line}: {out}");
    // What no trace tells is refused, and nothing is done.
    let nonsense = told.replacen(wrote, "\"outcome\":\"won\"", 1);
    fs::write(&file, nonsense).unwrap();
    let (code, out, err) = sim(&["replay", &file]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains(&format!("is no trace: line {line}, column")), "{err}");
}

#[test]
fn a_fault_is_found_and_said_where_and_one_that_is_not_found_fails() {
    let (code, out, err) = sim(&["mutants", "--seeds", "6", "anybody_is_target"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("found anybody_is_target") && out.contains("S2"), "{out}");
    assert!(out.contains(" 1 run  S2"), "{out}");
    // No seed 0 shows it, and sim/mutants.txt says which does.
    let (code, out, _) = sim(&["mutants", "--seeds", "1", "trustsTheJournal"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("ALIVE TrustsTheJournal"), "{out}");
    let (code, out, _) = sim(&["mutants", "--seeds", "1", "poll_claims"]);
    assert_eq!(code, 0, "nobody expects it to be found: {out}");
    assert!(out.contains("what no run of these worlds can show:\n  poll_claims"), "{out}");
}

#[test]
fn coverage_names_what_no_run_has_shown_and_in_which_groups() {
    let (code, out, err) = sim(&["coverage", "--profile", "races", "--runs", "3", "--missing"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("races") && out.contains("never seen: retention is a directory store's"), "{out}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_what_there_is() {
    for (args, says) in [
        (
            &["run", "--seed", "1", "--profile", "huge"][..],
            "there are swarm, directory, several, races, calm",
        ),
        (&["run", "--seed", "1", "--runs", "0"][..], "'0' for '--runs <K>'"),
        (&["run", "--seed", "1", "--minutes", "0"][..], "0 is not in 1..=525600"),
        (&["run", "--seed", "1", "--threads", "0"][..], "0 is not in 1..=256"),
        (&["run", "--seed", "1", "--threads", "100000"][..], "100000 is not in 1..=256"),
        (&["mutants", "--threads", "257"][..], "257 is not in 1..=256"),
        (&["coverage", "--threads", "0"][..], "0 is not in 1..=256"),
        (&["mutants", "--seeds", "0"][..], "'0' for '--seeds <K>'"),
        (&["shrink", "x", "--tries", "0"][..], "'0' for '--tries <N>'"),
        (&["run", "--seed", "1", "--law", "nothing"][..], "no law and no slip of the store \"nothing\""),
        (&["run", "--seed", "1", "--law", "nothing"][..], "there are protocol, expires_at_deadline, "),
        (&["run", "--seed", "1", "--law", "nothing"][..], ", TrustsTheJournal, "),
        (
            &["run", "--seed", "1", "--law", "CutsTooEarly", "--profile", "races"][..],
            "CutsTooEarly is a slip of the store on directories, and the worlds of races have none",
        ),
        (
            &["conform", "--hub-binary", "x", "--law", "CutsTooEarly"][..],
            "there is no law \"CutsTooEarly\"; there are protocol, expires_at_deadline, ",
        ),
        (&["run"][..], "--seed"),
        (&["replay", "/nowhere"][..], "cannot read /nowhere"),
        (&["mutants", "nothing"][..], "there is no such fault; there are expires_at_deadline"),
        (&["conform", "--hub-binary", "/nowhere"][..], "nothing is asked for"),
        (&["conform", "--hub-binary", "/nowhere", "--fresh", "1"][..], "/nowhere is no file"),
    ] {
        let (code, out, err) = sim(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
}

#[test]
fn the_traces_of_two_batches_lie_beside_each_other_and_only_of_one_that_fails_a_hint_to_shrink_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| sim(&[&["run", "--seed", "0", "--out", text(directory.path())], more].concat());
    let (code, out, _) = run(&["--profile", "races", "--law", "everybody_wins"]);
    assert!(code == 1 && out.contains("seed-0.ndjson` makes it small\n"), "{out}");
    let (code, out, _) = run(&["--profile", "directory", "--law", "sweeps_nothing"]);
    assert!(code == 1 && out.contains("seed-0.ndjson` makes it small\n"), "{out}");
    let (code, out, _) = run(&["--profile", "races"]);
    assert!(code == 0 && out.contains("races-seed-0.ndjson` shows it\n") && !out.contains("shrink"), "{out}");
    let mut files: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(
        files,
        [
            "directory-sweeps_nothing-seed-0.ndjson",
            "races-everybody_wins-seed-0.ndjson",
            "races-seed-0.ndjson"
        ]
    );
}

#[test]
fn a_slip_of_the_store_is_asked_of_run_and_its_trace_breaks_the_same_rule_again() {
    let directory = tempfile::tempdir().unwrap();
    let slip = ["--profile", "directory", "--law", "MiscountsTheArtifact", "--out", text(directory.path())];
    let (code, out, _) = sim(&[&["run", "--seed", "0"], &slip[..]].concat());
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("seed 0: S7 "), "as sim/mutants.txt says: {out}");
    let file = directory.path().join("directory-MiscountsTheArtifact-seed-0.ndjson");
    let (code, out, _) = sim(&["replay", text(&file)]);
    assert!(code == 1 && out.contains("S7 ") && out.contains("as told, to the byte"), "{out}");
    // Its name is no part of what happened.
    let renamed = fs::read_to_string(&file).unwrap().replacen("\"name\":\"", "\"name\":\"my-", 1);
    fs::write(&file, renamed).unwrap();
    let (code, out, _) = sim(&["replay", text(&file)]);
    assert!(code == 1 && out.contains("as told, to the byte"), "{out}");
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "kept").unwrap();
    let runs = ["run", "--seed", "0", "--runs", "2"];
    for (more, says) in [
        (["--out", text(&file)], "cannot write into "),
        (["--junit", text(directory.path())], "cannot write "),
        (["--junit", text(&file.join("report.xml"))], "cannot write "),
    ] {
        let (code, out, err) = sim(&[&runs[..], &more].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{more:?}: {err}");
        assert!(err.starts_with(&format!("handoff-sim: {says}")), "{more:?}: {err}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn a_report_that_cannot_be_written_in_the_end_hides_no_broken_rule() {
    // It can be opened, and nothing can be written to it.
    let full = ["--junit", "/dev/full"];
    let broken = ["run", "--seed", "0", "--profile", "races", "--law", "everybody_wins"];
    let (code, out, err) = sim(&[&broken[..], &full].concat());
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("seed 0: S1 ") && out.ends_with("1 seed breaks a rule\n"), "{out}");
    assert!(err.contains("cannot write /dev/full"), "{err}");
    let (code, out, err) = sim(&[&["run", "--seed", "0", "--profile", "races"], &full[..]].concat());
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.ends_with("all hold\n") && err.contains("cannot write /dev/full"), "{out}{err}");
}

#[test]
fn a_small_batch_says_in_one_line_that_its_catalogue_is_not_complete_and_names_the_cases_if_asked() {
    let runs = ["run", "--seed", "0", "--runs", "2", "--profile", "calm"];
    let (code, out, _) = sim(&runs);
    assert_eq!(code, 0, "{out}");
    let said: Vec<&str> =
        out.lines().filter(|line| line.contains("catalogue") || line.starts_with("  ")).collect();
    assert!(said.len() == 1 && said[0].ends_with("; --catalogue names them"), "{out}");
    let (_, out, _) = sim(&[&runs[..], &["--catalogue"]].concat());
    assert!(out.contains("\n  directory: the power is cut\n"), "{out}");
}

#[test]
fn a_binary_that_is_not_built_for_tests_is_refused_with_the_command_that_builds_one() {
    let (code, out, err) = sim(&["conform", "--hub-binary", "/bin/true", "--fresh", "1"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("/bin/true is no hub that is built for tests"), "{err}");
    let builds = "cargo build --profile test -p handoff-hub --bin handoff-hub-testing --features testing\n";
    assert!(err.ends_with(builds), "{err}");
}

/// Looks like a hub that is built for tests, and is none: whatever is played on it fails.
fn no_hub(directory: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let hub = directory.join("no-hub");
    fs::write(&hub, "#!/bin/sh\n[ \"$2\" = --help ] && echo '  --test-clock <MILLIS>' || exit 9\n").unwrap();
    fs::set_permissions(&hub, fs::Permissions::from_mode(0o755)).unwrap();
    hub
}

#[test]
fn traces_that_do_not_conform_are_counted_and_written_by_the_names_of_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let (hub, traces, out) =
        (no_hub(directory.path()), directory.path().join("traces"), directory.path().join("out"));
    // Both break the same rule, and so have the same name in them.
    let runs = ["run", "--seed", "0", "--runs", "2", "--profile", "directory", "--law", "sweeps_nothing"];
    let (code, said, _) = sim(&[&runs[..], &["--out", text(&traces)]].concat());
    assert_eq!(code, 1, "{said}");
    let names = |of: &Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(of).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&traces).len(), 2, "{said}");
    let conform = [
        "conform",
        "--hub-binary",
        text(&hub),
        "--traces",
        text(&traces),
        "--out",
        text(&out),
        "--fresh",
        "1",
    ];
    let (code, said, err) = sim(&conform);
    assert_eq!(code, 1, "{said}{err}");
    let mut all = names(&traces);
    all.push("fresh-seed-1.ndjson".into());
    assert_eq!(names(&out), all, "{said}");
    for name in ["directory-sweeps_nothing-seed-0", "directory-sweeps_nothing-seed-1", "fresh-seed-1"] {
        assert!(said.contains(&format!("NOT {name}: ")), "{said}");
    }
    assert!(said.contains("\n3 traces, 3 of them NOT as the kernel's; in the others 0 requests, "), "{said}");
    assert!(said.ends_with("\n3 not as the kernel's\n"), "{said}");
    // One that cannot be written hides none that does not conform.
    fs::remove_dir_all(&out).unwrap();
    fs::create_dir_all(out.join("fresh-seed-1.ndjson")).unwrap();
    let (code, again, err) = sim(&conform);
    assert_eq!(code, 1, "{again}{err}");
    assert!(again.contains("NOT fresh-seed-1: ") && err.contains("fresh-seed-1.ndjson"), "{again}{err}");
}

#[test]
fn a_trace_whose_world_cannot_be_is_refused_by_everybody_in_the_same_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = broken(directory.path());
    let told = fs::read_to_string(&file).unwrap();
    let (before, rest) = told.split_once("\"journal_bytes\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let large = format!("{before}\"journal_bytes\":\"{}\"{after}", 1_u64 << 60);
    for (edited, says) in [
        (large, "line 2: journal_bytes is 1 to 67108864, and not 1152921504606846976\n"),
        (told.replacen("\"drift\":", "\"drifts\":", 1), "line 2: drift is missing\n"),
        (told.replacen("{\"step\":1,", "{\"steps\":1,", 1), "line 2, column 8: unknown field"),
        (
            told.replacen("\"law\":\"everybody_wins\"", "\"law\":\"nobody_wins\"", 1),
            "there is no law \"nobody_wins\"; there are protocol, ",
        ),
        ("no trace".to_owned(), "line 1, column 2: "),
        (String::new(), "line 1: the file is empty\n"),
    ] {
        assert_ne!(edited, told);
        fs::write(&file, edited).unwrap();
        for command in ["replay", "shrink", "draw"] {
            let (code, out, err) = sim(&[command, &file]);
            assert_eq!((code, out.as_str()), (2, ""), "{command}: {err}");
            let says = format!("handoff-sim: {file} is no trace: {says}");
            assert!(err.starts_with(&says), "{command}: {err}\n{says}");
        }
    }
}

#[test]
fn a_trace_of_another_program_is_refused_with_what_reads_it() {
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/traces");
    let mut files: Vec<_> = fs::read_dir(trace).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let file = files.iter().find(|file| file.extension().is_some_and(|it| it == "ndjson")).unwrap();
    let (code, out, err) = sim(&["replay", text(file)]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("`handoff-spec trace FILE` lives it through again"), "{err}");
}
