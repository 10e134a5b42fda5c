//! A model with rules of its own: both checkers find them broken, and their witnesses are looked for.

use std::collections::BTreeSet;

use handoff_spec::explorer::{Options, counterexample, explore, witness};
use handoff_spec::model::{Breach, Model, Own, Property, Story};
use handoff_spec::picture::Diagram;
use handoff_spec::second;
use handoff_spec::trace::{Event, Header, Line, Trace, Word};

/// Goes up or down from 0, to 3 and to -3 at most.
#[derive(Debug, Clone, Copy)]
struct Lift {
    /// The floors at which it breaks a rule.
    too_high: i8,
    too_low: i8,
    rules: &'static [&'static str],
}

const HIGH: &str = "NotTooHigh";
const LOW: &str = "NotTooLow";
const LIFT: Lift = Lift { too_high: 3, too_low: -2, rules: &[HIGH, LOW] };

impl Model for Lift {
    type State = i8;
    type Action = i8;

    fn header(&self) -> Header {
        Header::of("lift", "seven-floors", "gravity")
    }

    fn initial(&self) -> Vec<i8> {
        vec![0]
    }

    fn actions(&self, floor: &i8, actions: &mut Vec<i8>) {
        actions.extend((*floor < 3).then_some(1));
        actions.extend((*floor > -3).then_some(-1));
    }

    fn next(&self, floor: &i8, action: &i8, story: &mut Story) -> i8 {
        let to = floor + action;
        story.tell(|| Line::at(0, "lift", None, Word::asks("motor", format!("to floor {to}")).into()));
        story.tell(|| Line::at(0, "motor", None, Word::answers("lift", "there it is").into()));
        to
    }

    fn breach(&self, floor: &i8) -> Option<Breach> {
        if *floor >= self.too_high {
            return Some(Breach::own(HIGH, "it is above the roof"));
        }
        (*floor <= self.too_low).then_some(Breach::own(LOW, "it is below the cellar"))
    }

    fn own(&self) -> Vec<Own<i8>> {
        let own = |name: &&'static str| Own {
            name,
            statement: "The lift stays in the house.",
            witness: "It goes as far as it may.",
            seen: |_, _, after| *after == -1,
        };
        self.rules.iter().map(own).collect()
    }
}

#[test]
fn both_checkers_find_each_rule_that_is_broken_and_as_many_states() {
    let found = explore(&LIFT, Options::default(), &mut |_| {});
    let opinion = second::look(LIFT, 1);
    let both = BTreeSet::from([Property::Own(HIGH), Property::Own(LOW)]);
    assert_eq!(found.breaches.keys().copied().collect::<BTreeSet<_>>(), both);
    assert_eq!((opinion.broken, opinion.states), (both, 6));
    assert_eq!(found.reached.states, 6);
    let steps: Vec<_> = found.breaches.values().map(|(_, path)| path.actions.len()).collect();
    assert_eq!(steps, [3, 2], "the shortest of each");

    let high_only = second::look(Lift { too_low: -4, ..LIFT }, 1);
    assert_eq!(high_only.broken, BTreeSet::from([Property::Own(HIGH)]));
    let none = second::look(Lift { too_high: 4, too_low: -4, ..LIFT }, 1);
    assert_eq!((none.broken, none.states), (BTreeSet::new(), 7));
}

#[test]
fn the_witness_of_a_rule_is_looked_for_under_its_name() {
    let found = explore(&LIFT, Options::default(), &mut |_| {});
    assert_eq!(found.witnesses[LOW].as_ref().unwrap().actions, [-1]);
    let nowhere = Lift { too_high: 1, too_low: -1, ..LIFT };
    assert!(explore(&nowhere, Options::default(), &mut |_| {}).witnesses[HIGH].is_some());
    let up_only = Lift { too_low: 0, ..LIFT };
    assert_eq!(explore(&up_only, Options::default(), &mut |_| {}).witnesses[HIGH], None, "it goes nowhere");
}

#[test]
fn a_rule_that_is_not_declared_is_missed_by_the_second_checker_and_so_the_two_differ() {
    let forgotten = Lift { rules: &[HIGH], ..LIFT };
    let found = explore(&forgotten, Options::default(), &mut |_| {});
    assert!(found.breaches.contains_key(&Property::Own(LOW)));
    assert_eq!(second::look(forgotten, 1).broken, BTreeSet::from([Property::Own(HIGH)]));
}

#[test]
#[should_panic(expected = "at most 8 rules of its own")]
fn a_ninth_rule_is_refused() {
    second::look(Lift { rules: &["A", "B", "C", "D", "E", "F", "G", "H", "I"], ..LIFT }, 1);
}

#[test]
#[should_panic(expected = "two rules are of one name")]
fn a_rule_that_is_called_as_one_of_the_protocol_is_refused() {
    second::look(Lift { rules: &["SingleWinner"], ..LIFT }, 1);
}

#[test]
fn a_trace_names_the_rule_and_what_it_demands_and_its_picture_too() {
    let found = explore(&LIFT, Options::default(), &mut |_| {});
    let trace = counterexample(&LIFT, &found.breaches[&Property::Own(LOW)], "too-low", "It falls.");
    let Header { name, rule, demands, says, model, .. } = &trace.header;
    assert_eq!([name, rule, says, model], ["too-low", LOW, "It falls.", "lift"]);
    assert_eq!(demands.as_deref(), Some("The lift stays in the house."));
    assert_eq!(Trace::parse(&trace.to_ndjson()), Ok(trace.clone()));
    let text = trace.to_string();
    assert!(text.contains("NotTooLow demands: The lift stays in the house.\n"), "{text}");
    assert!(text.contains("asks motor: to floor -2") && text.ends_with("this breaks NotTooLow\n"), "{text}");

    let picture = Diagram::of(&trace);
    assert_eq!(picture.verdict.title, "NotTooLow is broken");
    assert_eq!(picture.verdict.rule, "The lift stays in the house.");
    assert_eq!(picture.rows.len(), 4, "two steps, each asked and answered");

    let path = found.witnesses[LOW].as_ref().unwrap();
    let trace = witness(&LIFT, Property::Own(LOW), path, "low", "It goes low.");
    assert_eq!(Diagram::of(&trace).verdict.title, "NotTooLow holds, and this is its interesting case");
    assert!(!trace.to_string().contains("breaks"), "{trace}");
    assert!(trace.lines.iter().all(|line| matches!(line.event, Event::Tells { .. })));
}
