//! What is wrong with bytes that are not the JSON that was asked for, and where.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

/// The deepest nesting that is read; the top value, when it is an object or an array, is at depth 1.
pub const MAX_DEPTH: usize = 64;

/// A path is cut in its middle beyond this many bytes, a key in it at its end beyond [`KEY_SHOWN`].
const PLACE_SHOWN: usize = 256;
const KEY_SHOWN: usize = 40;

/// Why bytes are not the JSON that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// More than 4 GiB: positions are kept in 32 bits.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// The top value is not an object, where one was asked for.
    NotAnObject,
    /// It ends in the middle.
    Ends,
    /// Something follows the top value.
    Trailing,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Nothing that starts a value.
    NoValue,
    /// No key where an object's next one must be.
    NoKey,
    /// No colon after a key.
    NoColon,
    /// Neither a comma nor the end of the object or array.
    NoComma,
    /// This key, shortened, is in the object twice.
    DuplicateKey(Box<str>),
    /// A control character in a string, not escaped.
    ControlCharacter,
    /// A backslash that starts no escape of JSON.
    BadEscape,
    /// An escaped half of a surrogate pair without the other.
    LoneSurrogate,
    /// A number not written as JSON writes them.
    BadNumber,
    /// `NaN`, `Infinity`, `-Infinity`.
    NotFinite,
    /// A number whose double is infinite.
    TooLarge,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "more than 4 GiB",
            Self::NotUtf8 => "bytes that are not UTF-8",
            Self::NotAnObject => "not an object, which the top value must be,",
            Self::Ends => "the input ends too early",
            Self::Trailing => "something follows the one value",
            Self::TooDeep => return write!(f, "nested deeper than {MAX_DEPTH}"),
            Self::NoValue => "no JSON value",
            Self::NoKey => "no key in double quotes",
            Self::NoColon => "no colon after the key",
            Self::NoComma => "neither a comma nor the end of the object or array",
            Self::DuplicateKey(key) => return write!(f, "duplicate key {key}"),
            Self::ControlCharacter => "a control character that is not escaped",
            Self::BadEscape => "no such escape in JSON",
            Self::LoneSurrogate => "a lone surrogate",
            Self::BadNumber => "no number as JSON writes them",
            Self::NotFinite => "NaN or an infinity, which JSON does not have,",
            Self::TooLarge => "a number too large for a double",
        })
    }
}

/// A [`Why`] and the byte that it was found at. The place is made out only once it is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) why: Why,
}

/// Not the JSON that was asked for: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The offset of the first byte that is wrong.
    pub at: usize,
    /// The path to the value that is wrong, such as `$.context.x[0]`. ASCII, at most about 256 bytes.
    pub place: Box<str>,
    /// What is wrong with it.
    pub why: Why,
}

impl fmt::Display for Malformed {
    /// Says what is wrong and where: `duplicate key "a" at $.context.x[0], byte 312`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, byte {}", self.why, self.place, self.at)
    }
}

impl core::error::Error for Malformed {}

/// A key for people to read: quoted, ASCII, shortened.
pub(crate) fn shown_key(key: impl Iterator<Item = char>) -> String {
    let mut key = key.peekable();
    let mut text: String = key.by_ref().take(KEY_SHOWN).collect();
    if key.peek().is_some() {
        text.push_str("...");
    }
    let mut shown = String::new();
    crate::canonical::quote(&text, &mut shown);
    shown
}

/// One step of a path: into an object, or into an array.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Key(super::string::Decoded<'a>),
    Index(u32),
}

/// The path that these steps from the top make.
pub(crate) fn place(steps: &mut dyn Iterator<Item = Step<'_>>) -> Box<str> {
    let mut path = String::from("$");
    for step in steps {
        match step {
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                let shown = shown_key(key);
                let name = &shown[1..shown.len() - 1];
                let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                if !name.is_empty() && name.bytes().all(is_name) {
                    path.push('.');
                    path.push_str(name);
                } else {
                    path.push_str(&format!("[{shown}]"));
                }
            }
        }
    }
    // All of it is ASCII, so it can be cut anywhere.
    if path.len() > PLACE_SHOWN {
        let half = PLACE_SHOWN / 2;
        path.replace_range(half..path.len() - half, "...");
    }
    path.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::super::string::Decoded;
    use super::*;
    use alloc::string::ToString;

    fn key(text: &str) -> Step<'_> {
        Step::Key(Decoded::new(text))
    }

    #[test]
    fn a_path_names_keys_and_indices_and_quotes_what_is_no_name() {
        let steps = [key("context"), key("x"), Step::Index(0), key("a b"), key(""), key("é\\n")];
        assert_eq!(&*place(&mut steps.into_iter()), r#"$.context.x[0]["a b"][""]["\u00e9\n"]"#);
        assert_eq!(&*place(&mut core::iter::empty()), "$");
    }

    #[test]
    fn a_path_is_bounded_however_deep_and_however_long_its_keys() {
        let long = "é".repeat(1000);
        let path = place(&mut (0..64).map(|_| key(&long)));
        assert_eq!(path.len(), PLACE_SHOWN + 3);
        assert!(path.starts_with("$[\"\\u00e9") && path.ends_with("...\"]") && path.is_ascii());
        assert_eq!(
            &*place(&mut [key(&"k".repeat(41))].into_iter()),
            &format!("$[\"{}...\"]", "k".repeat(40))
        );
        assert_eq!(&*place(&mut [key(&"k".repeat(40))].into_iter()), &format!("$.{}", "k".repeat(40)));
    }

    #[test]
    fn a_path_of_just_the_bound_is_shown_whole() {
        let items = (PLACE_SHOWN - 1) / "[0]".len();
        let path = place(&mut (0..items).map(|_| Step::Index(0)));
        assert_eq!((path.len(), path.contains("...")), (PLACE_SHOWN, false));
    }

    #[test]
    fn every_reason_reads_as_a_sentence_with_its_place() {
        let told = |why| Malformed { at: 7, place: "$.a".into(), why }.to_string();
        assert_eq!(told(Why::DuplicateKey("\"b\"".into())), "duplicate key \"b\" at $.a, byte 7");
        assert_eq!(told(Why::TooDeep), "nested deeper than 64 at $.a, byte 7");
        assert_eq!(told(Why::NotAnObject), "not an object, which the top value must be, at $.a, byte 7");
        let others = [
            Why::TooLong,
            Why::NotUtf8,
            Why::Ends,
            Why::Trailing,
            Why::NoValue,
            Why::NoKey,
            Why::NoColon,
            Why::NoComma,
            Why::ControlCharacter,
            Why::BadEscape,
            Why::LoneSurrogate,
            Why::BadNumber,
            Why::NotFinite,
            Why::TooLarge,
        ];
        let mut seen: alloc::vec::Vec<_> = others.into_iter().map(told).collect();
        assert!(seen.iter().all(|told| told.ends_with(" at $.a, byte 7")));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 14, "no two read alike");
    }
}
