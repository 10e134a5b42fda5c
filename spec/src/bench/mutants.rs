//! Mutants: every seeded fault of the law, and the rules that catch it.
//!
//! Two things are asked. Of each fault, whether the rule that it is named for catches it. And of each rule, whether it is
//! needed: whether there is a fault that nothing catches once that rule is asked for no more. Only rules count: that the
//! abstract specification or the frame is left too would save no rule.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

use handoff_kernel::law::Law as _;
use handoff_kernel::rules::{Rule, Rules};
use handoff_kernel::testing::variant::{Fault, Machine, Variant};

use super::broken_by;
use super::worlds::worlds;
use crate::bootstrap::Bootstrap;
use crate::check::{Expect, Limits, Name, Report, look};
use crate::explorer::Progress;
use crate::proof::{self, Size};
use crate::replay::replay;
use crate::trace::Trace;

/// How a rule catches a fault: the shortest way there, and where it was found.
#[derive(Debug, Clone)]
pub struct Catch {
    /// `induction`, or the name of the world.
    pub world: String,
    /// Which part of the rule says no.
    pub how: String,
    /// The way there.
    pub trace: Trace,
}

/// One fault, and what becomes of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which.
    pub fault: Fault,
    /// Each rule that catches it.
    pub caught: BTreeMap<Rule, Catch>,
}

impl Row {
    /// Whether the rule that it is named for catches it.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.caught.contains_key(&self.fault.caught_by())
    }
}

/// The kill matrix.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// A row a fault, in the order of [`Fault::ALL`].
    pub rows: Vec<Row>,
    /// For each rule a fault that nothing catches without it, if there is one.
    pub needed: BTreeMap<Rule, Option<Fault>>,
    /// How much was looked at.
    pub reached: Progress,
}

impl Matrix {
    /// Tries every fault, and then every rule.
    #[must_use]
    pub fn of_all() -> Self {
        let (rows, first): (Vec<_>, Vec<_>) =
            in_parallel(Fault::ALL.to_vec(), |fault| row(fault, Rules::ALL)).into_iter().unzip();
        let (needed, second): (BTreeMap<_, _>, Vec<_>) = in_parallel(Rule::ALL.to_vec(), |rule| {
            let (fault, reached) = survivor(rule, &rows);
            ((rule, fault), reached)
        })
        .into_iter()
        .unzip();
        let reached = first.into_iter().chain(second).fold(Progress::default(), sum);
        Self { rows, needed, reached }
    }

    /// Every way to a fault that the kernel does not live through again as it is told, and why. The kernel does: a
    /// catch that it does not confirm is a fault of the models.
    #[must_use]
    pub fn unconfirmed(&self) -> Vec<(Fault, Rule, String)> {
        let all = self
            .rows
            .iter()
            .flat_map(|row| row.caught.iter().map(move |(rule, caught)| (row.fault, *rule, &caught.trace)));
        all.filter_map(|(fault, rule, trace)| Some((fault, rule, replay(trace).err()?))).collect()
    }

    /// All that is wrong with it: a fault that its rule does not catch, a rule that is not needed, a way that the kernel does
    /// not go. Each with its rule, as a sentence.
    #[must_use]
    pub fn findings(&self) -> Vec<(Rule, String)> {
        let survivors = self.survivors().map(|row| {
            let caught: Vec<_> = row.caught.keys().map(|rule| format!("{rule:?}")).collect();
            let by = if caught.is_empty() { "nothing".into() } else { caught.join(", ") };
            let how = format!("the fault {} was not caught by it, but by {by}", row.fault.name());
            (row.fault.caught_by(), how)
        });
        let needless = self.needless().map(|rule| {
            let how = "no seeded fault needs it: without it, all that it catches is caught by others";
            (rule, how.to_owned())
        });
        let unconfirmed = self.unconfirmed().into_iter().map(|(fault, rule, why)| {
            let how =
                format!("the kernel does not live through again how it catches {}: {why}", fault.name());
            (rule, how)
        });
        survivors.chain(needless).chain(unconfirmed).collect()
    }

    /// The faults that their rules do not catch.
    pub fn survivors(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_killed())
    }

    /// The rules without which everything would still be caught.
    pub fn needless(&self) -> impl Iterator<Item = Rule> {
        self.needed.iter().filter(|(_, fault)| fault.is_none()).map(|(rule, _)| *rule)
    }
}

/// What catches this fault, of these rules, and how much was looked at.
#[must_use]
pub fn row(fault: Fault, rules: Rules) -> (Row, Progress) {
    let law = Variant::with(fault);
    let mut row = Row { fault, caught: BTreeMap::new() };
    let mut reached = Progress::default();
    if fault.machine() == Machine::Bootstrap {
        let small = Bootstrap { faults: 0, ..Bootstrap::new(law) };
        let name = Name { trace: "bootstrap".into(), says: fault.says().into() };
        let limits = Limits { max_states: u64::from(u32::MAX) - 1, second: false, symmetry: false };
        let report = look(&small, &name, Expect::Holds, limits, &mut |_| {});
        reached = sum(reached, report.reached);
        // The checker of bootstraps asks for its one rule, always: left out, it is left out here.
        if rules.has(Rule::S11) {
            row.add("bootstrap/sessions", report);
        }
        return (row, reached);
    }
    if fault.machine() == Machine::Step {
        let proof = proof::prove_some(&law, Size::QUICK, rules);
        reached.states += proof.records;
        reached.edges += proof.steps + proof.repeats;
        for cti in &proof.broken {
            let trace = proof::trace(cti, &law.name());
            let found = Catch { world: INDUCTION.into(), how: cti.conjunct.to_string(), trace };
            row.caught.entry(cti.rule).or_insert(found);
        }
    }
    for world in worlds() {
        let name = format!("bench/{}", world.name);
        let report = broken_by(law, world, rules);
        reached = sum(reached, report.reached);
        row.add(&name, report);
    }
    (row, reached)
}

impl Row {
    /// Takes note of what was found in a world. What happens in a world is told sooner than what follows by induction
    /// from a record that nobody may ever see.
    fn add(&mut self, world: &str, report: Report) {
        for finding in report.findings {
            let Some(trace) = finding.trace else { continue };
            let id = &trace.header.rule;
            let Some(rule) = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == *id) else { continue };
            let shorter = |known: &Catch| known.world == INDUCTION || trace.steps() < known.trace.steps();
            if self.caught.get(&rule).is_none_or(shorter) {
                self.caught.insert(rule, Catch { world: world.to_owned(), how: finding.how, trace });
            }
        }
    }
}

/// The name of the world that is none: every record, whatever came before.
const INDUCTION: &str = "induction";

/// A fault that nothing catches once this rule is left out: looked for among those that it alone has caught.
fn survivor(rule: Rule, rows: &[Row]) -> (Option<Fault>, Progress) {
    let mut reached = Progress::default();
    let alone = |row: &&Row| row.caught.keys().eq([&rule]);
    for candidate in rows.iter().filter(alone) {
        let (without, looked) = row(candidate.fault, Rules::ALL.without(rule));
        reached = sum(reached, looked);
        if without.caught.is_empty() {
            return (Some(candidate.fault), reached);
        }
    }
    (None, reached)
}

fn sum(a: Progress, b: Progress) -> Progress {
    Progress { states: a.states + b.states, edges: a.edges + b.edges, ..Progress::default() }
}

/// Does this with each, on as many cores as there are; what comes of them is in the order that they were in.
fn in_parallel<T: Send, R: Send>(all: Vec<T>, with: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let queue = Mutex::new(all.into_iter().enumerate());
    let done = Mutex::new(BTreeMap::new());
    let next = || queue.lock().expect("nothing panics while it holds this").next();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, one)) = next() {
                    let result = with(one);
                    done.lock().expect("nothing panics while it holds this").insert(number, result);
                }
            });
        }
    });
    done.into_inner().expect("every thread has ended").into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_needed_only_if_the_fault_is_alive_when_it_is_looked_for_again() {
        let alone = |fault: Fault, rule: Rule| {
            let (mut row, _) = row(fault, Rules::ALL);
            row.caught.retain(|caught, _| *caught == rule);
            assert_eq!(row.caught.len(), 1);
            survivor(rule, &[row]).0
        };
        assert_eq!(alone(Fault::AnybodyDeclines, Rule::S6), Some(Fault::AnybodyDeclines));
        assert_eq!(alone(Fault::AnybodyHolds, Rule::S6), None, "S9 catches it too, whatever the row says");
    }
}
