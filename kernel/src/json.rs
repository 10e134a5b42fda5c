//! Strict JSON: all of RFC 8259 and nothing else, read into a flat tape that borrows from the input.
//!
//! Total: whatever the bytes, the answer is a [`Document`] or a [`Malformed`] that says what is wrong and where.
//! Stricter than most readers, since what is signed must mean one thing only: no key twice at any depth, no
//! half of a surrogate pair, no number without a value, no nesting deeper than [`MAX_DEPTH`].

mod malformed;
mod parser;
mod string;
mod tape;

pub(crate) use malformed::Fault;
pub use malformed::{MAX_DEPTH, Malformed, Why};
pub(crate) use string::{Decoded, plain_run};
pub(crate) use tape::Node;

use alloc::borrow::Cow;
use core::cmp::Ordering;
use tape::Tape;

/// What kind of value it is. Numbers are told apart by how they are written: a double has a point or an
/// exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the kind of its name")]
pub enum Kind {
    Null,
    Bool,
    Integer,
    Double,
    String,
    Array,
    Object,
}

/// One JSON value, with everything in it, read and checked whole.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    source: &'a str,
    tape: Tape,
}

impl<'a> Document<'a> {
    /// Reads bytes that are one JSON object and, but for white space, nothing else.
    ///
    /// # Errors
    /// Says what is wrong with the bytes, and where.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (source, tape) = parser::read(bytes, true)?;
        Ok(Self { source, tape })
    }

    /// Reads bytes that are one JSON value of any kind.
    ///
    /// # Errors
    /// Says what is wrong with the bytes, and where.
    pub fn parse_any(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (source, tape) = parser::read(bytes, false)?;
        Ok(Self { source, tape })
    }

    /// The one value that everything else is in.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    pub(crate) fn source(&self) -> &'a str {
        self.source
    }

    pub(crate) fn node(&self, index: u32) -> &Node {
        &self.tape.nodes[index as usize]
    }

    /// The text of a number or literal, or what stands between the quotes of a string.
    pub(crate) fn text(&self, node: &Node) -> &'a str {
        self.tape.text(self.source, node)
    }

    /// The text of a scalar, quotes included.
    #[inline]
    pub(crate) fn spelling(&self, node: &Node) -> &'a str {
        let quote = usize::from(node.kind == Kind::String);
        &self.source[node.start as usize - quote..node.end as usize + quote]
    }

    /// The keys of an object, in the order of what they say. Each one's value is the node after it.
    pub(crate) fn keys(&self, object: u32) -> impl Iterator<Item = u32> {
        self.tape.keys(self.node(object)).iter().copied()
    }

    /// The items of an array.
    pub(crate) fn items(&self, array: u32) -> impl Iterator<Item = u32> {
        let end = self.node(array).next;
        let item = move |at: u32| (at < end).then_some(at);
        core::iter::successors(item(array + 1), move |&at| item(self.node(at).next))
    }

    /// How a key compares with a name.
    pub(crate) fn compare_key(&self, key: u32, name: &str) -> Ordering {
        let key = self.node(key);
        let text = self.text(key);
        if key.escaped { Decoded::new(text).cmp(name.chars()) } else { text.cmp(name) }
    }
}

/// A value in a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl<'d> Value<'d> {
    pub(crate) fn document(self) -> &'d Document<'d> {
        self.document
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    fn node(self) -> &'d Node {
        self.document.node(self.index)
    }

    /// What kind of value it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// What a `true` or `false` says.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.document.text(self.node()) == "true")
    }

    /// What an integer from 0 to 2⁶⁴ − 1 says. A double is none, even a whole one.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        if self.kind() != Kind::Integer {
            return None;
        }
        match self.document.text(self.node()) {
            "-0" => Some(0),
            digits => digits.parse().ok(),
        }
    }

    /// What a string says; borrowed from the input where it is written without escapes.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        (self.kind() == Kind::String).then(|| self.document.tape.said(self.document.source, self.node()))
    }

    /// The value of an object's member of this name. None of anything but an object.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'d>> {
        let keys = self.document.tape.keys(self.node());
        let at = keys.binary_search_by(|&key| self.document.compare_key(key, name)).ok()?;
        Some(Value { index: keys[at] + 1, ..self })
    }

    /// An object's members, sorted by key. None of anything but an object.
    pub fn members(self) -> impl Iterator<Item = (Cow<'d, str>, Value<'d>)> {
        let document = self.document;
        document.tape.keys(self.node()).iter().map(move |&key| {
            (document.tape.said(document.source, document.node(key)), Value { document, index: key + 1 })
        })
    }

    /// An array's items. None of anything but an array.
    pub fn items(self) -> impl Iterator<Item = Value<'d>> {
        let document = self.document;
        let array = (self.kind() == Kind::Array).then_some(self.index);
        array.into_iter().flat_map(|array| document.items(array)).map(move |index| Value { document, index })
    }
}

impl core::fmt::Debug for Value<'_> {
    /// The canonical form.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&crate::canonical::value(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn values_say_what_they_are() {
        let text = br#"{"s":"ab","t":true,"f":false,"n":null,"i":18446744073709551615,"z":-0,"d":1.0,"a":[1,[2],3],"o":{"b":1,"a":2}}"#;
        let parsed = Document::parse(text).unwrap();
        let root = parsed.root();
        let get = |name| root.get(name).unwrap();
        assert_eq!(get("s").as_str().unwrap(), "ab");
        assert_eq!(
            (get("t").as_bool(), get("f").as_bool(), get("n").as_bool()),
            (Some(true), Some(false), None)
        );
        assert!(get("n").is_null() && !get("t").is_null());
        assert_eq!(
            (get("i").as_u64(), get("z").as_u64(), get("d").as_u64()),
            (Some(u64::MAX), Some(0), None)
        );
        for other in ["s", "t", "n", "d", "a", "o"] {
            assert_eq!(get(other).as_u64(), None);
        }
        assert!(["i", "t", "n", "a", "o"].iter().all(|other| get(other).as_str().is_none()));
        assert!(["i", "s", "d", "a", "o"].iter().all(|other| get(other).as_bool().is_none()));
        assert_eq!(get("d").kind(), Kind::Double);
        let items: Vec<_> = get("a").items().map(|item| format!("{item:?}")).collect();
        assert_eq!(items, ["1", "[2]", "3"]);
        let members: Vec<_> = get("o").members().map(|(key, value)| (key, value.as_u64())).collect();
        assert_eq!(members, [("a".into(), Some(2)), ("b".into(), Some(1))]);
        assert!(root.get("missing").is_none() && get("a").get("0").is_none());
        assert_eq!((get("s").items().count(), get("a").members().count()), (0, 0));
    }

    #[test]
    fn a_string_without_escapes_is_borrowed_and_never_copied() {
        let parsed = Document::parse_any("[\"é\",\"\\u00e9\"]".as_bytes()).unwrap();
        let said: Vec<_> = parsed.root().items().map(|item| item.as_str().unwrap()).collect();
        assert!(matches!(said[0], Cow::Borrowed("é")));
        assert!(matches!(&said[1], Cow::Owned(text) if text == "é"));
    }
}
