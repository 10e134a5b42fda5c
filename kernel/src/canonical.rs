//! The canonical form: the one spelling that signatures are made over.
//!
//! It is that of Python's `json.dumps(value, sort_keys=True, separators=(",", ":"))`: keys sorted by code point
//! at every depth, no white space, ASCII only, with U+007F escaped besides. Whoever holds the same
//! meaning, however it was spelled on the wire, gets the same bytes.

use crate::json::{Document, Kind, Node, plain_run};
use alloc::string::String;
use alloc::vec::Vec;

/// Where canonical bytes go, piece by piece: into memory, or straight into an HMAC.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The canonical form of the whole document.
#[must_use]
pub fn document(document: &Document<'_>) -> String {
    value(document.root())
}

/// The canonical form of one value, such as a result or a reason.
#[must_use]
pub fn value(value: crate::json::Value<'_>) -> String {
    let mut out = Vec::with_capacity(value.document().source().len());
    write(value.document(), value.index(), &mut out);
    ascii(out)
}

/// The canonical form of a document's top object without its top-level `hmac`: what is signed.
#[must_use]
pub fn unsigned(document: &Document<'_>) -> String {
    with_hmac(document, None)
}

/// What [`unsigned`] gives, or the same with another `hmac`.
pub(crate) fn with_hmac(document: &Document<'_>, hmac: Option<&str>) -> String {
    let mut out = Vec::with_capacity(document.source().len());
    write_with_hmac(document, hmac, &mut out);
    ascii(out)
}

/// Writes what [`unsigned`] gives, or the same with another `hmac`, in its place among the keys.
pub(crate) fn write_with_hmac(document: &Document<'_>, hmac: Option<&str>, out: &mut impl Sink) {
    let keys = document.keys(0).filter(|&key| document.compare_key(key, "hmac").is_ne());
    let (before, after): (Vec<u32>, Vec<u32>) =
        keys.partition(|&key| document.compare_key(key, "hmac").is_lt());
    let mut separator: &[u8] = b"{";
    for key in before {
        write_member(document, key, separator, out);
        separator = b",";
    }
    if let Some(hmac) = hmac {
        out.put(separator);
        out.put(b"\"hmac\":");
        quote_into(hmac, out);
        separator = b",";
    }
    for key in after {
        write_member(document, key, separator, out);
        separator = b",";
    }
    out.put(if separator == b"{" { b"{}" } else { b"}" });
}

/// Appends the canonical form of a string that says `text`, quotes included.
pub fn quote(text: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    quote_into(text, &mut bytes);
    out.push_str(&ascii(bytes));
}

fn ascii(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the canonical form is ASCII")
}

fn write(document: &Document<'_>, index: u32, out: &mut impl Sink) {
    let node = document.node(index);
    match node.kind {
        Kind::Object if node.end == 0 => out.put(b"{}"),
        Kind::Object => {
            let mut separator: &[u8] = b"{";
            for key in document.keys(index) {
                write_member(document, key, separator, out);
                separator = b",";
            }
            out.put(b"}");
        }
        Kind::Array if node.end == 0 => out.put(b"[]"),
        Kind::Array => {
            let mut separator: &[u8] = b"[";
            for item in document.items(index) {
                out.put(separator);
                write(document, item, out);
                separator = b",";
            }
            out.put(b"]");
        }
        Kind::Null | Kind::Bool | Kind::Integer | Kind::Double | Kind::String => {
            write_scalar(document, node, out);
        }
    }
}

#[inline]
fn write_member(document: &Document<'_>, key: u32, separator: &[u8], out: &mut impl Sink) {
    out.put(separator);
    write_scalar(document, document.node(key), out);
    out.put(b":");
    write(document, key + 1, out);
}

#[inline]
fn write_scalar(document: &Document<'_>, node: &Node, out: &mut impl Sink) {
    if node.verbatim {
        out.put(document.spelling(node).as_bytes());
        return;
    }
    let text = document.text(node);
    match node.kind {
        Kind::Integer => crate::number::write_integer(text, out),
        Kind::Double => crate::number::write_double(text, out),
        Kind::String if node.escaped => respell(text, out),
        Kind::String => quote_into(text, out),
        // The others are their own canonical form.
        Kind::Null | Kind::Bool | Kind::Array | Kind::Object => {}
    }
}

/// Writes what a scanned string says.
fn respell(text: &str, out: &mut impl Sink) {
    write_string(text, out, |rest| {
        let mut decoded = crate::json::Decoded::new(rest);
        decoded.next().map(|c| (c, decoded.as_str()))
    });
}

fn quote_into(text: &str, out: &mut impl Sink) {
    write_string(text, out, |rest| {
        let mut chars = rest.chars();
        chars.next().map(|c| (c, chars.as_str()))
    });
}

/// Writes a string: runs that need no escape at once, and what stands between them one by one.
#[inline]
fn write_string<'a>(text: &'a str, out: &mut impl Sink, next: impl Fn(&'a str) -> Option<(char, &'a str)>) {
    let mut rest = text;
    out.put(b"\"");
    loop {
        let (run, special) = rest.split_at(plain_run(rest.as_bytes()));
        out.put(run.as_bytes());
        let Some((c, after)) = next(special) else { break };
        write_char(c, out);
        rest = after;
    }
    out.put(b"\"");
}

fn write_char(c: char, out: &mut impl Sink) {
    let short = match c {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{8}' => b"\\b",
        '\t' => b"\\t",
        '\n' => b"\\n",
        '\u{c}' => b"\\f",
        '\r' => b"\\r",
        ' '..='~' => return out.put(c.encode_utf8(&mut [0; 4]).as_bytes()),
        _ => return c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unit(*unit, out)),
    };
    out.put(short);
}

fn write_unit(unit: u16, out: &mut impl Sink) {
    let digit = |shift: u32| b"0123456789abcdef"[usize::from(unit >> shift & 0xf)];
    out.put(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn canon(text: &str) -> String {
        document(&Document::parse_any(text.as_bytes()).unwrap())
    }

    #[test]
    fn keys_are_sorted_by_code_point_at_every_depth_and_white_space_goes() {
        assert_eq!(
            canon(" { \"b\" : [ 1 , { \"d\" : { } , \"c\" : [ ] } ] , \"a\" : null } "),
            r#"{"a":null,"b":[1,{"c":[],"d":{}}]}"#
        );
        // U+FF61 sorts before U+1F600, though its first UTF-16 unit does not.
        assert_eq!(canon(r#"{"😀":1,"｡":2}"#), r#"{"\uff61":2,"\ud83d\ude00":1}"#);
        assert_eq!(canon(r#"{"b":1,"\u0061":2,"é":3,"":4}"#), r#"{"":4,"a":2,"b":1,"\u00e9":3}"#);
    }

    #[test]
    fn every_character_is_escaped_as_json_and_python_do_and_del_too() {
        for c in (0..=0x10ffff).step_by(7).chain(0..0x300).filter_map(char::from_u32) {
            let mut quoted = String::new();
            quote(&format!("{c}"), &mut quoted);
            let expected = match c {
                '"' => String::from("\\\""),
                '\\' => String::from("\\\\"),
                '\u{8}' => String::from("\\b"),
                '\u{c}' => String::from("\\f"),
                '\n' => String::from("\\n"),
                '\r' => String::from("\\r"),
                '\t' => String::from("\\t"),
                ' '..='~' => format!("{c}"),
                _ => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
            };
            assert_eq!(quoted, format!("\"{expected}\""));
            // However it is spelled on the wire.
            let lower: String =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let upper = lower.to_uppercase().replace('U', "u");
            assert_eq!(
                (canon(&format!("\"{lower}\"")), canon(&format!("\"{upper}\""))),
                (quoted.clone(), quoted.clone())
            );
            if c >= ' ' && c != '"' && c != '\\' {
                assert_eq!(canon(&format!("\"{c}\"")), quoted);
            }
        }
        assert_eq!(canon(r#""\/ \u002f""#), r#""/ /""#);
    }

    #[test]
    fn what_is_signed_lacks_the_top_hmac_and_no_other() {
        let text = r#"{"z":{"hmac":1},"hmac":"x","a":[{"hmac":2}]}"#;
        let parsed = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(unsigned(&parsed), r#"{"a":[{"hmac":2}],"z":{"hmac":1}}"#);
        let spelled = Document::parse(br#"{"\u0068mac":"x"}"#).unwrap();
        assert_eq!(unsigned(&spelled), "{}");
    }

    #[test]
    fn an_hmac_is_put_in_its_place_among_the_keys() {
        for (text, expected) in [
            ("{}", r#"{"hmac":"m"}"#),
            (r#"{"a":1}"#, r#"{"a":1,"hmac":"m"}"#),
            (r#"{"z":1}"#, r#"{"hmac":"m","z":1}"#),
            (r#"{"z":1,"hmac":[3],"a":""}"#, r#"{"a":"","hmac":"m","z":1}"#),
            (r#"{"hmac":0,"hma":1,"hmacs":2}"#, r#"{"hma":1,"hmac":"m","hmacs":2}"#),
        ] {
            let parsed = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(with_hmac(&parsed, Some("m")), expected);
        }
    }
}
