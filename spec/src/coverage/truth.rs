//! What all the models together can show, as it was found and committed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::label::Label;
use super::{BadText, Edge, Seen, Situation, situations};
use crate::profile::Profile;

/// The list of `spec/coverage.txt`, as this program was built with it.
const COMMITTED: &str = include_str!("../../coverage.txt");

/// What stands before a step of each profile's. The deep profile's models show too much to be listed.
const MARKS: [(Profile, &str); 2] = [(Profile::Quick, "  "), (Profile::Ci, "+ ")];

const HEAD: &str = "\
# What can happen to one handoff in the models of hubs: where it stands and, a line a step, what happens there | where it
# stands then, as far as that is something else. A step with a + is shown by the models of the ci profile only. Written by
#     handoff-spec coverage --profile ci --record spec/coverage.txt
";

/// Everything that can happen to one handoff, by the smallest profile whose models show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    edges: BTreeMap<Edge, Profile>,
}

/// A share of what can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many were seen.
    pub seen: usize,
    /// How many there are.
    pub of: usize,
}

impl Share {
    /// Whether it is at least so much of a hundred.
    #[must_use]
    pub const fn is_at_least(self, percent: usize) -> bool {
        self.seen * 100 >= self.of * percent
    }
}

impl core::fmt::Display for Share {
    /// `1234 of 2000 (61.7 %)`, rounded down.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let thousandths = (self.seen * 1000).checked_div(self.of).unwrap_or(1000);
        write!(f, "{} of {} ({}.{} %)", self.seen, self.of, thousandths / 10, thousandths % 10)
    }
}

impl Truth {
    /// What is committed.
    ///
    /// # Errors
    /// A line that is no edge: somebody has edited the list by hand.
    pub fn committed() -> Result<Self, BadText> {
        Self::parse(COMMITTED)
    }

    /// Reads a list as [`Self::render`] writes it.
    ///
    /// # Errors
    /// A line that is no edge.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        let labels = Label::by_text();
        let mut edges = BTreeMap::new();
        let mut before: Option<Situation> = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let bad = || BadText(line.to_owned());
            let marked =
                MARKS.into_iter().find_map(|(profile, mark)| Some((profile, line.strip_prefix(mark)?)));
            let Some((profile, step)) = marked else {
                before = Some(line.parse()?);
                continue;
            };
            let before = before.ok_or_else(bad)?;
            let (label, after) = step.split_once(" | ").map_or((step, None), |(it, after)| (it, Some(after)));
            let label = *labels.get(label).ok_or_else(bad)?;
            let after = match after {
                None => before,
                Some(after) => after.parse().or_else(|_| format!("{}, {after}", before.place()).parse())?,
            };
            edges.insert(Edge { before, label, after }, profile);
        }
        Ok(Self { edges })
    }

    /// Adds what the models of this profile show. What a smaller one shows too stays its.
    pub fn add(&mut self, profile: Profile, seen: &Seen) {
        for edge in seen.edges.keys() {
            let first = self.edges.entry(*edge).or_insert(profile);
            *first = profile.min(*first);
        }
    }

    /// An edge a line, in order, under where it begins, after some words on what it is.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::from(HEAD);
        let mut last = None;
        // Writing to a string cannot fail.
        for (Edge { before, label, after }, profile) in &self.edges {
            if last != Some(before) {
                let _written = writeln!(out, "{before}");
            }
            last = Some(before);
            let mark = MARKS.into_iter().find(|(known, _)| known == profile).map_or("", |(_, mark)| mark);
            let _written = write!(out, "{mark}{label}");
            if before != after {
                let whole = after.to_string();
                let place = format!("{}, ", before.place());
                let _written = write!(out, " | {}", whole.strip_prefix(&place).unwrap_or(&whole));
            }
            out.push('\n');
        }
        out
    }

    /// Every edge that the models of this profile show.
    pub fn edges(&self, profile: Profile) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |(_, first)| **first <= profile).map(|(edge, _)| edge)
    }

    /// Every situation of these edges.
    #[must_use]
    pub fn situations(&self, profile: Profile) -> BTreeSet<Situation> {
        situations(self.edges(profile))
    }

    /// How many of the edges of this profile were seen.
    #[must_use]
    pub fn share_of_edges(&self, profile: Profile, seen: &Seen) -> Share {
        let (mut of, mut found) = (0, 0);
        for edge in self.edges(profile) {
            of += 1;
            found += usize::from(seen.edges.contains_key(edge));
        }
        Share { seen: found, of }
    }

    /// How many of its situations.
    #[must_use]
    pub fn share_of_situations(&self, profile: Profile, seen: &Seen) -> Share {
        let (all, found) = (self.situations(profile), seen.situations());
        Share { seen: all.intersection(&found).count(), of: all.len() }
    }

    /// The edges of this profile that were never seen, in order.
    #[must_use]
    pub fn missing(&self, profile: Profile, seen: &Seen) -> Vec<Edge> {
        self.edges(profile).filter(|edge| !seen.edges.contains_key(edge)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_all_of_nothing_is_all() {
        let share = |seen, of| Share { seen, of };
        assert_eq!(share(1999, 2000).to_string(), "1999 of 2000 (99.9 %)");
        assert_eq!(share(0, 0).to_string(), "0 of 0 (100.0 %)");
        assert!(share(95, 100).is_at_least(95) && !share(949, 1000).is_at_least(95));
    }

    #[test]
    fn a_step_is_of_the_smallest_profile_that_shows_it() {
        let listed = "pending\n+ accept loads: lost\n";
        let mut truth = Truth::parse(listed).unwrap();
        let mut seen = Seen::default();
        for edge in truth.edges(Profile::Ci) {
            seen.add(*edge);
        }
        assert_eq!(truth.share_of_edges(Profile::Quick, &seen), Share { seen: 0, of: 0 });
        truth.add(Profile::Quick, &seen);
        truth.add(Profile::Ci, &seen);
        assert!(truth.render().ends_with(&listed.replace('+', " ")));
        assert_eq!(truth.share_of_situations(Profile::Quick, &seen), Share { seen: 1, of: 1 });
        assert_eq!(truth.share_of_situations(Profile::Quick, &Seen::default()), Share { seen: 0, of: 1 });
    }
}
