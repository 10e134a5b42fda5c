//! The committed pictures: each is that of its trace, well-formed, and says what happened within its own edges.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use handoff_spec::picture::Diagram;
use handoff_spec::trace::{Kind, Trace};

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/traces"))
}

fn traces() -> Vec<Trace> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|e| e == "ndjson")).collect();
    files.sort();
    assert!(files.len() > 70, "only {} traces", files.len());
    files.iter().map(|file| Trace::parse(&fs::read_to_string(file).unwrap()).unwrap()).collect()
}

#[test]
fn every_trace_has_its_picture_and_its_mermaid_text() {
    for trace in traces() {
        let picture = Diagram::of(&trace);
        let committed = |ending: &str| {
            let file = directory().join(format!("{}.{ending}", trace.header.name));
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        assert!(picture.to_svg() == committed("svg"), "{} is another picture", trace.header.name);
        assert!(picture.to_mermaid() == committed("mmd"), "{} is another text", trace.header.name);
    }
}

/// All numbers of an attribute.
fn number(node: roxmltree::Node<'_, '_>, name: &str) -> Option<i32> {
    node.attribute(name).map(|value| value.parse().unwrap())
}

/// Text that runs over the edge, or one box that lies on another's text, cannot be read.
#[test]
fn every_picture_is_well_formed_and_keeps_within_its_edges() {
    for trace in traces() {
        let name = &trace.header.name;
        let svg = Diagram::of(&trace).to_svg();
        let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        let root = document.root_element();
        let (width, height) = (number(root, "width").unwrap(), number(root, "height").unwrap());
        let mut said = String::new();
        for text in root.descendants().filter(|node| node.has_tag_name("text")) {
            let content = text.text().unwrap_or_default();
            said += content;
            said.push(' ');
            // Narrower than the layout takes a letter for, for it must fit with some room.
            let long = i32::try_from(content.chars().count()).unwrap() * 6;
            let x = number(text, "x").unwrap();
            let (left, right) = match text.attribute("text-anchor") {
                Some("start") => (x, x + long),
                Some("end") => (x - long, x),
                _ => (x - long / 2, x + long / 2),
            };
            let y = number(text, "y").unwrap();
            assert!(left >= 0 && right <= width && y > 0 && y < height, "{name}: {content:?} is cut off");
        }
        assert!(said.contains(&trace.header.rule), "{name} does not name its rule");
        let broken = said.contains("is broken");
        assert_eq!(broken, trace.header.kind != Kind::Witness, "{name}");
        for host in
            trace.lines.iter().map(|line| &line.host).filter(|host| *host != "time" && *host != "world")
        {
            assert!(said.contains(host.as_str()), "{name} has no lane for {host}");
        }
    }
}

/// Rows go down the page: none begins above one that is before it.
#[test]
fn what_happens_later_stands_lower() {
    for trace in traces() {
        let svg = Diagram::of(&trace).to_svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let steps = document.descendants().filter(|node| {
            node.has_tag_name("text") && node.text().is_some_and(|text| text.starts_with("step "))
        });
        let steps: Vec<_> =
            steps.map(|node| (node.text().unwrap().to_owned(), number(node, "y").unwrap())).collect();
        assert!(steps.windows(2).all(|two| two[0].1 < two[1].1), "{}: {steps:?}", trace.header.name);
        let told: Vec<_> = trace.lines.iter().map(|line| line.step).filter(|step| *step > 0).collect();
        assert_eq!(steps.len(), told.iter().collect::<std::collections::BTreeSet<_>>().len());
    }
}

#[test]
fn what_has_a_meaning_in_svg_or_mermaid_is_drawn_as_it_is_written() {
    let mut trace = traces().swap_remove(0);
    trace.header.says = "a < b & c; \"d\" #1 > e".to_owned();
    let picture = Diagram::of(&trace);
    let svg = picture.to_svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let desc = document.descendants().find(|node| node.has_tag_name("desc")).unwrap();
    assert_eq!(desc.text(), Some("a < b & c; \"d\" #1 > e"));
    assert!(picture.to_mermaid().contains("a #60; b & c#59; #34;d#34; #35;1 #62; e"));
}
