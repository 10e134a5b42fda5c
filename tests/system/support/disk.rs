//! A small disk of one's own, which a test can fill: a tmpfs in a mount namespace, which needs no root where users may
//! have namespaces of their own.
//!
//! A process holds the namespace and waits for the end of its stdin; when the test ends, however it ends, that comes,
//! and with the namespace goes the mount. There is nothing to clean up and nothing that could be left behind.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a tmpfs gives out at a time.
pub(crate) const PAGE: usize = 4096;

const BALLAST: &str = "ballast";

/// The ways to a namespace with a mount of one's own: what `unshare` and what `nsenter` needs. The first is anybody's,
/// the second root's.
const WAYS: [(&[&str], &[&str]); 2] = [
    (&["--user", "--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"]),
    (&["--mount"], &["--mount"]),
];

/// What there is not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scarce {
    Bytes,
    /// Inodes: a file can be made only in place of another.
    Files,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Disk {
    holder: Child,
    enter: &'static [&'static str],
    /// Where it is mounted; outside, an empty directory.
    mount: tempfile::TempDir,
    scarce: Scarce,
}

impl Disk {
    /// A disk, empty; or why there can be none on this machine.
    pub(crate) fn new(scarce: Scarce) -> Result<Self, String> {
        let options = match scarce {
            Scarce::Bytes => "size=64m",
            Scarce::Files => "size=256m,nr_inodes=2000",
        };
        let mut said = String::new();
        for (flags, enter) in WAYS {
            let mount = super::temp_dir();
            let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && echo mounted && exec cat";
            let holder = Command::new("unshare")
                .args(flags)
                .args(["--", "sh", "-c", script, "sh", options])
                .arg(mount.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            let mut holder = match holder {
                Ok(holder) => holder,
                Err(error) => return Err(format!("unshare (of util-linux) does not run: {error}")),
            };
            let mut line = String::new();
            let stdout = holder.stdout.take().expect("stdout is piped");
            BufReader::new(stdout).read_line(&mut line).expect("a pipe can be read");
            // From here on the process ends with the value.
            let mut disk = Self { holder, enter, mount, scarce };
            if line == "mounted\n" {
                return Ok(disk);
            }
            let mut stderr = disk.holder.stderr.take().expect("stderr is piped");
            stderr.read_to_string(&mut said).expect("tools write text");
        }
        Err(said)
    }

    /// A command that runs this binary with the disk in its sight. The process that it starts is the binary's own.
    pub(crate) fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(self.enter).arg("--").arg(binary);
        command
    }

    /// A directory on it, as a command sees it.
    pub(crate) fn inside(&self) -> PathBuf {
        self.mount.path().join("data")
    }

    /// The same directory, as the test sees it.
    pub(crate) fn seen(&self) -> PathBuf {
        self.root().join("data")
    }

    fn root(&self) -> PathBuf {
        let below = self.mount.path().strip_prefix("/").expect("temporary directories have absolute paths");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(below)
    }

    /// Fills it until nothing more can be written.
    pub(crate) fn fill(&self) {
        let full = match self.scarce {
            Scarce::Bytes => self.fill_bytes(),
            Scarce::Files => self.fill_files(),
        };
        let error = full.expect_err("a disk is full some time");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    }

    fn fill_bytes(&self) -> io::Result<()> {
        let mut ballast =
            OpenOptions::new().create(true).append(true).open(self.root().join(BALLAST)).expect("it is ours");
        loop {
            ballast.write_all(&[b'x'; PAGE])?;
        }
    }

    fn fill_files(&self) -> io::Result<()> {
        let ballast = self.root().join(BALLAST);
        match std::fs::create_dir(&ballast) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // One inode more at a time, whether or not names were given back since.
        for n in 0_u64.. {
            match OpenOptions::new().create_new(true).write(true).open(ballast.join(n.to_string())) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => drop(made?),
            }
        }
        Ok(())
    }

    /// Makes room for one more page, or for one more file.
    pub(crate) fn give_a_little(&self) {
        let ballast = self.root().join(BALLAST);
        match self.scarce {
            Scarce::Bytes => {
                let file = OpenOptions::new().write(true).open(&ballast).expect("it is there");
                let length = file.metadata().expect("it has a length").len();
                file.set_len(length.saturating_sub(PAGE as u64)).expect("a file can be made shorter");
            }
            Scarce::Files => {
                let mut files = std::fs::read_dir(&ballast).expect("it is there");
                let one = files.next().expect("some are left").expect("an entry");
                std::fs::remove_file(one.path()).expect("it is ours");
            }
        }
    }

    /// Makes room again: all that the ballast took.
    pub(crate) fn clear(&self) {
        let ballast = self.root().join(BALLAST);
        let cleared = match self.scarce {
            Scarce::Bytes => File::create(&ballast).map(drop),
            // It may have been cleared before.
            Scarce::Files if !ballast.exists() => Ok(()),
            Scarce::Files => std::fs::remove_dir_all(&ballast),
        };
        cleared.expect("the ballast is ours");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // It has been told to end; and if not, it ends now.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
