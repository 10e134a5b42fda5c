//! What a trace begins with.

use serde::{Deserialize, Serialize};

use super::RecordText;

/// The name of the format, and its version.
pub const FORMAT: &str = "handoff-trace/1";

/// What kind of trace it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its last step breaks the rule.
    Counterexample,
    /// Its last step shows the rule's interesting case; nothing is broken.
    Witness,
    /// From `cycle_from` on it goes round for ever, and what the rule promises never comes.
    Lasso,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always [`FORMAT`].
    pub trace: String,
    /// The trace's own name, that of its file.
    pub name: String,
    /// What kind.
    pub kind: Kind,
    /// The property that it is about, by its id.
    pub rule: String,
    /// What that property demands, in a sentence, if it is a rule of the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demands: Option<String>,
    /// What it shows, in a sentence.
    pub says: String,
    /// The model that it comes from.
    pub model: String,
    /// The model's configuration.
    pub configuration: String,
    /// The law: `protocol`, or the name of what is wrong with it.
    pub law: String,
    /// What is on record at the beginning, one a known handoff.
    pub records: Vec<RecordText>,
    /// S3's bound in true time that is looked at: how long after `expires_at` a claim may take effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<u64>,
    /// Whether events are logged after their records, as lines of the trace say; otherwise in one commit with them.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub log_follows: bool,
    /// The first step of the cycle, of a lasso.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle_from: Option<u32>,
}

impl Header {
    /// What every trace of this model begins with: all else is set when there is something to tell.
    #[must_use]
    pub fn of(model: &str, configuration: &str, law: &str) -> Self {
        Self {
            trace: FORMAT.to_owned(),
            name: String::new(),
            kind: Kind::Witness,
            rule: String::new(),
            demands: None,
            says: String::new(),
            model: model.to_owned(),
            configuration: configuration.to_owned(),
            law: law.to_owned(),
            records: Vec::new(),
            bound: None,
            log_follows: false,
            cycle_from: None,
        }
    }
}
