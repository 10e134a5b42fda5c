//! The inductive proof: it holds of the protocol, and of no law that is wrong.

use handoff_kernel::law::{Law as _, PROTOCOL, Protocol};
use handoff_kernel::rules::{Rule, Rules, Step, check_state, repeats, step_rules};
use handoff_kernel::testing::small::Small;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_spec::proof::replay::replay as replay_by;
use handoff_spec::proof::{Conjunct, Cti, Size, prove, trace};
use handoff_spec::replay::replay;
use handoff_spec::trace::Trace;

#[test]
fn the_invariant_is_inductive_under_the_protocol() {
    let proof = prove(&Protocol, Size::QUICK);
    assert_eq!(proof.broken.first().map(Cti::to_string), None);
    assert!(proof.holds());
    assert_eq!(
        (proof.records, proof.legal, proof.commands, proof.steps, proof.changes, proof.repeats),
        (2_773, 1_522, 541, 830_665, 15_174, 1_768_576),
    );
    assert_eq!(prove(&Variant::default(), Size::QUICK), proof, "a variant without a fault is the protocol");
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
            assert!(
                cti.before.as_ref().is_none_or(|record| check_state(Rules::ALL, record).is_ok()),
                "{cti}"
            );
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
                Conjunct::Kept(_) => after.is_some_and(|record| {
                    check_state(Rules::ALL, record).is_err_and(|broken| broken.rule == cti.rule)
                }),
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

#[test]
fn the_operation_machine_lives_every_counterexample_through_again() {
    let mut twice = 0;
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        let law = Variant::with(fault);
        for cti in prove(&law, Size::QUICK).broken {
            let trace = trace(&cti, &law.name());
            assert_eq!(replay(&trace), Ok(()), "{cti}");
            assert!(replay_by(&trace, Variant::default()).is_err(), "the protocol does no such thing: {cti}");
            twice += usize::from(trace.steps() == 2);
        }
    }
    assert!(twice > 0, "some fail only when they are asked again");
}

#[test]
fn a_counterexample_that_tells_what_the_kernel_does_not_do_is_refused() {
    let law = Variant::with(Fault::SweepsEverything);
    let cti = prove(&law, Size::QUICK).broken.remove(0);
    let told = trace(&cti, &law.name());
    assert_eq!(replay(&told), Ok(()));
    let refused = |change: fn(&mut Trace)| {
        let mut forged = told.clone();
        change(&mut forged);
        replay(&forged).unwrap_err()
    };
    assert!(
        refused(|forged| forged.header.rule = "S2".into()).contains("S2 is not broken at the end, but [S14")
    );
    assert!(refused(|forged| forged.header.law = PROTOCOL.into()).contains("the kernel"));
    assert!(refused(|forged| drop(forged.lines.pop())).contains("it ends before its last answer"));
    assert!(refused(|forged| forged.lines[1].clock = Some(7)).contains("step 1: the kernel"));
    assert!(refused(|forged| drop(forged.lines.remove(0))).contains("an operation begins here"));
}
