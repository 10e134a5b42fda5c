//! The tables of `spec/MUTANTS.md`: the faults, which rule catches which, and what each rule is needed for.

use core::fmt::Write as _;

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::variant::Fault;

use super::Sources;
use crate::profile::Profile;

fn link(rule: Rule) -> String {
    format!("[{rule:?}](PROTOCOL.md#{})", rule.to_string().to_lowercase().replace(' ', "-"))
}

impl Sources {
    /// The rules that catch this fault, as they were recorded.
    fn catchers(&self, fault: Fault) -> Vec<Rule> {
        let figures = self.figures(Profile::Ci, "mutants");
        let names = figures.and_then(|figures| figures.kills.get(fault.name())).cloned().unwrap_or_default();
        Rule::ALL.into_iter().filter(|rule| names.contains(&format!("{rule:?}"))).collect()
    }

    /// Each fault, in a sentence.
    pub(super) fn faults(&self) -> String {
        let mut out = String::from(
            "| fault | in the | what is wrong | caught by | and by |\n| --- | --- | --- | --- | --- |\n",
        );
        for fault in Fault::ALL {
            let by = fault.caught_by();
            let caught = self.catchers(fault);
            let named = if caught.contains(&by) { link(by) } else { "**nothing**".into() };
            let others = caught.iter().filter(|rule| **rule != by).map(|rule| format!("{rule:?}"));
            let others = others.collect::<Vec<_>>().join(", ");
            let (name, machine) = (fault.name(), fault.machine().name());
            let _ = writeln!(out, "| `{name}` | {machine} | {} | {named} | {others} |", fault.says());
        }
        out
    }

    /// A row a fault, a column a rule: `■` the rule that it is named for, `□` another that catches it too.
    pub(super) fn kill_matrix(&self) -> String {
        let names: Vec<String> = Rule::ALL.into_iter().map(|rule| format!("{rule:?}")).collect();
        let mut out =
            format!("| fault | {} |\n| --- |{}\n", names.join(" | "), " :-: |".repeat(Rule::ALL.len()));
        for fault in Fault::ALL {
            let caught = self.catchers(fault);
            let cell = |rule: Rule| match (caught.contains(&rule), rule == fault.caught_by()) {
                (true, true) => "■",
                (true, false) => "□",
                (false, _) => "",
            };
            let cells: Vec<_> = Rule::ALL.into_iter().map(cell).collect();
            let _ = writeln!(out, "| `{}` | {} |", fault.name(), cells.join(" | "));
        }
        out
    }

    /// Of each rule a fault that nothing catches without it.
    pub(super) fn needed(&self) -> String {
        let figures = self.figures(Profile::Ci, "mutants");
        let mut out = String::from("| without | nothing catches | |\n| --- | --- | --- |\n");
        for rule in Rule::ALL {
            let name = figures.and_then(|figures| figures.needed.get(&format!("{rule:?}")));
            let fault = name.and_then(|name| Fault::named(name));
            let (name, says) =
                fault.map_or(("nothing is left alive", ""), |fault| (fault.name(), fault.says()));
            let _ = writeln!(out, "| {} {} | `{name}` | {says} |", link(rule), rule.name());
        }
        out
    }
}
