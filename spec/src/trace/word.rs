//! The words that a model of one's own tells what happens in: known to the text of a trace and to its picture.

use core::fmt;
use std::collections::BTreeMap;

use super::Event;
/// Something that happens on a host, in words for a person. The host is that of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It asks somebody for something.
    Asks {
        /// Whom.
        whom: String,
        /// For what.
        text: String,
    },
    /// It answers somebody.
    Answers {
        /// Whom.
        whom: String,
        /// What.
        text: String,
    },
    /// It does or is something, and nobody else takes part.
    Notes(String),
    /// It has this on record now.
    Records(String),
    /// Something goes wrong with it.
    Suffers(String),
    /// It dies.
    Dies,
    /// It is there again.
    Returns,
}

impl Word {
    /// It asks somebody for something.
    pub fn asks(whom: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Asks { whom: whom.into(), text: text.into() }
    }

    /// It answers somebody.
    pub fn answers(whom: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Answers { whom: whom.into(), text: text.into() }
    }

    /// The word that is told so, if it is one.
    #[must_use]
    pub fn read(does: &str, with: &BTreeMap<String, String>) -> Option<Self> {
        let get = |name: &str| with.get(name).cloned();
        let (fields, word) = match does {
            "asks" => (2, Self::Asks { whom: get("whom")?, text: get("text")? }),
            "answers" => (2, Self::Answers { whom: get("whom")?, text: get("text")? }),
            "notes" => (1, Self::Notes(get("text")?)),
            "records" => (1, Self::Records(get("text")?)),
            "suffers" => (1, Self::Suffers(get("text")?)),
            "dies" => (0, Self::Dies),
            "returns" => (0, Self::Returns),
            _ => return None,
        };
        (with.len() == fields).then_some(word)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asks { whom, text } => write!(f, "asks {whom}: {text}"),
            Self::Answers { whom, text } => write!(f, "answers {whom}: {text}"),
            Self::Notes(text) | Self::Suffers(text) => f.write_str(text),
            Self::Records(text) => write!(f, "has on record: {text}"),
            Self::Dies => f.write_str("dies"),
            Self::Returns => f.write_str("is there again"),
        }
    }
}

impl From<Word> for Event {
    fn from(word: Word) -> Self {
        let (does, with) = match word {
            Word::Asks { whom, text } => ("asks", vec![("whom", whom), ("text", text)]),
            Word::Answers { whom, text } => ("answers", vec![("whom", whom), ("text", text)]),
            Word::Notes(text) => ("notes", vec![("text", text)]),
            Word::Records(text) => ("records", vec![("text", text)]),
            Word::Suffers(text) => ("suffers", vec![("text", text)]),
            Word::Dies => ("dies", Vec::new()),
            Word::Returns => ("returns", Vec::new()),
        };
        let with = with.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self::Tells { does: does.to_owned(), with }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_was_told_and_nothing_else_is_one() {
        let all = [
            (Word::asks("hub", "start h0"), "asks hub: start h0"),
            (Word::answers("bob", "started"), "answers bob: started"),
            (Word::Notes("waits".into()), "waits"),
            (Word::Records("h0 pending".into()), "has on record: h0 pending"),
            (Word::Suffers("is slow".into()), "is slow"),
            (Word::Dies, "dies"),
            (Word::Returns, "is there again"),
        ];
        for (word, text) in all {
            let event = Event::from(word.clone());
            assert_eq!(event.to_string(), text);
            let Event::Tells { does, with } = event else { panic!("{text} is told") };
            assert_eq!(Word::read(&does, &with), Some(word));
        }
        let with = BTreeMap::from([("handoff".to_owned(), "h0".to_owned())]);
        assert_eq!(Word::read("asks", &with), None, "the malicious hub's word of this name");
        assert_eq!(Word::read("dies", &with), None);
        assert_eq!(Word::read("sweeps", &BTreeMap::new()), None);
    }
}
