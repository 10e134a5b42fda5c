use std::collections::BTreeSet;

use super::replay::{key, real, real_receipt, replay};
use super::*;
use handoff_kernel::json::Document;
use handoff_kernel::seal::verify;

use crate::explorer::{Explored, Options, Path, explore, lassos, tell};
use crate::model::Property;
use crate::second::look;
use crate::trace::{Event, Trace};

fn explored(model: &Malice) -> Explored<Action> {
    let explored = explore(model, Options::default(), &mut |_| {});
    assert!(explored.complete, "{}", model.name);
    explored
}

fn trace(model: &Malice, kind: Kind, path: &Path<Action>) -> Trace {
    Trace::new(Header { kind, ..model.header() }, tell(model, path))
}

fn named(name: &str) -> Malice {
    configurations().into_iter().find(|c| c.name == name).unwrap().model
}

/// Each configuration that holds, and its unique states by both checkers.
const HOLDS: [(&str, u64); 4] = [
    ("regardless-ids", 27_444),
    ("regardless-pairs", 6298),
    ("regardless-both-ways", 5929),
    ("honest", 3020),
];

#[test]
fn what_holds_regardless_is_unbroken_and_both_checkers_see_as_many_states() {
    let holding = configurations().into_iter().filter(|c| c.expectation == Expectation::Holds);
    let counted: Vec<_> = holding
        .map(|c| {
            let found = explored(&c.model);
            assert_eq!(found.breaches.len(), 0, "{}: {:?}", c.name, found.breaches);
            let second = look(c.model.clone(), 1);
            assert_eq!((second.states, second.broken), (found.reached.states, BTreeSet::new()), "{}", c.name);
            for (name, path) in found.witnesses {
                let path = path.unwrap_or_else(|| panic!("{}: {name} is never seen", c.name));
                replay(&trace(&c.model, Kind::Witness, &path)).unwrap();
            }
            (c.name, found.reached.states)
        })
        .collect();
    assert_eq!(counted, HOLDS);
}

/// Each configuration that breaks a rule: which, and in how many steps; of a lasso those of the way there.
const BREAKS: [(&str, Rule, &str, usize); 18] = [
    ("two-winners", Rule::S1, "two claims of one handoff were acknowledged", 7),
    ("stranger-claims", Rule::S2, "another than the target accepted, completed or rejected", 2),
    ("reopened", Rule::S4, "a terminal record was changed", 5),
    ("denied", Rule::S7, "an acknowledged start was not found by its target", 4),
    ("changed-its-mind", Rule::S9, "a command that took effect was told that it did not", 5),
    ("invented-event", Rule::S10, "the log has an event that is not the next transition", 1),
    ("younger-first", Rule::S12, "a poll showed another handoff than the oldest, or none", 3),
    ("false-author", Rule::S13, "a start was acknowledged to another than its author", 1),
    ("no-janitor", Rule::L1, "an overdue handoff stays pending for ever", 2),
    ("withheld", Rule::L2, "a poll is never answered although a handoff stays pending", 1),
    ("silence", Rule::L3, "a command is never answered", 3),
    ("empty-poll", Rule::S12, "a poll showed another handoff than the oldest, or none", 2),
    ("respelled", Rule::S8, "other bytes were delivered than were started", 2),
    ("loser-shown-as-holder", Rule::S8, HELD, 4),
    ("forged", Rule::S8, ARTIFACT, 1),
    ("unverified", Rule::S8, ARTIFACT, 1),
    ("unverified-receipt", Rule::S8, RECEIPT, 2),
    ("shared-key", Rule::S8, ARTIFACT, 1),
];

#[test]
fn each_configuration_breaks_exactly_its_rule_and_every_trace_is_replayed_with_real_keys() {
    let mut broken = Vec::new();
    for c in configurations() {
        let Expectation::Breaks(Property::Rule(rule)) = c.expectation else { continue };
        let mut found = explored(&c.model);
        let (breach, kind, path) = if matches!(rule, Rule::L1 | Rule::L2 | Rule::L3) {
            assert!(found.breaches.is_empty(), "{}", c.name);
            let mut live = lassos(&c.model, Options::default(), &mut |_| {});
            assert_eq!((live.complete, live.lassos.len()), (true, 1), "{}", c.name);
            let lasso = live.lassos.remove(0);
            assert_eq!(lasso.cycle, [], "{}: nothing needs to happen when all is withheld", c.name);
            (lasso.breach, Kind::Lasso, lasso.stem)
        } else {
            let second = look(c.model.clone(), 1);
            assert_eq!(second.states, found.reached.states, "{}", c.name);
            assert_eq!(second.broken, BTreeSet::from([Property::Rule(rule)]), "{}", c.name);
            assert_eq!(found.breaches.len(), 1, "{}: {:?}", c.name, found.breaches);
            let (breach, path) = found.breaches.remove(&Property::Rule(rule)).unwrap();
            (breach, Kind::Counterexample, path)
        };
        assert_eq!(breach.property, Property::Rule(rule), "{}", c.name);
        let trace = trace(&c.model, kind, &path);
        replay(&trace).unwrap_or_else(|why| panic!("{why}\n{trace}"));
        assert_eq!(Trace::parse(&trace.to_ndjson()), Ok(trace));
        broken.push((c.name, rule, breach.how, path.actions.len()));
    }
    assert_eq!(broken, BREAKS, "{broken:#?}");
}

#[test]
fn an_honest_hub_keeps_the_promises_and_each_is_made() {
    let live = lassos(&named("honest"), Options::default(), &mut |_| {});
    assert!(live.complete && live.lassos.is_empty(), "{:?}", live.lassos);
    assert!(live.promised.iter().all(|promised| *promised > 0), "{:?}", live.promised);
}

#[test]
fn what_one_tampers_with_the_replay_sees() {
    let model = named("regardless-ids");
    let found = explored(&model);
    let path = found.witnesses["altered-artifact"].as_ref().unwrap();
    let good = trace(&model, Kind::Witness, path);
    for what in ["fits", "named"] {
        let mut bad = good.clone();
        for line in &mut bad.lines {
            if let Event::Tells { with, .. } = &mut line.event
                && let Some(value) = with.get_mut(what)
            {
                *value = if value == "yes" { "no" } else { "yes" }.to_owned();
            }
        }
        let why = replay(&bad).unwrap_err();
        assert!(why.contains(&format!("{what}: ideally")), "{why}");
    }
    let counterexample =
        Trace { header: Header { kind: Kind::Counterexample, ..good.header.clone() }, ..good };
    assert!(replay(&counterexample).unwrap_err().contains("does not end"));
}

#[test]
fn the_names_of_configurations_are_their_models_and_each_once() {
    let all = configurations();
    let names: BTreeSet<_> = all.iter().map(|c| c.name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|c| c.model.name == c.name && c.says.ends_with('.')));
}

#[test]
fn over_every_artifact_that_the_hub_can_make_the_ideal_token_fits_where_the_hmac_does() {
    for c in configurations() {
        let mut state = c.model.initial().swap_remove(0);
        state.sent.fill(true);
        let mut fitting = 0;
        for (_, bytes) in c.model.choices(&state) {
            let text = real(&bytes);
            let document = Document::parse(text.as_bytes()).unwrap();
            let held = c.model.key(&bytes.content);
            let fits = bytes.token.fits(held, &bytes.content);
            assert_eq!(verify(&document, &[key(held)]).is_ok(), fits, "{bytes}");
            fitting += u32::from(fits);
        }
        assert!(fitting > 0, "{}", c.name);
    }
}

#[test]
fn a_real_receipt_fits_nothing_but_the_very_deed_it_was_made_of() {
    let model = named("regardless-both-ways");
    let mut deeds = Vec::new();
    for id in [0, 1] {
        for respelled in [false, true] {
            let bytes = Bytes { respelled, ..model.original(id) };
            for (act, claim, under, target) in Act::ALL.into_iter().flat_map(|act| {
                let claims = [None, Some(1), Some(2)].into_iter();
                claims.flat_map(move |claim| {
                    [0, 1].into_iter().flat_map(move |id| [0, 1].map(|target| (act, claim, id, target)))
                })
            }) {
                deeds.push(Deed { act, claim, bytes, id: under, target });
            }
        }
    }
    // One key for both ways: that only what is signed tells one from another.
    let held = model.key(&model.artifacts[0]);
    let receipts: Vec<_> =
        deeds.iter().map(|deed| (real_receipt(deed), real_receipt(deed).sign(&key(held)))).collect();
    for (made, (_, mac)) in deeds.iter().zip(&receipts) {
        let token = Token { by: held, over: *made };
        for (expected, (receipt, _)) in deeds.iter().zip(&receipts) {
            assert_eq!(
                receipt.verify(mac, &[key(held)]).is_ok(),
                token.fits(held, expected),
                "{made} {expected}"
            );
        }
    }
    assert!(receipts[0].0.verify(&receipts[0].1, &[key(token::KeyName::Nobodys)]).is_err());
}
