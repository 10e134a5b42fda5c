//! What defines a rule: every item that names it, that calls such an item, or that one of these uses.
//!
//! Names are found as the compiler finds them, but for types: `anything.name()` may be any method of that name. So a
//! change may count for a rule that it does not touch; it is not to be missed by one that it does. What no rule reaches
//! is listed by its name in [`ELSEWHERE`], so that what falls out of every definition is seen. Other files than those
//! of [`super::source`] are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::item::{Import, Item, Kind, Reach, items};
use super::source::{ELSEWHERE, Home, Part, Source, Subject};
use super::word::Use;

/// A rule as it is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) statement: String,
    /// Every way in which it can be broken, as people are told.
    pub(crate) conjuncts: Vec<String>,
    /// Each item of the definition, with the beginning of its own hash.
    pub(crate) items: BTreeMap<String, String>,
    /// Of all of it.
    pub(crate) sha256: String,
}

/// The type whose items say what a rule is called. That stands in each definition by itself.
const RULE: &str = "Rule";

/// Defines every subject out of these sources.
pub(crate) fn definitions(sources: &[Source], subjects: &[Subject]) -> Result<Vec<Definition>, String> {
    let ids = subjects.iter().map(|subject| subject.id.clone()).collect();
    let graph = Graph::of(sources, &ids)?;
    let mut reached = BTreeSet::new();
    let mut all = Vec::new();
    for subject in subjects.iter().filter(|subject| subject.id != ELSEWHERE) {
        let own = graph.closure(&subject.id);
        all.push(define(subject, graph.conjuncts(&subject.id, &own), graph.lines(&own)));
        reached.extend(own);
    }
    for subject in subjects.iter().filter(|subject| subject.id == ELSEWHERE) {
        let rest = (0..graph.items.len()).filter(|item| graph.items[*item].root && !reached.contains(item));
        let names = rest.map(|item| {
            let item = &graph.items[item].item;
            // Where a module is, is what its rules are.
            let line = if item.kind == Kind::Module { item.line.clone() } else { String::new() };
            (item.key.clone(), line)
        });
        let names = names.collect();
        all.push(define(subject, Vec::new(), names));
    }
    Ok(all)
}

fn define(subject: &Subject, conjuncts: Vec<String>, lines: BTreeMap<String, String>) -> Definition {
    let mut whole = format!("{}\n{}\n{}\n", subject.id, subject.name, subject.statement);
    let mut items = BTreeMap::new();
    for (key, line) in lines {
        whole.push_str(&key);
        whole.push('\n');
        whole.push_str(&line);
        whole.push('\n');
        let mut short = hash(&format!("{key}\n{line}"));
        short.truncate(8);
        items.insert(key, short);
    }
    Definition {
        id: subject.id.clone(),
        name: subject.name.clone(),
        statement: subject.statement.clone(),
        conjuncts,
        items,
        sha256: hash(&whole),
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _written = write!(hex, "{byte:02x}");
        hex
    })
}

/// An item in its place.
struct Node {
    file: usize,
    item: Item,
    /// Whether it makes what it says part of the rules that it names or carries out. Else it is only used.
    root: bool,
    /// Whether only its own file uses it.
    private: bool,
    uses: BTreeSet<usize>,
    /// The imports, by number, by which it finds what it uses.
    imports: BTreeSet<usize>,
    /// The rules that it carries out: that it names, or that what it uses carries out.
    carries: BTreeSet<String>,
}

impl Node {
    /// Whether it belongs to no type.
    fn is_free(&self) -> bool {
        self.item.owner.is_none()
    }

    /// Whether it belongs to this type.
    fn is_of(&self, owner: &str) -> bool {
        self.item.owner.as_deref() == Some(owner)
    }
}

/// A file.
struct Place {
    name: String,
    home: Home,
    imports: Vec<Import>,
}

struct Graph {
    files: Vec<Place>,
    items: Vec<Node>,
    /// The items of each name.
    called: BTreeMap<String, Vec<usize>>,
}

impl Graph {
    fn of(sources: &[Source], ids: &BTreeSet<String>) -> Result<Self, String> {
        let mut graph = Self { files: Vec::new(), items: Vec::new(), called: BTreeMap::new() };
        for (file, source) in sources.iter().enumerate() {
            let found = items(&source.name, &source.text, ids)?;
            for item in found.items {
                let root = match source.part {
                    Part::Whole => true,
                    Part::Words => false,
                    Part::Functions(roots) => {
                        // The rows of a function that is a root are roots too.
                        let of = item.key.split('[').next().unwrap_or_default();
                        roots.iter().any(|root| of.rsplit("::").next() == Some(root))
                    }
                };
                let counts = match source.part {
                    Part::Whole => true,
                    Part::Functions(_) | Part::Words => {
                        !item.of_trait && matches!(item.kind, Kind::Function | Kind::Constant)
                    }
                };
                let private = matches!(source.part, Part::Functions(_));
                let names_rules = item.owner.as_deref() == Some(RULE) || item.name == RULE;
                if (counts || root) && !names_rules {
                    let carries = if root { item.rules.clone() } else { BTreeSet::new() };
                    let (uses, imports) = (BTreeSet::new(), BTreeSet::new());
                    graph.items.push(Node { file, item, root, private, uses, imports, carries });
                }
            }
            graph.files.push(Place { name: source.name.clone(), home: source.home, imports: found.imports });
            if let Part::Functions(roots) = source.part {
                graph.has_all(file, roots)?;
            }
        }
        for (index, node) in graph.items.iter().enumerate() {
            graph.called.entry(node.item.name.clone()).or_default().push(index);
        }
        graph.resolve();
        graph.carry();
        Ok(graph)
    }

    fn has_all(&self, file: usize, roots: &[&str]) -> Result<(), String> {
        let here = |root: &str| self.items.iter().any(|node| node.file == file && node.item.name == root);
        match roots.iter().find(|root| !here(root)) {
            Some(root) => Err(format!(
                "{} has no function `{root}` any more, which is part of rules: say in tests/support/source.rs where it is",
                self.files[file].name
            )),
            None => Ok(()),
        }
    }

    /// Finds what each item uses.
    fn resolve(&mut self) {
        for index in 0..self.items.len() {
            let (mut uses, mut imports) = (BTreeSet::new(), BTreeSet::new());
            for one in &self.items[index].item.uses {
                self.find(index, one, &mut uses, &mut imports);
            }
            let file = self.items[index].file;
            for key in &self.items[index].item.rows {
                uses.extend(self.all(|node| node.file == file && node.item.key == *key));
            }
            // Whoever uses a type uses what it can do by a trait: `==`, say.
            let types: Vec<_> =
                uses.iter().copied().filter(|found| self.items[*found].item.kind == Kind::Type).collect();
            for found in types {
                let (name, file) = (&self.items[found].item.name, self.items[found].file);
                let by_trait = |node: &Node| node.item.of_trait && node.item.owner.as_ref() == Some(name);
                uses.extend(self.nearest(file, self.all(by_trait)));
            }
            uses.remove(&index);
            let node = &mut self.items[index];
            (node.uses, node.imports) = (uses, imports);
        }
    }

    fn all(&self, is: impl Fn(&Node) -> bool) -> Vec<usize> {
        self.items.iter().enumerate().filter(|(_, node)| is(node)).map(|(index, _)| index).collect()
    }

    /// Whether this file may use the item.
    fn sees(&self, file: usize, node: &Node) -> bool {
        let (here, there) = (&self.files[file], &self.files[node.file]);
        let module = there.name.trim_end_matches(".rs").trim_end_matches("mod").trim_end_matches('/');
        let inside = here.name.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'));
        let same_crate = here.home == there.home;
        let reached = match node.item.reach {
            Reach::Module => inside && same_crate,
            Reach::Crate => same_crate,
            Reach::Everybody => true,
        };
        node.file == file || (reached && !node.private)
    }

    /// Those of this name that this file may use.
    fn seen(&self, file: usize, name: &str, is: impl Fn(&Node) -> bool) -> Vec<usize> {
        let called = self.called.get(name).into_iter().flatten().copied();
        called.filter(|index| is(&self.items[*index]) && self.sees(file, &self.items[*index])).collect()
    }

    /// Of these, those in this file; all, where it has none.
    fn nearest(&self, file: usize, all: Vec<usize>) -> Vec<usize> {
        let here: Vec<_> = all.iter().copied().filter(|index| self.items[*index].file == file).collect();
        if here.is_empty() { all } else { here }
    }

    fn find(&self, from: usize, one: &Use, uses: &mut BTreeSet<usize>, imports: &mut BTreeSet<usize>) {
        let Node { file, item, .. } = &self.items[from];
        let owner = item.owner.as_deref().unwrap_or_default();
        match one {
            Use::Plain(name) => self.find_free(*file, name, false, uses, imports),
            Use::Head(name) => self.find_free(*file, name, true, uses, imports),
            Use::Path(qualifier, name) => {
                let by = if qualifier == "Self" { owner } else { qualifier };
                uses.extend(self.find_path(*file, by, name));
            }
            Use::OwnMethod(name) => {
                let own = self.nearest(*file, self.seen(*file, name, |node| node.is_of(owner)));
                uses.extend(if own.is_empty() { self.methods(*file, name) } else { own });
            }
            Use::Method(name) => uses.extend(self.methods(*file, name)),
        }
    }

    /// Everything that `anything.name()` may be.
    fn methods(&self, file: usize, name: &str) -> Vec<usize> {
        self.seen(file, name, |node| node.item.on_self)
    }

    /// `qualifier::name`, of a type or of a module.
    fn find_path(&self, file: usize, qualifier: &str, name: &str) -> Vec<usize> {
        if qualifier.is_empty() {
            return self.seen(file, name, |_| true);
        }
        if qualifier.starts_with(char::is_uppercase) {
            // What it was before it was imported.
            let import = self.files[file].imports.iter().find(|import| import.name == qualifier);
            let named = import.and_then(|import| import.path.last()).map_or(qualifier, String::as_str);
            self.nearest(file, self.seen(file, name, |node| node.is_of(named)))
        } else {
            self.seen(file, name, Node::is_free)
        }
    }

    /// What this name is in this file: made here, or imported. Only before `::` it may be a module.
    fn find_free(
        &self,
        file: usize,
        name: &str,
        module: bool,
        uses: &mut BTreeSet<usize>,
        imports: &mut BTreeSet<usize>,
    ) {
        let fits = |node: &Node| node.is_free() && (module || node.item.kind != Kind::Module);
        let here = self.seen(file, name, |node| node.file == file && fits(node));
        if !here.is_empty() {
            uses.extend(here);
            return;
        }
        for (number, import) in self.files[file].imports.iter().enumerate() {
            if import.name == name {
                imports.insert(number);
                // A variant is found by its enum.
                let last = import.path.iter().rev().take(2).enumerate();
                let types = last.filter(|(back, part)| *back == 0 || part.starts_with(char::is_uppercase));
                for (_, part) in types {
                    uses.extend(self.seen(file, part, fits));
                }
            } else if import.name == "*" {
                let by_glob = self.seen(file, name, fits);
                if !by_glob.is_empty() {
                    imports.insert(number);
                    uses.extend(by_glob);
                }
            }
        }
    }

    /// Whoever calls what carries a rule out carries it out.
    fn carry(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for index in 0..self.items.len() {
                if !self.items[index].root {
                    continue;
                }
                let mut carries = self.items[index].carries.clone();
                for used in &self.items[index].uses {
                    carries.extend(self.items[*used].carries.iter().cloned());
                }
                changed |= carries.len() > self.items[index].carries.len();
                self.items[index].carries = carries;
            }
        }
    }

    /// All that defines this rule: what carries it out, and what that uses, but for what is of other rules only.
    fn closure(&self, rule: &str) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        let mut open = self.all(|node| node.carries.contains(rule));
        while let Some(index) = open.pop() {
            if found.insert(index) {
                let helps = |used: &&usize| self.items[**used].carries.is_empty();
                open.extend(self.items[index].uses.iter().filter(helps));
            }
        }
        found
    }

    /// The items by their keys, and the imports that they need by their file.
    fn lines(&self, own: &BTreeSet<usize>) -> BTreeMap<String, String> {
        let mut lines: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for index in own {
            let Node { file, item, imports, .. } = &self.items[*index];
            lines.entry(item.key.clone()).or_default().insert(item.line.clone());
            let Place { name, imports: all, .. } = &self.files[*file];
            for import in imports.iter().map(|number| &all[*number]) {
                let line = format!("{} as {}", import.path.join("::"), import.name);
                lines.entry(format!("{name}::use")).or_default().insert(line);
            }
        }
        lines
            .into_iter()
            .map(|(key, lines)| (key, lines.into_iter().collect::<Vec<_>>().join("\n")))
            .collect()
    }

    /// What is said where the rule is broken.
    fn conjuncts(&self, rule: &str, own: &BTreeSet<usize>) -> Vec<String> {
        let mut said = Vec::new();
        for index in own {
            let Node { item, carries, root, .. } = &self.items[*index];
            let whole = if carries.is_empty() {
                // A text that has a name is said by whoever uses it.
                item.kind == Kind::Constant
            } else if item.rules.is_empty() {
                carries.len() == 1
            } else {
                *root && item.rules.contains(rule)
            };
            for (beside, text) in &item.texts {
                let ours = beside.as_ref().map_or(whole, |beside| beside == rule);
                if ours && !said.contains(text) {
                    said.push(text.clone());
                }
            }
        }
        said
    }
}
