//! Checks the three designs of forwarding, and says of each what holds and what breaks, by which way.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use handoff_examples::{Design, check};
use handoff_spec::picture::Diagram;
use handoff_spec::trace::Trace;

const USAGE: &str = "usage: handoff-examples [--out DIR]

Checks three designs of an extension of the protocol. Two are meant to break.
--out DIR   also writes each way there and each witness into DIR, as NDJSON and as a picture (SVG)

Exit codes: 0 each design does what it is meant to, 1 it does not, 2 usage.";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let out = match words.get(1..).unwrap_or_default() {
        [] => None,
        &["--out", directory] => Some(PathBuf::from(directory)),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut as_meant = true;
    for design in Design::ALL {
        let verdict = check(design);
        let good = verdict.broken.is_empty();
        println!("{}. {} states.", design.says(), verdict.states);
        println!("  {}\n", if good { "Every rule holds." } else { "It breaks:" });
        for trace in &verdict.broken {
            println!("{trace}");
        }
        for trace in &verdict.witnesses {
            println!("  {} holds; its interesting case: {}", trace.header.rule, trace.header.says);
        }
        for doubt in &verdict.doubts {
            println!("  DOUBT: {doubt}");
        }
        println!();
        as_meant &= good == (design == Design::AtAccept) && verdict.doubts.is_empty();
        let traces = verdict.broken.iter().chain(&verdict.witnesses);
        if let Some(why) =
            out.as_ref().and_then(|out| traces.map(|trace| write(out, trace)).find_map(Result::err))
        {
            eprintln!("handoff-examples: {why}");
            return ExitCode::from(2);
        }
    }
    ExitCode::from(u8::from(!as_meant))
}

fn write(out: &PathBuf, trace: &Trace) -> Result<(), String> {
    let failed = |error| format!("cannot write into {}: {error}", out.display());
    fs::create_dir_all(out).map_err(failed)?;
    let name = &trace.header.name;
    fs::write(out.join(format!("{name}.ndjson")), trace.to_ndjson()).map_err(failed)?;
    let picture = out.join(format!("{name}.svg"));
    fs::write(&picture, Diagram::of(trace).to_svg()).map_err(failed)?;
    println!("written: {}", picture.display());
    Ok(())
}
