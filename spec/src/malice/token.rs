//! HMAC as an ideal token: only who has a key can make one, and it fits nothing but what it was made over.
//!
//! Everything here can be written as text and read back, so that a trace can be lived through again with real keys
//! and real bytes: [`super::replay`].

use core::fmt;

/// A stranger to the kernel's small world: a second honest target.
pub const CAROL: u8 = 3;

const AGENTS: [&str; 4] = ["bob", "alice", "eve", "carol"];

/// An agent's name in this model's traces.
#[must_use]
pub fn name(agent: u8) -> &'static str {
    AGENTS.get(usize::from(agent)).copied().expect("this model has four agents")
}

fn numbered(prefix: &str, text: &str) -> Option<u8> {
    text.strip_prefix(prefix)?.parse().ok()
}

fn agent(text: &str) -> Option<u8> {
    (0..).zip(AGENTS).find(|(_, known)| *known == text).map(|(n, _)| n)
}

/// What an artifact says: all that its author signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// `handoff_id`.
    pub id: u8,
    /// `from_agent`.
    pub author: u8,
    /// `to_agent`.
    pub target: u8,
    /// Everything else.
    pub body: u8,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{}:{}>{}:b{}", self.id, name(self.author), name(self.target), self.body)
    }
}

impl Content {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let id = numbered("h", parts.next()?)?;
        let (author, target) = parts.next()?.split_once('>')?;
        let body = numbered("b", parts.next()?)?;
        Some(Self { id, author: agent(author)?, target: agent(target)?, body })
    }
}

/// A key, by who shares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// Of one pair of agents and one direction.
    Direction {
        /// Whose artifacts it signs.
        author: u8,
        /// Whose receipts it signs.
        target: u8,
    },
    /// Of one pair, both ways.
    Pair {
        /// The agent that sorts first.
        low: u8,
        /// The other.
        high: u8,
    },
    /// Of everybody.
    Shared,
    /// One that the hub made up.
    Nobodys,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direction { author, target } => write!(f, "{}>{}", name(*author), name(*target)),
            Self::Pair { low, high } => write!(f, "{}+{}", name(*low), name(*high)),
            Self::Shared => f.write_str("everybody"),
            Self::Nobodys => f.write_str("nobody"),
        }
    }
}

impl KeyName {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "everybody" => return Some(Self::Shared),
            "nobody" => return Some(Self::Nobodys),
            _ => {}
        }
        if let Some((author, target)) = text.split_once('>') {
            return Some(Self::Direction { author: agent(author)?, target: agent(target)? });
        }
        let (low, high) = text.split_once('+')?;
        Some(Self::Pair { low: agent(low)?, high: agent(high)? })
    }
}

/// Who shares a key with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// One key for each pair and direction, as this project's tools make them.
    ByDirection,
    /// One key for each pair.
    ByPair,
    /// One key for all.
    Shared,
}

impl Keys {
    /// The key under which this author hands work to this target.
    #[must_use]
    pub fn between(self, author: u8, target: u8) -> KeyName {
        match self {
            Self::ByDirection => KeyName::Direction { author, target },
            Self::ByPair => KeyName::Pair { low: author.min(target), high: author.max(target) },
            Self::Shared => KeyName::Shared,
        }
    }
}

/// A signature: made with this key over this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token<C> {
    /// The key.
    pub by: KeyName,
    /// What was signed.
    pub over: C,
}

impl<C: PartialEq> Token<C> {
    /// The ideal: it fits under the key that made it, over what it was made over, and nowhere else.
    #[must_use]
    pub fn fits(&self, key: KeyName, content: &C) -> bool {
        self.by == key && self.over == *content
    }
}

/// An artifact's bytes. Two are the same bytes exactly if they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes {
    /// What they say.
    pub content: Content,
    /// The signature that they carry, which need not fit.
    pub token: Token<Content>,
    /// Whether they say it with other white space than the author's: the signature does not cover that.
    pub respelled: bool,
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelled = if self.respelled { "respelled" } else { "verbatim" };
        write!(f, "{}|{}|{}|{spelled}", self.content, self.token.by, self.token.over)
    }
}

impl Bytes {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let content = Content::read(parts.next()?)?;
        let token = Token { by: KeyName::read(parts.next()?)?, over: Content::read(parts.next()?)? };
        Some(Self { content, token, respelled: parts.next()? == "respelled" })
    }
}

/// What a target does and signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// It asks to own a handoff.
    Accept,
    /// It says that it is done.
    Complete,
    /// It declines.
    Reject,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Complete, Self::Reject];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Complete => "complete",
            Self::Reject => "reject",
        }
    }
}

/// What a receipt is a signature of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deed {
    /// What was done.
    pub act: Act,
    /// Under which claim.
    pub claim: Option<u8>,
    /// `handoff_digest`: two digests are equal exactly if the bytes are.
    pub bytes: Bytes,
    /// `handoff_id`.
    pub id: u8,
    /// `to_agent`.
    pub target: u8,
}

impl Deed {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let act = parts.next()?;
        let act = Act::ALL.into_iter().find(|known| known.name() == act)?;
        let claim = match parts.next()? {
            "none" => None,
            claim => Some(numbered("c", claim)?),
        };
        let id = numbered("h", parts.next()?)?;
        let target = agent(parts.next()?)?;
        Some(Self { act, claim, bytes: Bytes::read(parts.next()?)?, id, target })
    }
}

/// A claim's name as the traces have it.
#[must_use]
pub fn claim(claim: Option<u8>) -> String {
    claim.map_or_else(|| "none".to_owned(), |n| format!("c{n}"))
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { act, claim: by, bytes, id, target } = self;
        write!(f, "{} {} h{id} {} {bytes}", act.name(), claim(*by), name(*target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Content = Content { id: 0, author: 0, target: 1, body: 0 };

    #[test]
    fn a_token_fits_only_its_key_and_what_it_was_made_over() {
        let key = Keys::ByDirection.between(0, 1);
        let token = Token { by: key, over: A };
        assert!(token.fits(key, &A));
        assert!(!token.fits(Keys::ByDirection.between(1, 0), &A));
        for other in [
            Content { id: 1, ..A },
            Content { author: 2, ..A },
            Content { target: 3, ..A },
            Content { body: 1, ..A },
        ] {
            assert!(!token.fits(key, &other));
        }
    }

    #[test]
    fn a_pair_that_shares_one_key_has_it_both_ways() {
        assert_eq!(Keys::ByPair.between(0, 1), Keys::ByPair.between(1, 0));
        assert_ne!(Keys::ByDirection.between(0, 1), Keys::ByDirection.between(1, 0));
        assert_ne!(Keys::ByPair.between(0, 1), Keys::ByPair.between(0, 2));
    }

    #[test]
    fn what_an_artifact_says_reads_back() {
        assert_eq!(Content::read(&A.to_string()), Some(A));
        assert_eq!(Content::read("h0:bob>mallory:b0"), None);
        for keys in [Keys::ByDirection, Keys::ByPair, Keys::Shared] {
            for respelled in [false, true] {
                let token = Token { by: keys.between(0, 1), over: Content { body: 2, ..A } };
                let bytes = Bytes { content: A, token, respelled };
                assert_eq!(Bytes::read(&bytes.to_string()), Some(bytes));
                for (act, claim) in [(Act::Accept, Some(1)), (Act::Complete, Some(2)), (Act::Reject, None)] {
                    let deed = Deed { act, claim, bytes, id: 0, target: CAROL };
                    assert_eq!(Deed::read(&deed.to_string()), Some(deed));
                }
            }
        }
        assert_eq!(KeyName::read("nobody"), Some(KeyName::Nobodys));
    }
}
