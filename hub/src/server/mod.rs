//! The server: hyper and tokio around the relay. It listens, reads within limits, and stops in good order.

mod answer;
mod body;
mod handle;
mod limit;
mod link;
mod notes;
mod problem;
mod query;
mod route;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use handoff_kernel::law::{Law, Protocol};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock::Clock;
#[cfg(feature = "testing")]
use crate::clock::TestClock;
use crate::relay::{Config, Relay};
use crate::store::{OpenError, StoreDown, own_disk};
use crate::tokens::{Registry, TokenError, quoted};
use handle::{Shared, handle};
use limit::Polls;
use link::Ended;
pub use notes::{say, written};

/// A request's head that has not come by then will not; a connection on which nothing was asked by then is closed,
/// whichever HTTP it would have spoken. On HTTP/1 this is the longest pause between two requests as well.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How often it is looked whether a connection is used: one that was asked nothing between two looks, and has
/// nothing in flight, is closed, so an HTTP/2 one after this time at least and twice this time at most. Longer than a
/// poll may wait.
const IDLE_TIME: Duration = Duration::from_secs(75);

/// What is in flight when the hub is asked to stop has so long to end.
const STOP_TIME: Duration = Duration::from_secs(10);

/// The pause after a connection could not be accepted, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// HTTP/2 limits: streams of one connection, and a head's size, as HTTP/1 has it by its buffer.
const STREAMS: u32 = 256;
const HEAD_BYTES: u32 = 64 * 1024;

/// Why a hub does not start.
#[derive(Debug)]
pub enum StartError {
    /// The data directory cannot be used.
    Data(OpenError),
    /// The tokens cannot be read.
    Tokens(TokenError),
    /// Nobody can listen there.
    Listen(SocketAddr, io::Error),
    /// The system has no thread to give.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(error) => error.fmt(f),
            Self::Tokens(error) => error.fmt(f),
            Self::Listen(address, error) => {
                write!(f, "The hub cannot listen on {address}: {error}. Give another address with --listen.")
            }
            Self::Thread(error) => write!(f, "The hub cannot start its thread: {error}."),
        }
    }
}

impl std::error::Error for StartError {}

/// How a hub that ran has failed.
#[derive(Debug)]
pub enum Failed {
    /// The store went down. What was acknowledged is safe.
    Store(StoreDown),
    /// The relay's thread is gone without a word: a bug.
    Relay,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(down) => down.fmt(f),
            Self::Relay => f.write_str(
                "The relay's thread has ended unasked, which is a bug; what was acknowledged is safe, start the hub again.",
            ),
        }
    }
}

impl std::error::Error for Failed {}

/// A hub that listens, and is not yet served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    ended: Ended,
}

impl Server {
    /// Opens the data directory, reads the tokens, and listens.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn start<C: Clock + Send + 'static>(
        config: &Config,
        listen: SocketAddr,
        clock: C,
    ) -> Result<Self, StartError> {
        Self::under(Protocol, config, listen, clock).await
    }

    /// The same under this law, whatever that is.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn under<C: Clock + Send + 'static, L: Law + Send + 'static>(
        law: L,
        config: &Config,
        listen: SocketAddr,
        clock: C,
    ) -> Result<Self, StartError> {
        let disk = own_disk(&config.data).map_err(StartError::Data)?;
        let relay = Relay::under(law, disk, config, clock).map_err(StartError::Data)?;
        let tokens = Registry::open(&config.data).map_err(StartError::Tokens)?;
        let refused = |error| StartError::Listen(listen, error);
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (link, ended) = link::start(relay).map_err(StartError::Thread)?;
        let shared = Shared {
            link,
            tokens: Mutex::new(tokens),
            polls: Polls::default(),
            stopping: AtomicBool::new(false),
            #[cfg(feature = "testing")]
            clock: None,
        };
        Ok(Self { listener, address, shared: Arc::new(shared), ended })
    }

    /// Lets `PUT /testing/clock` set this clock, which the hub was started with.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn on_test_clock(mut self, clock: TestClock) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("nobody shares it before it runs");
        shared.clock = Some(clock);
        self
    }

    /// Where it listens: with port 0 asked for, the one that was free.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether nobody has a token yet.
    #[must_use]
    pub fn knows_nobody(&self) -> bool {
        self.shared.tokens.lock().map_or(true, |tokens| tokens.is_empty())
    }

    /// Serves until `stop` ends, and then stops in good order: no longer ready, waiting polls answered, what is in
    /// flight finished, everything flushed.
    ///
    /// # Errors
    /// When the hub cannot go on.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failed> {
        let Self { listener, shared, mut ended, .. } = self;
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(limit::connections()));
        let mut stop = pin!(stop);
        let early = loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &room) => accepted,
                () = &mut stop => break None,
                result = &mut ended => break Some(result),
            };
            match accepted {
                Ok((stream, permit)) => serve(stream, permit, Arc::clone(&shared), &graceful),
                // The client has gone already, or no descriptor is left: neither is a reason to stop.
                Err(error) => {
                    say(&format!("A connection could not be accepted: {error}."));
                    if timeout(ACCEPT_PAUSE, &mut stop).await.is_ok() {
                        break None;
                    }
                }
            }
        };
        drop(listener);
        shared.stopping.store(true, Ordering::Relaxed);
        if let Some(result) = early {
            // Whoever was told that the hub cannot go on hears it before the process ends.
            let _ = timeout(STOP_TIME, graceful.shutdown()).await;
            return Err(
                result.map_or(Failed::Relay, |result| result.err().map_or(Failed::Relay, Failed::Store))
            );
        }
        shared.link.wind();
        if timeout(STOP_TIME, graceful.shutdown()).await.is_err() {
            say("Some requests did not end in time, and are cut off.");
        }
        shared.link.close();
        match ended.await {
            Some(Ok(())) => Ok(()),
            Some(Err(down)) => Err(Failed::Store(down)),
            None => Err(Failed::Relay),
        }
    }
}

/// One connection, when there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// What has been asked on one connection, and how much of that has ended, be it because its asker went away.
#[derive(Debug, Default)]
struct Activity {
    asked: AtomicUsize,
    ended: AtomicUsize,
}

/// One request in flight.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn on(activity: Arc<Activity>) -> Self {
        activity.asked.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Serves one connection, as a task of its own.
fn serve(stream: TcpStream, permit: OwnedSemaphorePermit, shared: Arc<Shared>, graceful: &GracefulShutdown) {
    // An answer is one write; waiting for more to send would only delay it.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let seen = Arc::clone(&activity);
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, in_flight) = (Arc::clone(&shared), InFlight::on(Arc::clone(&activity)));
        async move {
            let answer = handle(&shared, request).await;
            drop(in_flight);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http().serve_connection(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        // How a connection ends is its client's affair: every request on it was answered, or its client has gone.
        let (mut before, mut patience) = (0, HEAD_TIME);
        while timeout(patience, connection.as_mut()).await.is_err() {
            let asked = seen.asked.load(Ordering::Relaxed);
            if before == asked && seen.ended.load(Ordering::Relaxed) == asked {
                break;
            }
            (before, patience) = (asked, IDLE_TIME);
        }
        drop(permit);
    });
}

/// HTTP/1.1 and HTTP/2, whichever the client begins with. Each has its timer: a timeout without one is a panic.
fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(IDLE_TIME)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES);
    http
}

/// The command that adds a token, as it can be typed.
#[must_use]
pub fn token_command(program: &str, agent: &str, data: &Path) -> String {
    format!("{} token add {agent} --data {}", quoted(Path::new(program)), quoted(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_adds_a_token_can_be_pasted() {
        let shown = token_command("handoff-hub", "alice", Path::new("./handoff-data"));
        assert_eq!(shown, "handoff-hub token add alice --data ./handoff-data");
        let shown = token_command("/opt/my hub", "a", Path::new("it's"));
        assert_eq!(shown, "'/opt/my hub' token add a --data 'it'\\''s'");
    }
}
