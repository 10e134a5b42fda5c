//! What came of a batch, for the page of tests that a CI shows: JUnit XML.
//!
//! Thousands of seeds that hold are one case; every one that breaks a rule is a case of its own, named by what does it
//! again.

use handoff_spec::junit::{content, document, element, time};

use crate::batch::Report;

/// The whole document: of the batch of this name, with the cases of the catalogue that it had to reach and did not, and
/// the line that does a seed again.
#[must_use]
pub fn junit(
    name: &str,
    report: &Report,
    missing: &[String],
    seconds: f64,
    line: &dyn Fn(u64) -> String,
) -> String {
    let case = |name: &str, seconds: f64, inside: &str| {
        let named =
            [("name", name.to_owned()), ("classname", "handoff-sim.run".to_owned()), ("time", time(seconds))];
        element(2, "testcase", &named, inside)
    };
    let failure = |kind: String, message: String, text: &str| {
        content(3, "failure", &[("type", kind), ("message", message)], text)
    };
    let figures =
        format!("{} runs, {} steps, {} ms simulated\n", report.runs, report.steps, report.simulated);
    let mut cases = case("the seeds that hold", seconds, &content(3, "system-out", &[], &figures));
    for (seed, breach) in &report.broken {
        let text = format!("{breach}\n{}\n", line(*seed));
        cases += &case(&line(*seed), 0.0, &failure(breach.property.id(), breach.to_string(), &text));
    }
    if !missing.is_empty() {
        let text: String = missing.iter().map(|case| format!("{case}\n")).collect();
        let message = format!("{} not reached", missing.len());
        cases += &case("the catalogue", 0.0, &failure("Catalogue".to_owned(), message, &text));
    }
    let failures = report.broken.len() + usize::from(!missing.is_empty());
    let counts = [
        ("name", name.to_owned()),
        ("tests", (1 + failures).to_string()),
        ("failures", failures.to_string()),
        ("errors", "0".to_owned()),
        ("time", time(seconds)),
    ];
    document(&counts, &element(1, "testsuite", &counts, &cases))
}
