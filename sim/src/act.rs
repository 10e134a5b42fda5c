//! Acts: what is done to hubs. A run is a list of them, and a trace has every one, so that it can be done again, and
//! done with some of them left out.

use std::collections::BTreeMap;

use handoff_hub::disk::simulated::{Call, Failure, Fault, Hinting};
use handoff_hub::store::Slip;
use handoff_kernel::ident::{AgentId, HandoffId};
use handoff_kernel::time::Millis;
use handoff_spec::trace;

use crate::demand::Demand;

/// One thing that is done, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A request comes to a hub.
    Ask(Box<Asked>),
    /// A hub on directories does what time brings, and has not come to writing what it decides by that.
    LookAround {
        /// Which.
        hub: usize,
    },
    /// A hub does what time brings, and writes what was decided.
    Work {
        /// Which.
        hub: usize,
    },
    /// A hub will die before its file operation of this number, counted from now.
    Doom {
        /// Which.
        hub: usize,
        /// After so many.
        after: u64,
        /// How.
        death: Death,
    },
    /// A hub dies now.
    Die {
        /// Which.
        hub: usize,
        /// How.
        death: Death,
    },
    /// It is there again.
    Restart {
        /// Which.
        hub: usize,
    },
    /// A hub's clock is set to so far ahead of true time.
    SetClock {
        /// Which.
        hub: usize,
        /// Milliseconds; negative is behind.
        ahead: i64,
    },
    /// A same-host agent does something with files.
    Deed(Deed),
    /// Something of the disk is going to fail.
    Trouble(Trouble),
    /// Nothing of the disk fails any more, and it has room again.
    Heal,
    /// The store takes up, or does not, what an operation asks of it.
    Effect {
        /// Which operation, by its number in the trace.
        operation: u32,
        /// What becomes of it.
        fate: Fate,
        /// Whether its hub hears of that later.
        held: bool,
    },
    /// A hub hears what the store has answered.
    Hear {
        /// Which operation.
        operation: u32,
    },
    /// The store carries out a write of long ago.
    Follow {
        /// Which operation's.
        operation: u32,
    },
    /// A hub's janitor sweeps a handoff.
    Sweep {
        /// Which hub.
        hub: usize,
        /// Which handoff.
        handoff: HandoffId,
    },
}

/// A request that comes to a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// To which hub.
    pub hub: usize,
    /// Which client asks.
    pub client: usize,
    /// The agent that it really is.
    pub agent: AgentId,
    /// Its own number for it, by which it knows the answer.
    pub request: u64,
    /// What it asks.
    pub demand: Demand,
}

/// How a hub dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Its process is killed: all that was written is there.
    Killed,
    /// The power is cut: of what was not flushed, chance decides, by this seed.
    PowerCut(u64),
}

/// What a same-host agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It drops an artifact into `handoff/`.
    Drops(Box<trace::Artifact>),
    /// It claims by a rename.
    Claims(HandoffId),
    /// It renames on what is claimed: to `archive/`.
    Completes(HandoffId),
    /// It renames what is pending or claimed to `rejected/`.
    Rejects(HandoffId),
    /// Somebody deletes the event log while no hub runs.
    DeletesLog,
}

/// What becomes of what an operation asks of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out, and answered.
    Answered,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It never comes there.
    RequestLost,
    /// It may be carried out later, and there is no answer.
    Delayed,
    /// The store says that it cannot.
    Fails,
}

/// What goes wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ill {
    /// A write finds no space.
    NoSpace,
    /// Nothing new can be made.
    NoNewFile,
    /// Space cannot be taken in advance.
    NoReserve,
    /// A write fails.
    WriteFails,
    /// A write writes a part.
    WritesShort,
    /// A write is interrupted.
    Interrupted,
    /// A read fails.
    ReadFails,
    /// A rename fails.
    RenameFails,
    /// A file's flush fails: final.
    FlushFails,
    /// A flush of everything fails: final.
    FlushAllFails,
    /// Hints are lost, and that is said.
    HintsLost,
    /// Hints are lost, and nobody says so.
    HintsSilent,
    /// A flush in the background takes until somebody waits for it.
    SlowFlush,
    /// The disk is full, but for a few blocks.
    Full,
}

impl Ill {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoSpace,
        Self::NoNewFile,
        Self::NoReserve,
        Self::WriteFails,
        Self::WritesShort,
        Self::Interrupted,
        Self::ReadFails,
        Self::RenameFails,
        Self::FlushFails,
        Self::FlushAllFails,
        Self::HintsLost,
        Self::HintsSilent,
        Self::SlowFlush,
        Self::Full,
    ];

    /// Its name in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSpace => "no_space",
            Self::NoNewFile => "no_new_file",
            Self::NoReserve => "no_reserve",
            Self::WriteFails => "write_fails",
            Self::WritesShort => "writes_short",
            Self::Interrupted => "interrupted",
            Self::ReadFails => "read_fails",
            Self::RenameFails => "rename_fails",
            Self::FlushFails => "flush_fails",
            Self::FlushAllFails => "flush_all_fails",
            Self::HintsLost => "hints_lost",
            Self::HintsSilent => "hints_silent",
            Self::SlowFlush => "slow_flush",
            Self::Full => "full",
        }
    }

    /// Of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ill| ill.name() == name)
    }

    /// The call that fails, and how; none where it is no call that does.
    #[must_use]
    pub const fn fault(self) -> Option<Fault> {
        Some(match self {
            Self::NoSpace => Fault::next(Call::Write, Failure::Full),
            Self::NoNewFile => Fault::next(Call::Make, Failure::Full),
            Self::NoReserve => Fault::next(Call::Reserve, Failure::Full),
            Self::WriteFails => Fault::next(Call::Write, Failure::Broken),
            Self::WritesShort => Fault::next(Call::Write, Failure::Short(7)),
            Self::Interrupted => Fault::next(Call::Write, Failure::Interrupted),
            Self::ReadFails => Fault::next(Call::Read, Failure::Broken),
            Self::RenameFails => Fault::next(Call::Rename, Failure::Broken),
            Self::FlushFails => Fault::next(Call::Flush, Failure::Broken),
            Self::FlushAllFails => Fault::next(Call::EndFlushAll, Failure::Broken),
            Self::HintsLost | Self::HintsSilent | Self::SlowFlush | Self::Full => return None,
        })
    }

    /// What comes of hints from now on, if it is about hints.
    #[must_use]
    pub const fn hinting(self) -> Option<Hinting> {
        match self {
            Self::HintsLost => Some(Hinting::TooMany),
            Self::HintsSilent => Some(Hinting::Silent),
            Self::NoSpace
            | Self::NoNewFile
            | Self::NoReserve
            | Self::WriteFails
            | Self::WritesShort
            | Self::Interrupted
            | Self::ReadFails
            | Self::RenameFails
            | Self::FlushFails
            | Self::FlushAllFails
            | Self::SlowFlush
            | Self::Full => None,
        }
    }
}

/// Something of a disk that is going to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// What.
    pub ill: Ill,
    /// After so many such calls that go well; of a disk that is full, so many blocks are left.
    pub after: u64,
}

/// How a world is set up: all that its hubs depend on and no act says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// How many hubs: one on directories, or several on one store that compares and swaps.
    pub hubs: Hubs,
    /// How many bytes of a disk become durable together.
    pub block_bytes: u64,
    /// See `handoff_hub::store::Options`.
    pub journal_bytes: u64,
    /// See `handoff_hub::store::Options`.
    pub segment_bytes: u64,
    /// See `handoff_hub::relay::Config`.
    pub few: usize,
    /// For how long after its deadline a terminal handoff is kept; none keeps everything.
    pub retain: Option<Millis>,
    /// ε: how far a hub's clock is from true time at most, in milliseconds.
    pub epsilon: u64,
    /// S3's bound in true time, ε + δ; none where a hub may pause for as long as it likes.
    pub bound: Option<u64>,
    /// By how many parts in a million each hub's clock is too fast.
    pub drift: Vec<i64>,
    /// What the store lets slip, in a test of whether that is noticed.
    pub slip: Option<Slip>,
}

/// How many hubs, on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hubs {
    /// One, on directories: the relay and the store that ship.
    Directory,
    /// So many, on one store of linearizable registers: the operation machine that ships.
    Several(usize),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            hubs: Hubs::Directory,
            block_bytes: 512,
            journal_bytes: 256 * 1024,
            segment_bytes: 64 * 1024,
            few: 64,
            retain: None,
            epsilon: 0,
            bound: None,
            drift: vec![0],
            slip: None,
        }
    }
}

/// No trace has more hubs than this, and none is needed that does.
const MOST_HUBS: usize = 64;

/// No disk writes more bytes at once, whole or not at all.
const MOST_BLOCK: u64 = 1 << 20;

/// No journal and no segment has more bytes than this: a hub takes the space of its journal when it begins, and no disk
/// here has more.
const MOST_FILE: u64 = 1 << 26;

/// No clock goes faster or slower than this, in parts of a million: twice as fast, or not at all.
const MOST_DRIFT: i64 = 1_000_000;

/// What a trace says of a set-up.
pub type Words = BTreeMap<String, String>;

fn number<T: std::str::FromStr>(words: &Words, name: &str) -> Result<Option<T>, String> {
    let Some(text) = words.get(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("{name} is {text:?}, which is no number that fits"))
}

pub(crate) fn needed<T: std::str::FromStr>(words: &Words, name: &str) -> Result<T, String> {
    number(words, name)?.ok_or_else(|| format!("{name} is missing"))
}

impl Setup {
    /// Its configuration's name in a trace's header.
    #[must_use]
    pub const fn configuration(&self) -> &'static str {
        match self.hubs {
            Hubs::Directory => "directory",
            Hubs::Several(_) => "several",
        }
    }

    /// How many hubs there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self.hubs {
            Hubs::Directory => 1,
            Hubs::Several(hubs) => hubs,
        }
    }

    /// As a trace says it.
    #[must_use]
    pub fn words(&self) -> Words {
        let Self {
            hubs: _,
            block_bytes,
            journal_bytes,
            segment_bytes,
            few,
            retain,
            epsilon,
            bound,
            drift,
            slip,
        } = self;
        let drift: Vec<String> = drift.iter().map(i64::to_string).collect();
        let mut words = vec![
            ("hubs", self.count().to_string()),
            ("on", self.configuration().to_owned()),
            ("block_bytes", block_bytes.to_string()),
            ("journal_bytes", journal_bytes.to_string()),
            ("segment_bytes", segment_bytes.to_string()),
            ("few", few.to_string()),
            ("epsilon", epsilon.to_string()),
            ("drift", drift.join(" ")),
        ];
        words.extend(retain.map(|retain| ("retain", retain.0.to_string())));
        words.extend(bound.map(|bound| ("bound", bound.to_string())));
        words.extend(slip.map(|slip| ("slip", format!("{slip:?}"))));
        words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// As a trace said it.
    ///
    /// # Errors
    /// What is missing or is no number, as a sentence.
    pub fn read(words: &Words) -> Result<Self, String> {
        let hubs = needed(words, "hubs")?;
        let hubs = match words.get("on").map(String::as_str) {
            Some("directory") if hubs == 1 => Hubs::Directory,
            Some("directory") => return Err(format!("on directories there is one hub, and not {hubs}")),
            Some("several") if (1..=MOST_HUBS).contains(&hubs) => Hubs::Several(hubs),
            Some("several") => {
                return Err(format!("there are 1 to {MOST_HUBS} hubs on one store, and not {hubs}"));
            }
            other => return Err(format!("hubs stand on directory or several, and not on {other:?}")),
        };
        let drift: String = needed(words, "drift")?;
        let drift: Result<Vec<i64>, _> = drift.split_whitespace().map(str::parse).collect();
        let drift = drift.map_err(|_| "drift is no list of numbers".to_owned())?;
        let count = match hubs {
            Hubs::Directory => 1,
            Hubs::Several(hubs) => hubs,
        };
        if drift.len() != count {
            return Err(format!("drift has one number for each hub, {count}, and not {}", drift.len()));
        }
        if let Some(wild) = drift.iter().find(|drift| !(-MOST_DRIFT..=MOST_DRIFT).contains(*drift)) {
            return Err(format!("a drift is {} to {MOST_DRIFT} in a million, and not {wild}", -MOST_DRIFT));
        }
        let slip = match words.get("slip") {
            None => None,
            Some(name) => {
                let found = Slip::ALL.into_iter().find(|slip| format!("{slip:?}") == *name);
                Some(found.ok_or_else(|| format!("there is no slip {name:?}"))?)
            }
        };
        let block_bytes = needed(words, "block_bytes")?;
        if !(1..=MOST_BLOCK).contains(&block_bytes) {
            return Err(format!("a block of a disk has 1 to {MOST_BLOCK} bytes, and not {block_bytes}"));
        }
        let file = |name| match needed(words, name)? {
            bytes @ 1..=MOST_FILE => Ok(bytes),
            bytes => Err(format!("{name} is 1 to {MOST_FILE}, and not {bytes}")),
        };
        Ok(Self {
            hubs,
            block_bytes,
            journal_bytes: file("journal_bytes")?,
            segment_bytes: file("segment_bytes")?,
            few: needed(words, "few")?,
            retain: number(words, "retain")?.map(Millis),
            epsilon: needed(words, "epsilon")?,
            bound: number(words, "bound")?,
            drift,
            slip,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_that_no_world_has_is_refused_and_says_what_one_has() {
        for (word, value, why) in [
            ("block_bytes", "0", "a block of a disk has 1 to 1048576 bytes, and not 0"),
            ("block_bytes", "1048577", "a block of a disk has 1 to 1048576 bytes, and not 1048577"),
            ("hubs", "0", "on directories there is one hub, and not 0"),
            ("hubs", "2", "on directories there is one hub, and not 2"),
            ("journal_bytes", "0", "journal_bytes is 1 to 67108864, and not 0"),
            (
                "journal_bytes",
                "1152921504606846976",
                "journal_bytes is 1 to 67108864, and not 1152921504606846976",
            ),
            ("segment_bytes", "67108865", "segment_bytes is 1 to 67108864, and not 67108865"),
            ("drift", "1 2", "drift has one number for each hub, 1, and not 2"),
            ("drift", "", "drift has one number for each hub, 1, and not 0"),
            ("drift", "fast", "drift is no list of numbers"),
            ("drift", "-1000001", "a drift is -1000000 to 1000000 in a million, and not -1000001"),
        ] {
            let mut words = Setup::default().words();
            words.insert(word.to_owned(), value.to_owned());
            assert_eq!(Setup::read(&words), Err(why.to_owned()));
        }
        for word in ["hubs", "block_bytes", "journal_bytes", "segment_bytes", "epsilon", "drift"] {
            let mut words = Setup::default().words();
            words.remove(word);
            assert_eq!(Setup::read(&words), Err(format!("{word} is missing")));
        }
        for hubs in ["0", "65", "9000000000000000000"] {
            let mut words = Setup { hubs: Hubs::Several(2), ..Setup::default() }.words();
            words.insert("hubs".to_owned(), hubs.to_owned());
            let why = format!("there are 1 to 64 hubs on one store, and not {hubs}");
            assert_eq!(Setup::read(&words), Err(why));
        }
    }

    #[test]
    fn a_setup_reads_back_from_what_a_trace_says_of_it() {
        let all = [
            Setup::default(),
            Setup {
                hubs: Hubs::Several(3),
                retain: Some(Millis(5)),
                epsilon: 7,
                bound: Some(9),
                drift: vec![1, -2, 3],
                slip: Some(Slip::AnswersTooEarly),
                ..Setup::default()
            },
        ];
        for setup in all {
            assert_eq!(Setup::read(&setup.words()), Ok(setup));
        }
        let mut words = Setup::default().words();
        words.insert("slip".into(), "Never".into());
        assert!(Setup::read(&words).unwrap_err().contains("no slip"));
        words.remove("epsilon");
        words.remove("slip");
        assert!(Setup::read(&words).unwrap_err().contains("epsilon is missing"));
    }

    #[test]
    fn each_trouble_is_found_by_its_name_and_does_something() {
        for ill in Ill::ALL {
            assert_eq!(Ill::named(ill.name()), Some(ill));
            let other = matches!(ill, Ill::SlowFlush | Ill::Full);
            assert!(ill.fault().is_some() || ill.hinting().is_some() || other, "{ill:?}");
        }
    }
}
