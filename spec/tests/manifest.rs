//! The manifest of rules, `spec/rules.toml`: a rule that is weakened, or is gone, fails here until the manifest says why.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::OnceLock;

use handoff_kernel::history::WAYS;
use handoff_kernel::rules::{state_rules, step_rules};
use handoff_kernel::testing::small::Small;
use proc_macro2::TokenStream;

use support::definition::{Definition, definitions};
use support::manifest::{COMMAND, FILE, Manifest, path};
use support::source::{ELSEWHERE, Source, sources, subjects};

fn as_they_are() -> Vec<Definition> {
    static ONCE: OnceLock<Vec<Definition>> = OnceLock::new();
    ONCE.get_or_init(|| definitions(&sources().unwrap(), &subjects()).unwrap()).clone()
}

#[test]
fn the_manifest_says_why_each_rule_is_what_it_is() {
    let definitions = as_they_are();
    let text = fs::read_to_string(path()).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    let findings = manifest.findings(&definitions);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    assert!(
        manifest.render(&definitions) == text,
        "{FILE} is not as the command writes it, which is:\n    {COMMAND}"
    );
}

#[test]
fn the_manifest_has_every_way_in_which_the_kernel_says_that_a_rule_is_broken() {
    let steps = step_rules::<Small>().map(|(rule, how, _)| (rule, how));
    let states = state_rules::<Small>().map(|(rule, how, _)| (rule, how));
    let ways = WAYS.iter().map(|way| (way.rule, way.how));
    let definitions = as_they_are();
    for (rule, how) in steps.into_iter().chain(states).chain(ways) {
        let definition = definitions.iter().find(|definition| definition.id == format!("{rule:?}")).unwrap();
        assert!(definition.conjuncts.iter().any(|conjunct| conjunct == how), "{rule}: {how}");
    }
    let none = definitions.iter().filter(|definition| definition.conjuncts.is_empty());
    assert_eq!(none.map(|definition| definition.id.as_str()).collect::<Vec<_>>(), [ELSEWHERE]);
}

/// These tests weaken rules as they stand in the source. Where that has changed, so must the test.
const NOT_THERE: &str = "what this test weakens is not there any more: let it weaken what is there now";

/// The rules whose definition is another where this file is edited so.
fn changed_by(file: &str, edit: impl Fn(&str) -> String) -> BTreeSet<String> {
    let edit_one = |source: Source| {
        let text = if source.name == file { edit(&source.text) } else { source.text.clone() };
        assert!(source.name != file || text != source.text, "{file}: {NOT_THERE}");
        Source { text, ..source }
    };
    let edited: Vec<_> = sources().unwrap().into_iter().map(edit_one).collect();
    changed(&edited)
}

fn changed(edited: &[Source]) -> BTreeSet<String> {
    let edited = definitions(edited, &subjects()).unwrap();
    let both = as_they_are().into_iter().zip(edited);
    both.filter(|(was, is)| was.sha256 != is.sha256).map(|(was, _)| was.id).collect()
}

fn replaced(file: &str, from: &str, to: &str) -> BTreeSet<String> {
    changed_by(file, |text| text.replacen(from, to, 1))
}

/// The text without the statement in which this stands.
fn without_statement(text: &str, with: &str) -> String {
    let at = text.find(with).expect(NOT_THERE);
    let begin = text[..at].rfind([';', '{', '}']).unwrap() + 1;
    let end = at + text[at..].find(';').unwrap() + 1;
    format!("{}{}", &text[..begin], &text[end..])
}

/// The text where this function says at once that all is well.
fn without_body(text: &str, function: &str) -> String {
    let at = text.find(function).expect(NOT_THERE);
    let begin = at + text[at..].find('{').unwrap() + 1;
    format!("{} return Ok(()); {}", &text[..begin], &text[begin..])
}

/// The text without the row of a table in which this stands.
fn without_row(text: &str, with: &str) -> String {
    let at = text.find(with).expect(NOT_THERE);
    let begin = text[..at].rfind('(').unwrap();
    let end = at + text[at..].find("),").unwrap() + 2;
    format!("{}{}", &text[..begin], &text[end..])
}

fn rules(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn at_least(found: &BTreeSet<String>, ids: &[&str]) {
    assert!(found.is_superset(&rules(ids)), "{found:?} lacks some of {ids:?}");
}

#[test]
fn a_comparison_that_takes_one_tick_more_changes_its_rule() {
    let found = replaced("rules.rs", "*at > record.expires_at", "*at >= record.expires_at");
    assert_eq!(found, rules(&["S14"]));
    let found =
        replaced("rules.rs", "claim.at <= record.expires_at", "claim.at <= record.expires_at.plus(1)");
    assert_eq!(found, rules(&["S3"]));
    let found = replaced("hubs/judge.rs", "late > bound", "late > bound + 1");
    assert_eq!(found, rules(&["S3"]));
}

#[test]
fn a_row_that_is_gone_changes_its_rule_alone_and_its_predicate_is_nobodys() {
    let found = changed_by("rules.rs", |text| without_row(text, "terminal_stays)"));
    assert_eq!(found, rules(&["S4", ELSEWHERE]));
    // How many rows there are is not said twice.
    let found = replaced("rules.rs", "STEP_RULES: usize = ", "STEP_RULES: usize = 1 + ");
    assert_eq!(found, rules(&[]));
}

#[test]
fn a_conjunct_of_a_checker_that_is_gone_changes_its_rule() {
    let found = changed_by("history/claim.rs", |text| without_statement(text, "ways::CLAIM_CHANGED"));
    assert_eq!(found, rules(&["S1"]));
    let found = changed_by("history/start.rs", |text| without_statement(text, "ways::IN_TWO_STATUSES"));
    at_least(&found, &["S7"]);
    assert!(found.is_subset(&rules(&["S4", "S7", "S8"])), "one checker holds these three: {found:?}");
    let found = replaced("history/ways.rs", "OTHER_BYTES = S8", "OTHER_BYTES = S7");
    at_least(&found, &["S7", "S8"]);
}

#[test]
fn a_checker_that_nobody_calls_changes_its_rules() {
    let found = changed_by("history.rs", |text| without_statement(text, "self.kept.observe("));
    at_least(&found, &["S4", "S7", "S8"]);
    let found = changed_by("history.rs", |text| without_statement(text, "self.single_winner.settle("));
    at_least(&found, &["S1", "S10"]);
    assert!(!found.contains("S5"), "S5 is no rule of histories");
    let found = changed_by("rules.rs", |text| without_body(text, "fn check_state"));
    at_least(&found, &["S3", "S14"]);
}

#[test]
fn whatever_a_rule_uses_changes_it() {
    assert_eq!(replaced("rules.rs", "|| *agent == record.target", "|| true"), rules(&["S16"]));
    at_least(&replaced("rules.rs", "&a.target, &a.digest", "&a.target, &b.digest"), &["S4", "S8"]);
    at_least(&replaced("rules.rs", "age > ttl.0", "age >= ttl.0"), &["S9", "S14", "S15"]);
    // Who says no in the name of all.
    let found = changed_by("rules/rule.rs", |text| without_body(text, "fn demand"));
    at_least(&found, &["S1", "S4", "S7", "S8", "S9", "S10", "S11", "S12", "S13"]);
    let found = changed_by("rules.rs", |text| without_body(text, "fn check_step"));
    at_least(
        &found,
        &["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S13", "S14", "S15", "S16"],
    );
    // The kernel's words, as far as rules use them.
    at_least(&replaced("record.rs", "Self::Completed | Self::Rejected", "Self::Completed"), &["S4"]);
    at_least(
        &replaced("command.rs", "pub fn same_request(&self, other", "pub fn same_request(&self, _"),
        &["S9"],
    );
    // Another function under the same name.
    let found = replaced("history/record.rs", "rules::same_start", "rules::is_party as same_start");
    at_least(&found, &["S4", "S8"]);
    assert!(!found.contains("S16"), "who is a party is what it was");
    // A module from another file.
    at_least(&replaced("history.rs", "mod claim;", "#[path = \"lenient.rs\"]\nmod claim;"), &[ELSEWHERE]);
}

#[test]
fn what_is_no_predicate_of_the_kernel_is_watched_too() {
    let weaker = "someone_wants(state) && any(state, is_unclaimed) && state.time > 9";
    let found = replaced("hubs/promises.rs", "someone_wants(state) && any(state, is_unclaimed)", weaker);
    assert_eq!(found, rules(&["L2"]));
    assert_eq!(replaced("rules/live.rs", "&& record.claim_ttl.is_some()", "&& false"), rules(&["L1"]));
    let found = replaced("hubs/promises.rs", "client.at.is_none()", "client.at.is_none() || true");
    assert_eq!(found, rules(&["L3"]));
    assert_eq!(replaced("malice/hub.rs", "to: |s| !unanswered(s)", "to: |_| true"), rules(&["L3"]));
    assert_eq!(replaced("malice/mod.rs", "named && self.signed", "named || self.signed"), rules(&["S8"]));
    assert_eq!(replaced("rules.rs", "(a, b) => a == b", "(_, _) => true"), rules(&["S9"]));
    assert_eq!(replaced("proof/induction.rs", "if !repeats(", "if false && !repeats("), rules(&["S9"]));
    assert_eq!(replaced("abstract_spec.rs", "=> holder == by", "=> true"), rules(&["Refinement"]));
    at_least(&replaced("refinement.rs", "if changed.next().is_some()", "if false"), &["Frame"]);
}

#[test]
fn a_function_that_no_rule_uses_is_seen_by_its_name() {
    let found = changed_by("rules.rs", |text| format!("{text}\nfn lenient() -> bool {{\n    true\n}}\n"));
    assert_eq!(found, rules(&[ELSEWHERE]));
}

#[test]
fn comments_and_layout_and_tests_change_nothing() {
    let commented = |source: Source| {
        let text = source.text.replace(";\n", "; // A comment.\n").replace("fn ", "/* Another. */ fn ");
        let text = text.replace("\n#[derive(", "\n/// Of it.\n#[must_use]\n#[derive(");
        Source { text, ..source }
    };
    let edited: Vec<_> = sources().unwrap().into_iter().map(commented).collect();
    assert_eq!(changed(&edited), rules(&[]));
    // Every word after the other, in one line.
    let in_a_line = |source: Source| {
        let text = source.text.parse::<TokenStream>().unwrap().to_string();
        Source { text, ..source }
    };
    let edited: Vec<_> = sources().unwrap().into_iter().map(in_a_line).collect();
    assert_eq!(changed(&edited), rules(&[]));
    let broken = "|claim| {\n claim.at <= record.expires_at\n }";
    assert_eq!(replaced("rules.rs", "|claim| claim.at <= record.expires_at", broken), rules(&[]));
    // But what is derived counts.
    let found = replaced("history/asking.rs", "#[derive(Debug, Clone, Copy,", "#[derive(Clone, Copy,");
    at_least(&found, &["S7", "S9"]);
    let found = replaced("hubs/judge.rs", "let who = [BOB, ALICE, EVE];", "let who = [BOB, EVE, ALICE];");
    assert_eq!(found, rules(&[]), "what stands in tests only");
}

fn fresh() -> (Vec<Definition>, Manifest) {
    let definitions = as_they_are();
    let manifest = Manifest::first(&definitions);
    assert_eq!(manifest.findings(&definitions), [""; 0]);
    (definitions, manifest)
}

/// The definitions with one predicate weakened.
fn weakened() -> Vec<Definition> {
    let edit = |source: Source| {
        let text = source.text.replace("*at > record.expires_at", "*at >= record.expires_at");
        Source { text, ..source }
    };
    let edited: Vec<_> = sources().unwrap().into_iter().map(edit).collect();
    definitions(&edited, &subjects()).unwrap()
}

/// The one finding.
fn finding(manifest: &Manifest, definitions: &[Definition]) -> String {
    let found = manifest.findings(definitions);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn why(id: &str, why: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(id.to_owned(), why.to_owned())])
}

#[test]
fn a_weakened_rule_is_named_with_the_item_and_the_line_to_add() {
    let (_, manifest) = fresh();
    let weakened = weakened();
    let said = finding(&manifest, &weakened);
    let now = &weakened.iter().find(|definition| definition.id == "S14").unwrap().sha256;
    let line = format!("{{ sha256 = \"{now}\", why = \"\" }},");
    for part in
        ["S14 NoEarlyExpiry", "changed: rules.rs::rejected_by_the_clock_only_when_due", COMMAND, &line]
    {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
    assert_eq!(said.matches("changed: ").count(), 1, "{said}");
}

#[test]
fn a_conjunct_that_is_gone_is_named() {
    let (_, manifest) = fresh();
    let edit = |source: Source| {
        let text = if source.name == "rules.rs" {
            without_row(&source.text, "a_claim_never_changes)")
        } else {
            source.text
        };
        Source { text, ..source }
    };
    let edited: Vec<_> = sources().unwrap().into_iter().map(edit).collect();
    let said = manifest.findings(&definitions(&edited, &subjects()).unwrap()).join("\n");
    assert!(said.contains(&format!("{COMMAND} -- --why \"S1,{ELSEWHERE}=…\"")), "{said}");
    assert!(said.contains("GONE, a way to break it: a step changed a record's claim"), "{said}");
    assert!(said.contains("gone, or no longer used: rules.rs::a_claim_never_changes"), "{said}");
}

#[test]
fn a_reason_is_some_words() {
    let (definitions, mut manifest) = fresh();
    for short in ["", "   ", "so be", "a b"] {
        manifest.rule.get_mut("S6").unwrap().changes[0].why = short.to_owned();
        let said = finding(&manifest, &definitions);
        assert!(said.contains("S6") && said.contains("3 words"), "{said}");
        let refused = manifest.explain(&weakened(), &why("S14", short)).unwrap_err();
        assert!(refused.contains("3 words"), "{refused}");
    }
}

#[test]
fn a_rule_that_is_gone_stays_and_says_why() {
    let (mut definitions, mut manifest) = fresh();
    let gone = definitions.remove(15);
    assert_eq!(gone.id, "S16");
    let said = finding(&manifest, &definitions);
    assert!(said.contains("S16 is in") && said.contains("removed = \"\""), "{said}");
    manifest.explain(&definitions, &why("S16", "Everybody may know everything now.")).unwrap();
    assert_eq!(manifest.findings(&definitions), [""; 0]);
    assert!(manifest.render(&definitions).contains("removed = \"Everybody may know everything now.\""));
    definitions.push(gone);
    let said = finding(&manifest, &definitions);
    assert!(said.contains("delete the line `removed`"), "{said}");
    assert!(manifest.explain(&definitions, &why("S16", "It is back again.")).is_err());
}

#[test]
fn a_new_rule_has_an_entry() {
    let (definitions, mut manifest) = fresh();
    manifest.rule.remove("L3").unwrap();
    let said = finding(&manifest, &definitions);
    assert!(said.contains("L3 Converges has no entry"), "{said}");
    manifest.explain(&definitions, &why("L3", "Clients need an answer.")).unwrap();
    assert_eq!(manifest.findings(&definitions), [""; 0]);
}

#[test]
fn the_command_adds_to_what_is_there_for_the_rules_named_and_no_others() {
    let (before, mut manifest) = fresh();
    let first = manifest.clone();
    let after = weakened();
    for (id, part) in [("S3", "nothing to explain"), ("S17", "no rule S17")] {
        let refused = manifest.clone().explain(&after, &why(id, "There is a reason.")).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    }
    manifest.explain(&after, &BTreeMap::new()).unwrap();
    assert_eq!(manifest, first, "without a reason nothing is written of what changed");
    manifest.explain(&after, &why("S14", "A \"tick\" more,\nor \\ less.")).unwrap();
    assert_eq!(manifest.findings(&after), [""; 0]);
    let changes = &manifest.rule["S14"].changes;
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0], first.rule["S14"].changes[0]);
    let others = |manifest: &Manifest| {
        manifest
            .rule
            .iter()
            .filter(|(id, _)| *id != "S14")
            .map(|(_, entry)| entry.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(others(&manifest), others(&first));
    assert_eq!(Manifest::parse(&manifest.render(&after)).unwrap(), manifest, "whatever the reason has in it");
    // An old definition that comes back is a change like any other.
    assert_eq!(manifest.findings(&before).len(), 1);
}

#[test]
fn what_can_be_derived_is_brought_up_to_date_without_a_reason() {
    let (definitions, mut manifest) = fresh();
    let whole = manifest.clone();
    manifest.rule.get_mut("S1").unwrap().conjuncts.pop();
    manifest.items.remove("S2");
    manifest.rule.get_mut("S4").unwrap().statement.clear();
    let found = manifest.findings(&definitions);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|said| said.contains("out of date") && said.contains(COMMAND)), "{found:?}");
    manifest.explain(&definitions, &BTreeMap::new()).unwrap();
    assert_eq!(manifest, whole);
}

#[test]
fn what_cannot_be_read_is_said() {
    let said = Manifest::parse("[rule.S1]\nname = 3\n").unwrap_err();
    assert!(said.contains(FILE), "{said}");
    let mut all = sources().unwrap();
    let moved = all.iter_mut().find(|source| source.name == "malice/hub.rs").unwrap();
    moved.text = moved.text.replace("fn promises", "fn obligations");
    let said = definitions(&all, &subjects()).unwrap_err();
    assert!(said.contains("malice/hub.rs has no function `promises`"), "{said}");
    all[0].text = "fn {".to_owned();
    let said = definitions(&all, &subjects()).unwrap_err();
    assert!(said.contains("rules.rs is no Rust"), "{said}");
}
