//! Files: the few things that both the store and the tokens do with small files of the hub's own.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

/// No link is followed, and no pipe is waited for.
pub(crate) const NO_SURPRISES: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();

/// Makes a directory that only its owner can look into. What agents say to each other is theirs: whoever wants to
/// share it says so by chmod.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|about| !about.is_dir()) {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is a file, not a directory"));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes the lock of a file, made if it is missing, for as long as what is returned is held.
pub(crate) fn lock(path: &Path, how: FlockOperation) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(NO_SURPRISES);
    let file = options.open(path)?;
    flock(&file, how)?;
    Ok(file)
}

/// A regular file's bytes, at most `limit + 1` of them, and what the system says about it; none when there is nothing
/// of this name.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for what is not a regular file.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<(Vec<u8>, Metadata)>> {
    let regular = |about: &Metadata| {
        let not_a_file = || io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file");
        if about.is_file() { Ok(()) } else { Err(not_a_file()) }
    };
    let opened = path.symlink_metadata().and_then(|about| {
        // Before opening: a socket cannot be opened, and a link might lead anywhere.
        regular(&about)?;
        OpenOptions::new().read(true).custom_flags(NO_SURPRISES).open(path)
    });
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    regular(&about)?;
    let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(limit)).unwrap_or(0) + 1);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some((bytes, about)))
}

/// Replaces a file in this directory, whole or not at all, and durably, by way of another name on the same file system.
pub(crate) fn replace(directory: &Path, name: &str, by_way_of: &str, bytes: &[u8]) -> io::Result<()> {
    let new = directory.join(by_way_of);
    // One that is there is left from a crash, or is somebody's trap: it is not written into, in any case.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, directory.join(name))?;
    File::open(directory)?.sync_all()
}
