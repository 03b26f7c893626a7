//! Peers that are no Firecracker, or one that was taken over.

use crate::vmm::firecracker::api::client::Attached;
use crate::vmm::firecracker::api::error::ApiError;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(100);
const STATE: &str = r#"{"id":"a","state":"Paused","vmm_version":"1.12.1","app_name":"Firecracker"}"#;

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Attaches to a peer that acts once it was asked, and then stays until it is left.
fn attach(timeout: Duration, act: impl FnOnce(&mut UnixStream) + Send + 'static) -> Result<(), ApiError> {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let peer = thread::spawn(move || {
        let mut asked = [0; 4096];
        assert!(theirs.read(&mut asked).unwrap() > 0);
        act(&mut theirs);
        let _ = theirs.read(&mut asked);
    });
    let outcome = Attached::attach(ours, timeout).map(|attached| assert!(matches!(attached, Attached::Paused(_))));
    peer.join().unwrap();
    outcome
}

/// Attaches to a peer that says just this.
fn says(bytes: impl Into<Vec<u8>>) -> ApiError {
    let bytes = bytes.into();
    attach(LONG, move |peer| {
        let _ = peer.write_all(&bytes);
    })
    .unwrap_err()
}

fn broken(error: ApiError) -> String {
    match error {
        ApiError::Broken(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_taken_cut_anywhere() {
    let whole = answer("200 OK\r\nServer: x", STATE);
    for at in [1, 9, 20, whole.len() - STATE.len() - 1, whole.len() - 1] {
        let whole = whole.clone();
        let outcome = attach(LONG, move |peer| {
            peer.write_all(&whole[..at]).unwrap();
            thread::sleep(Duration::from_millis(5));
            peer.write_all(&whole[at..]).unwrap();
        });
        assert_eq!(outcome, Ok(()));
    }
}

#[test]
fn garbage_is_a_fault() {
    for bytes in
        ["\0\u{1}\u{2}\r\n\r\n", "what?\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 200 OK\r\nno header\r\n\r\n"]
    {
        assert!(broken(says(bytes)).contains("Firecracker's answer"), "{bytes:?}");
    }
    for head in ["HTTP/1.0 200 OK", "HTTP/1.1 100 Continue", "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 600 x"] {
        assert!(broken(says(format!("{head}\r\nContent-Length: 0\r\n\r\n"))).contains("with status"), "{head}");
    }
    assert!(broken(says(answer("302 Found", STATE))).contains("status 302"));
    assert!(broken(says(answer("204 No Content", ""))).contains("status 204"));
}

#[test]
fn a_body_that_is_no_state_is_a_fault() {
    for body in ["", "[]", "{}", r#"{"state":"Paused"}"#, &STATE.replace("Paused", "Stopped"), &STATE[1..]] {
        broken(says(answer("200 OK", body)));
    }
    let nested = "[".repeat(60_000);
    broken(says(answer("200 OK", &nested)));
    let why = broken(says(answer("200 OK", &STATE.replace("1.12.1", r"1.12\u001b[2J\n"))));
    assert!(why.contains("is no version") && !why.contains(char::is_control), "{why:?}");
    let why = broken(says(answer("200 OK", &STATE.replace("Paused", &"x".repeat(10_000)))));
    assert!(why.len() <= 500, "{why:?}");
}

#[test]
fn a_wrong_length_is_a_fault() {
    let with = |lengths: &str| says(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n{STATE}"));
    for lengths in ["", "Content-Length: 3\r\nContent-Length: 3\r\n", "content-length: 3\r\nCONTENT-LENGTH: 4\r\n"] {
        assert!(broken(with(lengths)).contains("no length, or two"), "{lengths:?}");
    }
    for length in ["-1", "+3", "0x10", "3, 3", "three", "99999999999999999999"] {
        assert!(broken(with(&format!("Content-Length: {length}\r\n"))).contains("no number"), "{length:?}");
    }
    assert!(broken(with("Transfer-Encoding: chunked\r\n")).contains("transfer encoding"));
    let chunked = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", STATE.len());
    assert!(broken(with(&chunked)).contains("transfer encoding"));
    assert!(broken(with("Content-Length: 10\r\n")).contains("more than it was asked"));
    assert!(broken(says("HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\nx")).contains("without content"));
}

#[test]
fn what_is_too_long_is_cut_off() {
    let many = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(40));
    assert!(broken(says(many)).contains("Firecracker's answer"));
    let endless = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(1 << 20));
    assert!(broken(says(endless)).contains("headers of Firecracker's answer are too long"));
    assert!(broken(says("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n")).contains("65537 bytes is too long"));
    let flood = [answer("200 OK", STATE), vec![b'x'; 1 << 20]].concat();
    assert!(broken(says(flood)).contains("more than it was asked"));
}

#[test]
fn an_end_in_the_middle_is_a_fault() {
    let whole = answer("200 OK", STATE);
    for at in [0, 5, 30, whole.len() - 1] {
        let part = whole[..at].to_vec();
        let error = attach(LONG, move |peer| {
            peer.write_all(&part).unwrap();
            peer.shutdown(std::net::Shutdown::Both).unwrap();
        });
        assert!(broken(error.unwrap_err()).contains("ended, or closed its API"), "after {at} bytes");
    }
}

#[test]
fn silence_has_an_end() {
    assert_eq!(attach(SHORT, |_| ()).unwrap_err(), ApiError::TimedOut);
    let half = attach(SHORT, |peer| peer.write_all(b"HTTP/1.1 200 OK\r\n").unwrap());
    assert_eq!(half.unwrap_err(), ApiError::TimedOut);
}

#[test]
fn an_answer_that_drips_for_ever_has_an_end() {
    let begun = Instant::now();
    let error = attach(SHORT, move |peer| {
        peer.write_all(b"HTTP/1.1 200 OK\r\na: ").unwrap();
        // Until it is left, and far more often than the deadline.
        while begun.elapsed() < LONG && peer.write_all(b"b").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    assert_eq!(error.unwrap_err(), ApiError::TimedOut);
    assert!(begun.elapsed() < LONG / 2);
}

#[test]
fn a_request_that_nobody_reads_has_an_end() {
    use crate::vmm::firecracker::api::connection::{Connection, Method};
    let (ours, theirs) = UnixStream::pair().unwrap();
    let body = "x".repeat(8 << 20).into();
    let error = Connection::new(ours).send(Method::Put, "/boot-source", &body, SHORT);
    assert_eq!(error.unwrap_err(), ApiError::TimedOut);
    drop(theirs);
}

#[test]
fn a_refusal_has_its_own_words_made_plain_and_short() {
    let refused = |body: &str| match says(answer("400 Bad Request", body)) {
        ApiError::Refused { status: 400, message } => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(r#"{"fault_message":"no such drive"}"#), "no such drive");
    assert_eq!(refused(r#"{"fault_message":"a\u001b[2J\r\nb\u009b1m\u2028ü"}"#), "a[2Jb1mü");
    assert_eq!(refused(&format!(r#"{{"fault_message":"{}"}}"#, "ü".repeat(9000))), "ü".repeat(500));
    for body in ["", "<html>", r#"{"fault_message":7}"#] {
        assert_eq!(refused(body), "no reason");
    }
}
