//! What goes over turmoil's network: one datagram a request, one an answer; words, and an artifact's bytes as they are.
//!
//! Datagrams, for a message that is lost is lost there too: what turmoil loses of a TCP connection ends it, and most
//! of the time would go into connecting anew, which nobody does in the other simulator.

use std::sync::Arc;

use handoff_hub::request::{Asker, Request};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId};
use handoff_kernel::time::Millis;
use handoff_sim::cast::Cast;
use handoff_sim::scenario::{Ask, Said, Scenario};

/// No datagram is longer.
pub(crate) const MOST: usize = 4096;

/// `7 bob poll 50`: the asker's number for it, who asks, and what.
pub(crate) fn ask(cast: &Cast, number: u64, by: AgentId, ask: Ask, waits: u64) -> Result<Vec<u8>, String> {
    let mut artifact = None;
    let words = match ask {
        Ask::Start(of) => {
            artifact = Some(Scenario::artifact(cast, of)?.bytes);
            format!("{number} {by} start ")
        }
        Ask::Poll => format!("{number} {by} poll {waits}"),
        Ask::Accept(handoff, claim) => format!("{number} {by} accept {handoff} {claim}"),
        Ask::Complete(handoff, claim) => format!("{number} {by} complete {handoff} {claim}"),
    };
    let mut bytes = words.into_bytes();
    bytes.extend_from_slice(&artifact.unwrap_or_default());
    Ok(bytes)
}

/// What the hub reads of it.
pub(crate) fn asked(bytes: &[u8]) -> Result<(u64, Request), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let unknown = || format!("{text:?} is no request");
    let mut words = text.splitn(4, ' ');
    let mut word = || words.next().ok_or_else(unknown);
    let number = word()?.parse().map_err(|_| unknown())?;
    let agent = AgentId::parse(word()?).map_err(|_| unknown())?;
    let (what, rest) = (word()?, word()?);
    let named = || {
        let (handoff, claim) = rest.split_once(' ')?;
        Some((HandoffId::parse(handoff).ok()?, ClaimId::parse(claim).ok()))
    };
    let by = Asker { agent, named: None };
    let request = match what {
        "start" => {
            let start = Artifact::parse(rest.as_bytes()).map_err(|error| error.to_string())?.header().start();
            Request::Start { sender: agent, start, bytes: Arc::from(rest.as_bytes()), target_known: true }
        }
        "poll" => Request::Poll { by: agent, wait: Millis(rest.parse().map_err(|_| unknown())?) },
        "accept" => {
            let (handoff, claim_id) = named().ok_or_else(unknown)?;
            Request::Accept { by, handoff, claim_id, receipt: None }
        }
        "complete" => {
            let (handoff, claim_id) = named().ok_or_else(unknown)?;
            Request::Complete { by, handoff, claim_id, result: None, receipt: None }
        }
        _ => return Err(unknown()),
    };
    Ok((number, request))
}

/// `7 shown h3`.
pub(crate) fn say(number: u64, said: Said) -> String {
    match said {
        Said::Started => format!("{number} started"),
        Said::Shown(None) => format!("{number} nothing"),
        Said::Shown(Some(handoff)) => format!("{number} shown {handoff}"),
        Said::Claimed => format!("{number} claimed"),
        Said::Completed => format!("{number} completed"),
        Said::Refused => format!("{number} refused"),
    }
}

/// What a client reads of it.
pub(crate) fn said(bytes: &[u8]) -> Option<(u64, Said)> {
    let mut words = std::str::from_utf8(bytes).ok()?.split(' ');
    let number = words.next()?.parse().ok()?;
    let said = match words.next()? {
        "started" => Said::Started,
        "nothing" => Said::Shown(None),
        "shown" => Said::Shown(Some(HandoffId::parse(words.next()?).ok()?)),
        "claimed" => Said::Claimed,
        "completed" => Said::Completed,
        "refused" => Said::Refused,
        _ => return None,
    };
    Some((number, said))
}
