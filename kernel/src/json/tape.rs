//! The tape: a document's values one after another, in the order in which they are written.
//!
//! No allocation for a node: two tables grow. A value that holds others knows where on the tape it ends; an
//! object besides has the places of its keys sorted, in one table that all objects share.

use super::Kind;
use super::string::{self, Decoded};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// One value, or one key of an object (a string, right before its value).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// Of a scalar: where its text starts, a string's after the quote. Of an object: where its keys start in
    /// the table of keys; while it is open, the place of its latest key.
    pub(crate) start: u32,
    /// Of a scalar: where its text ends. Of an object or array: how many it holds.
    pub(crate) end: u32,
    /// The place on the tape after this and all that it holds.
    pub(crate) next: u32,
    pub(crate) kind: Kind,
    /// Of a scalar: its spelling is its canonical form.
    pub(crate) verbatim: bool,
    /// Of a string: it has escapes.
    pub(crate) escaped: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Tape {
    pub(crate) nodes: Vec<Node>,
    /// Places of keys: object by object, sorted by what they say.
    keys: Vec<u32>,
}

impl Tape {
    /// Room for the values of this many bytes of JSON, as they mostly are.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { nodes: Vec::with_capacity(bytes / 64 + 8), keys: Vec::new() }
    }

    pub(crate) fn text<'a>(&self, source: &'a str, node: &Node) -> &'a str {
        &source[node.start as usize..node.end as usize]
    }

    /// What a string says.
    pub(crate) fn said<'a>(&self, source: &'a str, node: &Node) -> Cow<'a, str> {
        let text = self.text(source, node);
        if node.escaped { Cow::Owned(string::decode(text)) } else { Cow::Borrowed(text) }
    }

    /// Files the keys of the object that was just read whole, sorted by what they say.
    ///
    /// # Errors
    /// The place of the first key that the object has a second time.
    pub(crate) fn file_keys(
        &mut self,
        source: &str,
        object: usize,
        order: &mut Vec<Entry>,
    ) -> Result<(), u32> {
        order.clear();
        let mut sorted = true;
        let mut at = object + 1;
        while at < self.nodes.len() {
            let key = &self.nodes[at];
            let entry = Entry { prefix: prefix(self.text(source, key), key.escaped), key: narrow(at) };
            // Strictly by the prefix alone: then there is no doubt, and no key twice.
            sorted &= order.last().is_none_or(|last| last.prefix < entry.prefix);
            order.push(entry);
            at = self.nodes[at + 1].next as usize;
        }
        if !sorted {
            order.sort_unstable_by_key(|entry| (entry.prefix, entry.key));
            // Only where prefixes are the same does more of the text matter.
            if order.windows(2).any(|pair| pair[0].prefix == pair[1].prefix) {
                self.sort_ties(source, order)?;
            }
        }
        let node = &mut self.nodes[object];
        (node.start, node.end) = (narrow(self.keys.len()), narrow(order.len()));
        self.keys.extend(order.iter().map(|entry| entry.key));
        Ok(())
    }

    fn sort_ties(&self, source: &str, order: &mut [Entry]) -> Result<(), u32> {
        order.sort_unstable_by(|a, b| self.compare(source, *a, *b).then(a.key.cmp(&b.key)));
        let twice = order.windows(2).filter(|pair| self.compare(source, pair[0], pair[1]).is_eq());
        twice.map(|pair| pair[1].key).min().map_or(Ok(()), Err)
    }

    /// By what two keys say: by code point, which is the order of their UTF-8, too.
    fn compare(&self, source: &str, a: Entry, b: Entry) -> Ordering {
        a.prefix.cmp(&b.prefix).then_with(|| {
            let (a, b) = (&self.nodes[a.key as usize], &self.nodes[b.key as usize]);
            let (text_a, text_b) = (self.text(source, a), self.text(source, b));
            if a.escaped || b.escaped {
                said(text_a, a.escaped).cmp(said(text_b, b.escaped))
            } else {
                text_a.cmp(text_b)
            }
        })
    }

    /// The keys of an object, sorted; none of anything else.
    pub(crate) fn keys(&self, node: &Node) -> &[u32] {
        if node.kind == Kind::Object {
            &self.keys[node.start as usize..(node.start + node.end) as usize]
        } else {
            &[]
        }
    }
}

/// A key to be sorted: mostly the first eight bytes of what it says decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    prefix: u64,
    key: u32,
}

/// The first eight bytes of what a key says, zeros after its end, so that their order is that of integers.
#[inline]
fn prefix(text: &str, escaped: bool) -> u64 {
    let mut first = [0; 8];
    if escaped {
        let mut at = 0;
        for c in Decoded::new(text) {
            let mut utf8 = [0; 4];
            for b in c.encode_utf8(&mut utf8).bytes() {
                let Some(place) = first.get_mut(at) else { return u64::from_be_bytes(first) };
                *place = b;
                at += 1;
            }
        }
    } else if let Some(chunk) = text.as_bytes().first_chunk() {
        first = *chunk;
    } else {
        first[..text.len()].copy_from_slice(text.as_bytes());
    }
    u64::from_be_bytes(first)
}

/// The characters of what a string says, whether it has escapes or not.
fn said(text: &str, escaped: bool) -> impl Iterator<Item = char> {
    let (with, without) = if escaped { (text, "") } else { ("", text) };
    Decoded::new(with).chain(without.chars())
}

/// A position as it is kept. Inputs of more than 4 GiB are refused before any is made.
#[inline]
pub(crate) fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("the input is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Why};
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn a_prefix_orders_as_the_text_does_however_it_is_spelled() {
        assert_eq!(prefix("ab", false), u64::from_be_bytes(*b"ab\0\0\0\0\0\0"));
        assert_eq!(prefix("abcdefghi", false), u64::from_be_bytes(*b"abcdefgh"));
        assert_eq!(prefix("\\u0061bcdefghi", true), u64::from_be_bytes(*b"abcdefgh"));
        assert_eq!(prefix("abcdefg\\u00e9", true), prefix("abcdefgé", false));
        assert_eq!(prefix("\\n", true), prefix("\n", false));
    }

    #[test]
    fn keys_that_share_their_first_bytes_are_told_apart() {
        let text = r#"{"prefix__2":0,"prefix__":1,"prefix__\u0000":2,"prefix__1":3,"a\u0000":4,"a":5,"prefix_\u005f0":6}"#;
        let parsed = Document::parse(text.as_bytes()).unwrap();
        let order: Vec<_> = parsed.root().members().map(|(_, value)| value.as_u64().unwrap()).collect();
        assert_eq!(order, [5, 4, 1, 2, 6, 3, 0]);
    }

    #[test]
    fn a_key_twice_is_found_however_it_is_spelled_and_however_many_there_are() {
        for (one, other) in
            [("a", "a"), ("a", "\\u0061"), ("\\u0061", "a"), ("é", "\\u00e9"), ("long-key-1", "long-key-1")]
        {
            for between in [0, 1, 30, 1000] {
                let mut text = format!("{{\"{one}\":0,");
                (0..between).for_each(|i| text.push_str(&format!("\"k{}\":{i},", i * 7919 % 1000)));
                let at = text.len();
                text.push_str(&format!("\"{other}\":0}}"));
                let refused = Document::parse(text.as_bytes()).unwrap_err();
                assert_eq!((refused.at, matches!(refused.why, Why::DuplicateKey(_))), (at, true), "{text}");
            }
        }
    }

    #[test]
    fn of_several_keys_twice_the_first_repeat_is_told() {
        let text = r#"{"z":1,"b":1,"a":1,"z":2,"a":2,"a":3,"b":2}"#;
        let refused = Document::parse(text.as_bytes()).unwrap_err();
        assert_eq!((refused.at, refused.why), (19, Why::DuplicateKey(r#""z""#.into())));
    }

    #[test]
    fn any_number_of_keys_comes_out_sorted() {
        for count in [0usize, 1, 2, 19, 20, 21, 50, 3000] {
            let mut text = String::from("{");
            for i in 0..count {
                let comma = if i == 0 { "" } else { "," };
                text.push_str(&format!("{comma}\"{:04}\":{i}", i * 7919 % 3001));
            }
            text.push('}');
            let parsed = Document::parse(text.as_bytes()).unwrap();
            let keys: Vec<_> = parsed.root().members().map(|(key, _)| key).collect();
            assert!(keys.len() == count && keys.is_sorted());
            assert!(
                (0..count).all(|i| parsed.root().get(&format!("{:04}", i * 7919 % 3001)).unwrap().as_u64()
                    == Some(i as u64))
            );
        }
    }
}
