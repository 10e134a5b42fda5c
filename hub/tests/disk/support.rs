//! Small words for the tests: files written in one go, images as text.

use std::collections::BTreeSet;

use handoff_hub::disk::simulated::{Image, Images, Settings, SimulatedDisk, SimulatedFile};
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};

/// Why a call must not fail.
const WELL: &str = "nothing was told to go wrong";

/// An empty disk with blocks of four bytes: short words are long files.
pub(crate) fn empty() -> SimulatedDisk {
    SimulatedDisk::new(Settings { block_bytes: 4, ..Settings::default() })
}

/// A disk with these files on it, durably.
pub(crate) fn holding(files: &[(&str, &str)]) -> SimulatedDisk {
    let disk = empty();
    for (name, bytes) in files {
        if let Some((directory, _)) = name.rsplit_once('/') {
            disk.make_directory(directory).expect(WELL);
        }
        make(&disk, name, bytes);
    }
    disk.flush_all().expect(WELL);
    disk.seen().disk()
}

/// Makes a file with these bytes.
pub(crate) fn make(disk: &SimulatedDisk, name: &str, bytes: &str) -> SimulatedFile {
    let file = disk.open(name, Mode::New).expect(WELL);
    file.write_all_at(0, bytes.as_bytes()).expect(WELL);
    file
}

/// Opens a file that is there, to be read and written.
pub(crate) fn open(disk: &SimulatedDisk, name: &str) -> SimulatedFile {
    disk.about(name).expect(WELL).expect("it is there");
    disk.open(name, Mode::Create).expect(WELL)
}

/// An image in one line: `d/ d/x=abc y=`, a zero byte as `.`.
pub(crate) fn line(image: &Image) -> String {
    let directories = image.directories().map(|name| format!("{name}/"));
    let file = |name: &str| {
        let bytes = image.bytes(name).expect("it is listed");
        format!("{name}={}", String::from_utf8_lossy(bytes).replace('\0', "."))
    };
    let mut parts: Vec<String> = directories.chain(image.files().map(file)).collect();
    parts.sort();
    parts.join(" ")
}

/// All of these images as lines; none of them may be there twice.
pub(crate) fn lines(images: Images) -> BTreeSet<String> {
    let all: Vec<String> = images.map(|image| line(&image)).collect();
    let set: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(set.len(), all.len(), "an image is told twice: {all:?}");
    set
}

/// All that a power cut may leave is exactly this.
pub(crate) fn leaves(disk: &SimulatedDisk, expected: &[&str]) {
    assert_eq!(lines(disk.crash_images()), expected.iter().map(|&line| line.to_owned()).collect());
}
