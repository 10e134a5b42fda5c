//! What a person is shown of a trace: the simulator's own words as words, and nothing of what only a replay needs.

use std::collections::BTreeMap;

use handoff_kernel::rules::Rule;
use handoff_spec::trace::{Artifact, Ask, Event, Header, Kind, Line, RecordText, StatusText, Trace, Word};

use crate::conform::SIMULATOR;
use crate::directory::surroundings::CAME_TO;
use crate::run::SET_UP;

/// The same trace with words for a person. What a hub does because time passes is left out where nothing comes of it
/// but what other lines tell; what no other line tells, to whom something is handed and that what was over is written
/// again, is put in. No replay reads it any more.
#[must_use]
pub fn readable(trace: &Trace) -> Trace {
    if trace.header.model != SIMULATOR {
        return trace.clone();
    }
    let mut known = Known::default();
    let lines = trace.lines.iter().filter_map(told).flat_map(|line| known.shown(line)).collect();
    Trace { header: trace.header.clone(), lines }
}

/// The same for a picture, which has no column for the time and ends with what was broken.
#[must_use]
pub fn drawable(trace: &Trace) -> Trace {
    let Trace { header, lines } = readable(trace);
    if header.model != SIMULATOR {
        return Trace { header, lines };
    }
    let mut last = None;
    let timed = |line: Line| {
        let passes = last.replace(line.time) != Some(line.time);
        let tick = Line { step: line.step, ..Line::at(line.time, "time", None, Event::Ticks) };
        passes.then_some(tick).into_iter().chain([line])
    };
    Trace { lines: lines.into_iter().flat_map(timed).collect(), header: broken(header) }
}

/// The box at the end of a picture says what a rule of that id demands: so it is called by its name here, and the box has
/// what was broken, and then what the rule demands.
fn broken(header: Header) -> Header {
    let rule = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == header.rule);
    let Some(rule) = rule.filter(|_| header.kind == Kind::Counterexample) else { return header };
    let name = rule.to_string();
    let what = header.says.strip_prefix(&name).and_then(|rest| rest.strip_prefix(": "));
    let what = what.unwrap_or(&header.says).trim_end_matches('.');
    let demands = Some(format!("In this run: {what}. The rule: {}", rule.statement()));
    Header { rule: name, demands, ..header }
}

/// What is on record, as far as the lines have told.
#[derive(Debug, Default)]
struct Known(BTreeMap<String, RecordText>);

impl Known {
    /// The line as it is shown, with what else is to be said of it.
    fn shown(&mut self, mut line: Line) -> Vec<Line> {
        let at_store =
            |word: Word| Line { clock: None, event: word.into(), host: "store".to_owned(), ..line.clone() };
        let also = if let Event::Effect { took_effect: true, record: Some(record), .. }
        | Event::Follows { took_effect: true, record: Some(record), .. } = &line.event
        {
            let before = self.0.insert(record.handoff.clone(), record.clone());
            before.as_ref().and_then(|before| written_again(before, record)).map(at_store)
        } else if let Event::Prunes { handoff } = &line.event {
            self.0.remove(handoff);
            Some(at_store(Word::Records(format!("nothing of {handoff} any more"))))
        } else {
            None
        };
        with_targets(&mut line.event);
        // No message travels here. One that is sent is what a client still asks when faults stop.
        if let Event::Sends { handoff, command } = &line.event {
            line.event = Word::Notes(format!("still asks: {command} on {handoff}")).into();
        }
        [line].into_iter().chain(also).collect()
    }
}

/// What is over and is written again may look the same in all that a picture shows of it.
fn written_again(before: &RecordText, now: &RecordText) -> Option<Word> {
    let result = |record: &RecordText| match &record.state {
        StatusText::Completed { result, .. } => {
            Some(result.as_ref().map_or_else(|| "no result".to_owned(), |result| format!("result {result}")))
        }
        StatusText::Declined { reason, .. } => Some(format!("reason {reason}")),
        StatusText::Expired { .. } | StatusText::ClaimExpired { .. } => Some(String::new()),
        StatusText::Pending | StatusText::Claimed { .. } => None,
    };
    let was = result(before)?;
    let how = match result(now) {
        _ if before == now => "the same as it was".to_owned(),
        Some(is) if is != was => format!("with {is} instead of {was}"),
        Some(_) | None => "as something else".to_owned(),
    };
    Some(Word::Suffers(format!("{} was over, and is written again, {how}", now.handoff)))
}

/// To whom something is handed is no part of what is printed of requests and records.
fn with_targets(event: &mut Event) {
    if let Event::Begins { command: Ask::Start { sender, artifact }, .. }
    | Event::Sends { command: Ask::Start { sender, artifact }, .. } = event
    {
        let Artifact { author, target, .. } = artifact;
        let named = format!("{author}, to {target}");
        if sender == author {
            sender.clone_from(&named);
        }
        *author = named;
    } else if let Event::Effect { record: Some(record), .. } | Event::Follows { record: Some(record), .. } =
        event
    {
        record.handoff += &format!(" (to {})", record.target);
    }
}

fn told(line: &Line) -> Option<Line> {
    let Event::Tells { does, with } = &line.event else { return Some(line.clone()) };
    let event = match does.as_str() {
        // A trace has one a tick; and to whom a poll or a read is answered, the answer tells.
        "looks_around" | "works" => return None,
        SET_UP => Word::Notes(format!("is set up: {}", list(with))),
        "polls" => {
            Word::asks(hub(with), format!("poll by {}, for {} ms", get(with, "agent"), get(with, "wait")))
        }
        "reads" => Word::asks(hub(with), format!("read {} by {}", get(with, "handoff"), get(with, "agent"))),
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
        "drops" => Word::Notes(format!(
            "drops {} by {}, to {}, by files{}",
            get(with, "handoff"),
            get(with, "author"),
            get(with, "target"),
            came_to(with)
        )),
        "claims" | "completes" | "rejects" => {
            Word::Notes(format!("{does} {} by files{}", get(with, "handoff"), came_to(with)))
        }
        other => Word::Notes(format!("{}: {}", other.replace('_', " "), list(with))),
    };
    Some(Line { event: event.into(), ..line.clone() })
}

type Words = BTreeMap<String, String>;

fn get<'w>(with: &'w Words, name: &str) -> &'w str {
    with.get(name).map_or("?", String::as_str)
}

/// What is said of a deed that did not come to what was wanted.
fn came_to(with: &Words) -> String {
    with.get(CAME_TO).map_or_else(String::new, |what| format!(": it came to {what}"))
}

fn hub(with: &Words) -> String {
    format!("hub {}", get(with, "hub"))
}

fn list(with: &Words) -> String {
    let said: Vec<String> =
        with.iter().map(|(name, value)| format!("{} {value}", name.replace('_', " "))).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::testing::variant::{Fault, Variant};
    use handoff_spec::picture::{Diagram, Mark};

    use crate::cast::Cast;
    use crate::live;
    use crate::plan::Plan;
    use crate::shrink::shrink;
    use crate::swarm::{Profile, Swarm};

    /// What is left of a seed that finds this fault, as sim/mutants.txt says.
    fn small(fault: Fault, seed: u64, profile: Profile) -> Trace {
        let law = Variant::with(fault);
        let trace = live::run(&law, &Swarm::draw(seed, profile), true).trace.unwrap();
        let plan = Plan::read(&trace, &Cast::default()).unwrap();
        shrink(&plan, &law, 20_000, |_| ()).unwrap().outcome.trace.unwrap()
    }

    #[test]
    fn a_picture_has_the_target_of_what_is_asked_and_of_what_is_on_record() {
        let trace = small(Fault::AnybodyIsTarget, 0, Profile::Directory);
        let svg = Diagram::of(&drawable(&trace)).to_svg();
        let target = trace.lines.iter().find_map(|line| {
            let Event::Begins { command: Ask::Start { artifact, .. }, .. } = &line.event else { return None };
            Some(artifact.target.clone())
        });
        let target = target.unwrap();
        assert!(svg.contains(&format!("start by bob, to {target}, expires at ")), "{svg}");
        assert!(svg.contains(&format!("h0 (to {target}) pending until")), "{svg}");
        let text = readable(&trace).to_string();
        assert!(text.contains(&format!("h0 (to {target}) claimed")), "the text has it too: {text}");
    }

    #[test]
    fn a_picture_has_the_time_of_each_step_and_ends_with_what_was_broken_in_this_run() {
        let trace = small(Fault::RemovesEarly, 1, Profile::Directory);
        let diagram = Diagram::of(&drawable(&trace));
        let mut times: Vec<u64> = trace.lines.iter().map(|line| line.time).collect();
        times.dedup();
        let drawn: Vec<u64> = diagram
            .rows
            .iter()
            .filter_map(|row| if let Mark::Time(now) = row.mark { Some(now) } else { None })
            .collect();
        // Those at which nothing happens but what is left out are not drawn.
        assert!(drawn.len() > 3 && drawn.iter().all(|time| times.contains(time)), "{drawn:?} of {times:?}");
        assert_eq!(drawn.last(), times.last());
        assert_eq!(diagram.verdict.title, "S4 TerminalForever is broken");
        let rule = &diagram.verdict.rule;
        assert!(
            rule.starts_with("In this run: retention removed a handoff before its time. The rule: "),
            "{rule}"
        );
        assert!(rule.ends_with(Rule::S4.statement()), "{rule}");
        let asked = trace.lines.iter().find_map(|line| {
            let Event::Begins { operation, handoff, command, asker: Some(asker) } = &line.event else {
                return None;
            };
            Some((*operation, handoff.clone(), command.to_string(), asker.client.clone()))
        });
        let (operation, handoff, command, client) = asked.unwrap();
        let command = command.replacen(',', ", to alice,", 1);
        let asked = Mark::arrow(&client, "hub 1", format!("#{operation}: {command}, on {handoff}"));
        assert!(diagram.rows.iter().any(|row| row.mark == asked), "who asks is seen: {asked:?}");
        let pruned = trace.lines.iter().find_map(|line| {
            let Event::Prunes { handoff } = &line.event else { return None };
            Some(handoff.clone())
        });
        let gone = Mark::record("store", format!("nothing of {} any more", pruned.unwrap()));
        assert!(
            diagram.rows.iter().any(|row| row.mark == gone),
            "what retention removes is gone in the picture"
        );
    }

    #[test]
    fn polls_reads_and_deeds_are_told_in_words() {
        let line = |does: &str, with: &[(&str, &str)]| {
            let with = with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let line = Line::at(1, "client 1", None, Event::Tells { does: does.to_owned(), with });
            told(&line).unwrap().event.to_string()
        };
        let poll = line("polls", &[("hub", "1"), ("agent", "alice"), ("target", "alice"), ("wait", "1775")]);
        assert!(poll.contains("poll by alice, for 1775 ms"), "{poll}");
        let read = line("reads", &[("hub", "1"), ("agent", "bob"), ("handoff", "h8")]);
        assert!(read.contains("read h8 by bob"), "{read}");
        assert_eq!(line("claims", &[("handoff", "h1")]), "claims h1 by files");
        let nothing = [("handoff", "h1"), (CAME_TO, "nothing")];
        assert_eq!(line("claims", &nothing), "claims h1 by files: it came to nothing");
    }

    #[test]
    fn what_was_over_and_is_written_again_is_seen_though_it_looks_the_same() {
        let trace = small(Fault::LostAnswerRetriedBlindly, 0, Profile::Several);
        let again = Mark::trouble("store", "h1 was over, and is written again, the same as it was");
        let rows = Diagram::of(&drawable(&trace)).rows;
        assert_eq!(rows.iter().filter(|row| row.mark == again).count(), 1, "{rows:#?}");
    }

    #[test]
    fn of_what_is_written_over_the_end_of_a_handoff_it_is_said_what_is_different() {
        let claim = || handoff_spec::trace::ClaimText { id: None, at: 1, attempt: None, receipt: None };
        let completed = |result: Option<&str>| StatusText::Completed {
            claim: claim(),
            at: 2,
            result: result.map(str::to_owned),
            receipt: None,
        };
        let record = |state| RecordText {
            handoff: "h0".to_owned(),
            author: "bob".to_owned(),
            target: "alice".to_owned(),
            digest: "d0".to_owned(),
            started_at: 0,
            expires_at: 9,
            claim_ttl: None,
            state,
        };
        let says = |before, now| written_again(&record(before), &record(now)).map(|word| word.to_string());
        let over = |how: &str| Some(format!("h0 was over, and is written again, {how}"));
        assert_eq!(says(StatusText::Pending, completed(None)), None);
        assert_eq!(says(completed(None), completed(None)), over("the same as it was"));
        let other = says(completed(Some("t0")), completed(Some("t1")));
        assert_eq!(other, over("with result t1 instead of result t0"));
        assert_eq!(says(completed(None), StatusText::Claimed { claim: claim() }), over("as something else"));
    }
}
