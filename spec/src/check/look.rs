//! One model, looked at by both checkers at once.

use core::fmt;
use std::thread;

use handoff_kernel::rules::Rule;

use super::{Finding, Limits, Report, Second, Watch};
use crate::ambient::Stopwatch;
use crate::explorer::{Explored, Lasso, Options, Path, explore, lassos, tell};
use crate::model::{Breach, Model, Property};
use crate::second;
use crate::trace::{Header, Kind, Trace};

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Every property holds, and every witness is reached.
    Holds,
    /// This is broken, and no other rule.
    Breaks(Property),
}

/// How traces are named and what they say.
#[derive(Debug, Clone)]
pub struct Name {
    /// The name of the trace of what must fail.
    pub trace: String,
    /// What it shows, in a sentence.
    pub says: String,
}

/// Looks at a model with both checkers.
pub fn look<M>(model: &M, name: &Name, expect: Expect, limits: Limits, watch: Watch<'_>) -> Report
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Send + Sync + 'static,
    M::Action: Send + Sync + 'static,
{
    let other = (limits.second && !limits.symmetry).then(|| {
        let model = model.clone();
        thread::spawn(move || {
            let watch = Stopwatch::start();
            let opinion = second::look(model, 1);
            (opinion, watch.elapsed().as_secs_f64())
        })
    });
    let stopwatch = Stopwatch::start();
    let options = Options { symmetry: limits.symmetry, max_states: limits.max_states };
    let found = explore(model, options, watch);
    let mut look = Look { model, name, expect, found, report: Report::default() };
    look.report.reached = look.found.reached;
    look.report.initial = model.initial().len() as u64;
    look.report.truncated = !look.found.complete;
    look.breaches();
    look.witnesses();
    look.promises(options, watch);
    look.report.seconds = stopwatch.elapsed().as_secs_f64();
    if let Some(other) = other {
        let (opinion, seconds) =
            other.join().expect("stateright does not panic on a model that we looked through");
        look.compare(&opinion);
        let second::Opinion { states, generated, .. } = opinion;
        look.report.second = Some(Second { states, generated, seconds });
    }
    look.report
}

struct Look<'m, M: Model> {
    model: &'m M,
    name: &'m Name,
    expect: Expect,
    found: Explored<M::Action>,
    report: Report,
}

impl<M: Model> Look<'_, M> {
    fn header(&self, kind: Kind, name: String, rule: Property, says: String) -> Header {
        Header { kind, name, rule: rule.id(), says, ..self.model.header() }
    }

    fn counterexample(&self, breach: &Breach, path: &Path<M::Action>, expected: bool) -> Trace {
        let (name, says) = if expected {
            (self.name.trace.clone(), self.name.says.clone())
        } else {
            let name = format!("broken-{}-{}", breach.property.id().to_lowercase(), self.name.trace);
            (name, format!("It should hold and does not: {}.", breach.how))
        };
        let header = self.header(Kind::Counterexample, name, breach.property, says);
        Trace::new(header, tell(self.model, path))
    }

    fn breaches(&mut self) {
        let expected = |property: Property| self.expect == Expect::Breaks(property);
        let mut findings = Vec::new();
        let mut traces = Vec::new();
        for (property, (breach, path)) in &self.found.breaches {
            // Where a rule is to break, the abstract specification is left as well, as a matter of course.
            let follows = *property == Property::Refinement && self.expect != Expect::Holds;
            let trace = self.counterexample(breach, path, expected(*property));
            if expected(*property) {
                traces.push(trace);
            } else if !follows {
                findings.push(Finding {
                    property: property.to_string(),
                    how: breach.how.to_owned(),
                    trace: Some(trace),
                });
            }
        }
        self.report.findings.extend(findings);
        self.report.traces.extend(traces);
        let Expect::Breaks(property) = self.expect else { return };
        let lives = matches!(property, Property::Rule(Rule::L1 | Rule::L2 | Rule::L3));
        if !lives && !self.found.breaches.contains_key(&property) && self.found.complete {
            self.never_broken(property);
        }
    }

    fn never_broken(&mut self, property: Property) {
        self.report.findings.push(Finding {
            property: property.to_string(),
            how: format!("it must break here, and does not: {}", self.name.says),
            trace: None,
        });
    }

    fn witnesses(&mut self) {
        let mut findings = Vec::new();
        let mut traces = Vec::new();
        for witness in self.model.witnesses() {
            match self.found.witnesses.get(witness.name) {
                Some(Some(path)) => {
                    let rule = Property::Rule(witness.rule);
                    let name = format!("witness-{}-{}", rule.id().to_lowercase(), witness.name);
                    let header = self.header(Kind::Witness, name, rule, witness.says.to_owned());
                    traces.push(Trace::new(header, tell(self.model, path)));
                }
                Some(None) | None if self.expect == Expect::Holds && self.found.complete => {
                    findings.push(Finding {
                        property: format!("Witness of {}", witness.rule),
                        how: format!("never reached: {}", witness.says),
                        trace: None,
                    });
                }
                Some(None) | None => {}
            }
        }
        // What a model that must fail reaches on the way there is nothing to keep.
        if self.expect == Expect::Holds {
            self.report.traces.extend(traces);
            self.report.findings.extend(findings);
        }
    }

    fn promises(&mut self, options: Options, watch: Watch<'_>) {
        let promises = self.model.liveness();
        if promises.is_empty() {
            if let Expect::Breaks(property @ Property::Rule(Rule::L1 | Rule::L2 | Rule::L3)) = self.expect {
                self.never_broken(property);
            }
            return;
        }
        let live = lassos(self.model, options, watch);
        self.report.truncated |= !live.complete;
        for (promise, made) in promises.iter().zip(&live.promised) {
            if *made == 0 && live.complete && self.expect == Expect::Holds {
                self.report.findings.push(Finding {
                    property: promise.rule.to_string(),
                    how: format!("the promise is never made, and so cannot be broken: {}", promise.how),
                    trace: None,
                });
            }
        }
        let expected = |lasso: &Lasso<M::Action>| self.expect == Expect::Breaks(lasso.breach.property);
        let mut findings = Vec::new();
        let mut traces = Vec::new();
        for lasso in &live.lassos {
            let trace = self.lasso(lasso, expected(lasso));
            if expected(lasso) {
                traces.push(trace);
            } else {
                findings.push(Finding {
                    property: lasso.breach.property.to_string(),
                    how: lasso.breach.how.to_owned(),
                    trace: Some(trace),
                });
            }
        }
        self.report.findings.extend(findings);
        // Of the rule that must break, each promise must: one that is broken must not hide one that cannot be.
        for promise in &promises {
            let property = Property::Rule(promise.rule);
            let breaks = live.lassos.iter().any(|lasso| lasso.breach.how == promise.how);
            if self.expect == Expect::Breaks(property) && live.complete && !breaks {
                self.never_broken(property);
            }
        }
        // One is enough to show it.
        self.report.traces.extend(traces.into_iter().next());
    }

    fn lasso(&self, lasso: &Lasso<M::Action>, expected: bool) -> Trace {
        let (name, says) = if expected {
            (self.name.trace.clone(), self.name.says.clone())
        } else {
            let name = format!("broken-{}-{}", lasso.breach.property.id().to_lowercase(), self.name.trace);
            (name, format!("It should come and does not: {}.", lasso.breach.how))
        };
        let mut header = self.header(Kind::Lasso, name, lasso.breach.property, says);
        let stem = u32::try_from(lasso.stem.actions.len()).expect("a short way");
        header.cycle_from = Some(stem + 1);
        let mut path = lasso.stem.clone();
        path.actions.extend(lasso.cycle.iter().cloned());
        Trace::new(header, tell(self.model, &path))
    }

    fn compare(&mut self, opinion: &second::Opinion) {
        let broken = &self.found.in_states;
        let mut differ = |what: &str, ours: &dyn fmt::Debug, theirs: &dyn fmt::Debug| {
            self.report.findings.push(Finding {
                property: "Opinion".into(),
                how: format!("the two checkers differ in {what}: {ours:?} here, {theirs:?} by stateright"),
                trace: None,
            });
        };
        let states = self.found.reached.states;
        if self.found.complete && states != opinion.states {
            differ("the number of unique states", &states, &opinion.states);
        }
        if self.found.complete && *broken != opinion.broken {
            differ("what is broken", broken, &opinion.broken);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::hubs::{Config, Hubs};
    use crate::model::{LeadsTo, Story, Witness};
    use handoff_kernel::law::Protocol;

    /// Counts to three. What it breaks, promises and shows is set.
    #[derive(Debug, Clone, Copy)]
    struct Count {
        broken_at: Option<u8>,
        promises: bool,
        witness: bool,
    }

    impl Model for Count {
        type State = u8;
        type Action = ();

        fn header(&self) -> Header {
            Hubs { law: Protocol, config: Config::PLAIN }.header()
        }

        fn initial(&self) -> Vec<u8> {
            vec![0]
        }

        fn actions(&self, state: &u8, actions: &mut Vec<()>) {
            if *state < 3 {
                actions.push(());
            }
        }

        fn next(&self, state: &u8, (): &(), _story: &mut Story) -> u8 {
            state + 1
        }

        fn breach(&self, state: &u8) -> Option<Breach> {
            (self.broken_at == Some(*state)).then_some(Breach::of(Rule::S5, "it came so far"))
        }

        fn witnesses(&self) -> Vec<Witness<u8>> {
            let never =
                Witness { rule: Rule::S5, name: "never", says: "Never.", seen: |_, _, after| *after > 3 };
            if self.witness { vec![never] } else { Vec::new() }
        }

        fn liveness(&self) -> Vec<LeadsTo<u8>> {
            let never = LeadsTo { rule: Rule::L1, how: "unmade", from: |state| *state > 3, to: |_| false };
            if self.promises { vec![never] } else { Vec::new() }
        }
    }

    const PLAIN: Count = Count { broken_at: None, promises: false, witness: false };

    fn found(model: Count, expect: Expect) -> Vec<String> {
        let name = Name { trace: "count".into(), says: "It counts.".into() };
        let limits = Limits { max_states: 100, second: true, symmetry: false };
        let report = look(&model, &name, expect, limits, &mut |_| {});
        report.findings.into_iter().map(|finding| finding.property).collect()
    }

    #[test]
    fn whatever_is_not_as_it_must_be_is_found() {
        let s5 = Expect::Breaks(Property::Rule(Rule::S5));
        let broken = Count { broken_at: Some(2), ..PLAIN };
        assert_eq!(found(PLAIN, Expect::Holds), [""; 0]);
        assert_eq!(found(broken, s5), [""; 0]);
        assert_eq!(found(broken, Expect::Holds), ["S5 LegalPath"]);
        assert_eq!(found(PLAIN, s5), ["S5 LegalPath"], "it must fail and does not");
        assert_eq!(
            found(PLAIN, Expect::Breaks(Property::Rule(Rule::L1))),
            ["L1 Resolves"],
            "it promises nothing"
        );
        assert_eq!(found(Count { witness: true, ..PLAIN }, Expect::Holds), ["Witness of S5 LegalPath"]);
        assert_eq!(found(Count { promises: true, ..PLAIN }, Expect::Holds), ["L1 Resolves"]);
    }

    #[test]
    fn two_checkers_that_differ_are_found() {
        let name = Name { trace: "count".into(), says: "It counts.".into() };
        let explored = explore(&PLAIN, Options::default(), &mut |_| {});
        let report = Report::default();
        let mut look = Look { model: &PLAIN, name: &name, expect: Expect::Holds, found: explored, report };
        look.compare(&second::Opinion { states: 4, generated: 4, broken: BTreeSet::new() });
        assert!(look.report.findings.is_empty());
        look.compare(&second::Opinion {
            states: 5,
            generated: 5,
            broken: BTreeSet::from([Property::Rule(Rule::S1)]),
        });
        assert_eq!(look.report.findings.len(), 2, "{:?}", look.report.findings);
    }
}
