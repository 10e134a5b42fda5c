//! What a person is shown of a trace: the simulator's own words as words, and nothing of what only a replay needs.

use std::collections::BTreeMap;

use handoff_spec::trace::{Event, Line, Trace, Word};

use crate::conform::SIMULATOR;
use crate::run::SET_UP;

/// The same trace with words for a person. What a hub does because time passes is left out where nothing comes of it
/// but what other lines tell. No replay reads it any more.
#[must_use]
pub fn readable(trace: &Trace) -> Trace {
    let header = trace.header.clone();
    let lines = trace.lines.iter();
    let lines =
        if header.model == SIMULATOR { lines.filter_map(told).collect() } else { lines.cloned().collect() };
    Trace { header, lines }
}

fn told(line: &Line) -> Option<Line> {
    let Event::Tells { does, with } = &line.event else { return Some(line.clone()) };
    let event = match does.as_str() {
        // A trace has one a tick; and to whom a poll or a read is answered, the answer tells.
        "looks_around" | "works" => return None,
        SET_UP => Word::Notes(format!("is set up: {}", list(with))),
        "polls" => Word::asks(hub(with), format!("poll, for {} ms", get(with, "wait"))),
        "reads" => Word::asks(hub(with), format!("read {}", get(with, "handoff"))),
        "still_asks" => Word::Notes(format!("still asks: {}", list(with))),
        "is_doomed" => Word::Suffers(format!(
            "will die after {} more file operations ({})",
            get(with, "after"),
            get(with, "how")
        )),
        // The line that tells of what died with it follows, and draws its end.
        "dies" => Word::Suffers(format!("is about to die: {}", get(with, "how"))),
        "refuses_to_start" => Word::Suffers("refuses to start".to_owned()),
        "fails" => Word::Suffers(format!("{}, after {} operations", get(with, "what"), get(with, "after"))),
        "heals" => Word::Notes("is well again".to_owned()),
        "faults_stop" => Word::Notes("nothing goes wrong from here on".to_owned()),
        "arrives" => Word::Notes(format!("takes note of {}", get(with, "handoff"))),
        "deletes_log" => Word::Suffers("deletes the event log".to_owned()),
        "drops" | "claims" | "completes" | "rejects" => {
            Word::Notes(format!("{does} {} by files", get(with, "handoff")))
        }
        other => Word::Notes(format!("{}: {}", other.replace('_', " "), list(with))),
    };
    Some(Line { event: event.into(), ..line.clone() })
}

type Words = BTreeMap<String, String>;

fn get<'w>(with: &'w Words, name: &str) -> &'w str {
    with.get(name).map_or("?", String::as_str)
}

fn hub(with: &Words) -> String {
    format!("hub {}", get(with, "hub"))
}

fn list(with: &Words) -> String {
    let said: Vec<String> =
        with.iter().map(|(name, value)| format!("{} {value}", name.replace('_', " "))).collect();
    said.join(", ")
}
