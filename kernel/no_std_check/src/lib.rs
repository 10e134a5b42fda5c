//! Proof by linking that the kernel needs no `std`.
//!
//! This static library brings its own panic handler and allocator, and calls the kernel. If the kernel, or
//! anything it depends on, pulls `std` in, then there are two panic handlers and the build ends with
//!
//! ```text
//! error[E0152]: found duplicate lang item `panic_impl`
//!   = note: the lang item is first defined in crate `std` (which `handoff_kernel` depends on)
//! ```
//!
//! A gate that cannot fail is itself a bug: feature `leak` pulls `std` in, and `scripts/test no_std` requires
//! that this build fails so. The same happens when `extern crate std;` loses its `#[cfg(test)]` in
//! `kernel/src/lib.rs`. The library is then linked into a program and run, so that a symbol that only `std`
//! defines would be missed.
#![no_std]

#[cfg(feature = "leak")]
extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::Command;
use handoff_kernel::ident::{Digest, HandoffId, Mac, Wire};
use handoff_kernel::law::Protocol;
use handoff_kernel::operation::{Next, Operation, Outcome};
use handoff_kernel::seal::{self, Key};
use handoff_kernel::time::Time;

/// Signed by nobody: what is linked here is the parser, not a secret.
const ARTIFACT: &[u8] = br#"{"protocol_version":1,"handoff_id":"h","from_agent":"bob","to_agent":"alice","reason":"r","initiated_at":"2026-04-21T10:00:00Z","expires_at":"2026-04-21T10:01:00Z","hmac":"x","n":[1.5e3,"\u00e9"]}"#;

/// Calls into each part of the kernel, and so into all that has code of others beneath it: formatting, SHA-256,
/// base64, HMAC.
/// The program's exit status: 0 when every call came out as it should.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let id = HandoffId::parse("handoff.1").is_ok_and(|id| id.as_str() == "handoff.1");
    let mut shown = Count(0);
    let digest = write!(shown, "{}", Digest::of(b"abc")).is_ok() && shown.0 == 64;
    let mac = Mac::from_base64(&Mac([7; 32]).to_base64()) == Some(Mac([7; 32]));
    i32::from(!(id && digest && mac && carried()))
}

/// An artifact is read, verified (in vain) and started.
fn carried() -> bool {
    let Ok(artifact) = Artifact::parse(ARTIFACT) else { return false };
    let Ok(key) = Key::new(&[7; 24]) else { return false };
    let verified = seal::verify(artifact.document(), &[key]);
    let start = artifact.header().start();
    let id = start.id;
    let command: Command<Wire> = Command::Start { sender: start.author, artifact: start };
    let operation = Operation::new(Protocol, id, command);
    let next = operation.next(Outcome::Loaded(None), Time(1_776_765_600_000));
    verified.is_err() && matches!(next, Next::Effect(_))
}

/// The toolchain's `alloc` was built to unwind and names this; nothing here ever does.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Hands out one arena from front to back and takes nothing back: enough to link, and to run once.
///
/// `GlobalAlloc` is an unsafe trait, so this crate cannot forbid unsafe code as the others do. It is here, and
/// only here, because an allocator of our own is what makes the absence of `std` visible.
struct Bump {
    arena: core::cell::UnsafeCell<[u8; ARENA]>,
    used: AtomicUsize,
}

const ARENA: usize = 64 * 1024;

// SAFETY: the arena is only reached through the disjoint ranges that `alloc` reserves atomically.
unsafe impl Sync for Bump {}

// SAFETY: every block lies inside the arena, is aligned as asked, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.arena.get().cast::<u8>();
        let mut block = None;
        let reserved = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let start = used + base.wrapping_add(used).align_offset(layout.align());
            let end = start.checked_add(layout.size())?;
            block = Some(start);
            (end <= ARENA).then_some(end)
        });
        match (reserved, block) {
            (Ok(_), Some(start)) => base.wrapping_add(start),
            _ => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { arena: core::cell::UnsafeCell::new([0; ARENA]), used: AtomicUsize::new(0) };
