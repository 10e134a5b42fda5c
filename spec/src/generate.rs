//! The generated parts of the documents in `spec/`: what is claimed, by which run, within which bounds, and on which
//! assumptions. No figure there is typed by hand.
//!
//! A generated part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`; everything else in a document
//! is prose, and stays.

mod mutants;

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handoff_kernel::rules::Rule;

use crate::check::{Assumption, Check, Figures, Measured, Method, assumptions, list};
use crate::coverage::Truth;
use crate::hubs::{self, Ask, Config, Faults};
use crate::model::Property;
use crate::profile::Profile;
use crate::trace::{Kind, Trace};

/// The documents that have generated parts.
pub const DOCUMENTS: [&str; 5] =
    ["README.md", "ASSUMPTIONS.md", "LIMITS.md", "MUTANTS.md", "traces/README.md"];

/// What the documents are generated from.
#[derive(Debug)]
pub struct Sources {
    /// What was recorded.
    pub measured: Measured,
    /// The committed traces.
    pub traces: Vec<Trace>,
}

impl Sources {
    /// What was recorded, and the traces in this directory.
    ///
    /// # Errors
    /// Which file cannot be read.
    pub fn read(spec: &Path) -> Result<Self, String> {
        let directory = spec.join("traces");
        let failed = |error: &dyn core::fmt::Display| format!("{}: {error}", directory.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(&directory).map_err(|error| failed(&error))? {
            files.push(entry.map_err(|error| failed(&error))?.path());
        }
        files.sort();
        let mut traces = Vec::new();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "ndjson")) {
            let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            traces.push(Trace::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?);
        }
        Ok(Self { measured: Measured::committed(), traces })
    }

    /// A document with every generated part anew.
    ///
    /// # Errors
    /// Which marker is unknown or has no end.
    pub fn document(&self, text: &str) -> Result<String, String> {
        const BEGIN: &str = "<!-- generated: ";
        const END: &str = "<!-- /generated -->";
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(BEGIN) {
            let line_end = rest[at..].find('\n').ok_or("a marker at the very end of the document")? + at + 1;
            let name = rest[at + BEGIN.len()..line_end].trim_end().trim_end_matches("-->").trim();
            let end = rest[line_end..].find(END).ok_or_else(|| format!("{BEGIN}{name} --> has no {END}"))?;
            out += &rest[..line_end];
            out += &self.part(name)?;
            rest = &rest[line_end + end..];
        }
        Ok(out + rest)
    }

    fn part(&self, name: &str) -> Result<String, String> {
        Ok(match name {
            "claims" => self.claims(),
            "profiles" => self.profiles(),
            "models" => self.models(),
            "assumptions" => assumption_table(),
            "bounds" => bounds(),
            "pairs" => pairs(),
            "traces" => self.trace_table(),
            "faults" => self.faults(),
            "kill matrix" => self.kill_matrix(),
            "needed" => self.needed(),
            "coverage" => coverage()?,
            _ => return Err(format!("there is no generated part {name:?}")),
        })
    }

    fn figures(&self, profile: Profile, check: &str) -> Option<&Figures> {
        self.measured.of(profile.name(), check)
    }

    /// For each rule: assumptions, methods, command, states and edges, wall time, mutants.
    #[must_use]
    pub fn claims(&self) -> String {
        let checks = list(Profile::Ci);
        let assumptions = assumptions();
        let mut out = String::from(
            "| rule | assumes | method | command | states | edges | wall time | mutants it kills |\n\
             | --- | --- | --- | --- | --: | --: | --: | --- |\n",
        );
        for rule in Rule::ALL {
            let holds = |check: &&Check| {
                let method = matches!(check.method, Method::Induction | Method::Model | Method::Liveness);
                method && check.properties.contains(&Property::Rule(rule))
            };
            let mine: Vec<&Check> = checks.iter().filter(holds).collect();
            let figures: Vec<&Figures> =
                mine.iter().filter_map(|check| self.figures(Profile::Ci, &check.id)).collect();
            let _ = writeln!(
                out,
                "| [{rule}](PROTOCOL.md#{}) | {} | {} | `check --profile ci --rule {rule:?}` | {} | {} | {:.1} s | {} |",
                rule.to_string().to_lowercase().replace(' ', "-"),
                assumed(&assumptions, rule),
                methods(&mine),
                grouped(figures.iter().map(|figures| figures.states).sum()),
                grouped(figures.iter().map(|figures| figures.edges).sum()),
                figures.iter().fold(0.0, |sum, figures| sum + figures.seconds),
                self.kills(rule),
            );
        }
        out
    }

    /// The seeded faults that this rule catches.
    fn kills(&self, rule: Rule) -> String {
        let id = format!("{rule:?}");
        let Some(mutants) = self.figures(Profile::Ci, "mutants") else { return "–".into() };
        let killed = mutants.kills.iter().filter(|(_, rules)| rules.contains(&id));
        let names: Vec<String> = killed.map(|(fault, _)| format!("`{fault}`")).collect();
        if names.is_empty() { "–".into() } else { names.join(", ") }
    }

    /// How large each profile was and how long it took; the rates are over what both checkers looked at, side by side,
    /// or, where there was no second opinion, over every model.
    fn profiles(&self) -> String {
        let mut out = String::from(
            "| profile | checks | states | edges | wall time | explorer, generated/s | unique/s | stateright, generated/s | unique/s |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n",
        );
        for profile in Profile::ALL {
            let Some(run) = self.measured.0.get(profile.name()) else { continue };
            let second = run.checks.values().any(|figures| figures.second_seconds.is_some());
            let counts = |figures: &&Figures| {
                if second { figures.second_seconds.is_some() } else { figures.depth > 0 }
            };
            let sum = |of: fn(&Figures) -> u64| run.checks.values().filter(counts).map(of).sum::<u64>();
            let seconds = |of: fn(&Figures) -> f64| run.checks.values().filter(counts).map(of).sum::<f64>();
            let (states, ours) = (sum(|figures| figures.states), seconds(|figures| figures.seconds));
            let theirs = seconds(|figures| figures.second_seconds.unwrap_or_default());
            let _ = writeln!(
                out,
                "| {profile} | {} | {} | {} | {:.0} s | {} | {} | {} | {} |",
                run.checks.len(),
                grouped(run.checks.values().map(|figures| figures.states).sum()),
                grouped(run.checks.values().map(|figures| figures.edges).sum()),
                run.seconds,
                rate(sum(|figures| figures.edges), ours),
                rate(states, ours),
                rate(sum(|figures| figures.second_generated.unwrap_or_default()), theirs),
                rate(states, theirs),
            );
        }
        out
    }

    /// Every model and proof, with its size in each profile.
    fn models(&self) -> String {
        let mut out = String::from(
            "| check | what it looks at | quick | ci | deep | deepest state |\n| --- | --- | --: | --: | --: | --: |\n",
        );
        for check in list(Profile::Ci) {
            if matches!(check.method, Method::Bound | Method::Dropped) {
                continue;
            }
            let figures = Profile::ALL.map(|profile| self.figures(profile, &check.id));
            let [quick, ci, deep] = figures
                .map(|figures| figures.map_or_else(|| "–".to_owned(), |figures| grouped(figures.states)));
            let depth = figures[1].map_or(0, |figures| figures.depth);
            let depth = if depth == 0 { "–".into() } else { depth.to_string() };
            let _ = writeln!(out, "| `{}` | {} | {quick} | {ci} | {deep} | {depth} |", check.id, check.says);
        }
        out
    }

    fn trace_table(&self) -> String {
        let mut out = String::from(
            "| trace | picture | kind | rule | steps | what it shows |\n| --- | --- | --- | --- | --: | --- |\n",
        );
        for trace in &self.traces {
            let header = &trace.header;
            let kind = match header.kind {
                Kind::Counterexample => "breaks",
                Kind::Witness => "witness",
                Kind::Lasso => "lasso",
            };
            let _ = writeln!(
                out,
                "| [{0}]({0}.ndjson) | [svg]({0}.svg) | {kind} | {1} | {2} | {3} |",
                header.name,
                header.rule,
                trace.steps(),
                header.says
            );
        }
        out
    }
}

fn rate(count: u64, seconds: f64) -> String {
    if seconds > 0.0 { format!("{:.0} k", count as f64 / seconds / 1000.0) } else { "–".into() }
}

/// 1234567 as 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How a rule is shown, each method once and how often.
fn methods(checks: &[&Check]) -> String {
    let mut counts: BTreeMap<Method, usize> = BTreeMap::new();
    for check in checks {
        *counts.entry(check.method).or_default() += 1;
    }
    let words = counts.into_iter().map(|(method, count)| match method {
        Method::Induction => method.name().to_owned(),
        Method::Model | Method::Liveness | Method::Bound | Method::Dropped | Method::Mutants => {
            format!("{} ({count})", method.name())
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

fn assumed(assumptions: &[Assumption], rule: Rule) -> String {
    let mine = assumptions.iter().filter(|assumption| assumption.breaks == rule);
    let links: Vec<String> = mine
        .map(|assumption| format!("[{}](ASSUMPTIONS.md#{})", assumption.id, assumption.id.to_lowercase()))
        .collect();
    if links.is_empty() { "–".into() } else { links.join(" ") }
}

fn assumption_table() -> String {
    let mut out = String::from(
        "| id | what is assumed | configuration that drops it | then breaks | trace |\n| --- | --- | --- | --- | --- |\n",
    );
    for Assumption { id, says, check, trace, shows, breaks } in assumptions() {
        let _ = writeln!(
            out,
            "| <a id=\"{}\"></a>{id} | {says} | `check --only {check}` | {breaks:?} | [{trace}](traces/{trace}.ndjson): {shows} |",
            id.to_lowercase()
        );
    }
    out
}

fn pairs() -> String {
    let mut out = String::from("| rule | the bound | holds | one tick beyond |\n| --- | --- | --- | --- |\n");
    for hubs::Bound { says, rule, pass, fail } in hubs::bounds() {
        let _ = writeln!(
            out,
            "| {rule:?} | {says} | `bound/{}`: {} | [bound-{2}](traces/bound-{2}.ndjson): {3} |",
            pass.name, pass.says, fail.name, fail.says,
        );
    }
    out
}

/// How much can happen to one handoff, by the committed list.
fn coverage() -> Result<String, String> {
    let truth = Truth::committed().map_err(|error| error.to_string())?;
    let mut out = String::from("| profile | situations | steps of one handoff |\n| --- | --: | --: |\n");
    for profile in [Profile::Quick, Profile::Ci] {
        let count = |n: usize| grouped(n as u64);
        let (situations, edges) = (truth.situations(profile).len(), truth.edges(profile).count());
        let _ = writeln!(out, "| {profile} | {} | {} |", count(situations), count(edges));
    }
    Ok(out)
}

/// The size of each world of hubs.
fn bounds() -> String {
    let mut out = String::from(
        "| configuration | profile | hubs | clients (requests) | true time | ε | faults at most |\n\
         | --- | --- | --: | --: | --- | --: | --- |\n",
    );
    for profile in Profile::ALL {
        for config in hubs::sound(profile) {
            out += &bounds_of("hubs", profile.name(), &config);
        }
    }
    for config in hubs::live() {
        out += &bounds_of("live", "all", &config);
    }
    out
}

fn bounds_of(kind: &str, profile: &str, config: &Config) -> String {
    let requests: usize = config.clients.iter().map(|client| client.asks.len()).sum();
    let polls = config.clients.iter().flat_map(|client| &client.asks);
    let polls = polls.filter(|ask| matches!(ask, Ask::Poll | Ask::Wait)).count();
    let polls = if polls == 0 { String::new() } else { format!(", {polls} of them polls") };
    let (begin, end) = config.time;
    format!(
        "| `{kind}/{}` | {profile} | {} | {} ({requests}{polls}) | {} ms | {} | {} |\n",
        config.name,
        config.hubs,
        config.clients.len(),
        end - begin,
        config.epsilon,
        faults(config.faults, config.sweeps),
    )
}

fn faults(faults: Faults, sweeps: usize) -> String {
    let Faults { lost_answers, failures, pauses, crashes, losses, doubles, cuts, clock_steps } = faults;
    let all = [
        (usize::from(lost_answers), "lost or late store answers"),
        (usize::from(failures), "store failures"),
        (usize::from(pauses), "pauses"),
        (usize::from(crashes), "crashes"),
        (usize::from(losses), "lost messages"),
        (usize::from(doubles), "doubled messages"),
        (usize::from(cuts), "hubs cut off"),
        (usize::from(clock_steps), "clock steps"),
        (sweeps, "sweeps at once"),
    ];
    let some = all.into_iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
    let words: Vec<String> = some.collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources { measured: Measured::default(), traces: Vec::new() }
    }

    #[test]
    fn what_is_not_generated_stays() {
        let text = "before\n<!-- generated: bounds -->\nold\n<!-- /generated -->\nafter\n";
        let new = sources().document(text).unwrap();
        assert!(new.starts_with("before\n<!-- generated: bounds -->\n| configuration"), "{new}");
        assert!(new.ends_with("|\n<!-- /generated -->\nafter\n"), "{new}");
        assert_eq!(sources().document(&new).unwrap(), new);
        assert_eq!(sources().document("none").unwrap(), "none");
    }

    #[test]
    fn a_marker_that_is_wrong_is_said_to_be() {
        let without_end = "<!-- generated: bounds -->\n";
        assert!(sources().document(without_end).unwrap_err().contains("has no"));
        let unknown = "<!-- generated: nothing -->\n<!-- /generated -->\n";
        assert!(sources().document(unknown).unwrap_err().contains("no generated part"));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
