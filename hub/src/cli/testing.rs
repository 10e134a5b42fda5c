//! `serve` with what tests may bend: the clock, the janitor and the law. Feature `testing` only.

use std::net::SocketAddr;
use std::process::ExitCode;

use handoff_kernel::law::{Law, PROTOCOL, Protocol};
use handoff_kernel::testing::variant::{Fault, Variant};

use super::{ServeOptions, ended, in_runtime, run};
use crate::ambient::SystemClock;
use crate::clock::TestClock;
use crate::relay::Config;
use crate::server::say;

/// `serve` with what tests may bend.
#[must_use]
pub fn serve_for_tests(
    options: &ServeOptions,
    law: Option<Variant>,
    clock: Option<TestClock>,
    janitor: bool,
) -> ExitCode {
    let config = Config { janitor, ..options.config() };
    ended(match law {
        None => serve_bent(Protocol, &config, options.listen, clock),
        Some(law) => {
            say(&format!("This hub is for tests: its law is {}.", law.name()));
            serve_bent(law, &config, options.listen, clock)
        }
    })
}

fn serve_bent<L: Law + Send + 'static>(
    law: L,
    config: &Config,
    listen: SocketAddr,
    clock: Option<TestClock>,
) -> Result<(), String> {
    match clock {
        None => in_runtime(run(law, config, listen, SystemClock::start(), |server| server)),
        Some(clock) => {
            let told = clock.clone();
            in_runtime(run(law, config, listen, clock, |server| server.on_test_clock(told)))
        }
    }
}

/// The law of this name, as `--law` takes it.
///
/// # Errors
/// A sentence with every name there is.
pub fn law(name: &str) -> Result<Variant, String> {
    Variant::named(name).ok_or_else(|| {
        let faults = Fault::ALL.map(Fault::name).join(", ");
        format!(
            "there is no such law; say {PROTOCOL}, or with `+` between them some of grace_ms=MILLIS, max_lifetime_ms=MILLIS, {faults}"
        )
    })
}
