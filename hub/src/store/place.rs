//! Places: where a handoff's file lies, and what its name says.
//!
//! A name is part of the state: an accept is one rename, to a name that carries who claimed and when, so that no
//! crash can separate the two. `~` is in neither alphabet.

use handoff_kernel::ident::{ClaimId, HandoffId};
use handoff_kernel::record::{Record, State, Status};
use handoff_kernel::time::Time;

use handoff_kernel::ident::Wire;

/// Where a handoff's file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// `handoff/<id>.json`
    Pending,
    /// `claimed/<id>~<claim_id>~<ms>.json`: claimed through the hub.
    Claimed {
        /// None for an anonymous claim.
        claim_id: Option<ClaimId>,
        /// When it was claimed.
        at: Time,
    },
    /// `claimed/<id>.json`: claimed by a same-host agent's rename.
    ClaimedByNeighbour,
    /// `archive/<id>.json`
    Completed,
    /// `rejected/<id>.json`
    Rejected,
}

impl Place {
    /// The places that have one name for an id, whatever is in the file; the furthest along the path first, for
    /// what is over cannot begin again.
    pub(super) const PLAIN: [Self; 4] =
        [Self::Completed, Self::Rejected, Self::ClaimedByNeighbour, Self::Pending];

    /// The status that lying here means.
    pub(super) const fn status(self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Claimed { .. } | Self::ClaimedByNeighbour => Status::Claimed,
            Self::Completed => Status::Completed,
            Self::Rejected => Status::Rejected,
        }
    }

    /// The file's name within the data directory.
    pub(super) fn file(self, id: &HandoffId) -> String {
        let directory = directory(self.status());
        match self {
            Self::Claimed { claim_id, at } => {
                let claim_id = claim_id.as_ref().map_or("", ClaimId::as_str);
                format!("{directory}/{id}~{claim_id}~{}.json", at.0)
            }
            Self::Pending | Self::ClaimedByNeighbour | Self::Completed | Self::Rejected => {
                format!("{directory}/{id}.json")
            }
        }
    }

    /// Where a record's file belongs in this state, given where it lies. An anonymous claim's file stays where a
    /// same-host agent put it.
    pub(super) fn of(record: &Record<Wire>, now: Self) -> Self {
        match &record.state {
            State::Pending => Self::Pending,
            State::Claimed(claim) => match now {
                Self::ClaimedByNeighbour | Self::Completed | Self::Rejected if claim.id.is_none() => now,
                Self::Pending
                | Self::Claimed { .. }
                | Self::ClaimedByNeighbour
                | Self::Completed
                | Self::Rejected => Self::Claimed { claim_id: claim.id, at: claim.at },
            },
            State::Completed { .. } => Self::Completed,
            State::Rejected(_) => Self::Rejected,
        }
    }

    /// Reads a name in `handoff/` or `claimed/`; none for what is no handoff's name.
    pub(super) fn read(status: Status, name: &str) -> Option<(HandoffId, Self)> {
        let stem = name.strip_suffix(".json")?;
        if status == Status::Pending {
            return Some((HandoffId::parse(stem).ok()?, Self::Pending));
        }
        let Some((id, rest)) = stem.split_once('~') else {
            return Some((HandoffId::parse(stem).ok()?, Self::ClaimedByNeighbour));
        };
        let (claim_id, at) = rest.split_once('~')?;
        let claim_id = match claim_id {
            "" => None,
            text => Some(ClaimId::parse(text).ok()?),
        };
        let at: u64 = at.parse().ok()?;
        let place = Self::Claimed { claim_id, at: Time(at) };
        let id = HandoffId::parse(id).ok()?;
        // One name a place: no leading zero or sign.
        (place.file(&id).strip_prefix("claimed/") == Some(name)).then_some((id, place))
    }
}

/// The directory of a status.
pub(super) const fn directory(status: Status) -> &'static str {
    match status {
        Status::Pending => "handoff",
        Status::Claimed => "claimed",
        Status::Completed => "archive",
        Status::Rejected => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_from_its_name() {
        let id = HandoffId::parse("x.json-1").unwrap();
        let claim_id = Some(ClaimId::parse("c-1").unwrap());
        let places = [
            (Status::Pending, Place::Pending, "handoff/x.json-1.json"),
            (Status::Claimed, Place::ClaimedByNeighbour, "claimed/x.json-1.json"),
            (Status::Claimed, Place::Claimed { claim_id, at: Time(7) }, "claimed/x.json-1~c-1~7.json"),
            (Status::Claimed, Place::Claimed { claim_id: None, at: Time(7) }, "claimed/x.json-1~~7.json"),
        ];
        for (status, place, file) in places {
            assert_eq!(place.file(&id), file);
            let name = file.split_once('/').unwrap().1;
            assert_eq!(Place::read(status, name), Some((id, place)));
        }
    }

    #[test]
    fn what_is_no_handoffs_name_is_none() {
        for name in [
            "x",
            ".json",
            "a b.json",
            "x~c.json",
            "x~c~07.json",
            "x~c~+7.json",
            "x~c c~7.json",
            "x~~.json",
            "x~~7~.json",
        ] {
            assert_eq!(Place::read(Status::Claimed, name), None, "{name}");
        }
        assert_eq!(Place::read(Status::Pending, "x~~7.json"), None);
    }
}
