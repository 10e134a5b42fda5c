//! Every check of a profile.

use handoff_kernel::command::Command;
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::rules::Rule;

use super::look::{Expect, Name, look};
use super::{Check, Finding, Method, Report};
use crate::ambient::Stopwatch;
use crate::bench::mutants::Matrix;
use crate::bootstrap::{self, Bootstrap};
use crate::explorer::Progress;
use crate::hubs::{self, Hubs};
use crate::malice;
use crate::model::{Model, Property};
use crate::profile::Profile;
use crate::proof::{self, Size};
use crate::trace::Trace;

fn rules(rules: &[Rule]) -> Vec<Property> {
    rules.iter().copied().map(Property::Rule).collect()
}

/// The rules that this configuration can break: those that need a start, a poll or a log of its own only where there
/// is one.
fn watched(config: &hubs::Config) -> Vec<Property> {
    let mut all = PROVED.to_vec();
    let asks = || config.clients.iter().flat_map(|client| &client.asks);
    let starts = |ask: &hubs::Ask| matches!(ask, hubs::Ask::Command { command: Command::Start { .. }, .. });
    if asks().any(starts) {
        all.extend([Rule::S7, Rule::S8, Rule::S13]);
    }
    if asks().any(|ask| matches!(ask, hubs::Ask::Poll | hubs::Ask::Wait)) {
        all.push(Rule::S12);
    }
    if config.trust.log != hubs::Log::WithRecord {
        all.push(Rule::S10);
    }
    let mut properties = rules(&all);
    properties.push(Property::Refinement);
    if config.records.len() > 1 {
        properties.push(Property::Frame);
    }
    properties
}

/// Those that the inductive proof implies.
const PROVED: [Rule; 10] =
    [Rule::S1, Rule::S2, Rule::S3, Rule::S4, Rule::S5, Rule::S6, Rule::S9, Rule::S14, Rule::S15, Rule::S16];

/// Every check of this profile, in the order in which they run: what is soonest done first.
#[must_use]
pub fn list(profile: Profile) -> Vec<Check> {
    let mut all = proofs(profile);
    all.push(mutants());
    all.extend(assumptions_dropped());
    all.extend(bounds());
    all.extend(bootstraps(profile));
    all.extend(malicious());
    all.extend(liveness());
    all.extend(sound(profile));
    all
}

/// Every trace that is committed: those that the quick profile makes.
#[must_use]
pub fn traces_of(reports: &[Report]) -> Vec<&Trace> {
    let mut all: Vec<&Trace> = reports.iter().flat_map(|report| &report.traces).collect();
    all.sort_by(|a, b| a.header.name.cmp(&b.header.name));
    all.dedup_by(|a, b| a.header.name == b.header.name);
    all
}

fn proofs(profile: Profile) -> Vec<Check> {
    let (size, cap) = match profile {
        Profile::Quick => (Size::QUICK, 1),
        Profile::Ci => (Size::STANDARD, 2),
        Profile::Deep => (Size::DEEP, 4),
    };
    let Size { agents, claims, cap: quotient } = size;
    vec![
        Check {
            id: "proof/induction".into(),
            says: format!(
                "Every type-correct record × every command over {agents} agents and {claims} claim ids, deadlines up to {quotient} ahead."
            ),
            method: Method::Induction,
            properties: rules(&PROVED),
            run: Box::new(move |_, _| induction(&Protocol, size)),
        },
        Check {
            id: "proof/exact".into(),
            says: format!(
                "The time quotient is exact: concrete times against their classes, deadlines up to {cap} ahead."
            ),
            method: Method::Induction,
            properties: rules(&PROVED),
            run: Box::new(move |_, _| exact(&Protocol, cap)),
        },
        Check {
            id: "proof/frame".into(),
            says: "A command on one handoff leaves every other bit-identical.".into(),
            method: Method::Induction,
            properties: [rules(&PROVED), vec![Property::Frame]].concat(),
            run: Box::new(move |_, _| frame(size)),
        },
    ]
}

/// A report of what this looks at, and how long it takes.
fn timed(look: impl FnOnce() -> (u64, u64, Vec<Finding>)) -> Report {
    let stopwatch = Stopwatch::start();
    let (states, edges, findings) = look();
    Report {
        reached: Progress { states, edges, ..Progress::default() },
        findings,
        seconds: stopwatch.elapsed().as_secs_f64(),
        ..Report::default()
    }
}

fn induction<L: Law>(law: &L, size: Size) -> Report {
    timed(|| {
        let proof = proof::prove(law, size);
        let findings = proof.broken.iter().map(|cti| Finding {
            property: cti.rule.to_string(),
            how: format!("{}\n{}", cti.conjunct, cti.to_string().trim_end()),
            trace: Some(proof::trace(cti, &law.name())),
        });
        (proof.records, proof.steps + proof.repeats, findings.collect())
    })
}

/// Something that went wrong without a trace: of a proof, at most one.
fn without_trace<W: ToString>(property: &str, wrong: Option<W>) -> Vec<Finding> {
    let finding = |wrong: W| Finding { property: property.into(), how: wrong.to_string(), trace: None };
    wrong.into_iter().map(finding).collect()
}

fn exact<L: Law>(law: &L, cap: u8) -> Report {
    timed(|| {
        let exact = proof::exact(law, cap);
        (exact.concrete, exact.steps, without_trace("Exactness", exact.broken))
    })
}

fn frame(size: Size) -> Report {
    timed(|| {
        let frame = proof::frame(&Protocol, size);
        (frame.records, frame.operations, without_trace(&Property::Frame.to_string(), frame.broken))
    })
}

/// A check of one model.
fn model<M>(
    id: String,
    name: Name,
    method: Method,
    properties: Vec<Property>,
    expect: Expect,
    model: M,
) -> Check
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Send + Sync + 'static,
    M::Action: Send + Sync + 'static,
{
    Check {
        id,
        says: name.says.clone(),
        method,
        properties,
        run: Box::new(move |limits, watch| look(&model, &name, expect, limits, watch)),
    }
}

fn hubs_check(
    kind: &str,
    method: Method,
    properties: Vec<Property>,
    expect: Expect,
    config: hubs::Config,
) -> Check {
    let trace = format!("{kind}-{}", config.name);
    let name = Name { trace, says: config.says.to_owned() };
    model(format!("{kind}/{}", config.name), name, method, properties, expect, Hubs { law: Protocol, config })
}

fn sound(profile: Profile) -> impl Iterator<Item = Check> {
    hubs::sound(profile)
        .into_iter()
        .map(|config| hubs_check("hubs", Method::Model, watched(&config), Expect::Holds, config))
}

fn liveness() -> impl Iterator<Item = Check> {
    hubs::live()
        .into_iter()
        .map(|config| hubs_check("live", Method::Liveness, rules(config.promises), Expect::Holds, config))
}

fn assumptions_dropped() -> impl Iterator<Item = Check> {
    hubs::dropped().into_iter().map(|hubs::Dropped { config, breaks, .. }| {
        let property = Property::Rule(breaks);
        hubs_check("dropped", Method::Dropped, vec![property], Expect::Breaks(property), config)
    })
}

fn bounds() -> impl Iterator<Item = Check> {
    hubs::bounds().into_iter().flat_map(|hubs::Bound { rule, pass, fail, .. }| {
        let property = Property::Rule(rule);
        [(pass, Expect::Holds), (fail, Expect::Breaks(property))]
            .map(|(config, expect)| hubs_check("bound", Method::Bound, vec![property], expect, config))
    })
}

fn bootstraps(profile: Profile) -> Vec<Check> {
    let s11 = Property::Rule(Rule::S11);
    let mut all = Vec::new();
    let whole = Bootstrap::new(Protocol);
    let whole = match profile {
        Profile::Quick => Bootstrap { faults: 1, ..whole },
        Profile::Ci | Profile::Deep => whole,
    };
    let says = "Sessions reach for one bootstrap, die, lose answers, and find it stale.".to_owned();
    let name = Name { trace: "bootstrap".into(), says };
    all.push(model("bootstrap/sessions".into(), name, Method::Model, vec![s11], Expect::Holds, whole));
    for bootstrap::Bound { name: id, says, model: config, breaks } in bootstrap::bounds() {
        // What passes is the configuration above, at its quick size.
        let Some(breach) = breaks else { continue };
        let name = Name { trace: format!("bootstrap-{id}"), says: says.to_owned() };
        let expect = Expect::Breaks(breach.property);
        all.push(model(format!("bootstrap/{id}"), name, Method::Bound, vec![s11], expect, config));
    }
    all
}

fn malicious() -> impl Iterator<Item = Check> {
    malice::configurations().into_iter().map(
        |malice::Configuration { name: id, says, model: config, expectation }| {
            let name = Name { trace: format!("malice-{id}"), says: says.to_owned() };
            let (method, properties, expect) = match expectation {
                malice::Expectation::Holds => (Method::Model, rules(&[Rule::S8]), Expect::Holds),
                malice::Expectation::Breaks(property) => {
                    (Method::Dropped, vec![property], Expect::Breaks(property))
                }
            };
            model(format!("malice/{id}"), name, method, properties, expect, config)
        },
    )
}

/// Every seeded fault, and every rule: [`crate::bench::mutants`].
fn mutants() -> Check {
    Check {
        id: "mutants".into(),
        says: "Each seeded fault of the law is caught by the rule that it is named for, and each rule catches one that \
               nothing else does."
            .into(),
        method: Method::Mutants,
        properties: Rule::ALL.into_iter().map(Property::Rule).collect(),
        run: Box::new(|_, _| {
            let stopwatch = Stopwatch::start();
            let matrix = Matrix::of_all();
            let findings = matrix.findings().into_iter().map(|(rule, how)| Finding {
                property: rule.to_string(),
                how,
                trace: None,
            });
            let kills = matrix.rows.iter().map(|row| {
                let rules = row.caught.keys().map(|rule| format!("{rule:?}"));
                (row.fault.name().to_owned(), rules.collect())
            });
            let needed = matrix.needed.iter().filter_map(|(rule, fault)| {
                Some((format!("{rule:?}"), (*fault)?.name().to_owned()))
            });
            Report {
                reached: matrix.reached,
                findings: findings.collect(),
                kills: kills.collect(),
                needed: needed.collect(),
                seconds: stopwatch.elapsed().as_secs_f64(),
                ..Report::default()
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::testing::variant::{Fault, Variant};

    #[test]
    fn what_a_proof_finds_is_reported() {
        let found =
            |report: Report| report.findings.into_iter().map(|finding| finding.property).collect::<Vec<_>>();
        let law = Variant::with(Fault::LapsesUnbounded);
        assert!(found(induction(&law, Size::QUICK)).contains(&"S14 NoEarlyExpiry".to_owned()));
        assert_eq!(found(exact(&law, 1)), ["Exactness"], "this law looks at what the quotient does not keep");
        let nothing = || (0, 0, without_trace("Frame", None::<&str>));
        assert_eq!(found(timed(nothing)), [""; 0]);
        assert_eq!(found(timed(|| (0, 0, without_trace("Frame", Some("astray"))))), ["Frame"]);
    }
}
