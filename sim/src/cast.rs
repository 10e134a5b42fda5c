//! The cast: who and what there is in a simulated world, by the short names that traces use, as the wire has it.
//!
//! Names mean nothing: agents `bob`, `alice`, `eve`, `agent3`; handoffs `h0`; claims `c1`; digests `d0`, one for each
//! artifact of a handoff; results and reasons `t0`; receipts `r1`. A trace says all that is needed to make them again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::Start;
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Mac, Wire};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;
use handoff_spec::trace;

/// When a trace's own time begins: 2026-04-21T10:00:00Z. A trace counts milliseconds from here.
pub const BEGIN: Time = Time(1_776_765_600_000);

/// That moment of a trace's own time, on the wire.
#[must_use]
pub const fn on_the_wire(time: u64) -> Time {
    Time(BEGIN.0.saturating_add(time))
}

/// That moment on the wire, in a trace's own time.
#[must_use]
pub const fn in_a_trace(time: Time) -> u64 {
    time.0.saturating_sub(BEGIN.0)
}

/// An artifact that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// What the state machine reads of it.
    pub start: Start<Wire>,
    /// The artifact, as its author sends it.
    pub bytes: Arc<[u8]>,
    /// Its digest's name.
    pub named: Rc<str>,
}

/// How long the opaque part of an artifact is, by the number of its digest: short ones, one that fills some blocks of a
/// disk, one that is longer than a flush of small ones.
const LENGTHS: [usize; 8] = [0, 0, 40, 300, 700, 2_000, 9_000, 60_000];

/// How many numbers in a row have an artifact of one length.
const OF_ONE_LENGTH: u32 = 4;

/// Artifacts by digest, made when they are asked for.
#[derive(Debug, Clone, Default)]
pub struct Cast(Rc<RefCell<BTreeMap<Digest, Made>>>);

impl Cast {
    /// The artifact that says this: the same bytes every time.
    ///
    /// # Errors
    /// When nothing could be started with it: a name that is none, or a time limit that is no whole number of seconds.
    pub fn artifact(&self, said: &trace::Artifact) -> Result<Made, String> {
        let number: u32 = said
            .digest
            .strip_prefix('d')
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("{:?} is no digest of a trace", said.digest))?;
        let at = usize::try_from(number / OF_ONE_LENGTH).unwrap_or_default() % LENGTHS.len();
        let limit = match said.claim_ttl {
            None => String::new(),
            Some(ttl) if ttl % 1000 == 0 => format!(", \"claim_ttl_seconds\": {}", ttl / 1000),
            Some(ttl) => return Err(format!("claims are limited by whole seconds, and not by {ttl} ms")),
        };
        let bytes: Arc<[u8]> = format!(
            "{{\"protocol_version\": 1, \"handoff_id\": \"{}\", \"from_agent\": \"{}\", \"to_agent\": \"{}\", \
             \"reason\": \"a simulated one\", \"number\": {number}, \"context\": \"{}\"{limit}, \
             \"initiated_at\": \"{}\", \"expires_at\": \"{}\", \"hmac\": \"none\"}}",
            said.handoff,
            said.author,
            said.target,
            "x".repeat(LENGTHS[at]),
            Rfc3339(Time(BEGIN.0 - 1000)),
            Rfc3339(on_the_wire(said.expires_at)),
        )
        .into_bytes()
        .into();
        let digest = Digest::of(&bytes);
        if let Some(made) = self.0.borrow().get(&digest) {
            return Ok(made.clone());
        }
        let start = Artifact::parse(&bytes).map_err(|error| error.to_string())?.header().start();
        let made = Made { start, bytes, named: Rc::from(&*said.digest) };
        self.0.borrow_mut().insert(digest, made.clone());
        Ok(made)
    }

    /// The artifact of this digest, if one was made.
    #[must_use]
    pub fn made(&self, digest: &Digest) -> Option<Made> {
        self.0.borrow().get(digest).cloned()
    }

    /// A digest's name: its own, for one that nobody here made.
    #[must_use]
    pub fn named(&self, digest: &Digest) -> String {
        self.0.borrow().get(digest).map_or_else(|| digest.to_string(), |made| made.named.to_string())
    }
}

/// The agent of this name.
///
/// # Errors
/// When it is no agent's name.
pub fn agent(name: &str) -> Result<AgentId, String> {
    AgentId::parse(name).map_err(|bad| format!("the agent {name:?} {bad}"))
}

/// The handoff of this name.
///
/// # Errors
/// When it is no handoff's name.
pub fn handoff(name: &str) -> Result<HandoffId, String> {
    HandoffId::parse(name).map_err(|bad| format!("the handoff {name:?} {bad}"))
}

/// The claim of this name.
///
/// # Errors
/// When it is no claim's name.
pub fn claim(name: &str) -> Result<ClaimId, String> {
    ClaimId::parse(name).map_err(|bad| format!("the claim {name:?} {bad}"))
}

/// A result or a reason, as the wire has it: the name as a JSON string.
#[must_use]
pub fn text(name: &str) -> Arc<str> {
    let mut quoted = String::new();
    handoff_kernel::canonical::quote(name, &mut quoted);
    quoted.into()
}

/// The name of a result or a reason.
#[must_use]
pub fn text_named(text: &str) -> String {
    text.trim_matches('"').to_owned()
}

/// The receipt of this name.
///
/// # Errors
/// When it is no receipt's name.
pub fn receipt(name: &str) -> Result<Mac, String> {
    let number: Option<u8> = name.strip_prefix('r').and_then(|digits| digits.parse().ok());
    number.map(|number| Mac([number; 32])).ok_or_else(|| format!("{name:?} is no receipt of a trace"))
}

/// A receipt's name.
#[must_use]
pub fn receipt_named(receipt: &Mac) -> String {
    format!("r{}", receipt.0[0])
}

/// So many milliseconds, as a trace has them.
#[must_use]
pub fn millis(limit: Option<Millis>) -> Option<u64> {
    limit.map(|limit| limit.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(digest: &str, ttl: Option<u64>) -> trace::Artifact {
        trace::Artifact {
            handoff: "h1".into(),
            author: "bob".into(),
            target: "alice".into(),
            digest: digest.into(),
            expires_at: 70_000,
            claim_ttl: ttl,
        }
    }

    #[test]
    fn an_artifact_is_made_again_to_the_byte_and_says_what_was_asked_for() {
        let cast = Cast::default();
        let one = cast.artifact(&said("d0", Some(2000))).unwrap();
        let again = Cast::default().artifact(&said("d0", Some(2000))).unwrap();
        assert_eq!(one.bytes, again.bytes);
        assert_eq!((one.start.expires_at, one.start.claim_ttl), (on_the_wire(70_000), Some(Millis(2000))));
        assert_eq!(cast.named(&one.start.digest), "d0");
        assert_eq!(cast.made(&one.start.digest).map(|made| made.bytes), Some(one.bytes.clone()));
        let other = cast.artifact(&said("d1", Some(2000))).unwrap();
        assert_ne!(one.start.digest, other.start.digest);
        let long = cast.artifact(&said("d28", None)).unwrap();
        assert!(long.bytes.len() > 60_000 && long.start.claim_ttl.is_none());
    }

    #[test]
    fn what_cannot_be_made_says_why() {
        let cast = Cast::default();
        assert!(cast.artifact(&said("x", None)).unwrap_err().contains("no digest"));
        assert!(cast.artifact(&said("d0", Some(1500))).unwrap_err().contains("whole seconds"));
        assert!(agent("Bob").is_err() && handoff("~").is_err() && claim("").is_err());
        assert!(receipt("x").is_err() && receipt("r300").is_err());
        assert_eq!(receipt("r7").map(|mac| receipt_named(&mac)), Ok("r7".to_owned()));
        assert_eq!(text_named(&text("t0")), "t0");
    }
}
