//! The stage: what the audience sees. Every answer that is shown is checked first.

use std::io::{self, Write as _};
use std::path::Path;

use super::Trouble;
use super::client::Response;

/// Where the answers stand.
const ANSWER_AT: usize = 74;

/// How much of a line of a file is shown.
const LINE: usize = 96;

/// Writes to standard output.
#[derive(Debug, Default)]
pub(super) struct Stage {
    scenes: usize,
}

impl Stage {
    pub(super) fn line(&mut self, text: &str) -> Result<(), Trouble> {
        let written = writeln!(io::stdout().lock(), "{text}");
        written.map_err(|error| Trouble(format!("Standard output cannot be written: {error}.")))
    }

    /// A heading.
    pub(super) fn scene(&mut self, title: &str) -> Result<(), Trouble> {
        self.scenes += 1;
        self.line(&format!("\n{}  {title}", self.scenes))
    }

    /// Somebody does something that needs no answer.
    pub(super) fn does(&mut self, who: &str, what: &str) -> Result<(), Trouble> {
        self.line(&format!("   {who:<13} {what}"))
    }

    /// Somebody asked the hub, and this is what it must have answered.
    pub(super) fn hears(
        &mut self,
        who: &str,
        what: &str,
        answer: &Response,
        status: u16,
        word: &str,
    ) -> Result<(), Trouble> {
        let told = format!("   {who:<13} {what} ");
        let dots = ".".repeat(ANSWER_AT.saturating_sub(told.chars().count()).max(2));
        self.line(&format!("{told}{dots} {} {}", answer.status, answer.word()))?;
        ensure(
            answer.status == status && answer.word() == word,
            &format!("{who} should have heard {status} {word}"),
        )
    }

    /// The four directories and what is in them.
    pub(super) fn tree(&mut self, data: &Path) -> Result<Vec<String>, Trouble> {
        let mut shown = Vec::new();
        for (branch, name) in
            [("├──", "handoff"), ("├──", "claimed"), ("├──", "archive"), ("└──", "rejected")]
        {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(data.join(name)).map_err(|error| unreadable(name, &error))? {
                let entry = entry.map_err(|error| unreadable(name, &error))?;
                files.push(entry.file_name().to_string_lossy().into_owned());
            }
            files.sort();
            shown.extend(files.iter().map(|file| format!("{name}/{file}")));
            let directory = format!("{name}/");
            self.line(format!("   {branch} {directory:<10} {}", files.join("  ")).trim_end())?;
        }
        Ok(shown)
    }

    /// A file, its long lines cut.
    pub(super) fn file(&mut self, path: &Path) -> Result<String, Trouble> {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable("the file", &error))?;
        for line in text.lines() {
            let cut: String = line.chars().take(LINE).collect();
            self.line(&format!("   │ {cut}{}", if cut.len() < line.len() { "…" } else { "" }))?;
        }
        Ok(text)
    }
}

/// Goes on only if it is as told.
pub(super) fn ensure(holds: bool, told: &str) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble(format!("The demo did not go as told: {told}."))) }
}

fn unreadable(what: &str, error: &io::Error) -> Trouble {
    Trouble(format!("The demo cannot read {what} of its directory: {error}."))
}
