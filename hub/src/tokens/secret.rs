//! What a token's text is: digits that carry their own checksum.

use std::fmt;

use handoff_kernel::ident::Digest;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: &str = "hh_";
/// 62⁴³ is just above 2²⁵⁶, and 62⁶ above 2³².
const SECRET_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;

/// A token's text: the secret itself. It is shown once, when it is made.
pub struct Secret(String);

impl Secret {
    pub(super) fn new(random: [u8; 32]) -> Self {
        let mut text = PREFIX.to_owned();
        base62(&random, SECRET_DIGITS, &mut text);
        let check = checksum(&text);
        text.push_str(&check);
        Self(text)
    }

    /// The text, to be given to the agent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hh_…)")
    }
}

/// Whether a text is written as a token is, checksum included. Says nothing of whether anybody has it.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let Some((body, check)) = text.split_at_checked(PREFIX.len() + SECRET_DIGITS) else { return false };
    text.starts_with(PREFIX) && checksum(body) == check
}

fn checksum(body: &str) -> String {
    let mut text = String::new();
    base62(&Digest::of(body.as_bytes()).0[..4], CHECK_DIGITS, &mut text);
    text
}

/// Appends a big-endian number in base 62, with leading zeros.
fn base62(number: &[u8], digits: usize, out: &mut String) {
    let mut number = number.to_vec();
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        let remainder = number.iter_mut().fold(0, |carry: u16, byte| {
            let value = carry << 8 | u16::from(*byte);
            *byte = u8::try_from(value / 62).expect("the carry is below 62, so the value is below 62 * 256");
            value % 62
        });
        *digit = DIGITS[usize::from(remainder)];
    }
    out.extend(text.into_iter().map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_its_regular_expression_says_and_checks_itself() {
        for bytes in [[0; 32], [0xff; 32], [7; 32]] {
            let secret = Secret::new(bytes);
            let digits = secret.reveal().strip_prefix("hh_").unwrap();
            assert!(digits.len() == 49 && digits.bytes().all(|b| b.is_ascii_alphanumeric()), "{digits}");
            assert!(is_token(secret.reveal()));
            assert!(!is_token(&secret.reveal().replace("hh_", "hx_")));
            assert!(!is_token(&format!("{}0", secret.reveal())));
            assert!(!is_token(&secret.reveal()[..51]));
            assert_eq!(format!("{secret:?}"), "Secret(hh_…)");
        }
        let text = Secret::new([9; 32]).reveal().to_owned();
        for at in 3..text.len() {
            let other = if text.as_bytes()[at] == b'a' { "b" } else { "a" };
            assert!(!is_token(&[&text[..at], other, &text[at + 1..]].concat()), "one digit changed at {at}");
        }
        for text in ["", "hh_", "é", &"é".repeat(26), &"h".repeat(52)] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[test]
    fn base62_is_positional_with_leading_zeros() {
        let shown = |number: &[u8], digits| {
            let mut text = String::new();
            base62(number, digits, &mut text);
            text
        };
        assert_eq!(shown(&[0, 61], 3), "00z");
        assert_eq!(shown(&[0, 62], 3), "010");
        assert_eq!(shown(&[0xff; 4], 6), "4gfFC3");
    }
}
