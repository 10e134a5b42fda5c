//! Notes to the person who runs the hub, on standard error. Whoever says something never waits for it to be
//! written: a pipe that nobody drains must not stop the hub. A note that does not fit is counted instead.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How many notes may wait to be written.
const WAITING: usize = 256;

/// How long the end of the process waits for the last notes.
const LAST_WORDS: Duration = Duration::from_secs(2);

static NOTES: LazyLock<Notes> = LazyLock::new(|| Notes::start(io::stderr()));

/// Says something to the person who runs the hub. That nobody listens is no reason to stop, nor to wait.
pub fn say(text: &str) {
    NOTES.say(text);
}

/// Waits until what was said is written, but not for long: before the end of the process.
pub fn written() {
    NOTES.written(LAST_WORDS);
}

enum Word {
    Note(String),
    /// Answered when all before it is written.
    Written(SyncSender<()>),
}

/// A handle on the thread that writes.
struct Notes {
    queue: SyncSender<Word>,
    lost: Arc<AtomicU64>,
}

impl Notes {
    fn start(out: impl Write + Send + 'static) -> Self {
        let (queue, inbox) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        // Without a thread there is nobody to tell that there is none.
        let _ = std::thread::Builder::new().name("notes".into()).spawn(move || write(&inbox, &counted, out));
        Self { queue, lost }
    }

    fn say(&self, text: &str) {
        if self.queue.try_send(Word::Note(text.to_owned())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn written(&self, patience: Duration) {
        let (done, written) = sync_channel(1);
        // A full queue is one that nobody drains.
        if self.queue.try_send(Word::Written(done)).is_ok() {
            let _ = written.recv_timeout(patience);
        }
    }
}

/// What cannot be written is gone: there is no other place to say it.
fn write(inbox: &Receiver<Word>, lost: &AtomicU64, mut out: impl Write) {
    for word in inbox {
        match word {
            Word::Note(note) => drop(writeln!(out, "{note}")),
            Word::Written(done) => drop(done.send(())),
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(writeln!(out, "… and {lost} more notes were lost."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Writes when the test lets it.
    struct Stuck {
        go: Receiver<()>,
        out: Sender<String>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once the test has let go of the other end, nothing holds a write back.
            let _ = self.go.recv();
            self.out.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_was_lost_is_counted() {
        let ((drain, go), (out, shown)) = (channel(), channel());
        let notes = Notes::start(Stuck { go, out });
        for n in 0..WAITING + 100 {
            notes.say(&format!("note {n}"));
        }
        notes.written(Duration::ZERO);
        drop(drain);
        drop(notes);
        let shown: String = shown.iter().collect();
        let (mut told, mut lost) = (0, 0);
        for line in shown.lines() {
            match line.strip_prefix("… and ").and_then(|rest| rest.split_once(' ')) {
                Some((count, rest)) => {
                    assert_eq!(rest, "more notes were lost.");
                    lost += count.parse::<usize>().unwrap();
                }
                None => told += 1,
            }
        }
        assert_eq!(told + lost, WAITING + 100, "{shown}");
        assert!(lost >= 99, "one may be in the writer's hands: {shown}");
    }
}
