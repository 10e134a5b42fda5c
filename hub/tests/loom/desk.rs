//! The desk and those who ask it: answers, tickets, and askers who go.

use loom::thread;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::small::{Small, World, accept, list, poll_now, waiting_poll};
use super::{Seen, UNBOUNDED, Unpark, block_on, explore};
use handoff_hub::link::Link;
use handoff_hub::link::desk::Desk;
use handoff_hub::request::{Health, Reply, Request};
use handoff_kernel::command::Answer;

/// Works until so many were asked for and nobody waits any more.
fn serve(desk: &mut Desk<Small>, tickets: usize) {
    while desk.machine().tickets() < tickets || desk.askers() > 0 {
        assert_eq!(desk.turn(|_| ()), Ok(true));
    }
}

/// Unbounded. One asks for something that must be written, the other for something that need not. The flag of the flush
/// is `Relaxed`, so that nothing but the link carries it over. Fails when the relay answers as soon as it has decided.
#[test]
fn no_answer_that_must_be_written_is_heard_before_its_flush() {
    explore("no answer before its flush", UNBOUNDED, 35_603, || {
        let world = World::new();
        let (link, mut desk) = Link::to(Small::in_world(&world));
        let link = Arc::new(link);
        let other = link.clone();
        let claims = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                let reply = block_on(link.ask(accept("a")));
                assert!(world.flushed.load(Ordering::Relaxed), "answered before it was flushed: {reply:?}");
                let Reply::Done(done) = reply else { panic!("{reply:?}") };
                assert!(matches!(done.verdict, Ok(Answer::Claimed { .. })) && done.changed, "{done:?}");
            })
        };
        let asks = thread::spawn(move || {
            assert_eq!(block_on(other.ask(Request::Health)), Reply::Health(Health::Ready));
        });
        serve(&mut desk, 2);
        claims.join().unwrap();
        asks.join().unwrap();
    });
}

/// Whether a reply can be one to the question.
type Fits = fn(&Reply) -> bool;

/// Each asks its own question, and hears the answer to that. No ticket is given twice: the small relay holds that against
/// all that it was ever given. That nobody is answered twice needs no test, for a slot is gone when it is filled.
fn everybody_is_answered(link: Link, mut desk: Desk<Small>, questions: Vec<(Request, Fits)>) {
    let link = Arc::new(link);
    let count = questions.len();
    let askers = questions.into_iter().map(|(question, fits)| {
        let link = Arc::clone(&link);
        thread::spawn(move || {
            let reply = block_on(link.ask(question));
            assert!(fits(&reply), "somebody else's answer: {reply:?}");
        })
    });
    let askers: Vec<_> = askers.collect();
    serve(&mut desk, count);
    askers.into_iter().for_each(|asker| asker.join().unwrap());
    assert_eq!((desk.askers(), desk.machine().tickets()), (0, count));
}

/// Unbounded. Fails when a ticket is read and counted on in two steps, and when a push does not wake the desk.
#[test]
fn every_ticket_of_two_askers_is_answered_once_and_to_whoever_asked() {
    explore("two tickets", UNBOUNDED, 35_603, || {
        let (link, desk) = Link::to(Small::in_world(&World::new()));
        everybody_is_answered(link, desk, vec![(accept("a"), is_done), (poll_now(), is_polled)]);
    });
}

/// Bounded: at most two interruptions. Fails as the one before.
#[test]
fn every_ticket_of_three_askers_is_answered_once_and_to_whoever_asked_within_two_interruptions() {
    explore("three tickets", Some(2), 62_843, || {
        let (link, desk) = Link::to(Small::in_world(&World::new()));
        let questions: Vec<(_, Fits)> =
            vec![(accept("a"), is_done), (poll_now(), is_polled), (Request::Health, is_health)];
        everybody_is_answered(link, desk, questions);
    });
}

fn is_done(reply: &Reply) -> bool {
    matches!(reply, Reply::Done(_))
}

fn is_polled(reply: &Reply) -> bool {
    *reply == Reply::Polled(None)
}

fn is_health(reply: &Reply) -> bool {
    *reply == Reply::Health(Health::Ready)
}

/// Polls once, as somebody who then goes. Says whether it was answered by then, and gives back the task that was to be
/// woken.
fn ask_and_go(link: &Link) -> (bool, Arc<Unpark>) {
    let task = Arc::new(Unpark(thread::current()));
    let waker = Waker::from(Arc::clone(&task));
    let answered = match pin!(link.ask(waiting_poll())).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(reply) => {
            assert_eq!(reply, Reply::Polled(None));
            true
        }
        Poll::Pending => false,
    };
    drop(waker);
    (answered, task)
}

/// Nobody is remembered, neither by the desk nor by the relay, and the task that waited is nobody's but its own.
fn nothing_is_left(desk: &Desk<Small>, task: &Arc<Unpark>) {
    assert_eq!((desk.askers(), desk.machine().waiting()), (0, 0), "somebody is remembered");
    assert_eq!(Arc::strong_count(task), 1, "somebody still has its waker");
}

/// Unbounded. The desk has seen the poll by then, or has not. Fails when the desk does not forget its asker, and when it
/// does not tell the relay.
#[test]
fn an_asker_who_goes_leaves_nothing_behind() {
    explore("who goes leaves nothing", UNBOUNDED, 104, || {
        let (link, mut desk) = Link::to(Small::in_world(&World::new()));
        let goes = thread::spawn(move || ask_and_go(&link));
        while desk.turn(|_| ()).unwrap() {}
        let (answered, task) = goes.join().unwrap();
        assert!(!answered, "nothing came");
        nothing_is_left(&desk, &task);
    });
}

/// Bounded: at most three interruptions. Another asks for what ends all polls: the answer is on its way to one who goes, or
/// was there already, or comes too late. Fails as the one before.
#[test]
fn an_asker_who_goes_as_its_answer_comes_leaves_nothing_behind_within_three_interruptions() {
    let (heard, gone) = (Seen::default(), Seen::default());
    let scenario = {
        let (heard, gone) = (heard.clone(), gone.clone());
        move || {
            let (link, mut desk) = Link::to(Small::in_world(&World::new()));
            let other = link.clone();
            let goes = thread::spawn(move || ask_and_go(&link));
            let asks = thread::spawn(move || assert!(is_health(&block_on(other.ask(list())))));
            while desk.turn(|_| ()).unwrap() {}
            let (answered, task) = goes.join().unwrap();
            asks.join().unwrap();
            if answered {
                heard.now();
            } else {
                gone.now();
            }
            nothing_is_left(&desk, &task);
        }
    };
    explore("who goes as the answer comes", Some(3), 9_313, scenario);
    assert!(heard.ever() && gone.ever());
}
