//! The story of a run: the lines of its trace, written down while somebody wants them.

use std::collections::BTreeMap;

use handoff_spec::trace::{Event, Header, Kind, Line, Trace};

/// The name of the model in the header of a simulator's trace.
pub const MODEL: &str = "simulator";

/// What was told so far.
#[derive(Debug, Default)]
pub struct Story {
    lines: Option<Vec<Line>>,
    step: u32,
}

impl Story {
    /// Nobody listens: nothing is written down.
    #[must_use]
    pub const fn quiet() -> Self {
        Self { lines: None, step: 0 }
    }

    /// Everything is written down.
    #[must_use]
    pub const fn open() -> Self {
        Self { lines: Some(Vec::new()), step: 0 }
    }

    /// Whether anything is written down.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.lines.is_some()
    }

    /// What follows happens at once, after what was told before.
    pub fn next_step(&mut self) {
        self.step = self.step.saturating_add(1);
    }

    /// One thing that happened, if somebody wants to know.
    pub fn tell(&mut self, line: impl FnOnce() -> Line) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { step: self.step, ..line() });
        }
    }

    /// All that was told, as a trace. Steps in which nothing was told are closed up.
    #[must_use]
    pub fn trace(self, header: Header) -> Trace {
        let mut lines = self.lines.unwrap_or_default();
        let (mut last, mut number) = (None, 0);
        for line in &mut lines {
            if last.replace(line.step) != Some(line.step) {
                number += 1;
            }
            line.step = number;
        }
        Trace { header, lines }
    }
}

/// What no model has to tell: a word of the simulator's own, and what goes with it.
#[must_use]
pub fn tells<const N: usize>(does: &str, with: [(&str, String); N]) -> Event {
    let with: BTreeMap<_, _> = with.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Event::Tells { does: does.to_owned(), with }
}

/// What a simulator's trace begins with, before anything is known of its end.
#[must_use]
pub fn header(configuration: &str, law: &str) -> Header {
    Header {
        kind: Kind::Witness,
        log_follows: true,
        says: "A run of the simulator.".into(),
        ..Header::of(MODEL, configuration, law)
    }
}
