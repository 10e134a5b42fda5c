//! What was measured when a profile was last recorded: counts that must be the same again, and times that need not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Report;

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Unique states of a model, records of a proof.
    pub states: u64,
    /// Edges of a model, steps of a proof.
    pub edges: u64,
    /// The longest of the shortest ways to a state.
    pub depth: u32,
    /// Seconds, of our explorer or proof.
    pub seconds: f64,
    /// Seconds of stateright, which ran at the same time on another core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_seconds: Option<f64>,
    /// States that stateright generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_generated: Option<u64>,
    /// For each seeded fault, the rules that caught it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kills: BTreeMap<String, Vec<String>>,
    /// For each rule, a seeded fault that nothing catches without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needed: BTreeMap<String, String>,
}

/// To the hundredth: more says nothing, and makes every recording differ in every line.
fn round(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

impl Run {
    /// What these checks came to.
    pub fn new(seconds: f64, checks: BTreeMap<String, Figures>) -> Self {
        Self { seconds: round(seconds), checks }
    }
}

impl From<&Report> for Figures {
    fn from(report: &Report) -> Self {
        Self {
            states: report.reached.states,
            edges: report.reached.edges,
            depth: report.reached.depth,
            seconds: round(report.seconds),
            second_seconds: report.second.map(|second| round(second.seconds)),
            second_generated: report.second.map(|second| second.generated),
            kills: report.kills.iter().cloned().collect(),
            needed: report.needed.iter().cloned().collect(),
        }
    }
}

/// What one run of a profile came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Seconds, from the first check to the last, both checkers side by side.
    pub seconds: f64,
    /// Each check by its id.
    pub checks: BTreeMap<String, Figures>,
}

/// All that was recorded, by profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Measured(pub BTreeMap<String, Run>);

impl Measured {
    /// What is recorded in this copy of the project.
    ///
    /// # Panics
    /// When `spec/measured.json` is not what [`Measured::to_json`] writes, which a test excludes.
    #[must_use]
    pub fn committed() -> Self {
        serde_json::from_str(include_str!("../../measured.json")).expect("a test reads it")
    }

    /// What is recorded of a check.
    #[must_use]
    pub fn of(&self, profile: &str, check: &str) -> Option<&Figures> {
        self.0.get(profile)?.checks.get(check)
    }

    /// As it is committed.
    ///
    /// # Panics
    /// Never: these are numbers and names.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and names") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_as_it_was_written() {
        let committed = include_str!("../../measured.json");
        assert_eq!(Measured::committed().to_json(), committed);
    }
}
