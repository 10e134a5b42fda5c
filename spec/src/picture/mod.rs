//! A trace as a sequence diagram: who told whom what, what got lost, and what was broken in the end.
//!
//! A [`Diagram`] says what is drawn, [`Diagram::to_svg`] and [`Diagram::to_mermaid`] how. What a line of a trace looks
//! like is known where such lines are written: of hubs here, in `hubs`, of the other models in their own `words`, and of
//! a model that is not of this crate by the [`Word`]s that it tells.

mod hubs;
mod mermaid;
mod svg;

use handoff_kernel::rules::Rule;

use crate::trace::{Event, Kind, Line, Trace, Word};

/// Something that is drawn, between lanes that are called as the trace's hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Something goes from one to another.
    Arrow {
        /// From whom.
        from: String,
        /// To whom.
        to: String,
        /// What.
        text: String,
        /// Whether it answers something.
        answer: bool,
        /// Whether it gets lost on the way.
        lost: bool,
    },
    /// Something is the case at one of them.
    Note {
        /// With whom.
        at: String,
        /// What.
        text: String,
        /// How much of a note it is.
        tone: Tone,
    },
    /// It is so late now.
    Time(u64),
    /// From here on a host is there, or is gone, or is cut off.
    Turns(String, Life),
}

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Somebody does or says something.
    Plain,
    /// What is on record now.
    Record,
    /// A fault.
    Trouble,
}

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is.
    Up,
    /// It has died.
    Down,
    /// It lives, and nobody reaches it.
    Cut,
}

impl Mark {
    /// An arrow that arrives.
    pub fn arrow(from: &str, to: &str, text: impl Into<String>) -> Self {
        Self::Arrow { from: from.into(), to: to.into(), text: text.into(), answer: false, lost: false }
    }

    /// An answer that arrives.
    pub fn answer(from: &str, to: &str, text: impl Into<String>) -> Self {
        Self::Arrow { from: from.into(), to: to.into(), text: text.into(), answer: true, lost: false }
    }

    /// The same, lost on the way.
    #[must_use]
    pub fn that_is_lost(self, is: bool) -> Self {
        match self {
            Self::Arrow { from, to, text, answer, .. } => Self::Arrow { from, to, text, answer, lost: is },
            Self::Note { .. } | Self::Time(_) | Self::Turns(..) => self,
        }
    }

    /// A plain note.
    pub fn note(at: &str, text: impl Into<String>) -> Self {
        Self::Note { at: at.into(), text: text.into(), tone: Tone::Plain }
    }

    /// A note of what is on record.
    pub fn record(at: &str, text: impl Into<String>) -> Self {
        Self::Note { at: at.into(), text: text.into(), tone: Tone::Record }
    }

    /// A note of a fault.
    pub fn trouble(at: &str, text: impl Into<String>) -> Self {
        Self::Note { at: at.into(), text: text.into(), tone: Tone::Trouble }
    }

    /// The lanes that it touches.
    fn lanes(&self) -> Vec<&str> {
        match self {
            Self::Arrow { from, to, .. } => vec![from, to],
            Self::Note { at, .. } | Self::Turns(at, _) => vec![at],
            Self::Time(_) => Vec::new(),
        }
    }
}

/// One row: a mark, at which step it is made, and what the deciding clock says if that is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The step, counted from 1; 0 is what has happened before.
    pub step: u32,
    /// The clock of this host, where it is not what was last shown of it.
    pub clock: Option<(String, u64)>,
    /// What is drawn.
    pub mark: Mark,
}

/// What the end shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether something is broken.
    pub broken: bool,
    /// In a few words: `S1 SingleWinner is broken`.
    pub title: String,
    /// What the rule says.
    pub rule: String,
}

/// All that is drawn of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    /// The trace's name.
    pub name: String,
    /// What it shows, in a sentence.
    pub says: String,
    /// Where it comes from.
    pub source: String,
    /// Who is there, from left to right.
    pub lanes: Vec<Lane>,
    /// What happens, from top to bottom.
    pub rows: Vec<Row>,
    /// The first row of what goes on for ever; as many as there are rows if all stands still from the end on.
    pub for_ever: Option<usize>,
    /// What the end shows.
    pub verdict: Verdict,
}

/// One of those who are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// As the trace calls it.
    pub name: String,
    /// Which agent it really is, where the name does not tell.
    pub agent: Option<String>,
}

impl Diagram {
    /// What is drawn of this trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let header = &trace.header;
        let mut rows = Vec::new();
        for record in &header.records {
            let mark = Mark::record("store", record.to_string());
            rows.push(Row { step: 0, clock: None, mark });
        }
        let mut clocks: Vec<(String, u64)> = Vec::new();
        let mut for_ever = None;
        for (i, line) in trace.lines.iter().enumerate() {
            if header.cycle_from == Some(line.step) && for_ever.is_none() {
                for_ever = Some(rows.len());
            }
            let mut clock = line.clock.map(|clock| (line.host.clone(), clock));
            clock = clock.filter(|known| !clocks.contains(known));
            if let Some(news) = &clock {
                clocks.retain(|(host, _)| *host != news.0);
                clocks.push(news.clone());
            }
            for mark in marks(trace, i) {
                rows.push(Row { step: line.step, clock: clock.take(), mark });
            }
        }
        if header.cycle_from.is_some() && for_ever.is_none() {
            for_ever = Some(rows.len());
        }
        Self {
            name: header.name.clone(),
            says: header.says.clone(),
            source: format!(
                "model {}, configuration {}, law {}",
                header.model, header.configuration, header.law
            ),
            lanes: lanes(trace, &rows),
            rows,
            for_ever,
            verdict: Verdict::of(trace),
        }
    }

    /// The place of a lane.
    fn lane(&self, name: &str) -> usize {
        self.lanes.iter().position(|lane| lane.name == name).unwrap_or_default()
    }
}

impl Verdict {
    fn of(trace: &Trace) -> Self {
        let rule = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == trace.header.rule);
        let name = rule.map_or_else(|| trace.header.rule.clone(), |rule| rule.to_string());
        let title = match trace.header.kind {
            Kind::Counterexample => format!("{name} is broken"),
            Kind::Lasso => format!("{name} is broken: it never comes"),
            Kind::Witness => format!("{name} holds, and this is its interesting case"),
        };
        Self {
            broken: trace.header.kind != Kind::Witness,
            title,
            rule: match rule {
                Some(rule) => rule.statement().to_owned(),
                None => trace.header.demands.clone().unwrap_or_default(),
            },
        }
    }
}

/// What is drawn of this line.
fn marks(trace: &Trace, at: usize) -> Vec<Mark> {
    let line = &trace.lines[at];
    if line.event == Event::Ticks {
        return vec![Mark::Time(line.time)];
    }
    match (&line.event, trace.header.model.as_str()) {
        (Event::Tells { does, with }, "malice") => {
            crate::malice::marks(&line.host, does, with, heard_by(trace, at))
        }
        (Event::Tells { does, with }, "bootstrap") => crate::bootstrap::marks(&line.host, does, with),
        (Event::Tells { does, with }, _) => match Word::read(does, with) {
            Some(word) => told(word, &line.host),
            None => hubs::marks(trace, at),
        },
        _ => hubs::marks(trace, at),
    }
}

/// What is drawn of a word.
fn told(word: Word, host: &str) -> Vec<Mark> {
    match word {
        Word::Asks { whom, text } => vec![Mark::arrow(host, &whom, text)],
        Word::Answers { whom, text } => vec![Mark::answer(host, &whom, text)],
        Word::Notes(text) => vec![Mark::note(host, text)],
        Word::Records(text) => vec![Mark::record(host, text)],
        Word::Suffers(text) => vec![Mark::trouble(host, text)],
        Word::Dies => vec![Mark::trouble(host, "dies"), Mark::Turns(host.to_owned(), Life::Down)],
        Word::Returns => vec![Mark::Turns(host.to_owned(), Life::Up), Mark::note(host, "is there again")],
    }
}

/// Who has the next line of this step: whom this one is about, if it does not say.
fn heard_by(trace: &Trace, at: usize) -> Option<&str> {
    let next = trace.lines.get(at + 1)?;
    (next.step == trace.lines[at].step).then_some(next.host.as_str())
}

/// From left to right: who asks, what carries it, who decides, where it is kept.
fn rank(name: &str) -> u8 {
    match name.split(' ').next() {
        Some("client" | "bob") => 0,
        Some("network") => 2,
        Some("hub") => 3,
        Some("session") => 5,
        Some("store" | "disk") => 6,
        // Alice and whoever else takes work over.
        _ => 4,
    }
}

fn lanes(trace: &Trace, rows: &[Row]) -> Vec<Lane> {
    let mut names: Vec<&str> = rows.iter().flat_map(|row| row.mark.lanes()).collect();
    names.sort_by_key(|name| (rank(name), *name));
    names.dedup();
    let agent = |name: &str| {
        trace.lines.iter().find_map(|Line { event, .. }| {
            let Event::Begins { asker: Some(asker), .. } = event else { return None };
            (asker.client == name).then(|| asker.agent.clone())
        })
    };
    names.into_iter().map(|name| Lane { name: name.to_owned(), agent: agent(name) }).collect()
}
