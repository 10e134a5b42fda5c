//! `spec/rules.toml`: what it says, whether that is so, and how it is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

use super::definition::Definition;
use super::source::root;

/// The whole file.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) rule: BTreeMap<String, Entry>,
    /// The items of each rule's definition as it was recorded last, each with the beginning of its hash.
    #[serde(default)]
    pub(crate) items: BTreeMap<String, BTreeMap<String, String>>,
}

/// What it says of one rule.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) statement: String,
    #[serde(default)]
    pub(crate) conjuncts: Vec<String>,
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
    /// Why there is no such rule any more.
    pub(crate) removed: Option<String>,
}

/// That the definition changed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) sha256: String,
    pub(crate) why: String,
}

/// How the file is called among people.
pub(crate) const FILE: &str = "spec/rules.toml";

/// The command that brings it up to date.
pub(crate) const COMMAND: &str = "cargo run -p handoff-spec --example manifest";

/// A reason has at least so many words.
const WORDS: usize = 3;

const HEADER: &str = "\
# The manifest of rules: what each rule is, every way in which it can be broken, and why its definition is what it is.
#
# It exists so that no rule can be weakened, or go, unseen. `sha256` is over the source that defines the rule: its
# predicates and checkers, whatever they use, and whatever calls them, without comments and layout. A helper that many
# rules use counts for each of them. The last change of each rule must be its definition as it is now, and must say why:
# else `cargo test -p handoff-spec --test manifest` fails, and names the rule and what changed of it.
#
# After a change of a rule that was meant, say why. The command writes the rest; without `--why` it changes no history:
#
#     cargo run -p handoff-spec --example manifest -- --why \"S3=A claim may now be made at the deadline itself.\"
#
# `changes` is only ever added to, and a rule that is gone stays here and says why in `removed`. No test can see what
# a commit takes away from this file: that is for whoever reads its difference. Comments other than this one do not last.
#
# Not covered: whether a model calls what is defined here. The witnesses, the mutants and the pairs of bounds are for that.
";

/// Where it is.
pub(crate) fn path() -> PathBuf {
    root().join(FILE)
}

/// Whether this says why anything is as it is.
fn says_why(why: &str) -> bool {
    why.split_whitespace().count() >= WORDS
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("{FILE} cannot be read: {error}"))
    }

    /// The first manifest of these definitions.
    pub(crate) fn first(definitions: &[Definition]) -> Self {
        let mut manifest = Self::default();
        for definition in definitions {
            manifest.add(definition, "First recorded, as it was.");
        }
        manifest
    }

    /// The hash that it has of this rule.
    fn recorded(&self, id: &str) -> Option<&str> {
        self.rule.get(id)?.changes.last().map(|change| change.sha256.as_str())
    }

    /// The rules that it has, that are not defined any more, and of which it does not say so.
    fn gone(&self, definitions: &[Definition]) -> Vec<&str> {
        let defined = |id: &str| definitions.iter().any(|definition| definition.id == id);
        let gone = self.rule.iter().filter(|(id, entry)| !defined(id) && entry.removed.is_none());
        gone.map(|(id, _)| id.as_str()).collect()
    }

    /// All that is wrong with it, each as a person is told who may act on it.
    pub(crate) fn findings(&self, definitions: &[Definition]) -> Vec<String> {
        let mut found = Vec::new();
        let mut changed = Vec::new();
        for definition in definitions {
            let id = &definition.id;
            match self.rule.get(id) {
                None => found.push(format!(
                    "{id} {} has no entry in {FILE}: say why there is such a rule.\n{}",
                    definition.name,
                    remedy(definition)
                )),
                Some(Entry { removed: Some(_), .. }) => found.push(format!(
                    "{FILE} says that {id} was removed, and it is there: if it is back, delete the line `removed`."
                )),
                Some(_) if self.recorded(id) != Some(&definition.sha256) => {
                    changed.push(id.as_str());
                    found.push(format!(
                    "The definition of {id} {} has changed, and {FILE} does not say why.\n{}{}",
                    definition.name,
                    self.difference(definition),
                    remedy(definition)
                ));
                }
                Some(entry) if !self.is_fresh(entry, definition) => found.push(format!(
                    "What {FILE} says of {id} beside the hash is out of date. Bring it up to date:\n    {COMMAND}\n"
                )),
                Some(_) => {}
            }
        }
        if changed.len() > 1 {
            let all = changed.join(",");
            found.push(format!("If the reason is one for all:\n    {COMMAND} -- --why \"{all}=…\"\n"));
        }
        for id in self.gone(definitions) {
            found.push(format!(
                "{id} is in {FILE}, and there is no such rule any more. If that was not meant, bring it back. If it was, \
                 say why:\n    {COMMAND} -- --why \"{id}=…\"\nwhich adds to [rule.{id}], with your reason in it:\n    \
                 removed = \"\"\n"
            ));
        }
        for (id, entry) in &self.rule {
            for why in entry.changes.iter().map(|change| &change.why).chain(&entry.removed) {
                if !says_why(why) {
                    found.push(format!(
                        "{FILE} gives \"{why}\" as a reason for a change of {id}: say it in {WORDS} words or more."
                    ));
                }
            }
        }
        found
    }

    /// Whether all that can be derived is as it is now.
    fn is_fresh(&self, entry: &Entry, definition: &Definition) -> bool {
        entry.name == definition.name
            && entry.statement == definition.statement
            && entry.conjuncts == definition.conjuncts
            && self.items.get(&definition.id) == Some(&definition.items)
    }

    /// What is different now, as far as it can be told.
    fn difference(&self, definition: &Definition) -> String {
        let mut said = String::new();
        let mut say = |what: &str, which: &str| {
            let _written = writeln!(said, "    {what}: {which}");
        };
        if let Some(entry) = self.rule.get(&definition.id) {
            if entry.name != definition.name || entry.statement != definition.statement {
                say("another name or statement", &format!("{}: {}", definition.name, definition.statement));
            }
            for gone in entry.conjuncts.iter().filter(|conjunct| !definition.conjuncts.contains(conjunct)) {
                say("GONE, a way to break it", gone);
            }
            for new in definition.conjuncts.iter().filter(|conjunct| !entry.conjuncts.contains(conjunct)) {
                say("new, a way to break it", new);
            }
        }
        let none = BTreeMap::new();
        let recorded = self.items.get(&definition.id).unwrap_or(&none);
        for (key, hash) in &definition.items {
            match recorded.get(key) {
                Some(was) if was == hash => {}
                Some(_) => say("changed", key),
                None => say("new", key),
            }
        }
        for gone in recorded.keys().filter(|key| !definition.items.contains_key(*key)) {
            say("gone, or no longer used", gone);
        }
        said
    }

    /// Adds the definition as it is now, with the reason.
    fn add(&mut self, definition: &Definition, why: &str) {
        let entry = self.rule.entry(definition.id.clone()).or_default();
        entry.changes.push(Change { sha256: definition.sha256.clone(), why: why.to_owned() });
        self.derive(definition);
    }

    /// Writes down all that can be derived.
    fn derive(&mut self, definition: &Definition) {
        let entry = self.rule.entry(definition.id.clone()).or_default();
        entry.name.clone_from(&definition.name);
        entry.statement.clone_from(&definition.statement);
        entry.conjuncts.clone_from(&definition.conjuncts);
        self.items.insert(definition.id.clone(), definition.items.clone());
    }

    /// Says why each of these changed or went, and brings what can be derived up to date where nothing has changed.
    ///
    /// # Errors
    /// A reason that is none, or one for a rule that has not changed: then nothing is to be written.
    pub(crate) fn explain(
        &mut self,
        definitions: &[Definition],
        whys: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        for (id, why) in whys {
            if !says_why(why) {
                return Err(format!(
                    "\"{why}\" does not say why {id} changed: it takes {WORDS} words or more"
                ));
            }
            let definition = definitions.iter().find(|definition| definition.id == *id);
            match (definition, self.rule.get(id)) {
                (Some(definition), entry) => {
                    if entry.is_some_and(|entry| entry.removed.is_some()) {
                        return Err(format!("{FILE} says that {id} was removed: delete that line first"));
                    }
                    if self.recorded(id) == Some(&definition.sha256) {
                        return Err(format!("{id} is what {FILE} says: there is nothing to explain"));
                    }
                    self.add(definition, why);
                }
                (None, Some(Entry { removed: None, .. })) => {
                    self.rule.entry(id.clone()).and_modify(|entry| entry.removed = Some(why.clone()));
                    self.items.remove(id);
                }
                (None, Some(_)) => return Err(format!("{FILE} says already why {id} was removed")),
                (None, None) => return Err(format!("there is no rule {id}, and {FILE} knows of none")),
            }
        }
        for definition in definitions {
            if self.recorded(&definition.id) == Some(&definition.sha256) {
                self.derive(definition);
            }
        }
        Ok(())
    }

    /// The file's text: rules in their order, those that are gone, and then the items, which only the test reads.
    pub(crate) fn render(&self, definitions: &[Definition]) -> String {
        let mut text = HEADER.to_owned();
        let defined = definitions.iter().map(|definition| &definition.id);
        let gone = self.rule.keys().filter(|id| definitions.iter().all(|definition| definition.id != **id));
        let order: Vec<&String> = defined.chain(gone).collect();
        for (id, entry) in order.iter().filter_map(|id| Some((id, self.rule.get(*id)?))) {
            let Entry { name, statement, conjuncts, changes, removed } = entry;
            put(
                &mut text,
                &format!("\n[rule.{id}]\nname = {}\nstatement = {}", quoted(name), quoted(statement)),
            );
            if let Some(why) = removed {
                put(&mut text, &format!("removed = {}", quoted(why)));
            }
            list(&mut text, "conjuncts", conjuncts.iter().map(|conjunct| quoted(conjunct)));
            let change = |change: &Change| {
                format!("{{ sha256 = {}, why = {} }}", quoted(&change.sha256), quoted(&change.why))
            };
            list(&mut text, "changes", changes.iter().map(change));
        }
        put(
            &mut text,
            "\n# What each definition is made of, so that a failing test can say what changed. Only for that.",
        );
        for (id, items) in order.iter().filter_map(|id| Some((id, self.items.get(*id)?))) {
            put(&mut text, &format!("\n[items.{id}]"));
            for (key, hash) in items {
                put(&mut text, &format!("{} = {}", quoted(key), quoted(hash)));
            }
        }
        text
    }
}

fn remedy(definition: &Definition) -> String {
    let Definition { id, sha256, .. } = definition;
    format!(
        "If that was not meant, undo it. If it was, say why:\n    {COMMAND} -- --why \"{id}=…\"\nwhich adds to the \
         changes of [rule.{id}], with your reason in it:\n    {{ sha256 = \"{sha256}\", why = \"\" }},\n"
    )
}

fn put(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn list(text: &mut String, name: &str, all: impl Iterator<Item = String>) {
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        put(text, &format!("{name} = []"));
        return;
    }
    put(text, &format!("{name} = ["));
    for one in all {
        put(text, &format!("    {one},"));
    }
    put(text, "]");
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _written = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
