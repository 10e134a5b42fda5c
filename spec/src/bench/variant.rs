//! A designer's own variant, read from a file: what is different of the law, of the rules that are asked for, and of the
//! worlds in which it is tried.
//!
//! The format is that of [`Variant`]; `spec/variants/` has examples, and its README says what each teaches.

use std::collections::BTreeSet;

use handoff_kernel::rules::{Rule, Rules};
use handoff_kernel::testing::variant::{Fault, Machine, Variant as Law};
use handoff_kernel::time::Millis;
use serde::Deserialize;

use super::worlds::worlds;
use crate::bootstrap::Bootstrap;
use crate::check::{Expect, Finding, Limits, Name, Report, Watch, look};
use crate::explorer::Progress;
use crate::hubs::{Config, Faults, Hubs, bounds, live, sound};
use crate::model::Property;
use crate::profile::Profile;
use crate::proof::{self, Proof, Size};

/// A variant, as its file says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What is different, in a sentence.
    pub says: String,
    /// The rules that it should break, or none: what [`Tried::is_as_expected`] goes by. The way to the first is shown.
    #[serde(default)]
    pub breaks: Vec<String>,
    /// What is different of the law.
    #[serde(default)]
    pub law: LawPart,
    /// Which rules are asked for.
    #[serde(default)]
    pub rules: RulesPart,
    /// In which worlds it is tried, and what is different of them.
    #[serde(default)]
    pub world: WorldPart,
}

/// What is different of the law.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LawPart {
    /// Decision points, by the names that `handoff-spec mutants` lists.
    #[serde(default)]
    pub bend: Vec<String>,
    /// For how many milliseconds after `expires_at` a handoff is in time still.
    pub grace_ms: Option<u64>,
    /// How many milliseconds ahead `expires_at` may lie.
    pub max_lifetime_ms: Option<u64>,
}

/// Which rules are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesPart {
    /// Those that are given up on purpose: `S1`, `L2`, or `Refinement` and `Frame`.
    #[serde(default)]
    pub without: Vec<String>,
}

/// In which worlds it is tried. What is not said is as it is in each of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldPart {
    /// Their names, as `handoff-spec variant --list` has them; none stands for all but the bounds, with an induction
    /// besides.
    #[serde(default)]
    pub only: Vec<String>,
    /// How many hubs.
    pub hubs: Option<usize>,
    /// True time at the beginning and at the end.
    pub time_ms: Option<(u64, u64)>,
    /// ε.
    pub epsilon_ms: Option<u64>,
    /// δ.
    pub delta_ms: Option<u64>,
    /// S3's bound.
    pub late_at_most_ms: Option<u64>,
    /// The period of the clock that hubs share.
    pub shared_clock_ms: Option<u64>,
    /// How long after `expires_at` what is over is removed.
    pub retention_ms: Option<u64>,
    /// How many sweeps may be under way at once.
    pub sweeps: Option<usize>,
    /// How often each fault may happen.
    #[serde(default)]
    pub faults: FaultsPart,
    /// What the store and its surroundings are trusted with.
    #[serde(default)]
    pub trust: TrustPart,
}

macro_rules! overrides {
    ($(#[$doc:meta])* $part:ident of $whole:ty { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "each is the field of that name")]
        pub struct $part {
            $(pub $field: Option<$type>,)*
        }

        impl $part {
            fn put(&self, whole: &mut $whole) {
                $(if let Some(value) = self.$field { whole.$field = value; })*
            }
        }
    };
}

overrides! {
    /// How often each fault may happen: [`Faults`].
    FaultsPart of Faults {
        lost_answers: u8,
        failures: u8,
        pauses: u8,
        crashes: u8,
        losses: u8,
        doubles: u8,
        cuts: u8,
        clock_steps: u8,
    }
}

overrides! {
    /// What the store and its surroundings are trusted with: [`crate::hubs::Trust`].
    TrustPart of crate::hubs::Trust {
        compares: bool,
        durable: bool,
        fresh_attempts: bool,
        authenticates: bool,
        keeps_mark: bool,
        relists: bool,
        shows_oldest: bool,
        faults_end: bool,
        fair_janitor: bool,
    }
}

/// A variant that can be tried: every name in it is known.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is called: the name of its file.
    pub name: String,
    /// What is different, in a sentence.
    pub says: String,
    /// The law.
    pub law: Law,
    /// The rules that are asked for.
    pub rules: Rules,
    /// Of refinement and frame, those that are asked for.
    pub beside: BTreeSet<Property>,
    /// What it should break.
    pub breaks: Vec<Property>,
    /// The worlds, as they are with what is different.
    pub worlds: Vec<(String, Config)>,
    /// Whether the step is looked at by induction too, and the bootstrap.
    pub whole: bool,
    /// What the file gives up, by its ids.
    pub given_up: Vec<String>,
    /// Whether anything at all is different of law or worlds.
    pub differs: bool,
}

/// All worlds in which a variant can be tried, by name: those of the bench, and those of `check` in which the protocol
/// keeps every rule. It is tried in all but the bounds, if it names none.
#[must_use]
pub fn all_worlds() -> Vec<(String, Config)> {
    let named = |kind: &'static str| move |config: Config| (format!("{kind}/{}", config.name), config);
    let mut all: Vec<_> = worlds().into_iter().map(named("bench")).collect();
    all.extend(sound(Profile::Quick).into_iter().map(named("hubs")));
    all.extend(live().into_iter().map(named("live")));
    all.extend(bounds().into_iter().map(|bound| bound.pass).map(named(BOUND)));
    all
}

/// The kind of the worlds that a rule's limit speaks of.
const BOUND: &str = "bound";

fn property(id: &str) -> Result<Property, String> {
    let rules = Rule::ALL.into_iter().map(Property::Rule);
    let mut all = rules.chain([Property::Refinement, Property::Frame]);
    let found = all.find(|property| property.id().eq_ignore_ascii_case(id));
    found.ok_or_else(|| {
        format!("there is no rule {id:?}; there are S1 to S16, L1 to L3, and besides Refinement and Frame")
    })
}

impl Plan {
    /// Reads the variant of this name.
    ///
    /// # Errors
    /// What is wrong with it, and what there is instead, as a sentence.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let variant: Variant = toml::from_str(text).map_err(|error| error.to_string())?;
        if variant.says.trim().is_empty() || variant.says.contains(char::is_control) {
            return Err("says: tell in one line what is different".into());
        }
        let mut law = Law::default();
        for bend in &variant.law.bend {
            let fault = Fault::named(bend).ok_or_else(|| {
                format!("there is no decision point {bend:?} to bend; `handoff-spec mutants` lists them")
            })?;
            law = law.and(fault);
        }
        law.grace = variant.law.grace_ms.map_or(law.grace, Millis);
        law.max_lifetime = variant.law.max_lifetime_ms.map_or(law.max_lifetime, Millis);
        let mut rules = Rules::ALL;
        let mut beside = BTreeSet::from([Property::Refinement, Property::Frame]);
        for id in &variant.rules.without {
            match property(id)? {
                Property::Rule(rule) => rules = rules.without(rule),
                other @ (Property::Refinement | Property::Frame | Property::Own(_)) => {
                    beside.remove(&other);
                }
            }
        }
        let breaks = variant.breaks.iter().map(|id| property(id)).collect::<Result<Vec<_>, _>>()?;
        for property in &breaks {
            let asked_for = match property {
                Property::Rule(rule) => rules.has(*rule),
                Property::Refinement | Property::Frame | Property::Own(_) => beside.contains(property),
            };
            if !asked_for {
                let id = property.id();
                return Err(format!(
                    "{id} should break and is given up: take it out of `breaks` or of `without`"
                ));
            }
        }
        let all = all_worlds();
        let mut chosen = Vec::new();
        for only in &variant.world.only {
            let of_name = |(id, config): &&(String, Config)| id == only || config.name == *only;
            let found: Vec<_> = all.iter().filter(of_name).collect();
            match found[..] {
                [one] => chosen.push(one.clone()),
                [] => {
                    return Err(format!(
                        "there is no world {only:?}; `handoff-spec variant --list` names them"
                    ));
                }
                _ => {
                    let ids: Vec<_> = found.iter().map(|(id, _)| id.as_str()).collect();
                    return Err(format!("the world {only:?} is one of several: {}", ids.join(", ")));
                }
            }
        }
        let whole = chosen.is_empty();
        let of_bootstraps = law.faults().find(|fault| fault.machine() == Machine::Bootstrap);
        if let (Some(fault), false) = (of_bootstraps, whole) {
            let name = fault.name();
            return Err(format!(
                "{name} is of the bootstrap, which none of these worlds has: leave out `only`"
            ));
        }
        let is_bound = |(id, _): &(String, Config)| id.starts_with(BOUND);
        let worlds = if whole { all.into_iter().filter(|world| !is_bound(world)).collect() } else { chosen };
        let worlds = worlds.into_iter().map(|(id, config)| {
            let config = variant.world.over(config, name, rules, law.grace)?;
            Ok((id, config))
        });
        let worlds = worlds.collect::<Result<_, String>>()?;
        let differs = law != Law::default() || variant.world.differs();
        let given_up = variant.rules.without;
        let name = name.to_owned();
        Ok(Self { name, says: variant.says, law, rules, beside, breaks, worlds, whole, given_up, differs })
    }

    /// Tries it, in one world after the other. A world with more states than this is cut off.
    pub fn run(&self, max_states: u64, watch: Watch<'_>) -> Tried {
        let mut tried = Tried::default();
        if self.whole {
            let proof = proof::prove_some(&self.law, Size::QUICK, self.rules);
            tried.add_proof(&proof, &self.law);
            let sessions = Bootstrap { faults: 0, ..Bootstrap::new(self.law) };
            let says = "Sessions reach for one bootstrap, die, and find it stale.".to_owned();
            let name = Name { trace: format!("{}-bootstrap", self.name), says };
            let limits = Limits { max_states, second: false, symmetry: false };
            tried.add("bootstrap/sessions", look(&sessions, &name, Expect::Holds, limits, watch), self);
        }
        for (id, config) in &self.worlds {
            let name = Name {
                trace: format!("{}-{}", self.name, id.replace('/', "-")),
                says: config.says.to_owned(),
            };
            let limits = Limits { max_states, second: false, symmetry: false };
            let model = Hubs { law: self.law, config: config.clone() };
            let report = look(&model, &name, Expect::Holds, limits, watch);
            tried.add(id, report, self);
        }
        tried
    }
}

impl WorldPart {
    fn differs(&self) -> bool {
        *self != (Self { only: self.only.clone(), ..Self::default() })
    }

    /// A world with what is different of it.
    fn over(&self, mut config: Config, variant: &str, rules: Rules, grace: Millis) -> Result<Config, String> {
        config.rules = rules;
        // All that is asked for, and not only what the world is about.
        config.watch = None;
        // What must be reached of the protocol need not be reached of this.
        config.witnesses = &[];
        if self.differs() || grace != Millis(0) {
            config.name = format!("{} of {variant}", config.name).into();
        }
        config.hubs = self.hubs.unwrap_or(config.hubs);
        // Where time passes, it passes until a deadline that comes later has passed too.
        if config.time.0 < config.time.1 {
            config.time.1 = config.time.1.saturating_add(grace.0);
        }
        config.time = self.time_ms.unwrap_or(config.time);
        config.epsilon = self.epsilon_ms.unwrap_or(config.epsilon);
        config.delta = self.delta_ms.or(config.delta);
        config.bound = self.late_at_most_ms.or(config.bound);
        config.shared_clock = self.shared_clock_ms.or(config.shared_clock);
        config.retention = self.retention_ms.or(config.retention);
        config.sweeps = self.sweeps.unwrap_or(config.sweeps);
        self.faults.put(&mut config.faults);
        self.trust.put(&mut config.trust);
        if !(1..=3).contains(&config.hubs) {
            return Err(format!("hubs = {}: a world has one hub to three", config.hubs));
        }
        let (begin, end) = config.time;
        if begin > end || end - begin > 20 {
            return Err(format!(
                "time_ms = [{begin}, {end}]: the end comes after the beginning, by at most 20 ms, grace_ms included"
            ));
        }
        if config.epsilon > 3 {
            return Err(format!("epsilon_ms = {}: at most 3", config.epsilon));
        }
        let most = config.faults.most();
        if most > 4 || config.sweeps > 4 {
            return Err("faults and sweeps: at most 4 of a kind, or nobody lives to see the end".into());
        }
        Ok(config)
    }
}

/// What breaks, and the shortest way there.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Which property.
    pub property: Property,
    /// In which world: its name, or `induction`.
    pub world: String,
    /// What was found there, with its trace.
    pub finding: Finding,
}

impl Broken {
    /// How many steps it takes; what follows by induction from a record that nobody may ever see comes after all else.
    fn length(&self) -> (bool, u32) {
        let steps = self.finding.trace.as_ref().map_or(u32::MAX, crate::trace::Trace::steps);
        (self.world == INDUCTION, steps)
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// The shortest way to break each property that breaks, shortest first.
    pub broken: Vec<Broken>,
    /// How many worlds were looked at.
    pub worlds: usize,
    /// Whether one was cut off, and which.
    pub cut_off: Vec<String>,
    /// How much was looked at.
    pub reached: Progress,
    /// Promises that no world made, so that nothing is said of them.
    pub unmade: Vec<String>,
}

/// The world that is none.
const INDUCTION: &str = "induction";

impl Tried {
    /// What is to be shown: the way to the first rule that should break, and otherwise the shortest of all.
    #[must_use]
    pub fn shown(&self, plan: &Plan) -> Option<&Broken> {
        let expected = self.broken.iter().find(|broken| plan.breaks.first() == Some(&broken.property));
        expected.or(self.broken.first())
    }

    /// What should break and does not.
    pub fn unbroken<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = &'p Property> {
        let broken: BTreeSet<_> = self.broken.iter().map(|broken| broken.property).collect();
        plan.breaks.iter().filter(move |property| !broken.contains(property))
    }

    /// Whether it broke at least what it should, and if it should break nothing, nothing: that others break too is in the
    /// nature of a broken law.
    #[must_use]
    pub fn is_as_expected(&self, plan: &Plan) -> bool {
        let as_little = !plan.breaks.is_empty() || self.broken.is_empty();
        self.cut_off.is_empty() && as_little && self.unbroken(plan).next().is_none()
    }

    fn add_proof(&mut self, proof: &Proof, law: &Law) {
        use handoff_kernel::law::Law as _;
        self.reached.states += proof.records;
        self.reached.edges += proof.steps + proof.repeats;
        for cti in &proof.broken {
            let (property, how) = (Property::Rule(cti.rule), cti.conjunct.to_string());
            let trace = Some(proof::trace(cti, &law.name()));
            let finding = Finding { property: property.to_string(), how, trace };
            self.keep(Broken { property, world: INDUCTION.into(), finding });
        }
    }

    fn add(&mut self, world: &str, report: Report, plan: &Plan) {
        self.worlds += 1;
        self.reached.states += report.reached.states;
        self.reached.edges += report.reached.edges;
        if report.truncated {
            self.cut_off.push(world.to_owned());
        }
        for finding in report.findings {
            let Some(trace) = &finding.trace else {
                self.unmade.push(format!("{world}: {}: {}", finding.property, finding.how));
                continue;
            };
            let Ok(property) = property(&trace.header.rule) else { continue };
            let asked_for = match property {
                Property::Rule(rule) => plan.rules.has(rule),
                Property::Refinement | Property::Frame | Property::Own(_) => plan.beside.contains(&property),
            };
            if asked_for {
                self.keep(Broken { property, world: world.to_owned(), finding });
            }
        }
    }

    /// Keeps it, if it is the shortest way to break this property. Rules come before what stands beside them.
    fn keep(&mut self, new: Broken) {
        match self.broken.iter_mut().find(|known| known.property == new.property) {
            Some(known) if new.length() < known.length() => *known = new,
            Some(_) => {}
            None => self.broken.push(new),
        }
        let is_rule = |broken: &Broken| matches!(broken.property, Property::Rule(_));
        self.broken.sort_by_key(|broken| (!is_rule(broken), broken.length(), broken.property));
    }
}
