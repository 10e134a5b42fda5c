//! The diagram as SVG: no script, no font but the reader's, the same bytes in every run. All lengths are pixels.

use std::fmt::Write as _;

use super::{Diagram, Life, Mark, Row, Tone};

/// Between two lanes.
const SPACING: i32 = 230;
/// Left of the first lane and right of the last: half a note, and on the left the steps.
const LEFT: i32 = 160;
const RIGHT: i32 = 125;
/// From one line of text to the next.
const LINE: i32 = 17;
/// How wide a letter is, rather too wide than too narrow: fonts differ.
const LETTER: i32 = 7;

const STYLE: &str = "text{font:13px Helvetica,Arial,sans-serif;fill:#1d2433}\
.over{paint-order:stroke;stroke:#fff;stroke-width:5px}.title{font-size:18px;font-weight:bold}.bad{fill:#b42318}.good{fill:#18794e}.dim{fill:#6b7385;font-size:11px}\
.name{font-weight:bold}.life{stroke:#aab1c0;fill:none}.cut{stroke:#d64545;stroke-dasharray:2 5;fill:none}\
.arrow{stroke:#2f4a9c;stroke-width:1.5;fill:none}.answer{stroke:#2f4a9c;stroke-width:1.5;stroke-dasharray:6 4;fill:none}\
.lost{stroke:#d64545}.cross{stroke:#d64545;stroke-width:2.5}.tip{fill:#2f4a9c}\
.box{fill:#eef1fb;stroke:#2f4a9c}.note{fill:#f4f5f8;stroke:#c3c8d4}.record{fill:#fff6db;stroke:#dcb13c}\
.trouble{fill:#fdeaea;stroke:#d64545}.time{stroke:#c3c8d4;stroke-dasharray:4 4}.ever{fill:#f3edff;stroke:#8f6fd6}\
.broken{fill:#fde2e2;stroke:#b42318;stroke-width:1.5}.holds{fill:#dff4e6;stroke:#18794e;stroke-width:1.5}";

/// What has a meaning in XML, as the character that it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn letters(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX / LETTER)
}

/// Lines of at most this width, broken between words.
fn wrapped(text: &str, width: i32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && (letters(line) + 1 + letters(word)) * LETTER > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn height(lines: &[String]) -> i32 {
    i32::try_from(lines.len()).unwrap_or(1) * LINE
}

fn x(lane: usize) -> i32 {
    LEFT + i32::try_from(lane).unwrap_or_default() * SPACING
}

struct Canvas {
    /// What has been drawn.
    out: String,
    /// How far down.
    y: i32,
    /// How wide the picture is.
    width: i32,
}

impl Canvas {
    fn draw(&mut self, what: &str) {
        self.out.push_str(what);
        self.out.push('\n');
    }

    /// Text, line below line, the first line's top at `top`.
    fn text(&mut self, lines: &[String], (x, top): (i32, i32), anchor: &str, class: &str) {
        for (i, line) in lines.iter().enumerate() {
            let y = top + 13 + i32::try_from(i).unwrap_or_default() * LINE;
            let line = escaped(line);
            self.draw(&format!(
                r#"<text x="{x}" y="{y}" text-anchor="{anchor}" class="{class}">{line}</text>"#
            ));
        }
    }

    fn rect(&mut self, (x, y): (i32, i32), (width, height): (i32, i32), class: &str) {
        self.draw(&format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" class="{class}"/>"#
        ));
    }

    fn line(&mut self, (x1, y1): (i32, i32), (x2, y2): (i32, i32), class: &str) {
        self.draw(&format!(r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{class}"/>"#));
    }

    /// A box around text, about `x`.
    fn note(&mut self, x: i32, text: &str, class: &str) {
        let lines = wrapped(text, SPACING - 36);
        let widest = lines.iter().map(|line| letters(line)).max().unwrap_or_default() * LETTER + 16;
        let height = height(&lines) + 8;
        self.rect((x - widest / 2, self.y), (widest, height), class);
        self.text(&lines, (x, self.y + 3), "middle", "");
        self.y += height + 8;
    }

    fn arrow(&mut self, from: i32, to: i32, text: &str, answer: bool, lost: bool) {
        let lines = wrapped(text, (to - from).abs() - 30);
        self.text(&lines, (i32::midpoint(from, to), self.y), "middle", "over");
        self.y += height(&lines) + 5;
        let (y, class) = (self.y, if answer { "answer" } else { "arrow" });
        let side = (to - from).signum();
        if lost {
            let end = from + (to - from) * 2 / 3;
            self.line((from, y), (end, y), &format!("{class} lost"));
            self.line((end - 6, y - 6), (end + 6, y + 6), "cross");
            self.line((end - 6, y + 6), (end + 6, y - 6), "cross");
            let beside = (end + 14 * side, y - 9);
            let anchor = if side > 0 { "start" } else { "end" };
            self.text(&["lost".to_owned()], beside, anchor, "bad");
        } else {
            self.line((from, y), (to - 7 * side, y), class);
            let back = to - 9 * side;
            let (above, below) = (y - 5, y + 5);
            self.draw(&format!(r#"<path d="M{to} {y}L{back} {above}L{back} {below}Z" class="tip"/>"#));
        }
        self.y += 12;
    }
}

impl Diagram {
    /// As a picture that stands for itself.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let width = x(self.lanes.len().max(2) - 1) + RIGHT;
        let mut canvas = Canvas { out: String::new(), y: 16, width };
        self.draw_head(&mut canvas);
        let top = canvas.y;
        // Life lines and the band of what goes on for ever lie behind the rows, and end where those do.
        let behind = canvas.out.len();
        let mut lives: Vec<(i32, Life)> = vec![(top, Life::Up); self.lanes.len()];
        let mut lines = Canvas { out: String::new(), y: 0, width };
        let mut ever = None;
        let mut step = 0;
        for (i, row) in self.rows.iter().enumerate() {
            if self.for_ever == Some(i) {
                ever = Some(begin_for_ever(&mut canvas));
            }
            if row.step != step {
                step = row.step;
                canvas.text(&[format!("step {step}")], (12, canvas.y), "start", "dim");
            }
            self.draw_row(&mut canvas, row);
            if let Mark::Turns(host, life) = &row.mark {
                let lane = self.lane(host);
                draw_life(&mut lines, lane, lives[lane], canvas.y);
                lives[lane] = (canvas.y, *life);
            }
        }
        if self.for_ever == Some(self.rows.len()) {
            ever = Some(begin_for_ever(&mut canvas));
            let all = ["everything stands still".to_owned()];
            canvas.text(&all, (width / 2, canvas.y), "middle", "");
            canvas.y += LINE + 6;
        }
        for (lane, life) in lives.into_iter().enumerate() {
            draw_life(&mut lines, lane, life, canvas.y);
        }
        if let Some(from) = ever {
            let mut band = Canvas { out: String::new(), y: 0, width };
            band.rect((6, from), (width - 12, canvas.y - from), "ever");
            lines.out.insert_str(0, &band.out);
        }
        canvas.out.insert_str(behind, &lines.out);
        canvas.y += 10;
        self.draw_verdict(&mut canvas);
        let (height, name, says) = (canvas.y, escaped(&self.name), escaped(&self.says));
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">"#
        );
        let _ = writeln!(svg, "<title>{name}</title>\n<desc>{says}</desc>\n<style>{STYLE}</style>");
        let _ = writeln!(svg, r##"<rect width="{width}" height="{height}" fill="#fff"/>"##);
        svg.push_str(&canvas.out);
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_head(&self, canvas: &mut Canvas) {
        let class = if self.verdict.broken { "title bad" } else { "title good" };
        let room = canvas.width - 32;
        // Large letters.
        for line in wrapped(&self.verdict.title, room * 2 / 3) {
            canvas.text(&[line], (16, canvas.y + 2), "start", class);
            canvas.y += 24;
        }
        let says = wrapped(&self.says, room);
        canvas.text(&says, (16, canvas.y), "start", "");
        canvas.y += height(&says) + 2;
        let source = wrapped(&self.source, room);
        canvas.text(&source, (16, canvas.y), "start", "dim");
        canvas.y += height(&source) + 12;
        let tall = if self.lanes.iter().any(|lane| lane.agent.is_some()) { 42 } else { 26 };
        for (lane, who) in self.lanes.iter().enumerate() {
            canvas.rect((x(lane) - 60, canvas.y), (120, tall), "box");
            canvas.text(std::slice::from_ref(&who.name), (x(lane), canvas.y + 4), "middle", "name");
            if let Some(agent) = &who.agent {
                canvas.text(&[format!("for {agent}")], (x(lane), canvas.y + 21), "middle", "dim");
            }
        }
        canvas.y += tall + 12;
    }

    fn draw_row(&self, canvas: &mut Canvas, row: &Row) {
        if let Some((host, clock)) = &row.clock {
            let lane = x(self.lane(host));
            canvas.rect((lane - 32, canvas.y), (64, 18), "note");
            canvas.text(&[format!("clock {clock}")], (lane, canvas.y), "middle", "dim");
            canvas.y += 24;
        }
        match &row.mark {
            Mark::Arrow { from, to, text, answer, lost } => {
                canvas.arrow(x(self.lane(from)), x(self.lane(to)), text, *answer, *lost);
            }
            Mark::Note { at, text, tone } => {
                let class = match tone {
                    Tone::Plain => "note",
                    Tone::Record => "record",
                    Tone::Trouble => "trouble",
                };
                canvas.note(x(self.lane(at)), text, class);
            }
            Mark::Time(now) => {
                canvas.y += 4;
                let y = canvas.y + 8;
                let label = format!("time passes: t = {now} ms");
                let begins = 64 + letters(&label) * LETTER;
                canvas.line((begins, y), (canvas.width - 12, y), "time");
                canvas.text(&[label], (64, canvas.y - 1), "start", "dim over");
                canvas.y += 24;
            }
            Mark::Turns(..) => {}
        }
    }

    fn draw_verdict(&self, canvas: &mut Canvas) {
        let (class, ink) = if self.verdict.broken { ("broken", "bad") } else { ("holds", "good") };
        let rule = wrapped(&self.verdict.rule, canvas.width - 64);
        let tall = height(&rule) + LINE + 18;
        canvas.rect((12, canvas.y), (canvas.width - 24, tall), class);
        let title = std::slice::from_ref(&self.verdict.title);
        canvas.text(title, (28, canvas.y + 7), "start", &format!("name {ink}"));
        canvas.text(&rule, (28, canvas.y + 8 + LINE), "start", "");
        canvas.y += tall + 14;
    }
}

/// The band's label. Where the band begins.
fn begin_for_ever(canvas: &mut Canvas) -> i32 {
    let from = canvas.y;
    canvas.text(&["again and again, for ever:".to_owned()], (16, from + 3), "start", "name");
    canvas.y += LINE + 10;
    from
}

fn draw_life(canvas: &mut Canvas, lane: usize, (from, life): (i32, Life), to: i32) {
    let class = match life {
        Life::Up => "life",
        Life::Cut => "cut",
        Life::Down => return,
    };
    canvas.line((x(lane), from), (x(lane), to), class);
}
