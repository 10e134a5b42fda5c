//! Traces of a hub that lies: what its parties ask is asked of an honest one, which answers as the kernel does.

use std::collections::BTreeMap;

use handoff_spec::malice::token;
use handoff_spec::trace::{Artifact, Ask, Client, Event, Line, Told, Trace};

use super::script::{Act, Asking, Cue, Script};

/// Where a start is never answered, nobody says when its artifact expires: at the time that all the others do.
const EXPIRES: u64 = 9;

/// What of such a trace is played: all that is asked, and each poll.
pub(super) fn script(trace: &Trace) -> Result<Script, String> {
    let mut script = Script { janitor: true, ..Script::default() };
    for (at, line) in (2..).zip(&trace.lines) {
        let act = act(trace, line).map_err(|why| format!("line {at}: {why}"))?;
        script.cues.extend(act.map(|act| Cue { line: at, clock: Some(line.time), act }));
    }
    Ok(script)
}

type With = BTreeMap<String, String>;

fn act(trace: &Trace, line: &Line) -> Result<Option<Act>, String> {
    if let Event::Receives { command, verdict } = &line.event {
        let asked = asking(&line.host, command, Some(verdict))?;
        return Ok(Some(Act::Hears { client: line.host.clone(), asked: Box::new(asked) }));
    }
    if line.event == Event::Ticks {
        return Ok(Some(Act::Nothing));
    }
    let Event::Tells { does, with } = &line.event else {
        return Err(format!("not of this model: {}", line.event));
    };
    Ok(match does.as_str() {
        "signs" => {
            let bytes = token::Bytes::read(get(with, "artifact")?).ok_or("what is signed is no artifact")?;
            Some(asks(&line.host, &start(trace, &bytes.content, token::name(bytes.content.author)))?)
        }
        "takes_from_eve" => {
            let content =
                token::Content::read(get(with, "artifact")?).ok_or("what eve sends is no content")?;
            Some(asks("eve", &start(trace, &content, "eve"))?)
        }
        "lets_eve_claim" => {
            let command = accept("eve", Some("c9".to_owned()));
            let asking = Asking {
                client: Client { client: "eve".to_owned(), agent: "eve".to_owned() },
                handoff: get(with, "handoff")?.to_owned(),
                command,
                told: None,
                heard: true,
                apart: None,
            };
            Some(Act::Asks(Box::new(asking)))
        }
        "asks" => {
            let deed = token::Deed::read(get(with, "receipt")?).ok_or("what is asked has no receipt")?;
            let by = token::name(deed.target).to_owned();
            let claim_id = deed.claim.map(handoff_spec::trace::claim);
            let command = match deed.act {
                token::Act::Accept => accept(&by, claim_id),
                token::Act::Complete => Ask::Complete { by, claim_id, result: None, receipt: None },
                token::Act::Reject => Ask::Reject { by, claim_id, reason: "t0".to_owned(), receipt: None },
            };
            let asking = Asking { handoff: format!("h{}", deed.id), ..asking(&line.host, &command, None)? };
            Some(Act::Asks(Box::new(asking)))
        }
        // Whatever the hub of the trace shows: an honest one shows what is there.
        "shows" | "shows_nothing" => {
            Some(Act::Polls { target: agent_of(get(with, "to")?).to_owned(), told: None, waits: false })
        }
        // What happens with an agent, or within the hub that lies, is nothing that is asked.
        "takes"
        | "refuses"
        | "answers"
        | "presents"
        | "believes"
        | "disbelieves"
        | "sweeps"
        | "reopens"
        | "invents_a_claim_in_the_log" => None,
        other => return Err(format!("nothing of this model: {other}")),
    })
}

fn asks(host: &str, command: &Ask) -> Result<Act, String> {
    Ok(Act::Asks(Box::new(asking(host, command, None)?)))
}

fn asking(host: &str, command: &Ask, told: Option<&Told>) -> Result<Asking, String> {
    let agent = agent_of(host).to_owned();
    let handoff = match command {
        Ask::Start { artifact, .. } => artifact.handoff.clone(),
        Ask::Accept { .. } | Ask::Complete { .. } | Ask::Reject { .. } | Ask::Sweep => String::new(),
    };
    Ok(Asking {
        client: Client { client: host.to_owned(), agent },
        handoff,
        command: command.clone(),
        told: told.cloned(),
        heard: true,
        apart: None,
    })
}

fn accept(by: &str, claim_id: Option<String>) -> Ask {
    Ask::Accept { by: by.to_owned(), claim_id, attempt: 0, receipt: None }
}

/// The start of an artifact of this content, as the trace answers it, or as all of them are.
fn start(trace: &Trace, content: &token::Content, sender: &str) -> Ask {
    let handoff = handoff_spec::trace::handoff(content.id);
    let expires = trace.lines.iter().find_map(|line| {
        let Event::Receives { command: Ask::Start { artifact, .. }, .. } = &line.event else { return None };
        (artifact.handoff == handoff).then_some(artifact.expires_at)
    });
    let artifact = Artifact {
        handoff,
        author: token::name(content.author).to_owned(),
        target: token::name(content.target).to_owned(),
        digest: handoff_spec::trace::digest(content.body),
        expires_at: expires.unwrap_or(EXPIRES),
        claim_ttl: None,
    };
    Ask::Start { sender: sender.to_owned(), artifact }
}

/// `alice 2` is an instance of alice.
fn agent_of(host: &str) -> &str {
    host.split(' ').next().unwrap_or(host)
}

fn get<'a>(with: &'a With, what: &str) -> Result<&'a str, String> {
    with.get(what).map(String::as_str).ok_or_else(|| format!("{what} is not told"))
}
