//! JSON numbers: reading one strictly, and its canonical spelling.
//!
//! Whether a number is an integer or a double is a matter of how it is written, not of its value. An integer
//! keeps its digits, however many. Anything with a point or an exponent is a double, and is written with the
//! fewest digits that read back the same, laid out as Python's `repr` does.

use crate::canonical::Sink;
use crate::json::{Fault, Why};
use core::fmt::Write as _;

/// What a scan found out about the number that it went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// The first byte after the number.
    pub(crate) end: usize,
    /// It has a point or an exponent.
    pub(crate) double: bool,
    /// It is already spelled the canonical way.
    pub(crate) verbatim: bool,
}

/// Any decimal of at most this many significant digits, in the range of normal doubles, is told apart from
/// every other such decimal by its double (`DBL_DIG` of C).
const EXACT_DIGITS: usize = 15;

fn digits(source: &[u8], at: usize) -> usize {
    source[at..].iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Goes over the number that starts at `start`, at a minus sign or a digit.
#[inline]
pub(crate) fn scan(source: &[u8], start: usize) -> Result<Scanned, Fault> {
    let negative = source.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let whole = digits(source, first);
    let mut end = first + whole;
    if whole == 0 {
        let not_finite = negative && source[first..].starts_with(b"Infinity");
        return Err(fault(source, start, first, if not_finite { Why::NotFinite } else { Why::BadNumber }));
    }
    if whole > 1 && source[first] == b'0' {
        return Err(Fault { at: start, why: Why::BadNumber });
    }
    match source.get(end) {
        Some(b'.' | b'e' | b'E') => {}
        _ => return Ok(Scanned { end, double: false, verbatim: !(negative && source[first] == b'0') }),
    }
    let mut fraction = 0;
    if source[end] == b'.' {
        fraction = digits(source, end + 1);
        end += 1 + fraction;
        if fraction == 0 {
            return Err(fault(source, start, end, Why::BadNumber));
        }
    }
    let mut exponent = 0i64;
    let has_exponent = matches!(source.get(end), Some(b'e' | b'E'));
    if has_exponent {
        let sign = matches!(source.get(end + 1), Some(b'+' | b'-'));
        let from = end + 1 + usize::from(sign);
        let length = digits(source, from.min(source.len()));
        end = from + length;
        if length == 0 {
            return Err(fault(source, start, from, Why::BadNumber));
        }
        exponent = read_exponent(&source[from - usize::from(sign)..end]);
    }
    // Below 1e308 for certain; only beyond that it takes a conversion to tell.
    let most_digits = exponent.saturating_add(i64::try_from(whole).unwrap_or(i64::MAX));
    if most_digits > 308 && !read(&source[start..end]).is_finite() {
        return Err(Fault { at: start, why: Why::TooLarge });
    }
    let verbatim = !has_exponent && {
        let after_point = &source[end - fraction..end];
        whole + fraction <= EXACT_DIGITS
            && (fraction == 1 || source[end - 1] != b'0')
            && (source[first] != b'0' || !after_point.starts_with(b"0000"))
    };
    Ok(Scanned { end, double: true, verbatim })
}

/// What is wrong at `at`: that the input ends there, or else the number that started at `start`.
fn fault(source: &[u8], start: usize, at: usize, why: Why) -> Fault {
    if at >= source.len() { Fault { at: source.len(), why: Why::Ends } } else { Fault { at: start, why } }
}

/// An exponent as a number, its sign included; saturates.
fn read_exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let size = digits.iter().fold(0i64, |n, d| n.saturating_mul(10).saturating_add(i64::from(d - b'0')));
    if negative { -size } else { size }
}

/// The double that a scanned number reads as.
fn read(text: &[u8]) -> f64 {
    let text = core::str::from_utf8(text).expect("a scanned number is ASCII");
    text.parse().expect("what JSON's grammar calls a number, Rust's does too")
}

/// A decimal: `0.d₁d₂d₃…` times ten to the power of `point`; no digits for zero, no zero at either end.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: [u8; 17],
    len: usize,
    point: i64,
}

/// Seventeen digits are enough to tell any two doubles apart.
const MAX_DIGITS: usize = 17;

impl Decimal {
    /// Takes a scanned number apart. None when it has more significant digits than fit.
    fn of(text: &[u8]) -> Option<Self> {
        let mut decimal = Self { negative: false, digits: [0; MAX_DIGITS], len: 0, point: 0 };
        let mut zeros = 0;
        let mut after_point = false;
        for (at, &b) in text.iter().enumerate() {
            match b {
                b'-' => decimal.negative = true,
                b'.' => after_point = true,
                b'e' | b'E' => {
                    decimal.point = decimal.point.saturating_add(read_exponent(&text[at + 1..]));
                    break;
                }
                b'0' if decimal.len == 0 => decimal.point -= i64::from(after_point),
                b'0' => {
                    zeros += 1;
                    decimal.point += i64::from(!after_point);
                }
                digit => {
                    // Zeros are written only once a digit follows them.
                    let end = decimal.len + zeros;
                    decimal.digits.get_mut(decimal.len..end)?.fill(b'0');
                    *decimal.digits.get_mut(end)? = digit;
                    (decimal.len, zeros) = (end + 1, 0);
                    decimal.point += i64::from(!after_point);
                }
            }
        }
        if decimal.len == 0 {
            decimal.point = 0;
        }
        Some(decimal)
    }

    /// Lays it out as Python's `repr` of a float does.
    fn write(&self, out: &mut Small) {
        if self.negative {
            out.put(b"-");
        }
        let digits = &self.digits[..self.len];
        let Some((first, others)) = digits.split_first() else {
            out.put(b"0.0");
            return;
        };
        match self.point {
            // Below one: 0.000ddd.
            -3..=0 => {
                out.put(b"0.");
                (self.point..0).for_each(|_| out.put(b"0"));
                out.put(digits);
            }
            // With a point among the digits, or zeros up to it.
            1..=16 => {
                let whole = usize::try_from(self.point).unwrap_or(self.len);
                (0..whole).for_each(|place| out.put(digits.get(place..=place).unwrap_or(b"0")));
                out.put(b".");
                out.put(digits.get(whole..).filter(|fraction| !fraction.is_empty()).unwrap_or(b"0"));
            }
            point => {
                out.put(&[*first]);
                if !others.is_empty() {
                    out.put(b".");
                    out.put(others);
                }
                write!(out, "e{:+03}", point - 1).expect("it always takes what fits");
            }
        }
    }
}

/// A number without a heap. The longest spelling of a double has 24 bytes: sign, 17 digits, point, exponent.
#[derive(Default)]
struct Small {
    bytes: [u8; 32],
    len: usize,
}

impl Small {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Sink for Small {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }
}

impl core::fmt::Write for Small {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// Writes the canonical spelling of a scanned integer.
pub(crate) fn write_integer(text: &str, out: &mut impl Sink) {
    out.put(if text == "-0" { b"0" } else { text.as_bytes() });
}

/// Writes the canonical spelling of a scanned double.
pub(crate) fn write_double(text: &str, out: &mut impl Sink) {
    let mut spelling = Small::default();
    exact(text.as_bytes()).unwrap_or_else(|| shortest(text.as_bytes())).write(&mut spelling);
    out.put(spelling.as_bytes());
}

/// The shortest digits without any floating point, where that can be known.
///
/// A decimal of at most fifteen significant digits survives the way to a normal double and back: no other
/// decimal of at most fifteen digits reads as the same double. So if fewer digits than its own (without zeros
/// at the ends) read back the same, there would be two such decimals: its own digits are the shortest.
fn exact(text: &[u8]) -> Option<Decimal> {
    let decimal = Decimal::of(text)?;
    // Well inside the normal doubles, 2.3e-308 to 1.7e308.
    (decimal.len == 0 || decimal.len <= EXACT_DIGITS && (-300..=300).contains(&decimal.point))
        .then_some(decimal)
}

/// The shortest digits that read back as the double that `text` reads as; of several, the nearest; of two
/// equally near, the even one, as Python has it.
fn shortest(text: &[u8]) -> Decimal {
    let double = read(text);
    let mut digits = Small::default();
    write!(digits, "{double:e}").expect("it always takes what fits");
    let shortest = Decimal::of(digits.as_bytes()).expect("a double has at most 17 digits");
    // That gives the right number of digits, but of two equally near the upper one. Rounding to as many
    // digits decides for the even one; next to a power of two it may read back as another double, though.
    let mut even = Small::default();
    write!(even, "{double:.*e}", shortest.len.saturating_sub(1)).expect("it always takes what fits");
    let reads_back = read(even.as_bytes()).to_bits() == double.to_bits();
    Decimal::of(even.as_bytes()).filter(|_| reads_back).unwrap_or(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        let scanned = scan(text.as_bytes(), 0).unwrap();
        assert_eq!(scanned.end, text.len(), "{text}");
        let mut out = alloc::vec::Vec::new();
        if scanned.double {
            write_double(text, &mut out);
        } else {
            write_integer(text, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        assert!(!scanned.verbatim || out == text, "{text} is written {out}");
        out
    }

    #[test]
    fn an_integer_keeps_its_digits() {
        for text in ["0", "7", "-12", "9007199254740993", "99999999999999999999", "-99999999999999999999999"]
        {
            assert_eq!(canonical(text), text);
        }
        assert_eq!(canonical("-0"), "0");
    }

    #[test]
    fn a_double_is_written_as_python_writes_it() {
        for (text, expected) in [
            ("1.5", "1.5"),
            ("0.1", "0.1"),
            ("1e3", "1000.0"),
            ("1E-5", "1e-05"),
            ("1e16", "1e+16"),
            ("1e15", "1000000000000000.0"),
            ("1234567890123456.0", "1234567890123456.0"),
            ("123456789012345680.0", "1.2345678901234568e+17"),
            ("123456789012345.0", "123456789012345.0"),
            ("12345678901234.5", "12345678901234.5"),
            ("9999999999999999.0", "1e+16"),
            ("2.0", "2.0"),
            ("2.00", "2.0"),
            ("2.50", "2.5"),
            ("-0.0", "-0.0"),
            ("-0e7", "-0.0"),
            ("0.00", "0.0"),
            ("0e999999999999999999999999", "0.0"),
            ("1e-999999999999999999999999", "0.0"),
            ("-1e-400", "-0.0"),
            ("5e-324", "5e-324"),
            ("3e-324", "5e-324"),
            ("2e-324", "0.0"),
            ("0.0001", "0.0001"),
            ("0.00012", "0.00012"),
            ("0.00001", "1e-05"),
            ("0.000012", "1.2e-05"),
            ("10.0001", "10.0001"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("2.2250738585072014E-308", "2.2250738585072014e-308"),
            ("1e+100", "1e+100"),
            ("1.25e-100", "1.25e-100"),
            ("100e-2", "1.0"),
            ("0.1000000000000000055511151231257827", "0.1"),
            // One digit more than any double tells apart.
            ("9.999999999999999", "9.999999999999998"),
            // Equally near to two decimals of the shortest length: the even one.
            ("782805162287787.25", "782805162287787.2"),
            ("782805162287787.75", "782805162287787.8"),
            ("2.98023223876953125e-08", "2.9802322387695312e-08"),
            ("5.9604644775390625e-07", "5.960464477539062e-07"),
            ("-1219885214120691.25", "-1219885214120691.2"),
            ("5.6843418860808015e-14", "5.684341886080802e-14"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
        let long = format!("0.{}1e400", "0".repeat(399));
        assert_eq!(canonical(&long), "1.0");
    }

    #[test]
    fn what_is_no_number_is_refused_where_it_starts_or_ends() {
        for (text, at, why) in [
            ("-", 1, Why::Ends),
            ("1.", 2, Why::Ends),
            ("1e", 2, Why::Ends),
            ("1e+", 3, Why::Ends),
            ("-x", 0, Why::BadNumber),
            ("01", 0, Why::BadNumber),
            ("-00.5", 0, Why::BadNumber),
            ("1.]", 0, Why::BadNumber),
            ("1.e5", 0, Why::BadNumber),
            ("1e]", 0, Why::BadNumber),
            ("1e+]", 0, Why::BadNumber),
            ("-Infinity", 0, Why::NotFinite),
            ("1e309", 0, Why::TooLarge),
            ("1e+309", 0, Why::TooLarge),
            ("-1e999", 0, Why::TooLarge),
            ("1e99999999999999999999", 0, Why::TooLarge),
            ("1.7976931348623159e308", 0, Why::TooLarge),
        ] {
            assert_eq!(scan(text.as_bytes(), 0), Err(Fault { at, why }), "{text}");
        }
        let long = format!("{}.5", "9".repeat(309));
        assert_eq!(scan(long.as_bytes(), 0), Err(Fault { at: 0, why: Why::TooLarge }));
        assert!(scan(&long.as_bytes()[1..], 0).is_ok());
    }

    /// Decimals as people and programs write them, with the edges of every rule more often than by chance.
    fn decimal() -> impl Strategy<Value = String> {
        let whole = prop_oneof![Just(String::from("0")), "[1-9][0-9]{0,19}", "[1-9]0{0,18}"];
        let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{1,20}", "\\.0{1,8}[1-9]{0,8}0{0,3}"];
        let exponent = prop_oneof![
            4 => Just(String::new()),
            2 => (-30i32..30).prop_map(|e| format!("e{e}")),
            1 => (-345i32..289).prop_map(|e| format!("E{e:+}")),
            1 => (284i32..289).prop_map(|e| format!("e{e:03}")),
        ];
        ("-?", whole, fraction, exponent).prop_map(|(sign, whole, fraction, exponent)| {
            let point = if fraction.is_empty() && exponent.is_empty() { ".0" } else { "" };
            format!("{sign}{whole}{fraction}{point}{exponent}")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn digits_taken_as_written_are_the_shortest_of_the_double(text in decimal()) {
            if let Some(taken) = exact(text.as_bytes()) {
                prop_assert_eq!(taken, shortest(text.as_bytes()), "{}", text);
            }
        }

        #[test]
        fn the_canonical_spelling_reads_back_as_the_same_double_and_is_its_own(text in decimal()) {
            let out = canonical(&text);
            prop_assert_eq!(read(text.as_bytes()).to_bits(), read(out.as_bytes()).to_bits());
            prop_assert_eq!(canonical(&out), out);
        }

        #[test]
        fn every_double_is_written_so_that_it_reads_back(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            prop_assume!(double.is_finite());
            let out = canonical(&format!("{double:e}"));
            prop_assert_eq!(read(out.as_bytes()).to_bits(), bits);
        }
    }
}
