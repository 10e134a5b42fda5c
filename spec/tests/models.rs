//! The explorer and the models, by what they must say and by what they must not.

use std::collections::BTreeSet;

use handoff_kernel::law::Protocol;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::variant::{Fault, Variant};
use handoff_spec::explorer::{Options, explore, lassos, tell};
use handoff_spec::follow::{follow, follow_named};
use handoff_spec::hubs::{self, Config, Hubs};
use handoff_spec::model::{Breach, Edge, LeadsTo, Model, Property, Story, Witness};
use handoff_spec::profile::Profile;
use handoff_spec::replay::replay;
use handoff_spec::trace::{Event, Header, Kind, Line, Trace};

fn hubs(config: Config) -> Hubs<Protocol> {
    Hubs { law: Protocol, config }
}

/// All configurations that are looked through in no time.
fn small() -> impl Iterator<Item = Config> {
    let quick = ["hubs/life", "hubs/network", "hubs/log"];
    let all = hubs::configurations(Profile::Quick).into_iter();
    all.filter(move |(id, _)| !id.starts_with("hubs/") || quick.contains(&id.as_str()))
        .map(|(_, config)| config)
}

/// Every state, in an ordered set of the states themselves.
fn all_states<M: Model>(model: &M) -> BTreeSet<M::State> {
    let mut known = BTreeSet::new();
    let mut open = model.initial();
    while let Some(state) = open.pop() {
        if !known.insert(state.clone()) {
            continue;
        }
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        open.extend(actions.iter().map(|action| model.next(&state, action, &mut Story::quiet())));
    }
    known
}

/// The set is exact: an ordered set of the states themselves has as many.
#[test]
fn the_explorer_sees_each_state_once() {
    for config in small() {
        let model = hubs(config);
        let known = all_states(&model);
        let found = explore(&model, Options::default(), &mut |_| {});
        assert_eq!(found.reached.states, known.len() as u64, "{}", model.config.name);
        assert!(found.complete);
    }
}

/// Symmetry loses no verdict: it takes exactly those states for one that it calls alike, and what it tells is a way
/// of the model, which the kernel lives through.
#[test]
fn under_symmetry_the_same_is_broken_in_as_many_steps_among_as_many_states_as_are_not_alike() {
    for config in small() {
        let model = hubs(config);
        let name = model.config.name.clone();
        let whole = explore(&model, Options::default(), &mut |_| {});
        let half = explore(&model, Options { symmetry: true, ..Options::default() }, &mut |_| {});
        let steps = |found: &handoff_spec::explorer::Explored<_>| -> Vec<(Property, &'static str, usize)> {
            let all = found.breaches.values();
            all.map(|(breach, path)| (breach.property, breach.how, path.actions.len())).collect()
        };
        assert_eq!(steps(&whole), steps(&half), "{name}");
        let alike: BTreeSet<_> = all_states(&model).into_iter().map(|state| model.canonical(state)).collect();
        assert_eq!(half.reached.states, alike.len() as u64, "{name}");
        for (property, (_, path)) in &half.breaches {
            let header = Header { kind: Kind::Counterexample, rule: property.id(), ..model.header() };
            let trace = Trace::new(header, tell(&model, path));
            assert_eq!(replay(&trace), Ok(()), "{trace}");
        }
    }
}

#[test]
fn a_run_with_too_many_states_says_that_it_was_cut_off() {
    let model = hubs(hubs::smallest());
    let whole = explore(&model, Options::default(), &mut |_| {});
    let cut = explore(&model, Options { max_states: 20, ..Options::default() }, &mut |_| {});
    assert!(whole.complete && !cut.complete);
    assert!(cut.reached.states < whole.reached.states);
}

/// A counterexample under a law with a fault is a trace that the kernel lives through under that law only.
#[test]
fn the_trace_of_a_fault_is_lived_through_under_that_fault_and_not_under_the_protocol() {
    let law = Variant::with(Fault::ConflictOverwritten);
    let model = Hubs { law, config: hubs::smallest() };
    let found = explore(&model, Options::default(), &mut |_| {});
    let (_, path) = &found.breaches[&Property::Rule(Rule::S1)];
    let header = Header { kind: Kind::Counterexample, rule: "S1".into(), ..model.header() };
    let mut trace = Trace::new(header, tell(&model, path));
    assert_eq!(replay(&trace), Ok(()), "{trace}");
    trace.header.law = "protocol".into();
    assert!(replay(&trace).is_err(), "{trace}");
    trace.header.law = "no_such_fault".into();
    assert!(replay(&trace).is_err());
}

/// What a walk tells of a step.
fn walked(to: u8) -> Line {
    Line::at(0, format!("at {to}"), None, Event::Ticks)
}

/// A walk on numbers, to see the lassos of: which steps there are, which must not be put off, and what is promised.
#[derive(Clone)]
struct Walk {
    steps: &'static [(u8, u8, Option<u8>)],
}

impl Model for Walk {
    type State = u8;
    type Action = (u8, Option<u8>);

    fn header(&self) -> Header {
        hubs(Config::PLAIN).header()
    }

    fn initial(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, state: &u8, actions: &mut Vec<(u8, Option<u8>)>) {
        actions
            .extend(self.steps.iter().filter(|(from, ..)| from == state).map(|(_, to, fair)| (*to, *fair)));
    }

    fn next(&self, _state: &u8, action: &(u8, Option<u8>), story: &mut Story) -> u8 {
        story.tell(|| walked(action.0));
        action.0
    }

    fn breach(&self, _state: &u8) -> Option<Breach> {
        None
    }

    fn fairness(&self, _state: &u8, action: &(u8, Option<u8>)) -> Option<u8> {
        action.1
    }

    fn liveness(&self) -> Vec<LeadsTo<u8>> {
        vec![LeadsTo {
            rule: Rule::L1,
            how: "9 never comes",
            from: |state| *state == 0,
            to: |state| *state == 9,
        }]
    }
}

#[test]
fn a_promise_is_broken_by_exactly_the_ways_round_that_are_fair() {
    let lasso = |steps| {
        let live = lassos(&Walk { steps }, Options::default(), &mut |_| {});
        live.lassos.into_iter().next().map(|lasso| {
            (
                lasso.stem.actions.iter().map(|(to, _)| *to).collect::<Vec<_>>(),
                lasso.cycle.iter().map(|(to, _)| *to).collect::<Vec<_>>(),
            )
        })
    };
    // It must be done, and is; nobody must do it, and stands still; it may be put off by going round.
    assert_eq!(lasso(&[(0, 9, Some(1))]), None);
    assert_eq!(lasso(&[(0, 9, None)]), Some((vec![], vec![])));
    assert_eq!(lasso(&[]), Some((vec![], vec![])));
    assert_eq!(lasso(&[(0, 1, Some(1)), (1, 0, Some(1)), (0, 9, Some(2)), (1, 9, Some(2))]), None);
    // Round and round: 2 is not always possible, so that it is never owed for ever.
    assert_eq!(
        lasso(&[(0, 1, Some(1)), (1, 0, Some(1)), (0, 9, Some(2))]),
        Some((vec![], vec![1, 0])),
        "possible at 0 and impossible at 1, again and again"
    );
    // The way round is behind a way there, and has two obligations in it that are both met.
    assert_eq!(
        lasso(&[(0, 3, Some(1)), (3, 4, Some(1)), (4, 3, Some(2)), (3, 3, None), (4, 4, None)]),
        Some((vec![3], vec![4, 3]))
    );
    // An obligation that is met only by leaving: there is no fair way round.
    assert_eq!(lasso(&[(0, 0, Some(1)), (0, 9, Some(2))]), None);
}

/// Refinement and frame can fail: two states of a model that no step lies between.
#[test]
fn a_change_that_is_no_step_is_no_edge() {
    use handoff_kernel::record::State as On;
    let config = hubs::sound(Profile::Quick).into_iter().find(|config| config.name == "pair");
    let model = hubs(config.expect("there is one of this name"));
    let before = model.initial().swap_remove(0);
    let edge = |change: fn(&mut hubs::State<Protocol>)| {
        let mut after = before.clone();
        change(&mut after);
        model.edge(&before, &after)
    };
    let register = |state: &mut hubs::State<Protocol>, handoff: usize, on: On<_>| {
        let stored = &mut std::sync::Arc::make_mut(&mut state.registers[handoff]).stored;
        stored.as_mut().expect("it is on record").record.state = on;
    };
    let expired =
        || On::Rejected(handoff_kernel::record::Rejection::Expired { at: handoff_kernel::time::Time(6) });
    assert_eq!(edge(|_| ()), Edge::Stutter);
    let mut after = before.clone();
    register(&mut after, 0, expired());
    assert_eq!(model.edge(&before, &after), Edge::Step);
    assert!(
        matches!(model.edge(&after, &before), Edge::Breach(breach) if breach.property == Property::Refinement)
    );
    let mut both = after.clone();
    register(&mut both, 1, On::Pending);
    assert!(matches!(model.edge(&before, &both), Edge::Breach(breach) if breach.property == Property::Frame));
    let mut reopened = before.clone();
    register(&mut reopened, 1, On::Pending);
    assert!(
        matches!(model.edge(&before, &reopened), Edge::Breach(breach) if breach.property == Property::Refinement)
    );
}

/// The abstract specification allows its arrows and nothing else.
#[test]
fn the_abstract_specification_has_its_arrows_and_no_other() {
    use handoff_spec::abstract_spec::{Handoff, may_follow};
    let places = [
        Handoff::Unknown,
        Handoff::Waiting,
        Handoff::Taken(1),
        Handoff::Taken(2),
        Handoff::Done(1),
        Handoff::Done(2),
        Handoff::Over(None),
        Handoff::Over(Some(1)),
        Handoff::Over(Some(2)),
        Handoff::Forgotten,
    ];
    let allowed: Vec<(usize, usize)> = (0..places.len())
        .flat_map(|from| (0..places.len()).map(move |to| (from, to)))
        .filter(|(from, to)| may_follow(&places[*from], &places[*to]))
        .collect();
    let arrows = [
        (0, 1),
        (1, 2),
        (1, 3),
        (1, 6),
        (2, 4),
        (2, 7),
        (3, 5),
        (3, 8),
        (4, 9),
        (5, 9),
        (6, 9),
        (7, 9),
        (8, 9),
    ];
    assert_eq!(allowed, arrows);
}

/// Goes from 0 to 3, or from 2 back to 0, which is a breach of its own: no state shows it.
struct Steps;

impl Model for Steps {
    type State = u8;
    type Action = u8;

    fn header(&self) -> Header {
        hubs(Config::PLAIN).header()
    }

    fn initial(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
        actions.extend((*state < 3).then_some(state + 1));
        actions.extend((*state == 2).then_some(0));
        actions.extend((*state == 1).then_some(12));
    }

    fn next(&self, _state: &u8, action: &u8, story: &mut Story) -> u8 {
        story.tell(|| walked(*action));
        action % 10
    }

    fn breach(&self, _state: &u8) -> Option<Breach> {
        None
    }

    /// An action for each way to go, and by 10 more the same step under another name.
    fn witnesses(&self) -> Vec<Witness<u8>> {
        let seen: fn(&u8, &[Line], &u8) -> bool = |_, lines, _| lines.iter().any(|line| line.host == "at 12");
        vec![Witness { rule: Rule::S5, name: "the-other-way", says: "It goes the other way.", seen }]
    }

    fn edge(&self, before: &u8, after: &u8) -> Edge {
        match (before, after) {
            (2, 0) => Edge::Breach(Breach { property: Property::Refinement, how: "it goes back" }),
            (1, 2) => Edge::Stutter,
            _ => Edge::Step,
        }
    }
}

#[test]
fn a_step_that_is_a_breach_by_itself_is_reported_with_the_way_to_it_and_steps_are_counted() {
    let found = explore(&Steps, Options::default(), &mut |_| {});
    let broken: Vec<_> =
        found.breaches.values().map(|(breach, path)| (breach.how, &path.actions[..])).collect();
    assert_eq!(broken, [("it goes back", &[1, 2, 0][..])]);
    assert!(found.breaches.contains_key(&Property::Refinement) && found.in_states.is_empty());
    let witness = found.witnesses["the-other-way"].as_ref().map(|path| &path.actions[..]);
    assert_eq!(witness, Some(&[1, 12][..]), "the other action leads there too, and tells something else");
    // 0 to 1 and 2 to 3; what 1 to 2 changes means nothing.
    assert_eq!((found.reached.edges, found.steps), (5, 2));
}

fn committed() -> Vec<Trace> {
    let spec = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    handoff_spec::generate::Sources::read(spec).expect("they are committed").traces
}

fn committed_as(name: &str) -> Trace {
    committed().into_iter().find(|trace| trace.header.name == name).expect("there is one of this name")
}

/// Each is a way of the model that it names, and ends as it says. No model has no configuration here: a counterexample
/// to induction begins where nothing need lead, and none is committed.
#[test]
fn every_committed_trace_is_a_way_of_its_model_and_ends_as_it_is_called() {
    let followed = committed().into_iter().map(|trace| (follow_named(&trace), trace.header.name));
    let others: Vec<_> = followed.filter(|(followed, _)| *followed != Ok(true)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_trace_that_is_no_way_of_its_model_or_is_about_something_else_is_not_followed() {
    let refused = |trace: &Trace, why: &str| {
        let followed = follow_named(trace);
        assert!(followed.as_ref().is_err_and(|error| error.contains(why)), "{followed:?}, {trace}");
    };
    let witness = committed_as("witness-s9-own-claim-known-again");
    let with = |trace: &Trace, change: fn(&mut Trace)| {
        let mut other = trace.clone();
        change(&mut other);
        other
    };
    refused(&with(&witness, |trace| trace.header.rule = "S1".into()), "S1 has no witness");
    let renamed = with(&witness, |trace| trace.header.name = "witness-s5-the-whole-path".into());
    refused(&renamed, "S9 has no witness");
    let both = with(&renamed, |trace| trace.header.rule = "S5".into());
    refused(&both, "its last step does not show");
    let swapped = with(&witness, |trace| {
        for line in &mut trace.lines {
            line.step = [0, 2, 1, 3, 4, 5][line.step as usize];
        }
        trace.lines.sort_by_key(|line| line.step);
    });
    refused(&swapped, "at step 1 the model cannot");
    refused(
        &with(&witness, |trace| {
            trace.header.records = committed_as("witness-s1-second-accept-refused").header.records;
        }),
        "it begins otherwise",
    );
    refused(&with(&witness, |trace| trace.header.kind = Kind::Counterexample), "S9 is not broken");
    refused(&with(&witness, |trace| trace.header.law = "no_such_fault".into()), "no law");
    let elsewhere = with(&witness, |trace| trace.header.configuration = "nowhere".into());
    assert_eq!(follow_named(&elsewhere), Ok(false));
    let broken = committed_as("dropped-claim-id-used-twice");
    refused(&with(&broken, |trace| trace.header.rule = "S9".into()), "S9 is not broken");

    for name in
        ["dropped-janitor-that-stops", "dropped-losses-without-end", "dropped-poll-not-looked-at-again"]
    {
        let lasso = committed_as(name);
        let rule = if lasso.header.rule == "L1" { "L2" } else { "L1" };
        let mut of_another_rule = lasso.clone();
        of_another_rule.header.rule = rule.into();
        refused(&of_another_rule, "is made and never kept");
        let last = lasso.steps();
        if lasso.header.cycle_from.is_some_and(|from| from <= last) {
            let cut = with(&lasso, |trace| {
                let last = trace.steps();
                trace.lines.retain(|line| line.step < last);
            });
            refused(&cut, "");
        }
    }
}

/// Promises broken by ways round: what is owed must be owed, and what is fair is asked.
#[test]
fn a_way_round_that_is_not_fair_or_breaks_no_promise_is_not_followed() {
    // Each step of a walk tells where it leads.
    let around = |steps, way: &[u8], from| {
        let model = Walk { steps };
        let lines = way.iter().map(|to| vec![walked(*to)]);
        let header =
            Header { kind: Kind::Lasso, rule: "L1".into(), cycle_from: Some(from), ..model.header() };
        follow(&model, &Trace::new(header, [vec![]].into_iter().chain(lines).collect()))
            .map(|way| way.actions.len())
    };
    const ROUND: &[(u8, u8, Option<u8>)] = &[(0, 1, Some(1)), (1, 0, Some(1)), (0, 9, Some(2))];
    const OWED: &[(u8, u8, Option<u8>)] =
        &[(0, 1, Some(1)), (1, 0, Some(1)), (0, 9, Some(2)), (1, 9, Some(2))];
    assert_eq!(around(ROUND, &[1, 0], 1), Ok(2));
    assert_eq!(around(ROUND, &[1, 0, 1, 0], 3), Ok(4));
    assert_eq!(around(&[], &[], 1), Ok(0));
    let why = |steps, way, from| around(steps, way, from).expect_err("it is no fair way round");
    assert!(why(OWED, &[1, 0], 1).contains("not fair"));
    assert!(why(ROUND, &[], 1).contains("not fair"));
    assert!(why(ROUND, &[1], 1).contains("does not come to where it began"));
    assert!(why(ROUND, &[1, 0], 4).contains("at which of its steps"));
    assert!(why(&[(0, 9, None), (9, 9, None)], &[9, 9], 2).contains("never kept"));
    assert!(why(&[(0, 9, None), (9, 0, None)], &[9, 0], 1).contains("never kept"));
}
