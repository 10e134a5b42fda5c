//! The examples of the README are what the commands write that it names.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn sim(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_handoff-sim")).args(args).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn what_is_shown_is_what_the_commands_write() {
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("shown");
    let out = tempfile::tempdir().unwrap();
    let (file, small) =
        (out.path().join("directory-anybody_is_target-seed-0.ndjson"), out.path().join("small.ndjson"));
    let [at, file, small] = [out.path(), &file, &small].map(|path| path.to_str().unwrap());
    let run =
        sim(&["run", "--seed", "0", "--profile", "directory", "--law", "anybody_is_target", "--out", at]);
    let shrunk = sim(&["shrink", file, "--out", small]);
    let readme = fs::read_to_string(shown.parent().unwrap().join("README.md")).unwrap();
    for line in [
        run.lines().find(|line| line.starts_with("seed 0: S2")).unwrap(),
        shrunk.lines().find(|line| line.ends_with("tried")).unwrap(),
    ] {
        assert!(readme.contains(line), "sim/README.md has another line than {line:?}: write it anew");
    }
    let how = "the simulator draws other worlds now: do the example of sim/README.md again, and look at its picture";
    let wanted = fs::read_to_string(small).unwrap();
    assert!(fs::read_to_string(shown.join("anybody_is_target.ndjson")).unwrap() == wanted, "{how}");
    let wanted = sim(&["draw", small, "--format", "svg"]);
    assert!(fs::read_to_string(shown.join("anybody_is_target.svg")).unwrap() == wanted, "{how}");
}

#[test]
fn a_seed_that_fails_is_followed_as_the_readme_says() {
    let sim_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(sim_root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## When a seed fails\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let out = tempfile::tempdir().unwrap();
    // Each command as it stands there, and under it what it prints: all of it, or what stands behind two dots.
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("    ")) {
        match line.strip_prefix("$ handoff-sim ") {
            Some(command) => blocks.push((command, Vec::new())),
            None => blocks.last_mut().unwrap().1.push(line),
        }
    }
    assert_eq!(blocks.len(), 4, "run, shrink, draw, replay");
    for (command, told) in blocks {
        let args: Vec<&str> = command.split(' ').collect();
        let output = Command::new(env!("CARGO_BIN_EXE_handoff-sim"))
            .args(args)
            .current_dir(out.path())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut printed = printed.lines().skip_while(|line| told[0] == ".." && *line != told[1]);
        for line in told.iter().skip_while(|line| **line == "..") {
            let now = printed.next().unwrap_or_default();
            // What stands there once already is not written out again.
            let same = match line.split_once("shrink ..`") {
                Some((before, after)) => now.starts_with(before) && now.ends_with(after),
                None => now == *line,
            };
            assert!(
                same,
                "`handoff-sim {command}` prints {now:?}, and sim/README.md has {line:?}: write it anew"
            );
        }
        assert_eq!(printed.next(), None, "`handoff-sim {command}` prints more than sim/README.md has");
    }
}
