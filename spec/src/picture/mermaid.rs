//! The diagram as Mermaid text, for documents that draw it themselves.

use std::fmt::Write as _;

use super::{Diagram, Life, Mark, Tone};

/// What has a meaning in Mermaid, as the character that it is.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '#' | ';' | '<' | '>' | '"' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

fn id(name: &str) -> String {
    name.replace(' ', "_")
}

impl Diagram {
    /// As Mermaid's `sequenceDiagram`.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("sequenceDiagram\n");
        let mut line = |text: String| {
            let _ = writeln!(out, "    {text}");
        };
        line(format!("accTitle: {}", self.name));
        line(format!("accDescr: {}", escaped(&self.says)));
        for lane in &self.lanes {
            let agent = lane.agent.as_ref().map_or_else(String::new, |agent| format!("<br/>{agent}"));
            line(format!("participant {} as {}{agent}", id(&lane.name), lane.name));
        }
        let ends = |from: Option<&super::Lane>, to: Option<&super::Lane>| match (from, to) {
            (Some(from), Some(to)) if from != to => format!("{},{}", id(&from.name), id(&to.name)),
            (Some(one), _) | (None, Some(one)) => id(&one.name),
            (None, None) => String::new(),
        };
        let all = ends(self.lanes.first(), self.lanes.last());
        line(format!("Note over {all}: {}", escaped(&self.says)));
        for (i, row) in self.rows.iter().enumerate() {
            if self.for_ever == Some(i) {
                line("loop again and again, for ever".to_owned());
            }
            if let Some((host, clock)) = &row.clock {
                line(format!("Note over {}: its clock says {clock}", id(host)));
            }
            match &row.mark {
                Mark::Arrow { from, to, text, answer, lost } => {
                    let arrow = match (answer, lost) {
                        (false, false) => "->>",
                        (true, false) => "-->>",
                        (false, true) => "-x",
                        (true, true) => "--x",
                    };
                    let lost = if *lost { " (lost)" } else { "" };
                    line(format!("{}{arrow}{}: {}{lost}", id(from), id(to), escaped(text)));
                }
                Mark::Note { at, text, tone } => {
                    let sign = if *tone == Tone::Trouble { "⚡ " } else { "" };
                    line(format!("Note over {}: {sign}{}", id(at), escaped(text)));
                }
                Mark::Time(now) => line(format!("Note over {all}: time passes, t = {now}")),
                Mark::Turns(_, Life::Up | Life::Down | Life::Cut) => {}
            }
        }
        if self.for_ever == Some(self.rows.len()) {
            line("loop again and again, for ever".to_owned());
            line(format!("Note over {all}: everything stands still"));
        }
        if self.for_ever.is_some() {
            line("end".to_owned());
        }
        let colour = if self.verdict.broken { "rgb(253, 226, 226)" } else { "rgb(223, 244, 230)" };
        line(format!("rect {colour}"));
        let verdict = format!("{}. {}", self.verdict.title, self.verdict.rule);
        line(format!("Note over {all}: {}", escaped(verdict.trim_end())));
        line("end".to_owned());
        out
    }
}
