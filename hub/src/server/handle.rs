//! One request, from its bytes to its answer. The order of what is checked is the protocol's precedence: route,
//! token, body, fields; and then the relay's.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use handoff_kernel::ident::{AgentId, HandoffId};
use handoff_kernel::operation::{Done, NotDone};
use handoff_kernel::refusal::{Field, Refusal};
use hyper::body::{Body, Bytes};
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request as HttpRequest, StatusCode};

use super::answer::{self, Answer};
use super::limit::Polls;
use super::problem::{Kind, Problem};
use super::route::{Route, route};
use super::{body, query, say};
#[cfg(feature = "testing")]
use crate::clock::TestClock;
use crate::link::Link;
use crate::request::{Health, Reply, Request};
use crate::tokens::{Grant, Registry, Scope};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    /// To the relay.
    pub(super) link: Link,
    /// Who is who.
    pub(super) tokens: Mutex<Registry>,
    /// Who polls how much.
    pub(super) polls: Polls,
    /// It is stopping: not ready any more.
    pub(super) stopping: AtomicBool,
    /// The clock that a test may set.
    #[cfg(feature = "testing")]
    pub(super) clock: Option<TestClock>,
}

/// Answers one request, whatever its bytes are.
pub(super) async fn handle<B>(shared: &Shared, request: HttpRequest<B>) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, mut body) = request.into_parts();
    let answer = shared.answer(&parts, &mut body).await.unwrap_or_else(|problem| problem.answer());
    // Whoever was too slow once has had its time.
    if answer.status() != StatusCode::REQUEST_TIMEOUT {
        body::discard(&parts.headers, &mut body).await;
    }
    if parts.method == Method::HEAD { answer::head(answer) } else { answer }
}

impl Shared {
    async fn answer<B>(&self, parts: &Parts, body: &mut B) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (headers, query) = (&parts.headers, parts.uri.query());
        match route(&parts.method, parts.uri.path())? {
            Route::Live => Ok(answer::plain(StatusCode::OK, "live")),
            Route::Ready => self.ready().await,
            #[cfg(feature = "testing")]
            Route::Clock => self.set_clock(&body::read(headers, body).await?).await,
            Route::Start => {
                let agent = self.agent(headers, Some(Scope::Send))?;
                let bytes = body::read(headers, body).await?;
                let request =
                    body::start(&bytes, agent, |target| self.registry(|tokens| tokens.knows(target)))?;
                query::none(query)?;
                self.ask(request).await
            }
            Route::Act(act, named) => {
                let agent = self.agent(headers, Some(Scope::Receive))?;
                let bytes = body::read(headers, body).await?;
                let request = body::act(act, &named, &bytes, agent)?;
                query::none(query)?;
                self.ask(request).await
            }
            Route::Poll => {
                let agent = self.agent(headers, Some(Scope::Receive))?;
                let poll = query::poll(query, agent)?;
                let too_many = || {
                    Problem::new(
                        Kind::TooMany,
                        format!("{agent} polls too much at once; let some of its polls end."),
                    )
                };
                let _open = self.polls.open(agent).ok_or_else(too_many)?;
                let answer = self.ask(poll).await;
                // It may have waited long: a token that was revoked meanwhile is shown nothing any more.
                self.agent(headers, Some(Scope::Receive))?;
                answer
            }
            Route::Get(id) => {
                let Grant { agent, scopes } = self.grant(headers)?;
                let handoff = body::handoff(&id)?;
                let reply = self.link.ask(query::get(query, agent, handoff)?).await;
                // Looking needs no scope, but the target would receive by it what is meant for it.
                if let Reply::Got(Ok(story)) = &reply
                    && story.artifact.is_some()
                    && story.record.target == agent
                    && !scopes.contains(&Scope::Receive)
                {
                    return Err(insufficient(agent, Scope::Receive));
                }
                translate(&About { handoff: Some(handoff), ..About::default() }, reply)
            }
            Route::List => {
                let agent = self.agent(headers, None)?;
                self.ask(query::list(query, agent)?).await
            }
        }
    }

    /// The agent whose token this is. Looking at one's own needs no scope.
    fn agent(&self, headers: &HeaderMap, scope: Option<Scope>) -> Result<AgentId, Problem> {
        let Grant { agent, scopes } = self.grant(headers)?;
        match scope {
            Some(scope) if !scopes.contains(&scope) => Err(insufficient(agent, scope)),
            Some(_) | None => Ok(agent),
        }
    }

    fn grant(&self, headers: &HeaderMap) -> Result<Grant, Problem> {
        let found = bearer(headers).and_then(|token| self.registry(|tokens| tokens.find(token).cloned()));
        found.ok_or_else(|| Refusal::Unauthenticated.into())
    }

    /// Looks at the tokens as they are now.
    fn registry<R>(&self, look: impl FnOnce(&Registry) -> R) -> R {
        // A panic elsewhere leaves a registry that is still whole.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = tokens.refresh() {
            say(&format!("{error} Until then the tokens read before are in force."));
        }
        look(&tokens)
    }

    async fn ask(&self, request: Request) -> Result<Answer, Problem> {
        let about = About::of(&request);
        translate(&about, self.link.ask(request).await)
    }

    async fn ready(&self) -> Result<Answer, Problem> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Problem::unavailable("The hub is stopping."));
        }
        self.ask(Request::Health).await
    }

    /// `{"now": milliseconds}`. Answered when all that follows from the new time is written.
    #[cfg(feature = "testing")]
    async fn set_clock(&self, bytes: &[u8]) -> Result<Answer, Problem> {
        use handoff_kernel::json::Document;
        use handoff_kernel::time::Time;

        let none = "This hub runs on the real clock; start it with --test-clock.";
        let clock = self.clock.as_ref().ok_or_else(|| Problem::new(Kind::NoSuchRoute, none))?;
        let document = Document::parse(bytes).map_err(|_| Refusal::Malformed)?;
        let now = document.root().get("now").and_then(|now| now.as_u64());
        let now = now.ok_or_else(|| Problem::invalid("now", "must be a time in milliseconds since 1970"))?;
        clock.set(Time(now));
        if self.link.settle().await {
            Ok(answer::plain(StatusCode::OK, "set"))
        } else {
            Err(Problem::unavailable("The hub is stopping."))
        }
    }
}

fn insufficient(agent: AgentId, scope: Scope) -> Problem {
    let detail = format!("This token of {agent} has no scope `{}`; use one that has.", scope.name());
    Problem::new(Kind::InsufficientScope, detail)
}

/// What an answer must know of its request.
#[derive(Debug, Default)]
struct About {
    handoff: Option<HandoffId>,
    /// It would finish a claim, and does not say which.
    names_no_claim: bool,
    /// It would start a handoff to this agent, whom the hub does not know.
    unknown_target: Option<AgentId>,
}

impl About {
    fn of(request: &Request) -> Self {
        let about = |handoff: &HandoffId| Self { handoff: Some(*handoff), ..Self::default() };
        match request {
            Request::Start { start, target_known, .. } => {
                Self { unknown_target: (!target_known).then_some(start.target), ..about(&start.id) }
            }
            Request::Complete { handoff, claim_id, .. } | Request::Reject { handoff, claim_id, .. } => {
                Self { names_no_claim: claim_id.is_none(), ..about(handoff) }
            }
            Request::Accept { handoff, .. } | Request::Get { handoff, .. } => about(handoff),
            Request::Poll { .. } | Request::List { .. } | Request::Health => Self::default(),
        }
    }

    /// What the refusal cannot say without knowing what was asked; none when it says it all.
    fn hint(&self, refusal: Refusal) -> Option<Cow<'static, str>> {
        if refusal == Refusal::Invalid(Field::ToAgent)
            && let Some(target) = self.unknown_target
        {
            let detail = format!(
                "No agent of this hub is called `{target}`; its operator can add one with `handoff-hub token add {target}`."
            );
            Some(detail.into())
        } else if refusal == Refusal::Invalid(Field::ExpiresAt) {
            // The artifact was parsed: this is the one thing about it that only the time can tell.
            Some("`expires_at` must be at most 7 days from now.".into())
        } else if refusal == Refusal::WrongClaim && self.names_no_claim {
            Some("The handoff is claimed under a claim_id; send the claim_id that you accepted with.".into())
        } else {
            None
        }
    }
}

/// The relay's reply, as HTTP.
fn translate(about: &About, reply: Reply) -> Result<Answer, Problem> {
    match (reply, about.handoff) {
        (Reply::Done(done), Some(handoff)) => {
            let Done { verdict, changed, .. } = &*done;
            match verdict {
                Ok(answer) => Ok(answer::done(&handoff, answer, *changed)),
                Err(why) => {
                    let problem = Problem::not_done(handoff, &done, *why);
                    let hint = match why {
                        NotDone::Refused(refusal) => about.hint(*refusal),
                        NotDone::Unavailable | NotDone::Broken(_) => None,
                    };
                    Err(match hint {
                        Some(hint) => problem.because(hint),
                        None => problem,
                    })
                }
            }
        }
        (Reply::Polled(shown), _) => Ok(answer::polled(shown.as_ref())),
        (Reply::Got(Ok(story)), _) => Ok(answer::story(&story)),
        (Reply::Got(Err(refusal)), _) => Err(refusal.into()),
        (Reply::Listed(page), _) => Ok(answer::listed(&page)),
        (Reply::Health(Health::Ready), _) => Ok(answer::plain(StatusCode::OK, "ready")),
        (Reply::Health(Health::RuleBroken(rule)), _) => {
            let detail =
                format!("A decision broke rule {rule}. It was not carried out; the hub's log says more.");
            Err(Problem::unavailable(&detail))
        }
        (Reply::Unavailable(why), _) => Err(Problem::unavailable(&why)),
        // A command names its handoff, always.
        (Reply::Done(_), None) => Err(Problem::unavailable("The hub lost track of this request; ask again.")),
    }
}

/// The token of the one `Authorization: Bearer` header. Two of them are none: which one would it be?
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_hub_that_stops_is_live_and_not_ready() {
        use crate::ambient::SystemClock;
        use crate::relay::{Config, Relay};
        use http_body_util::Empty;

        let dir = tempfile::tempdir().unwrap();
        let relay = Relay::open(&Config::on(dir.path().to_owned()), SystemClock::start()).unwrap();
        let (link, _ended) = crate::server::link::start(relay).unwrap();
        let shared = Shared {
            link,
            tokens: Mutex::new(Registry::open(dir.path()).unwrap()),
            polls: Polls::default(),
            stopping: AtomicBool::new(false),
            #[cfg(feature = "testing")]
            clock: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ask = |path| {
            let request = HttpRequest::builder().uri(path).body(Empty::<Bytes>::new()).unwrap();
            runtime.block_on(handle(&shared, request)).status().as_u16()
        };
        assert_eq!((ask("/livez"), ask("/readyz")), (200, 200));
        shared.stopping.store(true, Ordering::Relaxed);
        assert_eq!((ask("/livez"), ask("/readyz")), (200, 503));
    }

    #[test]
    fn a_token_stands_in_the_one_bearer_header() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        for good in ["Bearer hh_x", "bearer hh_x", "BEARER   hh_x "] {
            assert_eq!(read(&[good.as_bytes()]), Some("hh_x".into()), "{good}");
        }
        for bad in ["", "Bearer", "Basic hh_x", "hh_x", "Bearerhh_x", "Bearer\thh_x"] {
            assert_eq!(read(&[bad.as_bytes()]), None, "{bad}");
        }
        assert_eq!(read(&[b"Bearer \xff"]), None);
        assert_eq!(read(&[b"Bearer hh_x", b"Bearer hh_y"]), None);
        assert_eq!(read(&[]), None);
    }
}
