//! The list of what finds each mutant, `sim/mutants.txt`: a seed that breaks a rule with it and none without, or why no
//! run can show it.

use std::fmt::Write as _;

use handoff_kernel::rules::Rule;
use handoff_spec::model::Property;

use super::{Found, Mutant};
use crate::swarm::Profile;

/// The list as it is committed.
pub const LIST: &str = include_str!("../../mutants.txt");

/// What the list begins with.
const HEAD: &str = "\
# Each seeded fault of the law and each slip of the store; then the profile, the seed that finds it and the rule that the
# seed breaks, or - and why no run of these worlds can show it.
#   handoff-sim mutants --recorded     holds each line to its word
#   handoff-sim mutants --out FILE     looks for all of them anew, and writes this list into FILE
";

/// What the list says of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'l> {
    /// This finds it.
    Found {
        /// In which worlds.
        profile: Profile,
        /// The seed.
        seed: u64,
        /// What it breaks.
        rule: Rule,
    },
    /// No run can show it, and why.
    Silent(&'l str),
}

/// What a list says, line by line.
///
/// # Errors
/// A sentence: which line cannot be read, or which mutant it speaks of twice.
pub fn read(list: &str) -> Result<Vec<(Mutant, Said<'_>)>, String> {
    let mut all: Vec<(Mutant, Said<'_>)> = Vec::new();
    for (number, line) in (1..).zip(list.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (mutant, said) = entry(line).map_err(|why| format!("line {number}: {why}"))?;
        if all.iter().any(|(other, _)| *other == mutant) {
            return Err(format!("line {number}: {} stands there already", mutant.name()));
        }
        all.push((mutant, said));
    }
    Ok(all)
}

/// The mutants that a list does not speak of.
#[must_use]
pub fn missing(list: &[(Mutant, Said<'_>)]) -> Vec<Mutant> {
    let all = Mutant::all().into_iter();
    all.filter(|mutant| !list.iter().any(|(other, _)| other == mutant)).collect()
}

fn entry(line: &str) -> Result<(Mutant, Said<'_>), String> {
    let (name, rest) =
        line.split_once(' ').ok_or("a name is followed by what finds it, or by - and why not")?;
    let mutant = Mutant::named(name).ok_or_else(|| format!("there is no fault {name:?}"))?;
    if let Some(why) = rest.trim_start().strip_prefix("- ") {
        return Ok((mutant, Said::Silent(why.trim_start())));
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [profile, seed, rule] = *words.as_slice() else {
        return Err("a fault that is found has a profile, a seed and a rule".to_owned());
    };
    let profile = Profile::named(profile).ok_or_else(|| format!("there is no profile {profile:?}"))?;
    let seed = seed.parse().map_err(|_| format!("{seed:?} is no seed"))?;
    let rule = Rule::ALL
        .into_iter()
        .find(|known| Property::Rule(*known).id() == rule)
        .ok_or_else(|| format!("there is no rule {rule:?}"))?;
    Ok((mutant, Said::Found { profile, seed, rule }))
}

impl Said<'_> {
    /// Whether it is so: the seed breaks that rule with the mutant, and none without. Of what no run can show nothing is
    /// run.
    ///
    /// # Errors
    /// A sentence: what came of it instead, and what to do.
    pub fn holds(&self, mutant: Mutant) -> Result<(), String> {
        let Self::Found { profile, seed, rule } = *self else { return Ok(()) };
        let name = mutant.name();
        let again = "`handoff-sim mutants --out sim/mutants.txt` looks for another";
        match mutant.found_by(seed, profile) {
            Some(breach) if breach.property == Property::Rule(rule) => Ok(()),
            Some(breach) => Err(format!(
                "{name}: seed {seed} of {} breaks another rule than {rule}: {breach}; {again}",
                profile.name()
            )),
            None => {
                Err(format!("{name}: seed {seed} of {} does not find it any more; {again}", profile.name()))
            }
        }
    }
}

/// The list of what was found; of the others, what `list` says already.
///
/// # Errors
/// A sentence: which mutant was not found, or breaks what is no rule of the protocol.
pub fn write(found: &[(Mutant, Option<Found>)], list: &[(Mutant, Said<'_>)]) -> Result<String, String> {
    let mut text = HEAD.to_owned();
    for mutant in Mutant::all() {
        let name = mutant.name();
        let hunted = found.iter().find(|(other, _)| *other == mutant).and_then(|(_, found)| *found);
        let said = match hunted {
            Some(Found { profile, seed, breach, .. }) => {
                let Property::Rule(rule) = breach.property else {
                    return Err(format!(
                        "{name} breaks {}, which is no rule of the protocol",
                        breach.property
                    ));
                };
                Said::Found { profile, seed, rule }
            }
            None => {
                let was_hunted = found.iter().any(|(other, _)| *other == mutant);
                let said = list.iter().find(|(other, _)| *other == mutant).map(|(_, said)| *said);
                match said.ok_or_else(|| format!("{name} was not found, and the list says nothing of it"))? {
                    Said::Found { .. } if was_hunted => {
                        return Err(format!("{name} was found once, and is not any more: find out why"));
                    }
                    said @ (Said::Found { .. } | Said::Silent(_)) => said,
                }
            }
        };
        // Writing to a string cannot fail.
        let _written = match said {
            Said::Found { profile, seed, rule } => {
                writeln!(text, "{name:<28} {:<9} {seed:>4} {rule:?}", profile.name())
            }
            Said::Silent(why) => writeln!(text, "{name:<28} - {why}"),
        };
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::testing::variant::Fault;
    use handoff_spec::model::Breach;

    #[test]
    fn a_line_that_cannot_be_read_says_which_and_why() {
        for (list, why) in [
            ("# a note\n\nnothing directory 0 S1", "line 3: there is no fault \"nothing\""),
            ("everybody_wins", "line 1: a name is followed by what finds it, or by - and why not"),
            ("everybody_wins directory 0", "line 1: a fault that is found has a profile, a seed and a rule"),
            ("everybody_wins huge 0 S1", "line 1: there is no profile \"huge\""),
            ("everybody_wins directory x S1", "line 1: \"x\" is no seed"),
            ("everybody_wins directory 0 S99", "line 1: there is no rule \"S99\""),
            ("everybody_wins - no\neverybody_wins - no", "line 2: everybody_wins stands there already"),
        ] {
            assert_eq!(read(list), Err(why.to_owned()));
        }
    }

    #[test]
    fn what_was_found_is_written_and_read_again_and_reasons_stay() {
        let (found, silent) = (Mutant::Law(Fault::EverybodyWins), Mutant::Law(Fault::PollClaims));
        let breach = Breach::of(Rule::S1, "two winners");
        let hit = Found { profile: Profile::Races, seed: 7, runs: 8, breach };
        let others = |said| Mutant::all().into_iter().map(move |mutant| (mutant, said)).collect::<Vec<_>>();
        let before = others(Said::Silent("nobody looks"));
        let text = write(&[(found, Some(hit)), (silent, None)], &before).unwrap();
        let list = read(&text).unwrap();
        let of = |mutant| list.iter().find(|(other, _)| *other == mutant).map(|(_, said)| *said);
        assert_eq!(of(found), Some(Said::Found { profile: Profile::Races, seed: 7, rule: Rule::S1 }));
        assert_eq!(of(silent), Some(Said::Silent("nobody looks")));
        assert_eq!(missing(&list), []);
        let why = write(&[(silent, None)], &before[1..]).unwrap_err();
        assert_eq!(why, format!("{} was not found, and the list says nothing of it", before[0].0.name()));
        assert_eq!(missing(&before[1..]), [before[0].0]);
        let why = write(&[(found, None)], &list).unwrap_err();
        assert_eq!(why, "everybody_wins was found once, and is not any more: find out why");
    }
}
