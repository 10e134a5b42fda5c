//! `handoff-spec mutants`: every seeded fault, and the rules that catch it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use handoff_kernel::rules::{Rule, Rules};
use handoff_kernel::testing::variant::Fault;
use handoff_spec::ambient::Stopwatch;
use handoff_spec::bench::mutants::{Catch, Matrix, Row, row};
use handoff_spec::explorer::Progress;
use handoff_spec::trace::Trace;
use serde::Serialize;

use super::{BROKEN, HOLDS, counted, print};
use crate::run::{make_directory, write_trace};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these faults, each with the way to every rule that catches it; none is all of them, and every rule besides
    #[arg(value_name = "FAULT", value_parser = fault)]
    faults: Vec<Fault>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the way to each rule that catches a fault (NDJSON) and its picture into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// For whom it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| {
        let names: Vec<_> = Fault::ALL.into_iter().map(Fault::name).collect();
        format!("there is no such fault; there are {}", names.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    if let Some(out) = &args.out {
        make_directory(out)?;
    }
    let stopwatch = Stopwatch::start();
    let all = args.faults.is_empty();
    let matrix = if all { Matrix::of_all() } else { some(&args.faults) };
    let seconds = stopwatch.elapsed().as_secs_f64();
    if let Some(out) = &args.out {
        for (row, rule, caught) in catches(&matrix) {
            write_trace(out, &told(row, rule, caught))?;
        }
    }
    match args.format {
        Format::Text => print(&text(&matrix, !all, seconds))?,
        Format::Json => print(&(json(&matrix, seconds)? + "\n"))?,
    }
    let findings = matrix.findings();
    for (rule, how) in &findings {
        eprintln!("handoff-spec: {rule}: {how}");
    }
    Ok(code(&findings))
}

fn code(findings: &[(Rule, String)]) -> u8 {
    if findings.is_empty() { HOLDS } else { BROKEN }
}

/// The matrix of these faults, and of no rule.
fn some(faults: &[Fault]) -> Matrix {
    let mut matrix = Matrix { rows: Vec::new(), needed: BTreeMap::new(), reached: Progress::default() };
    for fault in faults {
        let (row, reached) = row(*fault, Rules::ALL);
        matrix.rows.push(row);
        matrix.reached.states += reached.states;
        matrix.reached.edges += reached.edges;
    }
    matrix
}

fn catches(matrix: &Matrix) -> impl Iterator<Item = (&Row, Rule, &Catch)> {
    matrix.rows.iter().flat_map(|row| row.caught.iter().map(move |(rule, caught)| (row, *rule, caught)))
}

/// The way there, under a name of its own, with what is wrong and what comes of it.
fn told(row: &Row, rule: Rule, caught: &Catch) -> Trace {
    let mut trace = caught.trace.clone();
    trace.header.name = format!("{}-{rule:?}", row.fault.name()).to_lowercase();
    trace.header.says = format!("What is wrong: {} Then {}.", row.fault.says(), caught.how);
    trace
}

fn steps(caught: &Catch) -> String {
    counted(caught.trace.steps() as usize, "step")
}

fn text(matrix: &Matrix, ways: bool, seconds: f64) -> String {
    let mut out = String::new();
    for row in &matrix.rows {
        out += &line(row);
        if ways {
            out += &format!("  {}\n", row.fault.says());
            for (rule, caught) in &row.caught {
                out += &format!("\n  {rule}: {}, in {}, in {}\n", caught.how, steps(caught), caught.world);
                let way = told(row, *rule, caught).to_string();
                out += &way.lines().map(|line| format!("    {line}\n")).collect::<String>();
            }
            out.push('\n');
        }
    }
    let (all, alive) = (matrix.rows.len(), matrix.survivors().count());
    out += &format!(
        "\n{}, {} killed, each by the rule that it is named for; {alive} alive\n",
        counted(all, "fault"),
        all - alive
    );
    if !matrix.needed.is_empty() {
        out += "\nwithout this rule, nothing catches this fault:\n";
    }
    for (rule, fault) in &matrix.needed {
        let fault = fault.map_or("nothing: all that it catches is caught by others", Fault::name);
        out += &format!("  {:<22} {fault}\n", rule.to_string());
    }
    let Progress { states, edges, .. } = matrix.reached;
    out + &format!("\n{states} states, {edges} edges, {seconds:.1} s\n")
}

fn line(row: &Row) -> String {
    let Row { fault, caught } = row;
    let by = fault.caught_by();
    let others: Vec<_> = caught.keys().filter(|rule| **rule != by).map(|rule| format!("{rule:?}")).collect();
    let how = match caught.get(&by) {
        Some(caught) => format!("{by}, in {}, in {}", steps(caught), caught.world),
        None => format!("NOT {by}"),
    };
    let word = if row.is_killed() { "killed" } else { "ALIVE " };
    let others = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
    format!("{word} {:<28} {:<9} {how}{others}\n", fault.name(), fault.machine().name())
}

#[derive(Serialize)]
struct Json<'m> {
    faults: Vec<JsonFault<'m>>,
    /// For each rule a fault that nothing catches without it.
    needed: BTreeMap<String, Option<&'m str>>,
    states: u64,
    edges: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct JsonFault<'m> {
    name: &'m str,
    says: &'m str,
    machine: &'m str,
    caught_by: String,
    killed: bool,
    catches: Vec<JsonCatch<'m>>,
}

#[derive(Serialize)]
struct JsonCatch<'m> {
    rule: String,
    how: &'m str,
    world: &'m str,
    steps: u32,
}

fn json(matrix: &Matrix, seconds: f64) -> Result<String, String> {
    let faults = matrix.rows.iter().map(|row| JsonFault {
        name: row.fault.name(),
        says: row.fault.says(),
        machine: row.fault.machine().name(),
        caught_by: format!("{:?}", row.fault.caught_by()),
        killed: row.is_killed(),
        catches: row
            .caught
            .iter()
            .map(|(rule, caught)| JsonCatch {
                rule: format!("{rule:?}"),
                how: &caught.how,
                world: &caught.world,
                steps: caught.trace.steps(),
            })
            .collect(),
    });
    let needed = matrix.needed.iter().map(|(rule, fault)| (format!("{rule:?}"), fault.map(Fault::name)));
    let Progress { states, edges, .. } = matrix.reached;
    let json = Json { faults: faults.collect(), needed: needed.collect(), states, edges, seconds };
    serde_json::to_string_pretty(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_with_the_matrix_is_no_pass() {
        assert_eq!(code(&[]), HOLDS);
        assert_eq!(code(&[(Rule::S1, "it is blind".into())]), BROKEN);
    }
}
