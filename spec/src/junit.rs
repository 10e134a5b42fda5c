//! JUnit XML: the elements of a report of tests, as the page of tests of a CI shows it.
//!
//! It is written by hand. The crate made for it writes an attribute `skipped` of the whole report, which the schema
//! of Jenkins does not have, and a Jenkins that validates drops such a report; and it lets U+FFFE through, which no
//! XML may contain.

/// The whole document: the suites, and what is said of all of them at once.
#[must_use]
pub fn document(attributes: &[(&str, String)], suites: &str) -> String {
    let header = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    format!("{header}{}", element(0, "testsuites", attributes, suites))
}

/// Seconds, as the schema has them.
#[must_use]
pub fn time(seconds: f64) -> String {
    format!("{seconds:.3}")
}

fn start(depth: usize, name: &str, attributes: &[(&str, String)]) -> String {
    let attributes: String =
        attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", attribute(value))).collect();
    format!("{:1$}<{name}{attributes}>", "", 2 * depth)
}

/// An element with elements in it, each on lines of its own.
#[must_use]
pub fn element(depth: usize, name: &str, attributes: &[(&str, String)], inside: &str) -> String {
    format!("{}\n{inside}{:2$}</{name}>\n", start(depth, name, attributes), "", 2 * depth)
}

/// An element with text in it, to the letter.
#[must_use]
pub fn content(depth: usize, name: &str, attributes: &[(&str, String)], inside: &str) -> String {
    format!("{}{}</{name}>\n", start(depth, name, attributes), text(inside))
}

/// A character as it stands in XML: what has a meaning there is named, and what may not stand there at all, whatever
/// way it is written, is shown as lost.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // A reader makes a line feed of it, if it is not named.
            '\r' => out += "&#13;",
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
    }
    out
}

/// In an attribute a reader makes a blank of a line's end, if it is not named.
fn attribute(value: &str) -> String {
    text(value).replace('\n', "&#10;").replace('\t', "&#9;")
}
