//! What comes of a run, and who watches it.

use handoff_kernel::ident::Wire;
use handoff_spec::coverage::{Seen, Watcher};
use handoff_spec::model::Breach;
use handoff_spec::trace::{Event, Header, Kind, Line, Trace};

use crate::act::Setup;
use crate::judge::Judge;
use crate::reached::Reached;
use crate::stage::Watch;
use crate::story::Story;

/// The word by which a trace says how its world is set up.
pub const SET_UP: &str = "is_set_up";

/// Everybody who watches one run.
#[derive(Debug)]
pub struct Watchers {
    /// Who holds what is seen against the rules.
    pub judge: Judge,
    /// Who writes it down.
    pub story: Story,
    /// Who counts the interesting cases.
    pub reached: Reached,
    /// Who projects it onto the models.
    pub coverage: Watcher<Wire>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was broken, if anything was.
    pub breach: Option<Breach>,
    /// The interesting cases.
    pub reached: Reached,
    /// What it has shown of the models.
    pub coverage: Seen,
    /// How many events were taken from the queue and handled.
    pub steps: u64,
    /// How much time has passed in it, in milliseconds.
    pub simulated: u64,
    /// Whether it was ended because it had taken as many steps as a run may: nobody knows what would have come.
    pub cut_off: bool,
    /// What happened, if somebody wanted to know.
    pub trace: Option<Trace>,
}

impl Outcome {
    /// The same of a run that is ended when it has taken so many steps.
    #[must_use]
    pub fn cut_off_at(self, most: u64) -> Self {
        Self { cut_off: self.steps >= most, ..self }
    }
}

impl Watchers {
    /// Who have seen nothing yet.
    #[must_use]
    pub fn new(judge: Judge, story: Story) -> Self {
        Self { judge, story, reached: Reached::default(), coverage: Watcher::default() }
    }

    /// All of them, for one act.
    pub const fn watch(&mut self) -> Watch<'_> {
        let Self { judge, story, reached, coverage } = self;
        Watch { judge, story, reached, coverage }
    }

    /// A trace begins with how the world is set up.
    pub fn setup(&mut self, setup: &Setup, now: u64) {
        self.story.tell(|| {
            let event = Event::Tells { does: SET_UP.to_owned(), with: setup.words() };
            Line::at(now, "world", None, event)
        });
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self, header: Header, steps: u64, simulated: u64) -> Outcome {
        let Self { judge, story, reached, coverage } = self;
        let breach = judge.breach();
        let header = match breach {
            None => header,
            Some(breach) => {
                let rule = breach.property.id();
                let name = format!("simulator-{}", rule.to_lowercase());
                Header { kind: Kind::Counterexample, says: format!("{breach}."), name, rule, ..header }
            }
        };
        let trace = story.is_open().then(|| story.trace(header));
        Outcome { breach, reached, coverage: coverage.into_seen(), steps, simulated, cut_off: false, trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_off_that_took_as_many_steps_as_it_may() {
        let watchers = Watchers::new(Judge::new(None), Story::quiet());
        let outcome = watchers.outcome(crate::story::header("directory", "protocol"), 7, 0);
        assert!(!outcome.cut_off);
        let outcome = outcome.cut_off_at(8);
        assert!(!outcome.cut_off);
        assert!(outcome.cut_off_at(7).cut_off);
    }
}
