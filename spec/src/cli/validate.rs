//! `handoff-spec validate-log`: whether what a hub has written is a behaviour of the protocol.

use std::path::PathBuf;

use clap::ValueEnum;
use handoff_kernel::rules::Broken;
use handoff_spec::validate::{Fault, Legal, Verdict, Wrong, validate};
use serde::Serialize;

use super::{BROKEN, HOLDS, counted, print};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A hub's data directory, or the `events/` in one. A hub may be running on it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// For whom it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    let verdict = validate(&args.directory)?;
    match args.format {
        Format::Text => print(&text(&verdict))?,
        Format::Json => print(&(json(&verdict)? + "\n"))?,
    }
    Ok(if verdict.fault.is_none() { HOLDS } else { BROKEN })
}

fn text(verdict: &Verdict) -> String {
    let count = |n: u64, what: &str| counted(usize::try_from(n).unwrap_or(usize::MAX), what);
    if let Some(Fault { file, line, seq, text, wrong }) = &verdict.fault {
        let wrong: String = wrong.to_string().lines().map(|line| format!("  {line}\n")).collect();
        let file = file.display();
        return format!(
            "{file}, line {line} (event {seq}): the first line that no behaviour of the protocol has\n  {text}\n{wrong}"
        );
    }
    let (lines, segments) = (count(verdict.lines, "line"), count(verdict.segments, "segment"));
    let (handoffs, from_start) = (count(verdict.handoffs, "handoff"), verdict.from_start);
    let mut out = format!(
        "{}: a behaviour of the protocol\n  {lines} in {segments} tell of {handoffs}, {from_start} from the start\n",
        verdict.events.display()
    );
    if verdict.first > 1 {
        out += &format!(
            "  the lines before line {} are gone, and are taken for what they must have been\n",
            verdict.first
        );
    }
    if verdict.recovered > 0 {
        out += &format!(
            "  {} written afterwards, in place of what was lost\n",
            count(verdict.recovered, "line")
        );
    }
    if verdict.unfinished {
        out += "  behind the last line there is the begin of another, which counts for nothing\n";
    }
    out
}

#[derive(Serialize)]
struct Json<'v> {
    result: &'static str,
    events: String,
    segments: u64,
    lines: u64,
    first: u64,
    handoffs: u64,
    from_start: u64,
    recovered: u64,
    unfinished: bool,
    fault: Option<JsonFault<'v>>,
}

#[derive(Serialize)]
struct JsonFault<'v> {
    file: String,
    line: u64,
    seq: u64,
    text: &'v str,
    kind: &'static str,
    says: String,
    rules: Vec<JsonRule>,
    legal: Vec<String>,
}

#[derive(Serialize)]
struct JsonRule {
    rule: String,
    statement: &'static str,
    how: &'static str,
}

fn json(verdict: &Verdict) -> Result<String, String> {
    let fault = verdict.fault.as_ref().map(|fault| {
        let (kind, broken, legal) = match &fault.wrong {
            Wrong::Format(_) => ("format", &[][..], &[][..]),
            Wrong::Clock { .. } => ("clock", &[][..], &[][..]),
            Wrong::Rules { broken, legal, .. } => ("rules", &broken[..], &legal[..]),
        };
        let rule = |Broken { rule, how }: &Broken| JsonRule {
            rule: format!("{rule:?}"),
            statement: rule.statement(),
            how,
        };
        JsonFault {
            file: fault.file.display().to_string(),
            line: fault.line,
            seq: fault.seq,
            text: &fault.text,
            kind,
            says: fault.wrong.to_string(),
            rules: broken.iter().map(rule).collect(),
            legal: legal.iter().map(Legal::to_string).collect(),
        }
    });
    let json = Json {
        result: if fault.is_none() { "behaviour" } else { "no_behaviour" },
        events: verdict.events.display().to_string(),
        segments: verdict.segments,
        lines: verdict.lines,
        first: verdict.first,
        handoffs: verdict.handoffs,
        from_start: verdict.from_start,
        recovered: verdict.recovered,
        unfinished: verdict.unfinished,
        fault,
    };
    serde_json::to_string_pretty(&json).map_err(|error| error.to_string())
}
