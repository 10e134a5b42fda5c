//! The inductive proof: it holds of the protocol, and of no law that is wrong.

use handoff_kernel::command::Command;
use handoff_kernel::law::Protocol;
use handoff_kernel::operation::{Effect, Next, Operation, Outcome, Stored, Version};
use handoff_kernel::record::Record;
use handoff_kernel::rules::{Rule, Step, check_state, repeats, step_rules};
use handoff_kernel::testing::small::Small;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_kernel::time::Time;
use handoff_spec::proof::{Conjunct, Cti, Size, prove, trace};
use handoff_spec::trace::{Ask, EffectKind, Event, OutcomeKind, RecordText, Told, Trace};

#[test]
fn the_invariant_is_inductive_under_the_protocol() {
    let proof = prove(&Protocol, Size::QUICK);
    assert_eq!(proof.broken.first().map(Cti::to_string), None);
    assert!(proof.holds());
    assert_eq!(
        (proof.records, proof.legal, proof.commands, proof.steps, proof.changes, proof.repeats),
        (2_773, 1_522, 541, 830_665, 15_174, 1_768_576),
    );
    assert_eq!(
        prove(&Variant { fault: None }, Size::QUICK),
        proof,
        "a variant without a fault is the protocol"
    );
}

#[test]
fn each_fault_of_step_has_a_counterexample_to_induction_that_its_rule_names() {
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        let proof = prove(&Variant::with(fault), Size::QUICK);
        let rules: Vec<_> = proof.broken.iter().map(|cti| cti.rule).collect();
        assert!(rules.contains(&fault.caught_by()), "{fault:?}: only {rules:?}");
    }
}

#[test]
fn every_counterexample_obeys_the_invariant_before_and_shows_what_it_says() {
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        for cti in prove(&Variant::with(fault), Size::QUICK).broken {
            assert!(cti.before.as_ref().is_none_or(|record| check_state(record).is_ok()), "{cti}");
            let seen = Step {
                before: cti.before.as_ref(),
                command: &cti.asked[0].command,
                now: cti.asked[0].now,
                result: &cti.asked[0].result,
            };
            let after = cti.asked[0].after(cti.before.as_ref());
            let shown = match cti.conjunct {
                Conjunct::Step(said) => {
                    let mut items = step_rules::<Small>().into_iter();
                    items.any(|(rule, how, holds)| rule == cti.rule && how == said && !holds(&seen))
                }
                Conjunct::Kept(_) => after
                    .is_some_and(|record| check_state(record).is_err_and(|broken| broken.rule == cti.rule)),
                Conjunct::AtOnce | Conjunct::Later => {
                    let again = &cti.asked[1];
                    let second = Step {
                        before: after,
                        command: &again.command,
                        now: again.now,
                        result: &again.result,
                    };
                    cti.rule == Rule::S9 && !repeats(&seen, &second)
                }
            };
            assert!(shown, "{cti}");
            assert!(cti.to_string().contains("(the record need not be reachable)"));
        }
    }
}

#[test]
fn a_counterexample_to_induction_is_a_trace_that_reads_back() {
    let proof = prove(&Variant::with(Fault::AcceptTrustsJanitor), Size::QUICK);
    let cti = proof.broken.iter().find(|cti| cti.rule == Rule::S3).expect("it is caught by S3");
    let trace = trace(cti, "accept_trusts_janitor");
    assert_eq!(Trace::parse(&trace.to_ndjson()), Ok(trace.clone()));
    assert_eq!(trace.steps(), 1);
    let told: Vec<_> = trace.lines.iter().map(|line| line.event.to_string()).collect();
    assert_eq!(
        told,
        [
            "#1 begins accept by alice without a claim_id on h0",
            "#1 loads: found h0 pending until 99",
            "#1 swaps: written, now h0 claimed, an anonymous claim, claimed_at 100",
            "#1 answers claimed at 100, anonymously",
        ]
    );
}

/// What the operation machine that ships does when it lives a trace through again.
fn lived_again(trace: &Trace, law: Variant) -> Vec<Event> {
    let mut register: Option<Record<Small>> = None;
    for record in &trace.header.records {
        register = Some(record.try_into().expect("a trace names what there is"));
    }
    let mut events = Vec::new();
    for line in &trace.lines {
        let Event::Begins { operation: number, command, .. } = &line.event else { continue };
        let command: Command<Small> = command.try_into().expect("a trace names what there is");
        events.push(Event::Begins {
            operation: *number,
            handoff: "h0".into(),
            command: Ask::from(&command),
            asker: None,
        });
        let mut operation = Operation::new(law, 0, command);
        let verdict = loop {
            let (effect, outcome, told) = match operation.effect() {
                Effect::Load => {
                    let stored = register.clone().map(|record| Stored { record, version: Version(1) });
                    (EffectKind::Load, Outcome::Loaded(stored), OutcomeKind::Loaded)
                }
                Effect::Insert { record: next, .. } => {
                    register = Some(next.clone());
                    (EffectKind::Insert, Outcome::Written, OutcomeKind::Written)
                }
                Effect::Swap { next, .. } => {
                    register = Some(next.clone());
                    (EffectKind::Swap, Outcome::Written, OutcomeKind::Written)
                }
            };
            events.push(Event::Effect {
                operation: *number,
                effect,
                outcome: told,
                record: register.as_ref().map(RecordText::from),
                took_effect: effect != EffectKind::Load,
                may_follow: false,
                held: false,
            });
            match operation.next(outcome, Time(line.clock.expect("a hub has a clock"))) {
                Next::Effect(next) => operation = next,
                Next::Done(done) => break done.verdict,
            }
        };
        events.push(Event::Answers { operation: *number, verdict: Told::from(&verdict) });
    }
    events
}

#[test]
fn the_operation_machine_lives_every_counterexample_through_again() {
    let mut twice = 0;
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        let law = Variant::with(fault);
        for cti in prove(&law, Size::QUICK).broken {
            let trace = trace(&cti, "variant");
            let told: Vec<_> = trace.lines.iter().map(|line| line.event.clone()).collect();
            assert_eq!(lived_again(&trace, law), told, "{cti}");
            twice += usize::from(trace.steps() == 2);
        }
    }
    assert!(twice > 0, "some fail only when they are asked again");
}
