//! The house's rules that a machine can see, each with its reason, each shown to catch a bad sample.
//!
//! The rules read text, not syntax: they are simple enough to be sure of, and where one of them is wrong about
//! a line, the line can be said differently. What needs types is clippy's (`clippy.toml`), what needs features
//! is `tests/system/house.rs`'s.

use std::collections::BTreeSet;
use std::process::Command;

const MAX_LINES: usize = 600;
const MAX_BYTES: usize = 512 * 1024;

/// A file that git tracks, or would track.
struct File {
    path: String,
    bytes: Vec<u8>,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The file as text, or nothing where its bytes were made elsewhere and are kept as they are.
    fn text(&self) -> Option<&str> {
        let foreign = self.path.starts_with("fuzz/seeds/") || self.path.starts_with("spec/vectors/");
        let text = std::str::from_utf8(&self.bytes).ok().filter(|text| !text.contains('\0'));
        if foreign { None } else { text }
    }

    /// Lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text().unwrap_or_default().lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// Lines of Rust without their comments: all of them, or those outside tests.
    fn code(&self, with_tests: bool) -> Vec<(usize, &str)> {
        let end = if with_tests { usize::MAX } else { self.tests_begin() };
        let all = self.lines().filter(|(n, _)| self.is_rust() && *n < end);
        all.map(|(n, line)| (n, without_comment(line))).collect()
    }

    /// The line where this file's tests begin: the `cfg(test)` before a module. A file of tests begins at once.
    fn tests_begin(&self) -> usize {
        if self.is_test_file() {
            return 0;
        }
        let mut lines = self.lines().peekable();
        while let Some((n, line)) = lines.next() {
            let module = |next: &str| next.trim_start().starts_with("mod ") && next.ends_with('{');
            if line.starts_with("#[cfg(") && line.contains("test)") {
                while lines.next_if(|(_, next)| next.starts_with("#[")).is_some() {}
                if lines.peek().is_some_and(|(_, next)| module(next)) {
                    return n;
                }
            }
        }
        usize::MAX
    }

    fn is_test_file(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }

    /// The numbers of lines of code that contain one of these.
    fn code_with(&self, with_tests: bool, needles: &[&str]) -> Vec<usize> {
        let code = self.code(with_tests);
        code.iter().filter(|(_, line)| needles.iter().any(|n| line.contains(n))).map(|(n, _)| *n).collect()
    }
}

/// The line up to its `//`, unless that is part of an address (`http://`).
fn without_comment(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// A rule: where it is broken in a file, why it is one, and samples that prove that it can tell.
struct Rule {
    name: &'static str,
    why: &'static str,
    /// The lines at fault; 0 for the file as a whole.
    broken: fn(&File) -> Vec<usize>,
    bad: &'static [(&'static str, &'static str)],
    good: &'static [(&'static str, &'static str)],
}

// Forbidden words are put together from halves, so that this file is not its own first finding.
const RULES: &[Rule] = &[
    Rule {
        name: "a file of Rust has at most 600 lines",
        why: "one protocol noun a file: a reader finds a concept by its file's name, and can read it whole",
        broken: |f| if f.is_rust() && f.lines().count() > MAX_LINES { vec![MAX_LINES + 1] } else { vec![] },
        bad: &[],
        good: &[("kernel/src/a.rs", "//! One line.\n")],
    },
    Rule {
        name: "no file is larger than 512 KiB",
        why: "a clone is for reading; generated bulk belongs in target/",
        broken: |f| if f.bytes.len() > MAX_BYTES { vec![0] } else { vec![] },
        bad: &[],
        good: &[("spec/vectors/a.json", "{}")],
    },
    Rule {
        name: "text ends in a newline",
        why: "else the next line that somebody adds changes two",
        broken: |f| match f.text() {
            Some(text) if !text.is_empty() && !text.ends_with('\n') => vec![0],
            _ => vec![],
        },
        bad: &[("README.md", "cut"), ("scripts/test", "exit")],
        good: &[("README.md", "whole\n"), ("empty", ""), ("image.png", "\0"), ("fuzz/seeds/step/a", "x")],
    },
    Rule {
        name: "a crate's root begins with its document",
        why: "it says what the crate refuses to do and which two types to read first",
        broken: |f| {
            let root = f.path.ends_with("src/lib.rs") || f.path.ends_with("src/main.rs");
            if root && !f.lines().next().is_some_and(|(_, line)| line.starts_with("//! ")) {
                vec![1]
            } else {
                vec![]
            }
        },
        bad: &[("hub/src/lib.rs", "mod a;\n"), ("kernel/src/lib.rs", "")],
        good: &[("hub/src/lib.rs", "//! The relay.\n"), ("hub/src/a.rs", "mod b;\n")],
    },
    Rule {
        name: "the clock and the dice are read in one file a crate, src/ambient.rs, and never in the kernel",
        why: "all else is handed them, and so can be replayed",
        broken: |f| {
            let ambient = f.path == "tests/system/support/ambient.rs"
                || f.path.ends_with("/src/ambient.rs") && !f.path.starts_with("kernel/");
            let needles =
                ["SystemTime::now", "Instant::now", "getrandom::", "UtcDateTime::now", "thread_rng"];
            if ambient || f.path == "tests/system/tidy.rs" { vec![] } else { f.code_with(true, &needles) }
        },
        bad: &[
            ("hub/src/relay.rs", "let t = SystemTime::now();\n"),
            ("kernel/src/ambient.rs", "let t = std::time::Instant::now();\n"),
            ("tests/races.rs", "getrandom::fill(&mut b);\n"),
        ],
        good: &[
            ("hub/src/ambient.rs", "SystemTime::now()\n"),
            ("hub/src/relay.rs", "// not SystemTime::now()\n"),
            ("clippy.toml", "path = \"std::time::Instant::now\"\n"),
        ],
    },
    Rule {
        name: "no test sleeps",
        why: "a test waits for the thing: a sleep is too short on one machine and too long on every other",
        broken: |f| {
            let begin = f.tests_begin();
            let slept = f.code_with(true, &[concat!("thread::", "sleep"), concat!("time::", "sleep")]);
            slept.into_iter().filter(|n| *n >= begin).collect()
        },
        bad: &[
            ("tests/a.rs", concat!("std::thread::", "sleep(d);\n")),
            ("hub/src/a.rs", concat!("#[cfg(test)]\nmod tests {\n    tokio::time::", "sleep(d).await;\n}\n")),
        ],
        good: &[("hub/src/a.rs", "tokio::time::timeout(d, it).await\n")],
    },
    Rule {
        name: "no unwrap outside tests in kernel and hub",
        why: "a panic is a bug unless the line above proves that it cannot happen: then expect(\"why it holds\")",
        broken: |f| {
            let ours = f.path.starts_with("kernel/src/") || f.path.starts_with("hub/src/");
            if ours { f.code_with(false, &[concat!(".unw", "rap()")]) } else { vec![] }
        },
        bad: &[
            ("kernel/src/a.rs", concat!("x.unw", "rap();\n")),
            ("hub/src/a.rs", concat!("#[cfg(test)]\nextern crate std;\nx.unw", "rap();\n")),
        ],
        good: &[
            (
                "kernel/src/a.rs",
                concat!("/// x.unw", "rap()\n#[cfg(test)]\nmod tests {\n x.unw", "rap();\n}\n"),
            ),
            ("tests/a.rs", concat!("x.unw", "rap();\n")),
            ("kernel/src/b/tests.rs", concat!("x.unw", "rap();\n")),
        ],
    },
    Rule {
        name: "a lint is silenced by expect, never by allow",
        why: "expect fails when nothing is left to silence; clippy says so of one item, this of a whole file too",
        broken: |f| f.code_with(true, &[concat!("#[al", "low("), concat!("#![al", "low(")]),
        bad: &[
            ("hub/src/a.rs", concat!("#![al", "low(dead_code, reason = \"r\")]\n")),
            ("tests/system/a.rs", concat!("#[al", "low(unused)]\n")),
        ],
        good: &[("hub/src/a.rs", "#![expect(dead_code, reason = \"r\")]\n")],
    },
    Rule {
        name: "nothing is left for later in the code",
        why: "abandoned scaffolding outlives its intention: what is to be done is an issue",
        broken: |f| {
            let macros = [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!(")];
            let mut at = f.code_with(true, &macros);
            let word = |line: &str, word: &str| {
                line.match_indices(word).any(|(i, _)| {
                    let beside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
                    !beside(line[..i].chars().next_back()) && !beside(line[i + word.len()..].chars().next())
                })
            };
            let noted = |line: &str| word(line, concat!("TO", "DO")) || word(line, concat!("FIX", "ME"));
            at.extend(f.lines().filter(|(_, line)| noted(line)).map(|(n, _)| n));
            at
        },
        bad: &[
            ("hub/src/a.rs", concat!("to", "do!()\n")),
            ("hub/src/a.rs", concat!("db", "g!(x)\n")),
            ("README.md", concat!("(FIX", "ME: say how)\n")),
            ("scripts/test", concat!("# TO", "DO\n")),
        ],
        good: &[("spec/a.txt", concat!("xTO", "DOx\n")), ("README.md", "to do\n")],
    },
    Rule {
        name: "each dependency in the workspace table stands under a comment",
        why: "dependencies are few and made for the job, and the table says which job",
        broken: |f| if f.path == "Cargo.toml" { uncommented(f) } else { vec![] },
        bad: &[(
            "Cargo.toml",
            "[workspace.dependencies]\n# what for\na = \"1\"\n\nb = \"1\"\n\n[workspace.lints]\nc = \"d\"\n",
        )],
        good: &[("Cargo.toml", "[workspace.dependencies]\n# what for\na = \"1\"\nb = \"1\"\n")],
    },
    Rule {
        name: "a member takes each dependency from the workspace table",
        why: "one version, one place, one reason; and the default features are decided once",
        broken: |f| {
            // These two are outside the workspace: they are built by tools of their own.
            let outside = f.path.starts_with("fuzz/") || f.path.starts_with("kernel/no_std_check/");
            if f.path.ends_with("Cargo.toml") && !outside { not_from_the_table(f) } else { vec![] }
        },
        bad: &[
            ("hub/Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
            ("hub/Cargo.toml", "[target.'cfg(unix)'.dev-dependencies]\nserde = { version = \"1\" }\n"),
            ("hub/Cargo.toml", "[dependencies.serde]\nversion = \"1\"\n"),
        ],
        good: &[
            (
                "hub/Cargo.toml",
                "[dependencies]\na.workspace = true\n# b\nb = { workspace = true, optional = true }\n[lints]\nc = 1\n",
            ),
            ("fuzz/Cargo.toml", "[dependencies]\nlibfuzzer-sys = \"0.4\"\n"),
        ],
    },
    Rule {
        name: "no machine's paths and no registry's address",
        why: "what holds on one machine only is no part of the project; the package managers know their registries",
        broken: |f| {
            // Lock files are written by the package managers.
            if f.path.ends_with("Cargo.lock") {
                return vec![];
            }
            let everywhere = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
            let temporary = [concat!("/tm", "p/")];
            let in_tests = if f.is_rust() { f.tests_begin() } else { usize::MAX };
            let at_start = |line: &str, needle: &str| {
                line.match_indices(needle).any(|(i, _)| {
                    let before = line[..i].chars().next_back();
                    !before.is_some_and(|c| c.is_ascii_alphanumeric() || ".-_~}$*".contains(c))
                })
            };
            let hosts = [
                concat!("crates", ".io"),
                concat!("registry.npm", "js.org"),
                concat!("py", "pi.org"),
                concat!("pythonhost", "ed.org"),
                concat!("deb.deb", "ian.org"),
            ];
            let broken = |n: usize, line: &str| {
                everywhere.iter().any(|p| at_start(line, p))
                    || (n < in_tests && temporary.iter().any(|p| at_start(line, p)))
                    || hosts.iter().any(|host| line.contains(host))
            };
            f.lines().filter(|(n, line)| broken(*n, line)).map(|(n, _)| n).collect()
        },
        bad: &[
            ("README.md", concat!("see /wo", "rk/main\n")),
            ("scripts/test", concat!("cd \"/ro", "ot/x\"\n")),
            ("hub/src/a.rs", concat!("open(\"/tm", "p/x\")\n")),
            ("README.md", concat!("from crates", ".io\n")),
        ],
        good: &[
            ("README.md", concat!("see docs/wo", "rk/a.md and target/tm", "p/x\n")),
            ("tests/a.rs", concat!("bad_path(\"/tm", "p/x\")\n")),
        ],
    },
];

/// Dependencies of the workspace table in a block (lines without an empty one between) that has no comment yet.
fn uncommented(f: &File) -> Vec<usize> {
    let (mut inside, mut commented, mut found) = (false, false, Vec::new());
    for (n, line) in f.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
            commented = false;
        } else if line.trim().is_empty() {
            commented = false;
        } else if line.starts_with('#') {
            commented = true;
        } else if inside && !commented && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            found.push(n);
        }
    }
    found
}

/// Dependencies of a member that bring a version of their own.
fn not_from_the_table(f: &File) -> Vec<usize> {
    let (mut inside, mut found) = (false, Vec::new());
    for (n, line) in f.lines() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end().trim_end_matches(']');
            inside = header.ends_with("dependencies") && !header.starts_with("workspace.");
            // `[dependencies.x]`: say it in one line, where it can be seen.
            if header.contains("dependencies.") {
                found.push(n);
            }
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let squeezed: String = line.chars().filter(|c| !c.is_whitespace()).collect();
            if !squeezed.contains("workspace=true") {
                found.push(n);
            }
        }
    }
    found
}

/// Everything that git tracks and that is still there, and what it would track if it were added now.
fn tracked() -> Vec<File> {
    let out = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(crate::support::root())
        .output()
        .expect("git runs");
    assert!(out.status.success(), "git ls-files: {}", String::from_utf8_lossy(&out.stderr));
    let paths: BTreeSet<&[u8]> = out.stdout.split(|&b| b == 0).filter(|p| !p.is_empty()).collect();
    let paths = paths.into_iter().map(|p| String::from_utf8(p.to_vec()).expect("paths are UTF-8"));
    paths
        .filter_map(|path| {
            let bytes = std::fs::read(crate::support::root().join(&path)).ok()?;
            Some(File { path, bytes })
        })
        .collect()
}

#[test]
fn the_house_is_tidy() {
    let files = tracked();
    for known in ["Cargo.toml", "kernel/src/lib.rs", "hub/src/lib.rs", "tests/system/tidy.rs", "scripts/test"]
    {
        assert!(files.iter().any(|f| f.path == known), "{known} is not among the files looked at");
    }
    let mut findings = String::new();
    for rule in RULES {
        for file in &files {
            for line in (rule.broken)(file) {
                findings += &format!("{}:{line}: {} ({})\n", file.path, rule.name, rule.why);
            }
        }
    }
    assert!(findings.is_empty(), "\n{findings}");
}

fn sample((path, text): (&str, &str)) -> File {
    File { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

#[test]
fn every_rule_catches_its_bad_samples_and_passes_its_good_ones() {
    for rule in RULES {
        for bad in rule.bad {
            assert!(!(rule.broken)(&sample(*bad)).is_empty(), "{}: misses {bad:?}", rule.name);
        }
        for good in rule.good {
            assert_eq!((rule.broken)(&sample(*good)), [0; 0], "{}: blames {good:?}", rule.name);
        }
    }
}

#[test]
fn the_two_limits_of_size_are_where_they_are_said_to_be() {
    let broken = |name: &str, path: &str, text: &str| {
        let rule = RULES.iter().find(|rule| rule.name.contains(name)).expect("a rule of this name");
        !(rule.broken)(&sample((path, text))).is_empty()
    };
    assert!(!broken("600 lines", "a.rs", &"\n".repeat(MAX_LINES)));
    assert!(broken("600 lines", "a.rs", &"\n".repeat(MAX_LINES + 1)));
    assert!(!broken("600 lines", "a.md", &"\n".repeat(MAX_LINES + 1)));
    assert!(!broken("512 KiB", "a", &"x".repeat(MAX_BYTES)));
    assert!(broken("512 KiB", "a", &"x".repeat(MAX_BYTES + 1)));
}

#[test]
fn a_rule_without_a_bad_sample_is_one_of_the_two_limits() {
    let unproven: Vec<_> = RULES.iter().filter(|rule| rule.bad.is_empty()).map(|rule| rule.name).collect();
    assert_eq!(unproven, ["a file of Rust has at most 600 lines", "no file is larger than 512 KiB"]);
}
