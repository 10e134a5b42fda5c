//! The model looked through by both checkers; every bound on its side; every trace lived through again.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::law::Protocol;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};

use super::replay::replay;
use super::*;
use crate::explorer::{Explored, Options, explore, tell};
use crate::model::Property;
use crate::second;
use crate::trace::Trace;

const S11: Property = Property::Rule(Rule::S11);

fn look<L: Law + Copy + Ord>(model: &Bootstrap<L>) -> Explored<Action> {
    let explored = explore(model, Options::default(), &mut |_| {});
    assert!(explored.complete);
    explored
}

fn trace<L: Law + Copy + Ord>(
    model: &Bootstrap<L>,
    kind: Kind,
    path: &crate::explorer::Path<Action>,
) -> Trace {
    Trace::new(Header { kind, ..model.header() }, tell(model, path))
}

/// The shortest counterexample of a model that breaks S11.
fn counterexample(model: &Bootstrap<Variant>) -> Trace {
    let explored = look(model);
    let (_, path) = &explored.breaches[&S11];
    trace(model, Kind::Counterexample, path)
}

fn told(trace: &Trace) -> Vec<String> {
    trace
        .lines
        .iter()
        .map(|line| {
            let Event::Tells { does, .. } = &line.event else { return line.event.to_string() };
            format!("{} {does}", line.host)
        })
        .collect()
}

#[test]
fn under_the_protocol_s11_holds_and_both_checkers_see_the_same_states() {
    let model = Bootstrap::new(Protocol);
    let explored = look(&model);
    assert_eq!(explored.breaches, BTreeMap::new());
    assert_eq!(explored.reached.states, 138_667, "the model has the size that it had when this was written");
    let opinion = second::look(model, 2);
    assert_eq!((opinion.states, opinion.broken), (explored.reached.states, BTreeSet::new()));
}

#[test]
fn three_sessions_of_which_two_die_do_not_break_s11() {
    let model = Bootstrap { sessions: 3, deaths: 2, faults: 0, ..Bootstrap::new(Protocol) };
    let explored = look(&model);
    assert_eq!(explored.breaches, BTreeMap::new());
    assert_eq!(explored.reached.states, 166_413, "the model has the size that it had when this was written");
}

#[test]
fn every_witness_is_reached_and_lived_through_again() {
    let model = Bootstrap::new(Protocol);
    for (name, path) in look(&model).witnesses {
        let path = path.unwrap_or_else(|| panic!("{name} was not reached"));
        let trace = trace(&model, Kind::Witness, &path);
        assert_eq!(replay(&trace), Ok(()), "{name}:\n{trace}");
        let parsed = Trace::parse(&trace.to_ndjson()).unwrap();
        assert_eq!(replay(&parsed), Ok(()));
    }
}

#[test]
fn every_bound_passes_on_one_side_and_fails_on_the_other_with_a_trace() {
    for Bound { name, model, breaks, .. } in bounds() {
        let explored = look(&model);
        let found = explored.breaches.get(&S11).map(|(breach, _)| *breach);
        assert_eq!(found, breaks, "{name}");
        if breaks.is_some() {
            let trace = trace(&model, Kind::Counterexample, &explored.breaches[&S11].1);
            assert_eq!(replay(&trace), Ok(()), "{name}:\n{trace}");
        } else {
            let reached = explored.witnesses.values().all(Option::is_some);
            assert!(reached, "{name} passes, but not because nothing happens");
        }
    }
}

#[test]
fn every_fault_of_the_bootstrap_has_its_bound() {
    let faults = Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Bootstrap);
    for fault in faults {
        let law = Variant::with(fault);
        assert!(bounds().iter().any(|bound| bound.model.law == law && bound.breaks.is_some()), "{fault:?}");
    }
}

#[test]
fn read_first_and_deleted_after_two_sessions_have_it() {
    let model = Bootstrap { faults: 0, ..Bootstrap::new(Variant::with(Fault::ReadThenDelete)) };
    let trace = counterexample(&model);
    let expected = [
        "client 1 leaves",
        "session 1 begins",
        "session 1 reads",
        "session 2 begins",
        "session 2 reads",
        "session 1 takes",
        "session 1 ends",
        "session 2 takes",
        "session 2 ends",
    ];
    assert_eq!(told(&trace), expected, "the shortest");
    assert_eq!(trace.steps(), 7);
    let opinion = second::look(model, 2);
    assert_eq!(opinion.states, look(&model).reached.states);
    assert_eq!(opinion.broken, BTreeSet::from([Property::Rule(Rule::S11)]));
}

#[test]
fn a_line_that_is_changed_left_out_or_told_twice_is_not_lived_through_again() {
    let model = Bootstrap { faults: 0, ..Bootstrap::new(Variant::with(Fault::ReadThenDelete)) };
    let mut traces = vec![counterexample(&model)];
    let protocol = Bootstrap { faults: 1, ..Bootstrap::new(Protocol) };
    let witnesses = look(&protocol).witnesses;
    traces.extend(witnesses.values().flatten().map(|path| trace(&protocol, Kind::Witness, path)));
    for true_one in traces {
        for i in 0..true_one.lines.len() {
            let changed = |change: &dyn Fn(&mut Vec<Line>)| {
                let mut trace = true_one.clone();
                change(&mut trace.lines);
                assert!(replay(&trace).is_err(), "line {i} of\n{true_one}\nas\n{trace}");
            };
            changed(&|lines| lines[i].time += 1);
            changed(&|lines| lines[i].step += 1);
            changed(&|lines| lines[i].host.push('0'));
            changed(&|lines| lines.insert(i, lines[i].clone()));
            if i + 1 < true_one.lines.len() {
                changed(&|lines| drop(lines.remove(i)));
            }
            if let Event::Tells { with, .. } = &true_one.lines[i].event {
                for name in with.keys() {
                    changed(&|lines| {
                        if let Event::Tells { with, .. } = &mut lines[i].event {
                            with.get_mut(name).unwrap().push('1');
                        }
                    });
                }
            }
        }
    }
}

#[test]
fn a_trace_that_is_not_what_its_header_says_is_not_lived_through() {
    let trace =
        counterexample(&Bootstrap { faults: 0, ..Bootstrap::new(Variant::with(Fault::ReadThenDelete)) });
    let with = |change: &dyn Fn(&mut Header)| {
        let mut trace = trace.clone();
        change(&mut trace.header);
        replay(&trace)
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert!(with(&|header| header.law = "protocol".to_owned()).is_err());
    assert!(with(&|header| header.law = "no_such_law".to_owned()).is_err());
    assert!(with(&|header| header.rule = "S1".to_owned()).is_err());
    assert!(with(&|header| header.kind = Kind::Witness).is_err());
    assert!(with(&|header| header.kind = Kind::Lasso).is_err());
    assert!(with(&|header| header.model = "hubs".to_owned()).is_err());
}

#[test]
fn nobody_dies_twice_or_begins_under_the_name_of_another_unless_names_are_reused() {
    let bound = bounds().into_iter().find(|bound| bound.name == "names-reused").unwrap();
    let trace = counterexample(&bound.model);
    assert_eq!(replay(&trace), Ok(()));
    let mut fresh = trace.clone();
    fresh.header.configuration = fresh.header.configuration.replace("names=reused", "names=fresh");
    assert!(replay(&fresh).unwrap_err().contains("there was a session 1 before"));
    let dies = |line: &Line| told_does(line) == Some("dies");
    let mut twice = trace.clone();
    twice.header.kind = Kind::Witness;
    let death = trace.lines.iter().position(dies).unwrap();
    twice.lines.truncate(death + 1);
    assert_eq!(replay(&twice), Ok(()), "up to the death nothing is broken");
    let again = Line { step: twice.steps() + 1, ..trace.lines[death].clone() };
    twice.lines.push(again);
    assert!(replay(&twice).unwrap_err().contains("there is no session 1"));
}

fn told_does(line: &Line) -> Option<&str> {
    let Event::Tells { does, .. } = &line.event else { return None };
    Some(does)
}
