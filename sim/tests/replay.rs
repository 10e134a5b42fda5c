//! Traces of the simulator are plans: done again, the same comes of them to the byte; shrunk, little is left.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use handoff_hub::store::Slip;
use handoff_kernel::command::Command;
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::testing::variant::{Fault, Variant};
use handoff_sim::act::{Act, Asked, Fate, Hubs, Setup};
use handoff_sim::cast::Cast;
use handoff_sim::demand::Demand;
use handoff_sim::live;
use handoff_sim::mutants::Mutant;
use handoff_sim::mutants::recorded::{self, Said};
use handoff_sim::plan::{Doing, Plan};
use handoff_sim::replay::replay;
use handoff_sim::run::Outcome;
use handoff_sim::shrink::{Shrunk, shrink};
use handoff_sim::swarm::{Profile, Swarm};
use handoff_spec::trace::{Artifact, EffectKind, Event, Trace};

/// A run of this seed, and its trace.
fn run<L: Law>(law: &L, seed: u64, profile: Profile) -> (Outcome, String) {
    let outcome = live::run(law, &Swarm::draw(seed, profile), true);
    let text = outcome.trace.as_ref().unwrap().to_ndjson();
    (outcome, text)
}

/// The plan of a trace as it stands in a file.
fn plan(text: &str) -> Plan {
    Plan::read(&Trace::parse(text).unwrap(), &Cast::default()).unwrap()
}

/// The first line in which two texts differ.
fn difference(live: &str, again: &str) -> String {
    let mut lines = live.lines().zip(again.lines()).zip(1..);
    lines.find(|((live, again), _)| live != again).map_or_else(
        || format!("{} lines live, {} again", live.lines().count(), again.lines().count()),
        |((live, again), number)| format!("line {number}:\n  live  {live}\n  again {again}"),
    )
}

fn done_again<L: Law>(law: &L, seed: u64, profile: Profile) -> Outcome {
    let (outcome, live) = run(law, seed, profile);
    let plan = plan(&live);
    let law = handoff_spec::replay::law(&plan.law).unwrap();
    let again = replay(&plan, &law, true);
    assert_eq!(again.breach, outcome.breach, "seed {seed} of {}", profile.name());
    let again = again.trace.unwrap().to_ndjson();
    assert!(live == again, "seed {seed} of {}: {}", profile.name(), difference(&live, &again));
    outcome
}

#[test]
fn a_run_that_is_done_again_from_its_trace_is_the_same_to_the_byte() {
    for (profile, seeds) in [
        (Profile::Directory, 25),
        (Profile::Several, 40),
        (Profile::Races, 40),
        (Profile::Swarm, 25),
        (Profile::Calm, 2),
    ] {
        for seed in 0..seeds {
            done_again(&Protocol, seed, profile);
        }
    }
}

#[test]
fn so_is_a_run_under_a_law_with_a_fault() {
    let mut broken = 0;
    for fault in Fault::ALL {
        for seed in 0..6 {
            for profile in [Profile::Directory, Profile::Several] {
                broken += u32::from(done_again(&Variant::with(fault), seed, profile).breach.is_some());
            }
        }
    }
    assert!(broken > 100, "{broken}");
}

/// No plan here needs more tries.
const MOST: u64 = 5_000;

/// Something that is wrong with a hub.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Law(Fault),
    Store(Slip),
}

impl Wrong {
    fn law(self) -> Variant {
        match self {
            Self::Law(fault) => Variant::with(fault),
            Self::Store(_) => Variant::default(),
        }
    }

    /// The seed on the list, or the first of many whose run breaks a rule by this, and would not without.
    fn first_broken(self, profile: Profile) -> Option<(u64, Plan, Outcome)> {
        let list = recorded::read(recorded::LIST).unwrap();
        let me = match self {
            Self::Law(fault) => Mutant::Law(fault),
            Self::Store(slip) => Mutant::Store(slip),
        };
        let on_the_list = list.into_iter().filter(|(mutant, _)| *mutant == me).find_map(|(_, said)| {
            let Said::Found { profile: of, seed, .. } = said else { return None };
            (of == profile).then_some(seed)
        });
        on_the_list.into_iter().chain(0..200).find_map(|seed| {
            let well = Swarm::draw(seed, profile);
            let slip = match self {
                Self::Law(_) => None,
                Self::Store(slip) => Some(slip),
            };
            let swarm = Swarm { setup: Setup { slip, ..well.setup.clone() }, ..well.clone() };
            live::run(&self.law(), &swarm, false).breach?;
            if live::run(&Protocol, &well, false).breach.is_some() {
                return None;
            }
            let outcome = live::run(&self.law(), &swarm, true);
            let plan = plan(&outcome.trace.as_ref().unwrap().to_ndjson());
            Some((seed, plan, outcome))
        })
    }

    /// Shrinks what this breaks first: how many acts and open questions are left. None of them can be left out.
    fn shrunk(self, profile: Profile) -> usize {
        let name = format!("{self:?} under {}", profile.name());
        let law = self.law();
        let found = self.first_broken(profile);
        assert!(found.is_some(), "{name} breaks nothing");
        let (seed, plan, outcome) = found.unwrap();
        let rule = outcome.breach.unwrap().property;
        let Shrunk { plan: small, outcome, tries, is_minimal } = shrink(&plan, &law, MOST, |_| {}).unwrap();
        let (acts, open) = (small.acts.len(), small.open.len());
        println!(
            "{name:<44} seed {seed:>3} {:>3} {:>5} acts -> {acts:>2} and {open} open, {tries:>5} tries",
            rule.id(),
            plan.acts.len(),
        );
        let breaks = |plan: &Plan| {
            let breach = replay(plan, &law, false).breach;
            breach.is_some_and(|breach| breach.property == rule)
        };
        assert!(breaks(&small) && is_minimal, "{name}");
        for at in 0..acts {
            let mut less = small.clone();
            less.acts.remove(at);
            assert!(!breaks(&less), "{name}: act {at} is not needed");
        }
        for at in 0..open {
            let mut less = small.clone();
            less.open.remove(at);
            assert!(!breaks(&less), "{name}: question {at} is not needed");
        }
        let trace = outcome.trace.unwrap();
        assert_eq!(trace.header.rule, rule.id());
        let read = Plan::read(&trace, &Cast::default()).unwrap();
        assert_eq!(replay(&read, &law, true).trace.unwrap(), trace, "{name}: what is left is a plan, too");
        acts + open
    }
}

#[test]
fn what_breaks_a_rule_is_shrunk_to_what_is_needed() {
    let mut left = Vec::new();
    for fault in [
        Fault::AcceptTrustsJanitor,
        Fault::FinishTrustsJanitor,
        Fault::StartsOverdue,
        Fault::SweepsNothing,
        Fault::LapsesUnbounded,
        Fault::AnybodyIsTarget,
        Fault::AnybodyIsParty,
        Fault::AnybodyIsAuthor,
        Fault::BytesIgnored,
        Fault::LimitForgotten,
        Fault::AnybodyHolds,
        Fault::EverybodyWins,
        Fault::CompletesUnclaimed,
        Fault::ReopensLapsed,
        Fault::AnswersUnwritten,
        Fault::ConflictOverwritten,
        Fault::PollNewestFirst,
    ] {
        for profile in [Profile::Directory, Profile::Several] {
            left.push(Wrong::Law(fault).shrunk(profile));
        }
    }
    for fault in [Fault::LostAnswerAssumed, Fault::LostAnswerRetriedBlindly, Fault::AttemptForgotten] {
        left.push(Wrong::Law(fault).shrunk(Profile::Several));
    }
    for slip in Slip::ALL {
        left.push(Wrong::Store(slip).shrunk(Profile::Directory));
    }
    let few = left.iter().filter(|acts| **acts < 15).count();
    println!("{few} of {} have fewer than 15", left.len());
    assert!(few * 10 > left.len() * 9, "{left:?}");
}

#[test]
fn shrinking_is_told_of_ends_when_it_may_try_no_more_and_says_so() {
    let wrong = Wrong::Law(Fault::EverybodyWins);
    let (_, plan, outcome) = wrong.first_broken(Profile::Several).unwrap();
    let mut told = Vec::new();
    let shrunk = shrink(&plan, &wrong.law(), 10, |progress| told.push(progress)).unwrap();
    assert!(!shrunk.is_minimal && shrunk.tries == 10 && told.len() == 9, "{told:?}");
    assert_eq!(told.last().map(|last| last.acts), Some(shrunk.plan.acts.len()));
    assert_eq!(
        shrunk.outcome.breach.map(|breach| breach.property),
        outcome.breach.map(|breach| breach.property)
    );
    let why = shrink(&plan, &Protocol, 10, |_| {}).unwrap_err();
    assert!(why.contains("breaks no rule"), "{why}");
}

#[test]
fn an_operation_is_meant_by_the_act_that_began_it_whatever_was_left_out_before() {
    let setup = Setup { hubs: Hubs::Several(1), ..Setup::default() };
    let cast = Cast::default();
    let asks = |number: u32| {
        let said = Artifact {
            handoff: format!("h{number}"),
            author: "bob".into(),
            target: "alice".into(),
            digest: "d0".into(),
            expires_at: 90_000,
            claim_ttl: None,
        };
        let artifact = cast.artifact(&said).unwrap().start;
        let (handoff, agent) = (artifact.id, artifact.author);
        let demand = Demand::Command { handoff, command: Command::Start { sender: agent, artifact } };
        let act = Act::Ask(Box::new(Asked { hub: 0, client: 0, agent, request: number.into(), demand }));
        Doing { at: 60_000, act, began: Some(number) }
    };
    let does = |act| Doing { at: 60_001, act, began: None };
    let effect = |operation| does(Act::Effect { operation, fate: Fate::Answered, held: false });
    let acts = vec![does(Act::Restart { hub: 0 }), asks(1), asks(2), effect(1), effect(2), effect(2)];
    let mut plan =
        Plan { setup, law: "protocol".into(), acts, open: Vec::new(), faults_stop: None, cast: cast.clone() };
    plan.acts.remove(1);
    let trace = replay(&plan, &Protocol, true).trace.unwrap();
    let effects: Vec<(u32, EffectKind)> = trace
        .lines
        .iter()
        .filter_map(|line| {
            let Event::Effect { operation, effect, .. } = &line.event else { return None };
            Some((*operation, *effect))
        })
        .collect();
    assert_eq!(effects, [(1, EffectKind::Load), (1, EffectKind::Insert)], "both are the second start's");
}
