//! The thread that owns the relay: where it is started, and how it is known to have ended.

use std::io;

use super::notes::say;
use crate::link::Link;
use crate::link::machine::Machine;
use crate::link::slot::{Waiter, slot};
use crate::store::StoreDown;

/// How the relay's thread ended; none if it went without a word.
pub(super) type Ended = Waiter<Result<(), StoreDown>>;

/// Starts the thread. It ends when it is closed, or when the store goes down.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn start<M: Machine<Down = StoreDown> + Send + 'static>(relay: M) -> io::Result<(Link, Ended)> {
    let (link, desk) = Link::to(relay);
    let (tell, ended) = slot();
    std::thread::Builder::new().name("relay".into()).spawn(move || tell.fill(desk.run(say)))?;
    Ok((link, ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::clock::TestClock;
    use crate::relay::{Config, Relay};
    use crate::request::{Health, Reply, Request};
    use handoff_kernel::ident::AgentId;
    use handoff_kernel::time::{Millis, Time};

    fn on(data: &std::path::Path) -> (Link, Ended) {
        let config = Config::on(data.to_owned());
        start(Relay::open(&config, TestClock::at(Time(1))).unwrap()).unwrap()
    }

    fn poll(wait: u64) -> Request {
        Request::Poll { by: AgentId::parse("alice").unwrap(), wait: Millis(wait) }
    }

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_reply_finds_its_asker_and_the_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let (link, ended) = on(dir.path());
            assert_eq!(link.ask(Request::Health).await, Reply::Health(Health::Ready));
            assert_eq!(link.ask(poll(0)).await, Reply::Polled(None));
            link.close();
            assert_eq!(ended.await.unwrap(), Ok(()));
            assert!(
                matches!(link.ask(Request::Health).await, Reply::Unavailable(_)),
                "nobody is there any more"
            );
        });
    }

    #[test]
    fn winding_down_answers_those_who_wait_and_lets_nobody_wait() {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let (link, ended) = on(dir.path());
            // The test clock stands still: but for the winding down, these would wait for ever.
            let (waited, ()) = tokio::join!(link.ask(poll(50_000)), async { link.wind() });
            assert_eq!(waited, Reply::Polled(None));
            assert_eq!(link.ask(poll(50_000)).await, Reply::Polled(None));
            link.close();
            assert_eq!(ended.await.unwrap(), Ok(()));
        });
    }

    #[test]
    fn an_asker_who_goes_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let (link, ended) = on(dir.path());
            let gone = tokio::time::timeout(Duration::from_millis(1), link.ask(poll(50_000))).await;
            assert!(gone.is_err());
            assert_eq!(link.ask(Request::Health).await, Reply::Health(Health::Ready));
            drop(link);
            assert_eq!(ended.await.unwrap(), Ok(()), "with nobody left to ask, the thread ends");
        });
    }
}
