//! The end of a desk: it is wound down, closed, left by all, or its store goes down.

use loom::thread;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::small::{Down, Small, World, accept, waiting_poll};
use super::{Seen, UNBOUNDED, block_on, explore, poll};
use handoff_hub::link::Link;
use handoff_hub::request::{Health, Reply, Request};

/// What an answer says about a hub that has stopped.
fn stopped(reply: &Reply) -> bool {
    matches!(reply, Reply::Unavailable(why) if why.starts_with("The hub has stopped"))
}

/// Unbounded. One asks for something, and then for the end, while the desk has seen neither, or the first, or both: it is
/// answered, for it asked before the end. When it asks again it is told that the hub has stopped. Fails when a turn in
/// which the end has come answers nobody, and when a queue whose taker has gone still takes messages.
#[test]
fn what_is_asked_before_the_end_is_answered_and_then_the_hub_has_stopped() {
    explore("the end drains", UNBOUNDED, 554, || {
        let (link, desk) = Link::to(Small::in_world(&World::new()));
        let other = link.clone();
        let closes = thread::spawn(move || {
            let mut asked = pin!(link.ask(accept("a")));
            let early = poll(asked.as_mut());
            link.close();
            let reply = match early {
                Poll::Ready(reply) => reply,
                Poll::Pending => block_on(asked),
            };
            assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
        });
        assert_eq!(desk.run(|_| ()), Ok(()));
        closes.join().unwrap();
        assert!(stopped(&block_on(other.ask(Request::Health))), "nobody is there any more");
    });
}

/// One asks for the end while another asks for something: it hears what it should, or that the hub has stopped; and both
/// come about.
fn as_the_end_comes(name: &'static str, executions: usize, ask: fn() -> Request, hears: fn(&Reply) -> bool) {
    let (in_time, late) = (Seen::default(), Seen::default());
    let scenario = {
        let (in_time, late) = (in_time.clone(), late.clone());
        move || {
            let (link, desk) = Link::to(Small::in_world(&World::new()));
            let link = Arc::new(link);
            let closes = {
                let link = Arc::clone(&link);
                thread::spawn(move || link.close())
            };
            let asks = thread::spawn(move || block_on(link.ask(ask())));
            assert_eq!(desk.run(|_| ()), Ok(()));
            closes.join().unwrap();
            let reply = asks.join().unwrap();
            if hears(&reply) {
                in_time.now();
            } else {
                assert!(stopped(&reply), "{reply:?}");
                late.now();
            }
        }
    };
    explore(name, UNBOUNDED, executions, scenario);
    assert!(in_time.ever() && late.ever());
}

/// Unbounded. One asks for the end while another asks for something that must be written: the other is answered, if it
/// came in time, or told that the hub has stopped, be it in the queue as the desk goes or after; and if it is told so,
/// nothing was acknowledged. Nobody waits for ever, and the desk ends. Fails when the desk goes without dropping what is in
/// the queue, and when a filler that is dropped says nothing.
#[test]
fn whoever_asks_as_the_end_comes_is_answered_or_told_of_it() {
    as_the_end_comes("the end comes", 10_197, || accept("a"), |reply| matches!(reply, Reply::Done(_)));
}

/// Unbounded. The same of a poll that waits: nothing comes for it, so it is the desk's last answers that it hears.
/// Fails when those are not given.
#[test]
fn a_poll_that_waits_as_the_end_comes_hears_none_or_is_told_of_it() {
    let none = |reply: &Reply| matches!(reply, Reply::Polled(None));
    as_the_end_comes("a poll as the end comes", 4_433, waiting_poll, none);
}

/// Unbounded. A poll waits, or comes just then: once the hub winds down it hears none, and does not wait for what does
/// not come. Fails when those who wait are forgotten, and when later ones are let wait.
#[test]
fn winding_down_answers_every_poll_that_waits_or_is_on_its_way() {
    explore("winding down", UNBOUNDED, 1_972, || {
        let (link, mut desk) = Link::to(Small::in_world(&World::new()));
        let link = Arc::new(link);
        let polls = {
            let link = Arc::clone(&link);
            thread::spawn(move || assert_eq!(block_on(link.ask(waiting_poll())), Reply::Polled(None)))
        };
        let winds = thread::spawn(move || link.wind());
        while desk.machine().tickets() < 1 || desk.askers() > 0 {
            assert_eq!(desk.turn(|_| ()), Ok(true));
        }
        polls.join().unwrap();
        winds.join().unwrap();
        assert_eq!((desk.askers(), desk.machine().waiting()), (0, 0));
    });
}

/// Unbounded. The store goes down with what one of them asked. Nobody is acknowledged: each is told that the hub has
/// stopped, be it waiting, in the queue, or yet to come; only what needs no flush may have been answered before. Fails when
/// the relay answers what it could not write, or before it has, and when a filler that is dropped says nothing.
#[test]
fn when_the_store_goes_down_everybody_is_told_and_nobody_is_acknowledged() {
    let (before, after) = (Seen::default(), Seen::default());
    let scenario = {
        let (before, after) = (before.clone(), after.clone());
        move || {
            let (link, desk) = Link::to(Small::failing());
            let link = Arc::new(link);
            let claims = {
                let link = Arc::clone(&link);
                thread::spawn(move || block_on(link.ask(accept("a"))))
            };
            let asks = thread::spawn(move || block_on(link.ask(Request::Health)));
            assert_eq!(desk.run(|_| ()), Err(Down));
            let claim = claims.join().unwrap();
            assert!(stopped(&claim), "acknowledged: {claim:?}");
            match asks.join().unwrap() {
                Reply::Health(Health::Ready) => before.now(),
                reply => {
                    assert!(stopped(&reply), "{reply:?}");
                    after.now();
                }
            }
        }
    };
    explore("the store goes down", UNBOUNDED, 32_423, scenario);
    assert!(before.ever() && after.ever());
}
