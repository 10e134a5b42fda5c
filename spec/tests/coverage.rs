//! What happens to one handoff: seen alike in a model's states and in what a run tells, and listed whole.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;

use handoff_kernel::law::{Law, Protocol};
use handoff_spec::coverage::{Edge, Seen, Truth, configurations, explore, explore_all, project, watch};
use handoff_spec::follow::follow;
use handoff_spec::hubs::{self, Action, Config, Hubs, State};
use handoff_spec::model::{Model, Story};
use handoff_spec::profile::Profile;
use handoff_spec::replay::law;
use handoff_spec::trace::Trace;

type Step<L> = (State<L>, Action, State<L>);

/// What these steps are, by the states of the model.
fn projected<L: Law + Ord>(model: &Hubs<L>, steps: &[Step<L>]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (state, action, next) in steps {
        project(model, state, action, next, &mut |edge| edges.push(edge));
    }
    edges.sort();
    edges
}

/// What was seen, each as often as it was.
fn as_often(seen: &Seen) -> Vec<Edge> {
    assert_eq!(seen.strays, 0);
    let each = seen.edges.iter();
    each.flat_map(|(edge, count)| (0..*count).map(move |_| *edge)).collect()
}

#[test]
fn the_committed_traces_of_hubs_show_what_the_states_of_their_models_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "ndjson") {
            continue;
        }
        let trace = Trace::parse(&fs::read_to_string(&file).unwrap()).unwrap();
        if trace.header.model != "hubs" {
            assert!(watch(&trace).is_err(), "{} is told in other words", trace.header.name);
            continue;
        }
        let configuration = &trace.header.configuration;
        let named = |(_, config): &(String, Config)| config.name == *configuration;
        let (_, config) = hubs::configurations(Profile::Quick).into_iter().find(named).unwrap();
        let model = Hubs { law: law(&trace.header.law).unwrap(), config };
        let way = follow(&model, &trace).unwrap();
        let mut steps: Vec<_> = way.states.windows(2).zip(&way.actions).collect();
        let mut lines = trace.lines.clone();
        // In the step that breaks a rule the model stands still and tells no answer.
        if steps.last().is_some_and(|(states, _)| states[1].breach.is_some()) {
            steps.pop();
            lines.retain(|line| line.step < trace.steps());
        }
        let steps: Vec<_> =
            steps.into_iter().map(|(two, action)| (two[0].clone(), action.clone(), two[1].clone())).collect();
        let seen = watch(&Trace { lines, ..trace.clone() }).unwrap();
        assert_eq!(as_often(&seen), projected(&model, &steps), "{}", trace.header.name);
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

/// A walk of so many steps, chosen by a number.
fn walk(model: &Hubs<Protocol>, mut seed: u64, length: usize) -> (Vec<Step<Protocol>>, Trace) {
    let mut choose = |among: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % among as u64).unwrap()
    };
    let mut initial = model.initial();
    let mut state = initial.swap_remove(choose(initial.len()));
    let mut told = vec![model.opening(&state)];
    let mut steps = Vec::new();
    for _ in 0..length {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        if actions.is_empty() {
            break;
        }
        let action = actions.swap_remove(choose(actions.len()));
        let mut story = Story::open();
        let next = model.next(&state, &action, &mut story);
        told.push(story.lines());
        steps.push((state, action, next.clone()));
        state = next;
    }
    let trace = Trace::new(model.header(), told);
    (steps, trace)
}

#[test]
fn a_walk_through_a_model_tells_what_its_states_show() {
    let mut all = Seen::default();
    for (id, config) in configurations(Profile::Ci) {
        let model = Hubs { law: Protocol, config };
        for seed in 0..40 {
            let (steps, trace) = walk(&model, seed, 80);
            let seen = watch(&trace).unwrap();
            assert_eq!(as_often(&seen), projected(&model, &steps), "{id}, seed {seed}\n{trace}");
            all.merge(&seen);
        }
    }
    let truth = Truth::committed().unwrap();
    let unknown: Vec<_> =
        all.edges.keys().filter(|edge| !truth.edges(Profile::Ci).any(|listed| listed == *edge)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let share = truth.share_of_edges(Profile::Ci, &all);
    assert!(!share.is_at_least(95), "a few walks do not show it all: {share}");
    assert_eq!(share.seen + truth.missing(Profile::Ci, &all).len(), share.of);
}

/// Checkers of histories and the order of hubs decide nothing.
#[test]
fn looking_at_fewer_states_shows_no_fewer_steps() {
    let small = ["hubs/life", "hubs/overtaken", "hubs/log", "hubs/unavailable", "bound/retention-2"];
    for (id, config) in configurations(Profile::Quick) {
        if !small.contains(&id.as_str()) {
            continue;
        }
        let model = Hubs { law: Protocol, config };
        let mut whole = std::collections::BTreeSet::new();
        let mut known = std::collections::BTreeSet::new();
        let mut open = model.initial();
        while let Some(state) = open.pop() {
            if !known.insert(state.clone()) {
                continue;
            }
            let mut actions = Vec::new();
            model.actions(&state, &mut actions);
            for action in &actions {
                let next = model.next(&state, action, &mut Story::quiet());
                project(&model, &state, action, &next, &mut |edge| {
                    whole.insert(edge);
                });
                open.push(next);
            }
        }
        let (seen, states) = explore(&model.config);
        assert!(states < known.len() as u64, "{id}");
        assert!(seen.edges.keys().eq(&whole), "{id}");
    }
}

#[test]
fn the_list_is_what_the_models_show_and_reads_back_as_it_is_written() {
    let listed = Truth::committed().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("coverage.txt");
    assert_eq!(listed.render(), fs::read_to_string(file).unwrap());
    let mut quick = Truth::default();
    for explored in explore_all(Profile::Quick) {
        quick.add(Profile::Quick, &explored.seen);
    }
    let differ = "handoff-spec coverage says what differs";
    assert!(quick.edges(Profile::Quick).eq(listed.edges(Profile::Quick)), "{differ}");
    assert!(listed.edges(Profile::Ci).count() > listed.edges(Profile::Quick).count());
    for edge in listed.edges(Profile::Ci).step_by(100) {
        assert_eq!(edge.to_string().parse(), Ok(*edge));
    }
    let right = "pending\n+ accept loads: held | accept heard\n";
    let read = Truth::parse(right).unwrap();
    let [edge] = read.edges(Profile::Ci).collect::<Vec<_>>()[..] else { panic!("it is one edge") };
    assert_eq!(edge.to_string(), "pending | accept loads: held | pending, accept heard");
    for (from, to) in
        [("pending\n", ""), ("+", "-"), ("loads", "lacks"), ("accept heard", "gone"), ("|", "/")]
    {
        assert!(Truth::parse(&right.replacen(from, to, 1)).is_err(), "{from} {to}");
    }
    assert!("pending, accept heard, accept heard | a hub crashes | pending".parse::<Edge>().is_err());
}
