//! Where the rules are defined.

use std::fs;
use std::path::{Path, PathBuf};

use handoff_kernel::rules::Rule;
use handoff_spec::model::Property;

/// What of a file defines rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// Only these functions, and what of the same file they use.
    Functions(&'static [&'static str]),
    /// Nothing; but what rules use of it is part of them. Types are not: what a record holds is no matter of rules.
    Words,
}

/// One of the two crates in which rules are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Kernel,
    Spec,
}

/// A file in which rules are defined, or words that they use.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// How people are told of it.
    pub(crate) name: String,
    /// In which crate it is.
    pub(crate) home: Home,
    pub(crate) part: Part,
    pub(crate) text: String,
}

/// Something that has an entry in the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// `S3`, `Refinement`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) statement: String,
}

/// The entry of what stands in the files of the rules and belongs to none of them.
pub(crate) const ELSEWHERE: &str = "Elsewhere";

const KERNEL: &[(&str, Part)] = &[
    ("rules.rs", Part::Whole),
    ("history.rs", Part::Whole),
    ("record.rs", Part::Words),
    ("command.rs", Part::Words),
    ("refusal.rs", Part::Words),
    ("time.rs", Part::Words),
];

const SPEC: &[(&str, Part)] = &[
    ("abstract_spec.rs", Part::Whole),
    ("refinement.rs", Part::Whole),
    ("hubs/judge.rs", Part::Whole),
    ("hubs/promises.rs", Part::Whole),
    // S9 of two steps, wherever they are in a history.
    ("proof/induction.rs", Part::Functions(&["ask"])),
    // S8 as the target and the author see it, and the promises of an honest hub in that model.
    ("malice/mod.rs", Part::Functions(&["breach"])),
    ("malice/hub.rs", Part::Functions(&["promises"])),
];

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR"));
    spec.parent().unwrap_or(spec).to_owned()
}

/// Every file, as it is in this checkout.
pub(crate) fn sources() -> Result<Vec<Source>, String> {
    let mut all = Vec::new();
    for (name, part) in KERNEL {
        all.push(read(Home::Kernel, name, *part)?);
    }
    for directory in ["history", "rules"] {
        for name in listed(directory)? {
            all.push(read(Home::Kernel, &name, Part::Whole)?);
        }
    }
    for (name, part) in SPEC {
        all.push(read(Home::Spec, name, *part)?);
    }
    Ok(all)
}

/// The files of this directory of the kernel, in their order.
fn listed(directory: &str) -> Result<Vec<String>, String> {
    let failed = |error| format!("kernel/src/{directory} cannot be listed: {error}");
    let mut names = Vec::new();
    for entry in fs::read_dir(Home::Kernel.root().join(directory)).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rs") && name != "tests.rs" {
            names.push(format!("{directory}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}

impl Home {
    fn root(self) -> PathBuf {
        match self {
            Self::Kernel => root().join("kernel/src"),
            Self::Spec => root().join("spec/src"),
        }
    }
}

fn read(home: Home, name: &str, part: Part) -> Result<Source, String> {
    let file = home.root().join(name);
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Source { name: name.to_owned(), home, part, text })
}

/// Every rule, then the two checks that are no rules of the protocol, then what belongs to none.
pub(crate) fn subjects() -> Vec<Subject> {
    let subject = |id: String, name: &str, statement: &str| Subject {
        id,
        name: name.to_owned(),
        statement: statement.to_owned(),
    };
    let rules = Rule::ALL.into_iter().map(|rule| subject(format!("{rule:?}"), rule.name(), rule.statement()));
    let own = |property: Property, statement| subject(property.id(), &property.to_string(), statement);
    let checks = [
        own(
            Property::Refinement,
            "Every change in a model of hubs is a step of the abstract specification, or nothing that it speaks of.",
        ),
        own(Property::Frame, "A command on one handoff leaves every other as it was."),
        subject(
            ELSEWHERE.to_owned(),
            ELSEWHERE,
            "What stands in the files of the rules and no rule uses: only the names count.",
        ),
    ];
    rules.chain(checks).collect()
}
