//! `handoff-hub log verify`, as a person calls it.

use std::path::Path;
use std::process::{Command, Output};

use crate::world::{Data, append, in_memory};

fn verify(data: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handoff-hub"));
    command.args(["log", "verify", "--data"]).arg(data).args(more).output().unwrap()
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_whole_log_is_told_of_and_its_checkpoint_holds_until_the_log_is_changed() {
    let data = Data::new();
    let mut log = data.log();
    append(&mut log, &data.disk, 0..9);
    let kept = log.end().to_string();
    // The lock is held here, as by a hub that runs.
    let (code, out, err) = said(&verify(data.dir.path(), &[]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("9 events in 3 segments, 1 to 9, whole.\n"), "{out}");
    assert!(out.contains(&format!("`--checkpoint {kept}`")), "{out}");
    append(&mut log, &data.disk, 9..12);
    let later = log.end().to_string();
    let both = ["--checkpoint", &kept, "--checkpoint", &later];
    assert_eq!(said(&verify(data.dir.path(), &both)).0, Some(0));
    // All of it is written anew, and another event stands in it: by itself it is whole.
    std::fs::remove_dir_all(data.events()).unwrap();
    let mut log = data.log();
    append(&mut log, &data.disk, 0..5);
    append(&mut log, &data.disk, 6..13);
    assert_eq!(said(&verify(data.dir.path(), &[])).0, Some(0));
    let (code, out, err) = said(&verify(data.dir.path(), &both));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains(&format!("event 9 is not what the checkpoint {kept} was taken of")), "{err}");
}

#[test]
fn a_fault_is_a_sentence_that_says_where() {
    let data = Data::new();
    append(&mut data.log(), &data.disk, 0..9);
    let mut image = data.image();
    let bytes = image.first_entry().unwrap().into_mut();
    let at = bytes.windows(4).position(|four| four == b"\"h-1").unwrap();
    bytes[at + 3] = b'7';
    data.put(&image);
    let (code, out, err) = said(&verify(data.dir.path(), &[]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let first = image.first_key_value().unwrap();
    let second = first.1.iter().position(|&b| b == b'\n').unwrap() + 1;
    let expected =
        format!("events/{}, line 2 (byte {second}): event 2 has been changed since it was written.", first.0);
    assert!(err.contains(&expected), "{err}");
}

#[test]
fn where_there_is_no_log_nothing_is_whole_and_nothing_is_made() {
    let dir = in_memory();
    for data in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let (code, out, err) = said(&verify(&data, &[]));
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("There is no events/ in") || err.contains("cannot be looked into"), "{err}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(said(&verify(dir.path(), &["--checkpoint", "7"])).0, Some(2));
}
