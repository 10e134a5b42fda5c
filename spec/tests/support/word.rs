//! Source as words: without comments, without layout, and without what only the compiler's lints read.

use std::collections::BTreeSet;
use std::iter::Peekable;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, Block, Expr, ExprClosure, File, ReturnType, Stmt};

/// One word of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A name or a keyword.
    Name(String),
    /// One sign.
    Mark(char),
    /// A number, a string, a character.
    Literal(String),
    /// What stands in brackets, which are named by the one that opens.
    Group(char, Vec<Self>),
}

const COLON: Word = Word::Mark(':');

/// How an item uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// `name`
    Plain(String),
    /// `name::`
    Head(String),
    /// `qualifier::name`; the qualifier is empty where it is no name.
    Path(String, String),
    /// `self.name()`
    OwnMethod(String),
    /// `anything.name()`
    Method(String),
}

/// Attributes that change nothing of what the code does.
const IGNORED: &[&str] = &["doc", "must_use", "expect", "allow", "warn", "deny", "forbid", "inline", "cold"];

/// What is said in these is for the person who broke the code, and is no conjunct of a rule.
const ASIDE: &[&str] = &["expect", "unreachable", "panic", "assert", "debug_assert", "write", "format"];

/// Parses a file, and takes away where the formatter may choose between two ways to write one thing.
pub(crate) fn parse(text: &str) -> syn::Result<File> {
    let mut file = syn::parse_file(text)?;
    OneWay.visit_file_mut(&mut file);
    Ok(file)
}

/// The body of a closure or of an arm is one expression without braces, and an arm ends in a comma.
struct OneWay;

impl VisitMut for OneWay {
    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        visit_mut::visit_arm_mut(self, arm);
        without_braces(&mut arm.body);
        arm.comma.get_or_insert_default();
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        visit_mut::visit_expr_closure_mut(self, closure);
        if matches!(closure.output, ReturnType::Default) {
            without_braces(&mut closure.body);
        }
    }
}

fn without_braces(body: &mut Expr) {
    if let Expr::Block(block) = body
        && block.attrs.is_empty()
        && block.label.is_none()
        && let Some(inner) = only(&mut block.block)
    {
        *body = inner;
    }
}

fn only(block: &mut Block) -> Option<Expr> {
    match block.stmts.pop() {
        Some(Stmt::Expr(inner, None)) if block.stmts.is_empty() => Some(inner),
        other => {
            block.stmts.extend(other);
            None
        }
    }
}

/// The words of these tokens.
pub(crate) fn words(tokens: TokenStream) -> Vec<Word> {
    let mut words = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) => words.push(Word::Name(name.to_string())),
            TokenTree::Literal(literal) => words.push(Word::Literal(literal.to_string())),
            TokenTree::Punct(mark) if mark.as_char() == '#' && ignored(&mut tokens) => {}
            TokenTree::Punct(mark) => {
                if mark.as_char() == '>' {
                    without_comma(&mut words);
                }
                words.push(Word::Mark(mark.as_char()));
            }
            TokenTree::Group(group) => {
                let mut inner = self::words(group.stream());
                match group.delimiter() {
                    Delimiter::None => words.append(&mut inner),
                    Delimiter::Parenthesis => words.push(Word::Group('(', inner)),
                    Delimiter::Brace => words.push(Word::Group('{', inner)),
                    Delimiter::Bracket => words.push(Word::Group('[', inner)),
                }
            }
        }
    }
    without_comma(&mut words);
    words
}

/// A comma before what closes is there or not as the lines are broken.
fn without_comma(words: &mut Vec<Word>) {
    if words.last() == Some(&Word::Mark(',')) {
        words.pop();
    }
}

/// Whether the attribute that begins here is ignored; then it is passed over.
fn ignored(tokens: &mut Peekable<token_stream::IntoIter>) -> bool {
    let mut ahead = tokens.clone();
    let inner = matches!(ahead.peek(), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
    if inner {
        ahead.next();
    }
    let Some(TokenTree::Group(group)) = ahead.next() else { return false };
    let ignored = match group.stream().into_iter().next() {
        Some(TokenTree::Ident(name)) => IGNORED.iter().any(|ignored| name == ignored),
        _ => false,
    };
    if ignored && group.delimiter() == Delimiter::Bracket {
        *tokens = ahead;
        return true;
    }
    false
}

/// The words as one line, the same for all sources that say the same.
pub(crate) fn line(words: &[Word]) -> String {
    let mut line = String::new();
    for word in words {
        match word {
            Word::Name(text) | Word::Literal(text) => line.push_str(text),
            Word::Mark(mark) => line.push(*mark),
            Word::Group(open, inner) => {
                let close = match open {
                    '(' => ')',
                    '[' => ']',
                    _ => '}',
                };
                line.push(*open);
                line.push_str(&self::line(inner));
                line.push(close);
            }
        }
        line.push(' ');
    }
    line
}

/// What these words use, as an item would be named.
pub(crate) fn uses(words: &[Word], found: &mut BTreeSet<Use>) {
    let at = |index: usize, back: usize| index.checked_sub(back).and_then(|index| words.get(index));
    let is = |index, back, mark| at(index, back) == Some(&Word::Mark(mark));
    for (index, word) in words.iter().enumerate() {
        let name = match word {
            Word::Group(_, inner) => {
                uses(inner, found);
                continue;
            }
            Word::Name(name) => name.clone(),
            Word::Mark(_) | Word::Literal(_) => continue,
        };
        if is(index, 1, '.') && !is(index, 2, '.') {
            let called = match words.get(index + 1) {
                Some(Word::Group('(', _)) => true,
                next => next == Some(&COLON),
            };
            let own = at(index, 2) == Some(&Word::Name("self".to_owned())) && !is(index, 3, '.');
            // What is not called is a field, and comes with its type.
            if called {
                found.insert(if own { Use::OwnMethod(name) } else { Use::Method(name) });
            }
        } else if is(index, 1, ':') && is(index, 2, ':') {
            let qualifier = match at(index, 3) {
                Some(Word::Name(qualifier)) => qualifier.clone(),
                _ => String::new(),
            };
            found.insert(Use::Path(qualifier, name));
        } else if words.get(index + 1) == Some(&COLON) {
            // A single colon comes after the name of a field or of an argument, which is nothing else's.
            if words.get(index + 2) == Some(&COLON) {
                found.insert(Use::Head(name));
            }
        } else {
            found.insert(Use::Plain(name));
        }
    }
}

/// The rules that these words name themselves, not in an inner group: `Rule::S3`, `Property::Frame`.
fn named_here(words: &[Word], ids: &BTreeSet<String>) -> BTreeSet<String> {
    let path = |four: &[Word]| match four {
        [Word::Name(of), first, second, Word::Name(id)] if *first == COLON && *second == COLON => {
            ((of == "Rule" || of == "Property") && ids.contains(id)).then(|| id.clone())
        }
        _ => None,
    };
    words.windows(4).filter_map(path).collect()
}

/// The rules that these words name.
pub(crate) fn named(words: &[Word], ids: &BTreeSet<String>) -> BTreeSet<String> {
    let mut all = named_here(words, ids);
    for word in words {
        if let Word::Group(_, inner) = word {
            all.append(&mut named(inner, ids));
        }
    }
    all
}

/// The texts in these words, each with the rule that is named right beside it, if one is.
pub(crate) fn texts(words: &[Word], ids: &BTreeSet<String>) -> Vec<(Option<String>, String)> {
    let here = named_here(words, ids);
    let rule = if here.len() == 1 { here.into_iter().next() } else { None };
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match word {
            Word::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(literal) {
                    found.push((rule.clone(), text.value()));
                }
            }
            Word::Group(_, inner) => {
                let before = words[..index].iter().rev().find(|word| **word != Word::Mark('!'));
                let aside = matches!(before, Some(Word::Name(name)) if ASIDE.contains(&name.as_str()));
                if !aside {
                    found.append(&mut texts(inner, ids));
                }
            }
            Word::Name(_) | Word::Mark(_) => {}
        }
    }
    found
}

/// Takes the rows out of every list in which each element names exactly one rule, and returns them.
pub(crate) fn take_rows(words: &mut [Word], ids: &BTreeSet<String>) -> Vec<(String, Vec<Word>)> {
    let mut taken = Vec::new();
    for word in words {
        let Word::Group(open, inner) = word else { continue };
        let rows = if *open == '[' { rows(inner, ids) } else { None };
        if let Some(mut rows) = rows {
            taken.append(&mut rows);
            *inner = vec![Word::Name("rows".to_owned())];
        } else {
            taken.append(&mut take_rows(inner, ids));
        }
    }
    taken
}

fn rows(list: &[Word], ids: &BTreeSet<String>) -> Option<Vec<(String, Vec<Word>)>> {
    let rows = list.split(|word| *word == Word::Mark(','));
    let rows = rows.map(|row| {
        let mut rules = named(row, ids).into_iter();
        let (rule, more) = (rules.next()?, rules.next());
        more.is_none().then(|| (rule, row.to_vec()))
    });
    rows.collect()
}
