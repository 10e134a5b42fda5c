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
}

impl From<&Report> for Figures {
    fn from(report: &Report) -> Self {
        // To the hundredth: more says nothing, and makes every recording differ in every line.
        let round = |seconds: f64| (seconds * 100.0).round() / 100.0;
        Self {
            states: report.reached.states,
            edges: report.reached.edges,
            depth: report.reached.depth,
            seconds: round(report.seconds),
            second_seconds: report.second.map(|second| round(second.seconds)),
            second_generated: report.second.map(|second| second.generated),
            kills: report.kills.iter().cloned().collect(),
        }
    }
}

/// All that was recorded: for each profile, for each check by its id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Measured(pub BTreeMap<String, BTreeMap<String, Figures>>);

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
        self.0.get(profile)?.get(check)
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
