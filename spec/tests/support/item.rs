//! The items of a file of rules: functions, methods, types, constants, and the rows of tables.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else the grammar has is told as what cannot be read"
)]

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ImplItem, ItemImpl, ItemMacro, ReturnType, Signature, Type, UseTree, Visibility};

use super::word::{Use, Word, line, named, parse, take_rows, texts, uses, words};

/// What kind of item it is, as far as that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Type,
    /// A constant, or the row of a table of them.
    Constant,
    /// The declaration of a module.
    Module,
    /// A macro; what a type is by a trait that asks for no items.
    Other,
}

/// Who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Its own module, and those in it.
    Module,
    /// Its own crate, or less.
    Crate,
    Everybody,
}

impl Reach {
    fn of(visibility: &Visibility) -> Self {
        match visibility {
            Visibility::Public(_) => Self::Everybody,
            Visibility::Restricted(_) => Self::Crate,
            Visibility::Inherited => Self::Module,
        }
    }
}

/// One item, or one row of a table.
#[derive(Debug)]
pub(crate) struct Item {
    /// How people are told of it: `history/claim.rs::SingleWinner::observe`.
    pub(crate) key: String,
    /// The type whose it is.
    pub(crate) owner: Option<String>,
    /// Its name; empty of what cannot be named.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) reach: Reach,
    /// Whether it belongs to its type by a trait, and so is used without being named.
    pub(crate) of_trait: bool,
    /// Whether it is called as `anything.name()`.
    pub(crate) on_self: bool,
    /// All it says, in one line.
    pub(crate) line: String,
    pub(crate) uses: BTreeSet<Use>,
    /// The keys of the rows that were taken out of it.
    pub(crate) rows: Vec<String>,
    /// The rules that it names.
    pub(crate) rules: BTreeSet<String>,
    /// The texts in it, each with the rule beside it.
    pub(crate) texts: Vec<(Option<String>, String)>,
}

/// What a file calls by another's name: `use path as name`. A glob's name is `*`.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
}

/// A file, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) items: Vec<Item>,
    pub(crate) imports: Vec<Import>,
}

/// Takes a file apart. `ids` are those of the rules.
pub(crate) fn items(file: &str, text: &str, ids: &BTreeSet<String>) -> Result<Items, String> {
    let parsed = parse(text).map_err(|error| format!("{file} is no Rust: {error}"))?;
    let mut reader = Reader { file, ids, found: Items::default() };
    reader.read(parsed.items)?;
    Ok(reader.found)
}

struct Reader<'a> {
    file: &'a str,
    ids: &'a BTreeSet<String>,
    found: Items,
}

impl Reader<'_> {
    fn read(&mut self, items: Vec<syn::Item>) -> Result<(), String> {
        for item in items {
            match item {
                syn::Item::Fn(item) if !for_tests(&item.attrs) => {
                    let rest = item.block.to_token_stream();
                    self.function(None, "", &item.attrs, &item.vis, item.sig, rest, false);
                }
                syn::Item::Impl(item) if !for_tests(&item.attrs) => self.methods(item)?,
                syn::Item::Const(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Constant, &item);
                }
                syn::Item::Static(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Constant, &item);
                }
                syn::Item::Struct(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Type, &item);
                }
                syn::Item::Enum(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Type, &item);
                }
                syn::Item::Union(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Type, &item);
                }
                syn::Item::Type(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Type, &item);
                }
                syn::Item::Trait(item) if !for_tests(&item.attrs) => {
                    self.one(&item.ident, Reach::of(&item.vis), Kind::Type, &item);
                }
                syn::Item::Mod(item) if !for_tests(&item.attrs) => match item.content {
                    Some((_, inner)) => self.read(inner)?,
                    None => self.one(&item.ident, Reach::of(&item.vis), Kind::Module, &item),
                },
                syn::Item::Use(item) if !for_tests(&item.attrs) => self.import(&mut Vec::new(), &item.tree),
                syn::Item::Macro(item) if !for_tests(&item.attrs) => self.a_macro(item),
                syn::Item::Fn(_)
                | syn::Item::Impl(_)
                | syn::Item::Const(_)
                | syn::Item::Static(_)
                | syn::Item::Struct(_)
                | syn::Item::Enum(_)
                | syn::Item::Union(_)
                | syn::Item::Type(_)
                | syn::Item::Trait(_)
                | syn::Item::Mod(_)
                | syn::Item::Use(_)
                | syn::Item::Macro(_) => {}
                other => {
                    let found = line(&words(other.to_token_stream()));
                    return Err(format!("{}: the manifest cannot read this item yet: {found}", self.file));
                }
            }
        }
        Ok(())
    }

    fn one(&mut self, name: &syn::Ident, reach: Reach, kind: Kind, item: &impl ToTokens) {
        self.push(None, &name.to_string(), kind, "", words(item.to_token_stream()), false);
        self.last(|item| item.reach = reach);
    }

    /// Says something of the item that was found last.
    fn last(&mut self, say: impl FnOnce(&mut Item)) {
        if let Some(item) = self.found.items.last_mut() {
            say(item);
        }
    }

    /// An item of these words; its rows are items of their own.
    fn push(
        &mut self,
        owner: Option<&str>,
        name: &str,
        kind: Kind,
        head: &str,
        mut words: Vec<Word>,
        of_trait: bool,
    ) {
        let key = match owner {
            Some(owner) => format!("{}::{owner}::{name}", self.file),
            None => format!("{}::{name}", self.file),
        };
        let mut rows = Vec::new();
        for (rule, row) in take_rows(&mut words, self.ids) {
            let texts = texts(&row, self.ids);
            let number = rows.len() + 1;
            let said =
                texts.first().map_or_else(|| format!("{rule}, row {number}"), |(_, said)| said.clone());
            let row_key = format!("{key}[{said}]");
            let mut used = BTreeSet::new();
            uses(&row, &mut used);
            rows.push(row_key.clone());
            self.found.items.push(Item {
                key: row_key,
                owner: owner.map(str::to_owned),
                name: String::new(),
                kind: Kind::Constant,
                reach: Reach::Crate,
                of_trait: false,
                on_self: false,
                line: line(&row),
                uses: used,
                rows: Vec::new(),
                rules: BTreeSet::from([rule]),
                texts,
            });
        }
        let mut used: BTreeSet<_> = owner.map(|owner| Use::Plain(owner.to_owned())).into_iter().collect();
        uses(&words, &mut used);
        self.found.items.push(Item {
            key,
            owner: owner.map(str::to_owned),
            name: name.to_owned(),
            kind,
            reach: Reach::Everybody,
            of_trait,
            on_self: false,
            line: format!("{head}{}", line(&words)),
            uses: used,
            rows,
            rules: named(&words, self.ids),
            texts: texts(&words, self.ids),
        });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a function, free or a method")]
    fn function(
        &mut self,
        owner: Option<&str>,
        head: &str,
        attributes: &[Attribute],
        visibility: &Visibility,
        mut signature: Signature,
        body: TokenStream,
        of_trait: bool,
    ) {
        let mut body = words(body);
        // How many rows there are is the compiler's to hold against the table: it says nothing of any one row.
        let table = !take_rows(&mut body.clone(), self.ids).is_empty();
        if let (true, ReturnType::Type(_, returned)) = (table, &mut signature.output)
            && let Type::Array(array) = &mut **returned
        {
            array.len = Expr::Verbatim(TokenStream::new());
        }
        let mut all = Vec::new();
        for attribute in attributes {
            all.append(&mut words(attribute.to_token_stream()));
        }
        all.append(&mut words(visibility.to_token_stream()));
        all.append(&mut words(signature.to_token_stream()));
        all.append(&mut body);
        self.push(owner, &signature.ident.to_string(), Kind::Function, head, all, of_trait);
        let reach = if of_trait { Reach::Everybody } else { Reach::of(visibility) };
        let on_self = signature.receiver().is_some();
        self.last(|item| (item.reach, item.on_self) = (reach, on_self));
    }

    fn methods(&mut self, mut item: ItemImpl) -> Result<(), String> {
        let Type::Path(of) = &*item.self_ty else {
            return Err(format!("{}: the manifest reads only what belongs to a named type", self.file));
        };
        let owner = of.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let of_trait = item.trait_.is_some();
        let items = std::mem::take(&mut item.items);
        // All that the methods stand under belongs to each: for which types it is, and by which trait.
        let head = line(&words(item.to_token_stream()));
        if items.is_empty() {
            self.push(Some(&owner), "", Kind::Other, "", words(item.to_token_stream()), of_trait);
        }
        for inner in items {
            match inner {
                ImplItem::Fn(inner) if for_tests(&inner.attrs) => {}
                ImplItem::Fn(inner) => {
                    let body = inner.block.to_token_stream();
                    let (attributes, visibility) = (inner.attrs, inner.vis);
                    self.function(Some(&owner), &head, &attributes, &visibility, inner.sig, body, of_trait);
                }
                ImplItem::Const(inner) => {
                    let (name, all) = (inner.ident.to_string(), words(inner.to_token_stream()));
                    self.push(Some(&owner), &name, Kind::Constant, &head, all, of_trait);
                }
                ImplItem::Type(inner) => {
                    let (name, all) = (inner.ident.to_string(), words(inner.to_token_stream()));
                    self.push(Some(&owner), &name, Kind::Type, &head, all, of_trait);
                }
                other => {
                    let found = line(&words(other.to_token_stream()));
                    return Err(format!("{}: the manifest cannot read this item yet: {found}", self.file));
                }
            }
        }
        Ok(())
    }

    /// A macro that is made here, or one that is called for a table: `NAME = S1, "how";`.
    fn a_macro(&mut self, item: ItemMacro) {
        if let Some(name) = &item.ident {
            self.one(name, Reach::Crate, Kind::Other, &item);
            return;
        }
        let called = item.mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let all = words(item.mac.tokens);
        for row in all.split(|word| *word == Word::Mark(';')).filter(|row| !row.is_empty()) {
            let name = match row.first() {
                Some(Word::Name(name)) => name.clone(),
                _ => called.clone(),
            };
            let is_rule = |word: &&Word| matches!(word, Word::Name(name) if self.ids.contains(name));
            let bare = row.iter().filter(is_rule).map(|word| match word {
                Word::Name(name) | Word::Literal(name) => name.clone(),
                Word::Mark(_) | Word::Group(..) => String::new(),
            });
            let rules: BTreeSet<String> = bare.chain(named(row, self.ids)).collect();
            let one = if rules.len() == 1 { rules.first().cloned() } else { None };
            let texts = texts(row, self.ids).into_iter();
            let mut used = BTreeSet::from([Use::Plain(called.clone())]);
            uses(row, &mut used);
            self.found.items.push(Item {
                key: format!("{}::{name}", self.file),
                owner: None,
                name,
                kind: Kind::Constant,
                reach: Reach::Crate,
                of_trait: false,
                on_self: false,
                line: line(row),
                uses: used,
                rows: Vec::new(),
                texts: texts.map(|(beside, text)| (beside.or_else(|| one.clone()), text)).collect(),
                rules,
            });
        }
    }

    /// Each name of a `use` by itself: how they are gathered is layout.
    fn import(&mut self, path: &mut Vec<String>, tree: &UseTree) {
        let mut leaf = |last: String, name: String| {
            let path = path.iter().cloned().chain([last]).collect();
            self.found.imports.push(Import { name, path });
        };
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.import(path, &inner.tree);
                path.pop();
            }
            UseTree::Name(inner) if inner.ident == "self" => {
                let module = path.pop().unwrap_or_default();
                self.found.imports.push(Import {
                    name: module.clone(),
                    path: path.iter().cloned().chain([module.clone()]).collect(),
                });
                path.push(module);
            }
            UseTree::Name(inner) => leaf(inner.ident.to_string(), inner.ident.to_string()),
            UseTree::Rename(inner) => leaf(inner.ident.to_string(), inner.rename.to_string()),
            UseTree::Glob(_) => leaf("*".to_owned(), "*".to_owned()),
            UseTree::Group(inner) => each(self, path, &inner.items),
        }
    }
}

fn each<P>(reader: &mut Reader<'_>, path: &mut Vec<String>, trees: &Punctuated<UseTree, P>) {
    for tree in trees {
        reader.import(path, tree);
    }
}

/// `#[cfg(test)]`, or `#[test]`.
fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let said = line(&words(attribute.to_token_stream()));
        attribute.path().is_ident("test") || said == "# [cfg (test ) ] "
    })
}
