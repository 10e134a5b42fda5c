//! The test harness itself: what the other whole-system tests lean on is shown to hold.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use crate::support::ambient::rfc3339;
use crate::support::chance::Chance;
use crate::support::http::{Connection, Response, raw, read_response, request};

/// A server that answers one connection with these bytes; gives back what it was sent.
fn answers(bytes: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"END") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            got.push(byte[0]);
        }
        stream.write_all(bytes).unwrap();
        got
    });
    (address, server)
}

fn read(mut bytes: &[u8]) -> std::io::Result<Response> {
    read_response(&mut bytes, "GET")
}

#[test]
fn a_request_goes_out_as_written_and_its_answer_comes_back_whole() {
    let (to, server) = answers(b"HTTP/1.1 201 Created\r\nHandoff-Id: x\r\nContent-Length: 2\r\n\r\nok");
    let response = request(to, "POST", "/start", &[("x-test", "1")], b"END").unwrap();
    assert_eq!((response.status, response.text().as_str()), (201, "ok"));
    assert_eq!(response.header("Handoff-Id"), "x");
    let sent = String::from_utf8(server.join().unwrap()).unwrap();
    assert_eq!(
        sent,
        format!(
            "POST /start HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\nx-test: 1\r\ncontent-length: 3\r\n\r\nEND"
        )
    );
}

#[test]
fn raw_bytes_go_out_as_they_are() {
    let (to, server) = answers(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(raw(to, b"\xff\0 END").unwrap(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(server.join().unwrap(), b"\xff\0 END");
}

#[test]
fn a_chunked_body_is_put_together() {
    let r = read(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
    );
    assert_eq!(r.unwrap().text(), "abc0123456789");
}

#[test]
fn a_body_without_a_length_goes_to_the_end_and_204_has_none() {
    assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\nall of it").unwrap().text(), "all of it");
    assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\nleft").unwrap().text(), "");
}

#[test]
fn an_answer_cut_short_is_an_error_and_not_a_shorter_answer() {
    for cut in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/2 200\r\n\r\n",
    ] {
        assert!(read(cut).is_err(), "{:?}", String::from_utf8_lossy(cut));
    }
}

#[test]
fn the_ready_line_is_found_among_others_and_its_absence_is_noticed() {
    let ready = |text: &'static str| crate::support::hub::ready_line(text.as_bytes()).recv();
    assert_eq!(ready("hello\nlistening on http://127.0.0.1:81\nmore\n"), Ok(([127, 0, 0, 1], 81).into()));
    assert!(ready("listening on 127.0.0.1:81\n").is_err());
    assert!(ready("").is_err());
}

#[test]
fn timestamps_are_rfc_3339() {
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(rfc3339(951_782_400_000 - 1), "2000-02-28T23:59:59.999Z");
    assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
    assert_eq!(rfc3339(1_767_225_599_678), "2025-12-31T23:59:59.678Z");
    assert_eq!(rfc3339(4_102_444_800_000), "2100-01-01T00:00:00.000Z");
    assert!(rfc3339(crate::support::ambient::now_ms()).as_str() > "2025");
}

#[test]
fn both_hubs_are_built_and_found() {
    for binary in [crate::support::hub::shipped(), crate::support::hub::testing()] {
        assert!(binary.is_file(), "{}", binary.display());
        let help = crate::support::hub::run(&binary, &["--help"]);
        assert!(help.status.success() && !help.stdout.is_empty(), "{} --help", binary.display());
    }
}

#[test]
fn a_kept_connection_carries_one_request_after_the_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for n in 1..3 {
            let mut got = Vec::new();
            while !got.ends_with(b"END") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                got.push(byte[0]);
            }
            let want = format!("PUT /{n} HTTP/1.1\r\nhost: {to}\r\nx: y\r\ncontent-length: 3\r\n\r\nEND");
            assert_eq!(String::from_utf8(got).unwrap(), want);
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}").as_bytes()).unwrap();
        }
    });
    let mut connection = Connection::open(to).unwrap();
    for n in 1..3 {
        connection.send("PUT", &format!("/{n}"), &[("x", "y")], b"END").unwrap();
        assert_eq!(connection.receive("PUT").unwrap().text(), n.to_string());
    }
    server.join().unwrap();
    assert!(connection.receive("PUT").is_err(), "the server has hung up");
}

#[test]
fn chance_of_one_seed_is_drawn_again_and_of_another_is_not() {
    let draws = |seed| {
        let mut chance = Chance::of(seed);
        let mut fork = chance.fork();
        (0..64).map(|_| (chance.below(1000), fork.below(1000))).collect::<Vec<_>>()
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
    assert!(draws(1).iter().any(|(own, forked)| own != forked));
    let mut chance = Chance::of(3);
    let hits = (0..10_000).filter(|_| chance.percent(30)).count();
    assert!((2_700..3_300).contains(&hits), "{hits}");
}
