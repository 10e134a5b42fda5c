//! The parser: from bytes to a tape, or to what is wrong with them. A flat loop with its own stack.

use super::Kind;
use super::malformed::{Fault, MAX_DEPTH, Malformed, Step, Why, place, shown_key};
use super::string::{self, Decoded};
use super::tape::{Entry, Node, Tape, narrow};
use crate::number;
use alloc::vec::Vec;

/// Reads bytes whole.
pub(crate) fn read(bytes: &[u8], object: bool) -> Result<(&str, Tape), Malformed> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Malformed { at: 0, place: "$".into(), why: Why::TooLong });
    }
    let (source, not_utf8) = match core::str::from_utf8(bytes) {
        Ok(source) => (source, false),
        // Read up to there first: that gives the place, and what is wrong before it comes first.
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            (core::str::from_utf8(valid).expect("valid up to there"), true)
        }
    };
    let mut parser = Parser {
        source,
        bytes: source.as_bytes(),
        at: 0,
        tape: Tape::with_capacity(source.len()),
        open: Vec::with_capacity(MAX_DEPTH),
        in_value: true,
        order: Vec::new(),
    };
    match parser.document(object) {
        Ok(()) if !not_utf8 => Ok((source, parser.tape)),
        Err(fault) if !not_utf8 || fault.at < source.len() => Err(parser.malformed(fault)),
        _ => Err(parser.malformed(Fault { at: source.len(), why: Why::NotUtf8 })),
    }
}

struct Parser<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    tape: Tape,
    /// The objects and arrays that are open, by their place on the tape, the innermost last.
    open: Vec<u32>,
    /// Whether what is being read belongs to the innermost one's latest member, not to itself.
    in_value: bool,
    /// Room to sort keys in.
    order: Vec<Entry>,
}

impl Parser<'_> {
    fn document(&mut self, object: bool) -> Result<(), Fault> {
        if object && !matches!(self.next_byte(), Some(b'{') | None) {
            return Err(self.fault(Why::NotAnObject));
        }
        self.values()?;
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.fault(Why::Trailing)),
        }
    }

    /// Reads the top value and all that it holds.
    fn values(&mut self) -> Result<(), Fault> {
        loop {
            let complete = self.value()?;
            if complete && !self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Reads a value up to its end, or up to its first member: then it is not complete.
    fn value(&mut self) -> Result<bool, Fault> {
        self.in_value = true;
        match self.next_byte() {
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{') => {
                self.open(Kind::Object)?;
                if self.next_byte() != Some(b'}') {
                    self.key()?;
                    return Ok(false);
                }
                self.close()?;
            }
            Some(b'[') => {
                self.open(Kind::Array)?;
                if self.next_byte() != Some(b']') {
                    self.count();
                    return Ok(false);
                }
                self.close()?;
            }
            Some(b't') => self.literal("true", Kind::Bool)?,
            Some(b'f') => self.literal("false", Kind::Bool)?,
            Some(b'n') => self.literal("null", Kind::Null)?,
            Some(_) => {
                let rest = &self.bytes[self.at..];
                let not_finite = rest.starts_with(b"NaN") || rest.starts_with(b"Infinity");
                return Err(self.fault(if not_finite { Why::NotFinite } else { Why::NoValue }));
            }
            None => return Err(self.fault(Why::Ends)),
        }
        Ok(true)
    }

    /// Goes on after a complete value, to where the next one starts. False at the end of the top value.
    fn after_value(&mut self) -> Result<bool, Fault> {
        while let Some(&top) = self.open.last() {
            self.in_value = false;
            let object = self.tape.nodes[top as usize].kind == Kind::Object;
            match (self.next_byte(), object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.key()?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    self.count();
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                (Some(_), _) => return Err(self.fault(Why::NoComma)),
                (None, _) => return Err(self.fault(Why::Ends)),
            }
        }
        Ok(false)
    }

    /// The next byte that is no white space; it is not passed.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn fault(&self, why: Why) -> Fault {
        Fault { at: self.at, why }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, verbatim: bool, escaped: bool) {
        let next = narrow(self.tape.nodes.len() + 1);
        let (start, end) = (narrow(start), narrow(end));
        self.tape.nodes.push(Node { start, end, next, kind, verbatim, escaped });
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at + 1;
        let scanned = string::scan(self.bytes, start)?;
        self.push(Kind::String, start, scanned.end, scanned.verbatim, scanned.escaped);
        self.at = scanned.end + 1;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let scanned = number::scan(self.bytes, self.at)?;
        let kind = if scanned.double { Kind::Double } else { Kind::Integer };
        self.push(kind, self.at, scanned.end, scanned.verbatim, false);
        self.at = scanned.end;
        Ok(())
    }

    fn literal(&mut self, literal: &str, kind: Kind) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
        if !rest.starts_with(literal.as_bytes()) {
            let cut_off = literal.as_bytes().starts_with(rest);
            let at = if cut_off { self.bytes.len() } else { self.at };
            return Err(Fault { at, why: if cut_off { Why::Ends } else { Why::NoValue } });
        }
        self.push(kind, self.at, self.at + literal.len(), true, false);
        self.at += literal.len();
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.fault(Why::TooDeep));
        }
        self.open.push(narrow(self.tape.nodes.len()));
        self.push(kind, 0, 0, false, false);
        self.at += 1;
        self.in_value = false;
        Ok(())
    }

    /// Counts one more item of the array that is open.
    fn count(&mut self) {
        if let Some(&top) = self.open.last() {
            self.tape.nodes[top as usize].end += 1;
        }
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<(), Fault> {
        match self.next_byte() {
            Some(b'"') => {}
            Some(_) => return Err(self.fault(Why::NoKey)),
            None => return Err(self.fault(Why::Ends)),
        }
        let key = self.tape.nodes.len();
        self.string()?;
        if let Some(&top) = self.open.last() {
            self.tape.nodes[top as usize].start = narrow(key);
        }
        match self.next_byte() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.fault(Why::NoColon)),
            None => return Err(self.fault(Why::Ends)),
        }
        Ok(())
    }

    /// Passes the bracket that closes what was opened last.
    fn close(&mut self) -> Result<(), Fault> {
        self.at += 1;
        // It stays open until its keys are filed: a key twice is told with this object's path.
        let Some(&top) = self.open.last() else { return Ok(()) };
        let top = top as usize;
        if self.tape.nodes[top].kind == Kind::Object {
            self.tape.file_keys(self.source, top, &mut self.order).map_err(|key| {
                let key = self.tape.nodes[key as usize];
                let shown = shown_key(Decoded::new(self.tape.text(self.source, &key)));
                Fault { at: key.start as usize - 1, why: Why::DuplicateKey(shown.into()) }
            })?;
        }
        self.open.pop();
        self.tape.nodes[top].next = narrow(self.tape.nodes.len());
        Ok(())
    }

    /// Adds the place to a fault: what is open tells the path.
    fn malformed(&self, fault: Fault) -> Malformed {
        let inner = self.open.len().saturating_sub(usize::from(!self.in_value));
        let mut steps = self.open[..inner].iter().map(|&at| {
            let node = &self.tape.nodes[at as usize];
            if node.kind == Kind::Object {
                let key = &self.tape.nodes[node.start as usize];
                Step::Key(Decoded::new(self.tape.text(self.source, key)))
            } else {
                Step::Index(node.end - 1)
            }
        });
        Malformed { at: fault.at, place: place(&mut steps), why: fault.why }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    fn refusal(text: impl AsRef<[u8]>) -> String {
        Document::parse_any(text.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn the_grammar_is_that_of_rfc_8259() {
        for good in [
            "{}",
            " [ ] ",
            "\t\r\n 0 \n",
            "[true,false,null,-1,0.5,\"\"]",
            "{\"a\":{\"a\":[{\"a\":0},{\"a\":1}]}}",
            "\"\u{10ffff}\u{7f}\"",
            "[[],{},[[]],[{}]]",
        ] {
            assert!(Document::parse_any(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, told) in [
            ("", "the input ends too early at $, byte 0"),
            ("  ", "the input ends too early at $, byte 2"),
            ("[", "the input ends too early at $[0], byte 1"),
            ("[1", "the input ends too early at $, byte 2"),
            ("[1,", "the input ends too early at $[1], byte 3"),
            ("{", "the input ends too early at $, byte 1"),
            ("{\"a\"", "the input ends too early at $, byte 4"),
            ("{\"a\":", "the input ends too early at $.a, byte 5"),
            ("{\"a\":[0,{\"b", "the input ends too early at $.a[1], byte 11"),
            ("{\"a\":1,", "the input ends too early at $, byte 7"),
            ("tru", "the input ends too early at $, byte 3"),
            ("[nul]", "no JSON value at $[0], byte 1"),
            ("[True]", "no JSON value at $[0], byte 1"),
            ("[,]", "no JSON value at $[0], byte 1"),
            ("[1,]", "no JSON value at $[1], byte 3"),
            ("[1 2]", "neither a comma nor the end of the object or array at $, byte 3"),
            ("[0x1]", "neither a comma nor the end of the object or array at $, byte 2"),
            ("[1}", "neither a comma nor the end of the object or array at $, byte 2"),
            ("{\"a\":1]", "neither a comma nor the end of the object or array at $, byte 6"),
            ("{\"a\":1 \"b\":2}", "neither a comma nor the end of the object or array at $, byte 7"),
            ("{a:1}", "no key in double quotes at $, byte 1"),
            ("{\"a\":1,}", "no key in double quotes at $, byte 7"),
            ("{\"a\" 1}", "no colon after the key at $, byte 5"),
            ("{\"a\":'x'}", "no JSON value at $.a, byte 5"),
            ("[1] 2", "something follows the one value at $, byte 4"),
            ("\u{feff}{}", "no JSON value at $, byte 0"),
            ("[\u{a0}1]", "no JSON value at $[0], byte 1"),
            ("[/**/1]", "no JSON value at $[0], byte 1"),
            ("[+1]", "no JSON value at $[0], byte 1"),
            ("[.5]", "no JSON value at $[0], byte 1"),
            ("[NaN]", "NaN or an infinity, which JSON does not have, at $[0], byte 1"),
            ("[0,Infinity]", "NaN or an infinity, which JSON does not have, at $[1], byte 3"),
            ("[-Infinity]", "NaN or an infinity, which JSON does not have, at $[0], byte 1"),
            ("{\"a\":{\"b\":01}}", "no number as JSON writes them at $.a.b, byte 10"),
            ("{\"a\\q\":1}", "no such escape in JSON at $, byte 3"),
            ("{\"a\":\"\n\"}", "a control character that is not escaped at $.a, byte 6"),
        ] {
            assert_eq!(refusal(bad), told, "{bad}");
        }
    }

    #[test]
    fn a_document_is_one_object() {
        for bad in ["[]", "1", "\"{}\"", "x", "\u{feff}{}"] {
            let told = Document::parse(bad.as_bytes()).unwrap_err().to_string();
            assert_eq!(told, "not an object, which the top value must be, at $, byte 0");
        }
        assert_eq!(Document::parse(b" ").unwrap_err().why, Why::Ends);
        assert_eq!(Document::parse(b"{} {}").unwrap_err().why, Why::Trailing);
    }

    #[test]
    fn nesting_is_read_to_64_and_no_deeper() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Document::parse_any(nested(64).as_bytes()).is_ok());
        let told = refusal(nested(65));
        assert!(told.starts_with("nested deeper than 64 at $[0][0]") && told.ends_with(", byte 64"));
        let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(Document::parse(objects(64).as_bytes()).is_ok());
        assert_eq!(Document::parse(objects(65).as_bytes()).unwrap_err().why, Why::TooDeep);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_with_their_place_after_what_is_wrong_before_them() {
        assert_eq!(refusal(b"{\"a\":[\"x\xff\"]}"), "bytes that are not UTF-8 at $.a[0], byte 8");
        assert_eq!(refusal(b"{\"a\":1}\xff"), "bytes that are not UTF-8 at $, byte 7");
        assert_eq!(refusal(b"\xff"), "bytes that are not UTF-8 at $, byte 0");
        assert_eq!(refusal(b"[01,\xff]"), "no number as JSON writes them at $[0], byte 1");
        // A surrogate half, an overlong form, the beginning of a character.
        for bad in [&b"\"\xed\xa0\x80\""[..], b"\"\xc0\x80\"", b"\"\xe2\x98"] {
            assert_eq!(refusal(bad), "bytes that are not UTF-8 at $, byte 1");
        }
    }

    #[test]
    fn a_key_twice_is_told_with_the_path_of_its_object() {
        assert_eq!(
            refusal(r#"{"context":{"x":[{"a":1,"a":2}]}}"#),
            "duplicate key \"a\" at $.context.x[0], byte 24"
        );
        assert_eq!(refusal(r#"{"a":1,"b":2,"a":3}"#), "duplicate key \"a\" at $, byte 13");
        assert_eq!(refusal(r#"[{"\n":1,"\u000a":3}]"#), "duplicate key \"\\n\" at $[0], byte 9");
    }

    #[test]
    fn more_than_4_gib_is_refused_before_it_is_looked_at() {
        // Zeroed pages that nobody touches cost nothing.
        let vast = alloc::vec![0; 1 << 32];
        assert_eq!(refusal(vast), "more than 4 GiB at $, byte 0");
    }

    #[test]
    fn every_cut_of_a_document_is_refused_at_its_end() {
        let text = r#"{"a":[1.5e3,-2,"x\u00e9\ud83d\ude00"],"b":{"c":null,"d":[true,{"e":false}]}}"#;
        for cut in 0..text.len() {
            let refused = Document::parse(&text.as_bytes()[..cut]).unwrap_err();
            assert_eq!((refused.why, refused.at), (Why::Ends, cut), "{}", &text[..cut]);
        }
        assert!(Document::parse(text.as_bytes()).is_ok());
    }
}
