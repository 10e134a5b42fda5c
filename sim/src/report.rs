//! What came of a batch, for people in a line, and for the page of tests that a CI shows: JUnit XML.
//!
//! Thousands of seeds that hold are one case; every one that fails is a case of its own, named by what does it again.

use handoff_spec::junit::{content, document, element, time};

use crate::batch::Report;

/// `1 seed`, `2 seeds`.
#[must_use]
pub fn counted(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What a batch was to do, and how long it took.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    /// Its name.
    pub name: &'b str,
    /// How many runs were asked for; none if as many as there is time for.
    pub asked: Option<u64>,
    /// The cases of the catalogue that it had to reach and did not.
    pub missing: &'b [String],
    /// How long it took.
    pub seconds: f64,
}

impl Batch<'_> {
    /// How many of the runs that were asked for were not done.
    #[must_use]
    pub fn not_done(&self, report: &Report) -> u64 {
        self.asked.map_or(0, |asked| asked.saturating_sub(report.runs))
    }

    /// How many were done, of how many.
    #[must_use]
    pub fn done(&self, report: &Report) -> String {
        match self.asked {
            Some(asked) if report.runs < asked => format!("{} of {}", report.runs, counted(asked, "run")),
            Some(_) | None => counted(report.runs, "run"),
        }
    }

    /// The whole document, with the line that does a seed again.
    #[must_use]
    pub fn junit(&self, report: &Report, line: &dyn Fn(u64) -> String) -> String {
        let Self { name, asked: _, missing, seconds } = *self;
        let case = |name: &str, seconds: f64, inside: &str| {
            let class = ("classname", "handoff-sim.run".to_owned());
            element(2, "testcase", &[("name", name.to_owned()), class, ("time", time(seconds))], inside)
        };
        let failure = |kind: String, message: String, text: &str| {
            content(3, "failure", &[("type", kind), ("message", message)], text)
        };
        let figures = format!(
            "{}, {}, {} ms simulated\n",
            self.done(report),
            counted(report.steps, "step"),
            report.simulated
        );
        let mut cases = case("the seeds that hold", seconds, &content(3, "system-out", &[], &figures));
        let failed = report.failures();
        for (seed, why) in &failed {
            let text = format!("{why}\n{}\n", line(*seed));
            cases += &case(&line(*seed), 0.0, &failure(why.kind(), why.to_string(), &text));
        }
        if !missing.is_empty() {
            let text: String = missing.iter().map(|case| format!("{case}\n")).collect();
            let message = format!("{} not reached", missing.len());
            cases += &case("the catalogue", 0.0, &failure("Catalogue".to_owned(), message, &text));
        }
        let not_done = self.not_done(report);
        if not_done > 0 {
            let text = format!("{} not done: the time was over", counted(not_done, "run"));
            cases += &case("the seeds that were not run", 0.0, &content(3, "skipped", &[], &text));
        }
        let failures = failed.len() + usize::from(!missing.is_empty());
        let skipped = usize::from(not_done > 0);
        let counts = [
            ("name", name.to_owned()),
            ("tests", (1 + failures + skipped).to_string()),
            ("failures", failures.to_string()),
            ("errors", "0".to_owned()),
            ("time", time(seconds)),
        ];
        // The schema of Jenkins counts what is skipped in a suite, and not in the whole report.
        let of_suite = [&counts[..], &[("skipped", skipped.to_string())]].concat();
        document(&counts, &element(1, "testsuite", &of_suite, &cases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_spec::model::Breach;

    fn junit(asked: Option<u64>, report: &Report) -> String {
        let batch = Batch { name: "b", asked, missing: &[], seconds: 1.0 };
        batch.junit(report, &|seed| format!("again {seed}"))
    }

    #[test]
    fn a_report_of_a_batch_that_was_cut_off_says_how_many_runs_were_not_done() {
        let report = Report { runs: 7, ..Report::default() };
        let cut = junit(Some(10), &report);
        assert!(cut.contains("7 of 10 runs, 0 steps"), "{cut}");
        assert!(cut.contains("<skipped>3 runs not done: the time was over</skipped>"), "{cut}");
        assert!(cut.contains(r#"tests="2""#) && cut.contains(r#"skipped="1""#), "{cut}");
        for whole in [junit(Some(7), &report), junit(None, &report)] {
            assert!(whole.contains("7 runs, 0 steps") && !whole.contains("<skipped>"), "{whole}");
            assert!(whole.contains(r#"tests="1""#) && whole.contains(r#"skipped="0""#), "{whole}");
        }
    }

    #[test]
    fn every_seed_that_fails_is_a_case_with_its_reason_and_the_line_that_does_it_again() {
        let report = Report {
            runs: 9,
            broken: [(1, Breach::own("Mine", "so it is"))].into(),
            panicked: [(2, "a < b".to_owned())].into(),
            endless: [3].into(),
            ..Report::default()
        };
        let text = junit(None, &report);
        assert!(text.contains(r#"tests="4" failures="3""#), "{text}");
        for (seed, failure) in [
            (1, r#"<failure type="Mine" message="Mine: so it is">"#),
            (2, r#"<failure type="Panic" message="panicked: a &lt; b">"#),
            (3, r#"<failure type="CutOff" message="did not come to its end"#),
        ] {
            let case =
                text.split("<testcase").find(|case| case.contains(&format!(r#""again {seed}""#))).unwrap();
            assert!(case.contains(failure), "{case}");
        }
    }
}
