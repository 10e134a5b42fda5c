//! Holds reports against the published schemas, by tools that are not ours.

use std::io::Write as _;
use std::process::{Command, Stdio};

fn schema(name: &str) -> String {
    format!("{}/tests/schemas/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What this tool says of the document, if that is not valid.
fn by(tool: &str, args: &[&str], document: &str) -> Result<(), String> {
    let mut child = Command::new(tool)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint and jsonschema are installed: scripts/test sees to it");
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.success() { Ok(()) } else { Err(said) }
}

/// Whether this is valid JUnit XML, by either schema.
pub(crate) fn junit(document: &str) -> Result<(), String> {
    ["junit-10.xsd", "junit-4.xsd"]
        .into_iter()
        .try_for_each(|name| by("xmllint", &["--noout", "--nonet", "--schema", &schema(name), "-"], document))
}

/// Whether this is valid SARIF 2.1.0.
pub(crate) fn sarif(document: &str) -> Result<(), String> {
    by("jsonschema", &[&schema("sarif-2.1.0.json")], document)
}
