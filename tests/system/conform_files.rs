//! What a trace does to a real hub besides asking it: kills with its clock set back, and same-host agents at its files.

use handoff_kernel::law::PROTOCOL;
use handoff_kernel::testing::variant::Fault;
use handoff_sim::conform::{Played, Player, play};
use handoff_spec::trace::Trace;

use crate::support::hub::testing;

/// A trace of these lines, each `TIME HOST EVENT`; what a hub does is told with its clock: `TIME@CLOCK`.
fn trace(model: &str, configuration: &str, lines: &[&str]) -> Trace {
    let mut text = format!(
        r#"{{"trace":"handoff-trace/1","name":"files","kind":"witness","rule":"S7","says":"So.","model":"{model}","configuration":"{configuration}","law":"protocol","records":[]}}"#
    );
    for (step, line) in lines.iter().enumerate() {
        let mut words = line.splitn(3, ' ');
        let (at, host, event) = (words.next(), words.next(), words.next().expect("three words"));
        let (at, host) = (at.expect("a time"), host.expect("a host"));
        let (time, clock) = match at.split_once('@') {
            Some((time, clock)) => (time, format!(r#","clock":{clock}"#)),
            None => (at, String::new()),
        };
        text +=
            &format!("\n{{\"step\":{step},\"time\":{time},\"host\":\"{host}\"{clock},\"event\":{event}}}");
    }
    Trace::parse(&text).unwrap_or_else(|why| panic!("{why}:\n{text}"))
}

const START: &str = r#"{"begins":{"operation":1,"handoff":"h0","command":{"start":{"sender":"bob","artifact":{"handoff":"h0","author":"bob","target":"alice","digest":"d0","expires_at":90000,"claim_ttl":null}}},"asker":{"client":"client 1","agent":"bob"}}}"#;
const ACCEPT: &str = r#"{"begins":{"operation":2,"handoff":"h0","command":{"accept":{"by":"alice","claim_id":"c1","attempt":1,"receipt":null}},"asker":{"client":"client 2","agent":"alice"}}}"#;
const KILLED: &str = r#"{"crashes":{"operations":[]}}"#;
const RESTARTS: &str = r#""restarts""#;
const NOTHING: &str = r#"{"polls":{"target":"eve","shown":null}}"#;

fn loads(operation: u32) -> String {
    format!(r#"{{"effect":{{"operation":{operation},"effect":"load","outcome":"loaded"}}}}"#)
}

fn claimed_at(at: u64) -> String {
    format!(
        r#"{{"answers":{{"operation":2,"verdict":{{"claimed":{{"claim_id":"c1","claimed_at":{at},"claim_expires_at":null}}}}}}}}"#
    )
}

/// What happens between a start at 60000 and an accept that is told this time.
fn between(lines: &[&str], clock: u64, claimed: u64) -> Trace {
    let first = [
        format!("60000@60000 hub {START}"),
        format!("60000@60000 hub {}", loads(1)),
        r#"60000@60000 hub {"effect":{"operation":1,"effect":"insert","outcome":"written","took_effect":true}}"#
            .to_owned(),
        r#"60000@60000 hub {"answers":{"operation":1,"verdict":{"started":{"expires_at":90000}}}}"#.to_owned(),
    ];
    let last = [
        format!("69000@{clock} hub {ACCEPT}"),
        format!("69000@{clock} hub {}", loads(2)),
        format!("69000@{clock} hub {}", claimed_at(claimed)),
    ];
    let all: Vec<&str> = first
        .iter()
        .map(String::as_str)
        .chain(lines.iter().copied())
        .chain(last.iter().map(String::as_str))
        .collect();
    trace("hubs", "none", &all)
}

#[test]
fn the_time_that_a_start_goes_on_from_is_kept_and_what_nothing_rests_on_is_not() {
    let binary = testing();
    let killed = |time: u64, clock: u64| {
        [format!("{time}@{clock} hub {KILLED}"), format!("{time}@{clock} hub {RESTARTS}")]
    };
    // Begun by a clock that says 68000, and once more by one that is set back: 68000 was kept, and nothing was written.
    let [a, b] = killed(67_000, 68_000);
    let [c, d] = killed(68_000, 66_000);
    let kept = between(&[&a, &b, &c, &d], 66_000, 68_000);
    // The clock only stood at 68000: whoever begins by another has not been there.
    let seen = format!("67000@68000 hub {NOTHING}");
    let gone = between(&[&seen, &c, &d], 66_000, 66_000);
    for (name, trace, kills) in [("kept", kept, 2), ("gone", gone, 1)] {
        let sum = play(&trace, &binary, PROTOCOL).unwrap_or_else(|why| panic!("{name}: {why}\n{trace}"));
        assert_eq!((sum.kills, sum.apart.len()), (kills, 0), "{name}: {sum}");
    }
}

fn neighbour(does: &str, handoff: &str) -> String {
    format!(r#"{{"tells":{{"does":"{does}","with":{{"handoff":"{handoff}"}}}}}}"#)
}

fn drops(handoff: &str) -> String {
    format!(
        r#"{{"tells":{{"does":"drops","with":{{"author":"bob","claim_ttl":"","digest":"d1","expires_at":"90000","handoff":"{handoff}","target":"alice"}}}}}}"#
    )
}

/// What a move amounts to, as the hub carries it out by itself.
fn notes(operation: u32, handoff: &str, command: &str) -> String {
    let command = match command {
        "claims" => r#""accept":{"by":"alice","claim_id":null,"attempt":9,"receipt":null}"#,
        "completes" => r#""complete":{"by":"alice","claim_id":null,"result":null,"receipt":null}"#,
        _ => r#""reject":{"by":"alice","claim_id":null,"reason":"t9","receipt":null}"#,
    };
    format!(r#"{{"begins":{{"operation":{operation},"handoff":"{handoff}","command":{{{command}}}}}}}"#)
}

/// A trace of one hub on directories, and what comes of it on one that ships.
fn played(lines: &[String]) -> (Trace, Played) {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let trace = trace("simulator", "directory", &lines);
    let sum = play(&trace, &testing(), PROTOCOL).unwrap_or_else(|why| panic!("{why}\n{trace}"));
    (trace, sum)
}

const SET_UP: &str = r#"60000 world {"tells":{"does":"is_set_up","with":{"epsilon":"5","on":"directory"}}}"#;

#[test]
fn same_host_agents_drop_and_move_files_while_the_hub_runs_and_while_it_does_not() {
    let polls = |shown: &str| format!(r#"{{"polls":{{"target":"alice","shown":"{shown}"}}}}"#);
    let complete = r#"{"begins":{"operation":9,"handoff":"h4","command":{"complete":{"by":"alice","claim_id":null,"result":"t0","receipt":null}},"asker":{"client":"client 2","agent":"alice"}}}"#;
    let mut lines = vec![SET_UP.to_owned(), format!("60000@60000 hub {RESTARTS}")];
    let mut tell = |at: &str, host: &str, event: String| lines.push(format!("{at} {host} {event}"));
    tell("60010", "neighbour", drops("h0"));
    tell("60020@60020", "hub", neighbour("arrives", "h0"));
    tell("60030@60030", "hub", polls("h0"));
    tell("60040", "neighbour", neighbour("claims", "h0"));
    tell("60050@60050", "hub", notes(1, "h0", "claims"));
    tell("60060@60060", "hub", ACCEPT.to_owned());
    tell("60060@60060", "hub", loads(2));
    tell(
        "60060@60060",
        "hub",
        r#"{"answers":{"operation":2,"verdict":{"refused":"already_claimed"}}}"#.to_owned(),
    );
    tell("60070", "neighbour", neighbour("completes", "h0"));
    tell("60080@60080", "hub", notes(3, "h0", "completes"));
    tell("60090", "neighbour", drops("h1"));
    // Nobody has claimed it.
    tell("60095", "neighbour", neighbour("completes", "h1"));
    tell("60100@60100", "hub", neighbour("arrives", "h1"));
    tell("60110", "neighbour", neighbour("rejects", "h1"));
    tell("60120@60120", "hub", notes(4, "h1", "rejects"));
    tell("60130", "neighbour", drops("h2"));
    tell("60140@60140", "hub", neighbour("arrives", "h2"));
    tell("60150@60150", "hub", KILLED.to_owned());
    tell("60160", "neighbour", neighbour("claims", "h2"));
    tell("60165", "neighbour", neighbour("completes", "h2"));
    tell("60170", "neighbour", drops("h3"));
    tell("60175", "neighbour", drops("h4"));
    tell("60180", "neighbour", neighbour("claims", "h4"));
    tell("60190", "neighbour", neighbour("deletes_log", "h4"));
    tell("60200@60200", "hub", RESTARTS.to_owned());
    tell("60200@60200", "hub", neighbour("arrives", "h3"));
    tell("60200@60200", "hub", notes(5, "h2", "claims"));
    tell("60200@60200", "hub", notes(6, "h2", "completes"));
    tell("60200@60200", "hub", notes(7, "h4", "claims"));
    tell("60210@60210", "hub", polls("h3"));
    tell("60220@60220", "hub", complete.to_owned());
    tell("60220@60220", "hub", loads(9));
    tell(
        "60220@60220",
        "hub",
        r#"{"answers":{"operation":9,"verdict":{"completed":{"at":60220}}}}"#.to_owned(),
    );
    let (_, sum) = played(&lines);
    assert_eq!(sum.deeds, [12, 6], "{sum}");
    // Two polls and two commands, and at the end the record of each of five.
    assert_eq!((sum.answers, sum.told, sum.apart.len(), sum.kills), (9, 4, 0, 1), "{sum}");
    assert_eq!(sum.left_out.values().sum::<u64>(), 1, "{sum}");
}

#[test]
fn a_hub_whose_files_lie_elsewhere_than_they_should_is_found_out_by_whoever_would_move_them() {
    // Its time is over long before somebody moves it.
    let lines = [
        SET_UP.to_owned(),
        format!("60000@60000 hub {RESTARTS}"),
        format!("60010 neighbour {}", drops("h0")),
        format!("60020@60020 hub {}", neighbour("arrives", "h0")),
        format!("95000 neighbour {}", neighbour("claims", "h0")),
    ];
    let (trace, sum) = played(&lines);
    assert_eq!((sum.deeds, sum.left_out.values().sum::<u64>()), ([1, 0], 1), "{sum}");
    let left = Player::new(&testing(), Fault::JanitorForgetsPending.name()).held_to(PROTOCOL).play(&trace);
    let why = left.expect_err("it is in handoff/");
    assert!(why.contains("finds the file of t0-h000 Some(Pending), and by the kernel it is None"), "{why}");
}
