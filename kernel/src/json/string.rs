//! A JSON string on the wire: where it ends, whether it is its own canonical form, and what it says.
//!
//! Strings are scanned eight bytes at a time in plain integer arithmetic. Whatever the scan can find out on
//! the way is kept, so that most strings are later copied without being looked at again.

use super::malformed::{Fault, Why};
use alloc::string::String;
use core::str::Chars;

/// What a scan found out about the string that it went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the closing quote stands.
    pub(crate) end: usize,
    /// Between the quotes it is already spelled the canonical way.
    pub(crate) verbatim: bool,
    /// It has escapes: what it says is not what is written.
    pub(crate) escaped: bool,
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// The high bit of every byte of `x` that is zero. A borrow can set it for a byte *above* a zero byte too,
/// never below: the lowest one set is always right, and there is one if and only if there is a zero byte.
const fn zeros(x: u64) -> u64 {
    x.wrapping_sub(ONES) & !x & HIGHS
}

/// Which of eight bytes (the first the lowest) end a run of string text: a quote, a backslash, a control.
const fn stops(x: u64) -> u64 {
    let control = x.wrapping_sub(ONES * 0x20) & !x & HIGHS;
    zeros(x ^ (ONES * b'"' as u64)) | zeros(x ^ (ONES * b'\\' as u64)) | control
}

/// Which of eight bytes are text that the canonical form escapes: DEL, and all that is not ASCII.
const fn odds(x: u64) -> u64 {
    x & HIGHS | zeros(x ^ (ONES * 0x7f))
}

const fn is_stop(b: u8) -> bool {
    b < 0x20 || b == b'"' || b == b'\\'
}

/// The index of the byte that the lowest flag of a mask belongs to.
const fn lowest(flags: u64) -> usize {
    (flags.trailing_zeros() / 8) as usize
}

/// The eight bytes from `at` on as an integer, the first the lowest.
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// How many bytes from the start stand in a canonical string just as they are.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(x) = eight(bytes, at) {
        let end = stops(x) | odds(x);
        if end != 0 {
            return at + lowest(end);
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|&&b| !is_stop(b) && b < 0x7f).count()
}

/// Where the run of string text that starts at `at` ends; notes in `odd` whether the canonical form escapes
/// any of it.
#[inline]
fn text_run(bytes: &[u8], mut at: usize, odd: &mut bool) -> usize {
    let mut seen = 0;
    while let Some(x) = eight(bytes, at) {
        let end = stops(x);
        if end != 0 {
            // Only what lies below the lowest flag belongs to the run.
            *odd |= (seen | odds(x) & ((end & end.wrapping_neg()) - 1)) != 0;
            return at + lowest(end);
        }
        seen |= odds(x);
        at += 8;
    }
    *odd |= seen != 0;
    while let Some(&b) = bytes.get(at)
        && !is_stop(b)
    {
        *odd |= b >= 0x7f;
        at += 1;
    }
    at
}

/// Goes over the string whose first byte after the opening quote is at `start`.
#[inline]
pub(crate) fn scan(source: &[u8], start: usize) -> Result<Scanned, Fault> {
    let mut odd = false;
    let mut escaped = false;
    let mut at = start;
    loop {
        at = text_run(source, at, &mut odd);
        match source.get(at) {
            Some(b'"') => return Ok(Scanned { end: at, verbatim: !odd, escaped }),
            Some(b'\\') => {
                escaped = true;
                let escape = escape(source, at)?;
                odd |= !escape.canonical;
                at = escape.end;
            }
            Some(_) => return Err(Fault { at, why: Why::ControlCharacter }),
            None => return Err(Fault { at, why: Why::Ends }),
        }
    }
}

struct Escape {
    end: usize,
    /// It is how the canonical form, too, writes this character.
    canonical: bool,
}

/// Goes over the escape whose backslash is at `at`.
fn escape(source: &[u8], at: usize) -> Result<Escape, Fault> {
    match source.get(at + 1) {
        Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(Escape { end: at + 2, canonical: true }),
        Some(b'/') => Ok(Escape { end: at + 2, canonical: false }),
        Some(b'u') => unicode_escape(source, at),
        Some(_) => Err(Fault { at, why: Why::BadEscape }),
        None => Err(Fault { at: at + 1, why: Why::Ends }),
    }
}

fn unicode_escape(source: &[u8], at: usize) -> Result<Escape, Fault> {
    let (first, lower) = code_unit(source, at)?;
    match first {
        0xdc00..=0xdfff => Err(Fault { at, why: Why::LoneSurrogate }),
        0xd800..=0xdbff => {
            let second = at + 6;
            match source.get(second..) {
                Some([b'\\', b'u', ..]) => {}
                Some([] | [b'\\']) | None => return Err(Fault { at: source.len(), why: Why::Ends }),
                Some(_) => return Err(Fault { at, why: Why::LoneSurrogate }),
            }
            match code_unit(source, second)? {
                (0xdc00..=0xdfff, also_lower) => Ok(Escape { end: at + 12, canonical: lower && also_lower }),
                _ => Err(Fault { at, why: Why::LoneSurrogate }),
            }
        }
        // What is printable stands for itself, and these five have a short escape.
        0x20..=0x7e | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => Ok(Escape { end: at + 6, canonical: false }),
        _ => Ok(Escape { end: at + 6, canonical: lower }),
    }
}

/// The code unit of the `\uxxxx` at `at`, and whether its digits are lower-case.
fn code_unit(source: &[u8], at: usize) -> Result<(u16, bool), Fault> {
    let mut unit = 0;
    let mut lower = true;
    for place in at + 2..at + 6 {
        let digit = match source.get(place) {
            Some(b @ b'0'..=b'9') => b - b'0',
            Some(b @ b'a'..=b'f') => b - b'a' + 10,
            Some(b @ b'A'..=b'F') => {
                lower = false;
                b - b'A' + 10
            }
            Some(_) => return Err(Fault { at, why: Why::BadEscape }),
            None => return Err(Fault { at: source.len(), why: Why::Ends }),
        };
        unit = unit << 4 | u16::from(digit);
    }
    Ok((unit, lower))
}

/// The characters that a scanned string says.
#[derive(Debug, Clone)]
pub(crate) struct Decoded<'a> {
    rest: Chars<'a>,
}

impl<'a> Decoded<'a> {
    /// `text` is what stands between the quotes, and has been scanned.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text.chars() }
    }

    /// What is still to be decoded.
    pub(crate) fn as_str(&self) -> &'a str {
        self.rest.as_str()
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.four_digits()?;
                if !(0xd800..0xe000).contains(&first) {
                    return char::from_u32(first);
                }
                // Past the `\u` of the second half, which the scan has seen there.
                self.rest.nth(1)?;
                let second = self.four_digits()?;
                let low = second.checked_sub(0xdc00)?;
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + low);
            }
            itself => itself,
        })
    }

    fn four_digits(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | self.rest.next()?.to_digit(16)?))
    }
}

impl Iterator for Decoded<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        match self.rest.next()? {
            '\\' => self.escaped(),
            itself => Some(itself),
        }
    }
}

/// What a scanned string says, as a string of its own.
pub(crate) fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    out.extend(Decoded::new(text));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    fn scanned(text: &str) -> Result<Scanned, Fault> {
        scan(text.as_bytes(), 0)
    }

    #[test]
    fn a_run_ends_at_the_first_special_byte_wherever_it_stands() {
        for special in [b'"', b'\\', 0x00, 0x1f, 0x7f, 0x80, 0xff] {
            for length in 0..40 {
                for tail in [0, 1, 7, 8, 9] {
                    let mut bytes: Vec<u8> = Vec::new();
                    bytes.extend((0..length).map(|i| b"az !#[]~"[i % 8]));
                    bytes.push(special);
                    bytes.extend(core::iter::repeat_n(special, tail));
                    assert_eq!(plain_run(&bytes), length, "{special:#x} after {length}");
                }
            }
        }
        assert_eq!(plain_run(b"every byte of this is plain"), 27);
        assert_eq!(plain_run(b""), 0);
    }

    #[test]
    fn every_byte_is_plain_or_not_as_the_canonical_form_says() {
        for b in 0..=255u8 {
            let plain = matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\';
            for at in 0..17 {
                let mut bytes = [b'x'; 17];
                bytes[at] = b;
                assert_eq!(plain_run(&bytes), if plain { 17 } else { at }, "{b:#x} at {at}");
            }
        }
    }

    #[test]
    fn a_string_is_verbatim_exactly_when_nothing_in_it_is_respelled() {
        for (text, verbatim, escaped) in [
            ("", true, false),
            ("plain", true, false),
            ("a slash / in a longer text", true, false),
            (r#"quotes \" and \\ and \n\r\t\b\f"#, true, true),
            (r"\u00e9 \u2603 \ud83d\ude00 \u0001 \u007f", true, true),
            (r"\u00E9", false, true),
            (r"\ud83D\ude00", false, true),
            (r"\ud83d\udE00", false, true),
            (r"\/", false, true),
            (r"\u0041", false, true),
            (r"\u000a", false, true),
            (r"\u0008", false, true),
            (r"\u0009", false, true),
            (r"\u000c", false, true),
            (r"\u000d", false, true),
            ("é", false, false),
            ("in a longer text an é", false, false),
            ("\u{7f}", false, false),
            ("a long text, then \u{7f}", false, false),
            ("\u{7f}, then a long text", false, false),
            ("\u{7f}1234567\u{7f}", false, false),
        ] {
            for after in ["", "é and more than eight bytes"] {
                let wire = format!("{text}\"{after}");
                let end = text.len();
                assert_eq!(scanned(&wire), Ok(Scanned { end, verbatim, escaped }), "{text}");
            }
        }
    }

    #[test]
    fn a_bad_string_is_refused_where_it_goes_wrong() {
        for (text, at, why) in [
            ("never ends", 10, Why::Ends),
            ("", 0, Why::Ends),
            ("\\", 1, Why::Ends),
            (r"\u00", 4, Why::Ends),
            (r"\ud83d", 6, Why::Ends),
            (r"\ud83d\", 7, Why::Ends),
            (r"\ud83d\u", 8, Why::Ends),
            ("tab\t\"", 3, Why::ControlCharacter),
            ("nul in a longer text \0\"", 21, Why::ControlCharacter),
            (r#"a\x""#, 1, Why::BadEscape),
            (r#"\u00g0""#, 0, Why::BadEscape),
            (r#"\ud83d\u12g4""#, 6, Why::BadEscape),
            (r#"\ud800""#, 0, Why::LoneSurrogate),
            (r#"x\udc00\ud800""#, 1, Why::LoneSurrogate),
            (r#"\ud800\ud800""#, 0, Why::LoneSurrogate),
            (r#"\ud800\n""#, 0, Why::LoneSurrogate),
            (r#"\ud800xx""#, 0, Why::LoneSurrogate),
        ] {
            assert_eq!(scanned(text), Err(Fault { at, why }), "{text}");
        }
    }

    #[test]
    fn decoding_undoes_every_escape() {
        assert_eq!(decode(r#"\"\\\/\b\f\n\r\t"#), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(decode(r"\u0041\u00E9\u2603\uD83D\uDE00é"), "Aé☃😀é");
        assert_eq!(decode("plain"), "plain");
        let mut two = Decoded::new(r"\u0041rest");
        assert_eq!((two.next(), two.as_str()), (Some('A'), "rest"));
    }

    #[test]
    fn decoding_what_was_never_scanned_ends_early_and_does_not_panic() {
        for text in
            ["\\", r"\u", r"\u12", r"\u12g4", r"\ud800", r"\ud800\u", r"\ud800\u0041", r"\udfff\uffff"]
        {
            assert!(decode(text).chars().count() <= 1, "{text}");
        }
    }
}
