//! What clients were told, and whether what is served later agrees with it.
//!
//! A [`Told`] remembers one handoff: everything that was asked about it, and what was heard, or that nothing was,
//! because the connection died. [`Told::losses`] holds that against what a hub serves after, and against the files.
//! It is judged from outside only: nothing here knows how a hub keeps anything.

use serde_json::Value;

/// What was asked. Asked again with the same ids, it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Start,
    Accept { claim_id: String },
    Complete { claim_id: String, result: Value },
    Reject { claim_id: Option<String>, reason: String },
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing: it may have been done or not.
    Unknown,
    /// An acknowledgement: its status code and what it says.
    Done(u16, Value),
    /// A refusal: its reason.
    Refused(String),
}

/// One question and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    pub(crate) heard: Heard,
}

/// All that was said about one handoff.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) id: String,
    /// The artifact.
    pub(crate) bytes: Vec<u8>,
    /// Whether a deadline may come to pass during the test.
    pub(crate) may_expire: bool,
    pub(crate) asked: Vec<Asked>,
    /// Whether a poll has shown it: then it was started, whatever its author heard.
    pub(crate) polled: bool,
    /// The record as a GET showed it last, which is a promise as well.
    pub(crate) seen: Option<Value>,
}

/// What is served of one handoff.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    /// The record, without its artifact; none when the hub knows of none.
    pub(crate) record: Option<Value>,
    /// The artifact's bytes.
    pub(crate) artifact: Vec<u8>,
    /// The files of this id in the four directories, as `archive/<id>.json`.
    pub(crate) files: Vec<String>,
}

impl Told {
    pub(crate) fn new(id: &str, bytes: Vec<u8>, may_expire: bool) -> Self {
        let (id, asked) = (id.to_owned(), Vec::new());
        Self { id, bytes, may_expire, asked, polled: false, seen: None }
    }

    /// The acknowledgements, with what they are of.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&Ask, u16, &Value)> {
        self.asked.iter().filter_map(|asked| match &asked.heard {
            Heard::Done(status, answer) => Some((&asked.ask, *status, answer)),
            Heard::Unknown | Heard::Refused(_) => None,
        })
    }

    /// What can be asked again now and must be answered as it was: the first acknowledged question of each kind that
    /// still is about the state that it led to.
    pub(crate) fn repeatable(&self, status: &str) -> Vec<Ask> {
        let mut again: Vec<&Ask> = Vec::new();
        for (ask, _, _) in self.acknowledged() {
            let still = match ask {
                Ask::Start => true,
                Ask::Accept { .. } => status == "claimed",
                Ask::Complete { .. } | Ask::Reject { .. } => true,
            };
            if still && !again.contains(&ask) {
                again.push(ask);
            }
        }
        again.into_iter().cloned().collect()
    }

    /// Everything that was acknowledged and is not so, one sentence each; none when all is well.
    pub(crate) fn losses(&self, served: &Served) -> Vec<String> {
        let mut losses = self.contradictions();
        match &served.record {
            Some(record) => {
                losses.extend(self.against_record(record));
                if served.artifact != self.bytes {
                    losses.push("the artifact has other bytes".to_owned());
                }
                losses.extend(self.against_files(record, &served.files));
            }
            None => {
                if self.polled || self.seen.is_some() || self.acknowledged().next().is_some() {
                    losses.push("it is not found, and was acknowledged".to_owned());
                }
                if !served.files.is_empty() {
                    losses.push(format!("it is not found, and there are files: {:?}", served.files));
                }
            }
        }
        losses.into_iter().map(|loss| format!("{}: {loss}", self.id)).collect()
    }

    /// Answers that cannot both be true.
    fn contradictions(&self) -> Vec<String> {
        let mut losses = Vec::new();
        let mut first: [Option<(&Ask, &Value)>; 4] = [None; 4];
        let mut made = 0;
        for (ask, status, answer) in self.acknowledged() {
            made += usize::from(status == 201);
            let (n, what) = match ask {
                Ask::Start => (0, "start"),
                Ask::Accept { .. } => (1, "accept"),
                Ask::Complete { .. } => (2, "complete"),
                Ask::Reject { .. } => (3, "reject"),
            };
            match first[n] {
                None => first[n] = Some((ask, answer)),
                Some(one) if one == (ask, answer) => {}
                Some((other, before)) if other != ask => {
                    losses.push(format!(
                        "a second {what} was acknowledged: {other:?} ({before}), then {ask:?} ({answer})"
                    ));
                }
                Some((_, before)) => {
                    losses.push(format!("a repeated {what} was answered otherwise: {before}, then {answer}"));
                }
            }
        }
        if made > 1 {
            losses.push(format!("it was made {made} times"));
        }
        if first[2].is_some() && first[3].is_some() {
            losses.push("it was acknowledged as completed and as rejected".to_owned());
        }
        for asked in &self.asked {
            let Heard::Refused(reason) = &asked.heard else { continue };
            let wrong = match (reason.as_str(), &asked.ask) {
                // Nobody is asked about a handoff before its start was acknowledged.
                ("not_found" | "id_conflict", _) => true,
                ("expired" | "claim_expired", _) => !self.may_expire,
                _ => false,
            };
            if wrong {
                losses.push(format!("{:?} was refused as {reason}", asked.ask));
            }
        }
        losses
    }

    fn against_record(&self, record: &Value) -> Vec<String> {
        let mut losses = Vec::new();
        let status = record["status"].as_str().unwrap_or_default();
        let claim = &record["claim"];
        let cause = record["cause"].as_str().unwrap_or_default();
        let mut expect = |is_so: bool, what: &str, answer: &Value| {
            if !is_so {
                losses.push(format!("{what} was acknowledged ({answer}), and this is served: {record}"));
            }
        };
        for (ask, _, answer) in self.acknowledged() {
            match ask {
                Ask::Start => {
                    expect(record["expires_at"] == answer["expires_at"], "a start", answer);
                }
                Ask::Accept { claim_id } => {
                    let same = claim["claim_id"] == claim_id.as_str()
                        && claim["claim_id"] == answer["claim_id"]
                        && claim["claimed_at"] == answer["claimed_at"];
                    expect(same && status != "pending", "an accept", answer);
                }
                Ask::Complete { claim_id, result } => {
                    let same = status == "completed"
                        && record["result"] == *result
                        && record["finished_at"] == answer["completed_at"]
                        && claim["claim_id"] == claim_id.as_str();
                    expect(same, "a complete", answer);
                }
                Ask::Reject { reason, claim_id } => {
                    let same = (status, cause) == ("rejected", "declined")
                        && record["reason"] == reason.as_str()
                        && record["finished_at"] == answer["rejected_at"]
                        && claim["claim_id"].as_str() == claim_id.as_deref();
                    expect(same, "a reject", answer);
                }
            }
        }
        if let Some(seen) = &self.seen
            && !follows(seen, record)
        {
            losses.push(format!("this was served: {seen}, and now this: {record}"));
        }
        for asked in &self.asked {
            if let (Ask::Accept { claim_id }, Heard::Refused(reason)) = (&asked.ask, &asked.heard)
                && reason == "already_claimed"
                && claim["claim_id"] == claim_id.as_str()
            {
                losses.push(format!("{claim_id} was told that it lost, and has the claim"));
            }
        }
        if !self.somebody_asked(record) {
            losses.push(format!("nobody has asked for this: {record}"));
        }
        losses
    }

    /// Whether the state is one that was asked for, or that a deadline brings.
    fn somebody_asked(&self, record: &Value) -> bool {
        let claimed_by = &record["claim"]["claim_id"];
        let claim_asked = record["claim"].is_null()
            || self.asked.iter().any(
                |asked| matches!(&asked.ask, Ask::Accept { claim_id } if claimed_by == claim_id.as_str()),
            );
        let state_asked = match (record["status"].as_str(), record["cause"].as_str()) {
            (Some("pending"), None) => record["claim"].is_null(),
            (Some("claimed"), None) => !record["claim"].is_null(),
            (Some("completed"), None) => self.asked.iter().any(
                |asked| matches!(&asked.ask, Ask::Complete { result, .. } if record["result"] == *result),
            ),
            (Some("rejected"), Some("declined")) => self.asked.iter().any(
                |asked| matches!(&asked.ask, Ask::Reject { reason, .. } if record["reason"] == reason.as_str()),
            ),
            (Some("rejected"), Some("expired")) => self.may_expire && record["claim"].is_null(),
            (Some("rejected"), Some("claim_expired")) => self.may_expire && !record["claim"].is_null(),
            _ => false,
        };
        claim_asked && state_asked
    }

    /// Exactly one file, where the record says.
    fn against_files(&self, record: &Value, files: &[String]) -> Vec<String> {
        let [file] = files else { return vec![format!("its files are not one: {files:?}")] };
        let name = format!("{}.json", self.id);
        let as_said = match record["status"].as_str() {
            Some("pending") => *file == format!("handoff/{name}"),
            Some("claimed") => {
                let claim_id = record["claim"]["claim_id"].as_str().unwrap_or_default();
                file.starts_with(&format!("claimed/{}~{claim_id}~", self.id))
            }
            Some("completed") => *file == format!("archive/{name}"),
            Some("rejected") => *file == format!("rejected/{name}"),
            _ => false,
        };
        if as_said { vec![] } else { vec![format!("its file is {file}, and this is served: {record}")] }
    }
}

/// Whether one record can have become the other: it goes forward only, and what is over stays as it is.
fn follows(before: &Value, after: &Value) -> bool {
    let rank = |record: &Value| match record["status"].as_str() {
        Some("pending") => 0,
        Some("claimed") => 1,
        _ => 2,
    };
    let same = |field: &str| before[field] == after[field];
    match (rank(before), rank(after)) {
        (2, _) => before == after,
        (old, new) => {
            let constant = ["handoff_id", "from_agent", "to_agent", "digest", "started_at", "expires_at"];
            old <= new && constant.into_iter().all(same) && (before["claim"].is_null() || same("claim"))
        }
    }
}
