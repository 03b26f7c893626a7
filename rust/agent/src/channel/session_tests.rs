//! Sessions over a socket pair, which stands in for the port: what matters here is the bytes.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::spawn_local;

use super::Sessions;
use crate::channel::port::Port;
use crate::channel::test_host::{KEY, hello, is_silent, marker, read_echo, with_agent};

/// Runs a test with the host's end of a served port.
fn with_port<F: Future<Output = ()>>(test: impl FnOnce(UnixStream) -> F) {
    with_agent(|agent| async {
        let (ours, theirs) = Pair::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let port = Port::watch(File::from(OwnedFd::from(theirs))).unwrap();
        spawn_local(Sessions::new(port, KEY).serve(agent));
        test(UnixStream::from_std(ours).unwrap()).await;
    });
}

#[test]
fn nothing_follows_an_echo_until_the_host_speaks() {
    with_port(|mut host| async move {
        assert!(is_silent(&mut host).await, "nothing before a marker");
        host.write_all(&marker(1)).await.unwrap();
        assert_eq!(read_echo(&mut host, 1).await, b"");
        assert!(is_silent(&mut host).await, "nothing after the echo");
        hello(host).await;
    });
}

#[test]
fn a_marker_is_found_behind_garbage_however_it_is_cut() {
    with_port(|mut host| async move {
        let mut sent = vec![0x1d; 5000];
        sent.extend(&KEY[..9]);
        sent.extend(marker(7));
        for piece in sent.chunks(7) {
            host.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(read_echo(&mut host, 7).await, b"");
        hello(host).await;
    });
}

#[test]
fn each_marker_ends_the_session_before_it() {
    with_port(|mut host| async move {
        for session in 1..20 {
            host.write_all(&marker(session)).await.unwrap();
            read_echo(&mut host, session).await;
            assert!(is_silent(&mut host).await);
            host = hello(host).await;
        }
    });
}

#[test]
fn of_several_markers_at_once_each_is_echoed_and_the_last_is_served() {
    with_port(|mut host| async move {
        host.write_all(&[marker(1), marker(2), marker(3)].concat()).await.unwrap();
        read_echo(&mut host, 1).await;
        read_echo(&mut host, 2).await;
        read_echo(&mut host, 3).await;
        assert!(is_silent(&mut host).await);
        hello(host).await;
    });
}

#[test]
fn a_session_of_garbage_is_dropped_and_the_next_one_served() {
    with_port(|mut host| async move {
        for session in 1..5 {
            host.write_all(&marker(session)).await.unwrap();
            read_echo(&mut host, session).await;
            host.write_all(&vec![session; 100_000]).await.unwrap();
        }
        host.write_all(&marker(9)).await.unwrap();
        read_echo(&mut host, 9).await;
        hello(host).await;
    });
}

/// A byte that was kept back because it may begin a marker would be missing here: nothing is sent after it.
#[test]
fn a_frame_that_ends_in_the_marker_s_first_bytes_is_answered_in_silence() {
    with_port(|mut host| async move {
        host.write_all(&marker(1)).await.unwrap();
        read_echo(&mut host, 1).await;
        host.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
        let mut seen = Vec::new();
        for length in 1..=8 {
            let mut payload = [0; 8];
            payload[8 - length..].copy_from_slice(&KEY[..length]);
            host.write_all(b"\x00\x00\x08\x06\x00\x00\x00\x00\x00").await.unwrap();
            host.write_all(&payload).await.unwrap();
            let pong = [b"\x00\x00\x08\x06\x01\x00\x00\x00\x00".as_slice(), &payload].concat();
            while !seen.ends_with(&pong) {
                seen.push(host.read_u8().await.unwrap());
            }
        }
    });
}
