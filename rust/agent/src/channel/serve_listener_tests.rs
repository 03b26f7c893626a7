//! Sessions over connections to a unix socket, which stands in for the vsock port: what matters is who is served.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::{MAX_UNPROVEN, serve_listener};
use crate::channel::listener::Listener;
use crate::channel::test_host::{KEY, hello, is_silent, marker, open, read_echo, with_agent};
use crate::descriptor;

/// Longer than any test takes that is not about the deadline.
const NEVER: Duration = Duration::from_secs(60);

/// Where a test connects to.
struct Host(PathBuf);

impl Host {
    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.0).await.unwrap()
    }

    /// A connection whose session is open.
    async fn session(&self, session: u8) -> UnixStream {
        let mut host = self.connect().await;
        assert_eq!(open(&mut host, session).await, b"");
        host
    }
}

/// Runs a test with a served listener.
fn with_listener<F: Future<Output = ()>>(
    is_host: fn(&OwnedFd) -> bool,
    proof_timeout: Duration,
    test: impl FnOnce(Host) -> F,
) {
    with_agent(|agent| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vsock");
        let listening = UnixListener::bind(&path).unwrap();
        listening.set_nonblocking(true).unwrap();
        let listener = Listener::watch(listening.into(), is_host, proof_timeout).unwrap();
        spawn_local(async move { serve_listener(&listener, KEY, agent).await });
        test(Host(path)).await;
    });
}

fn with_host<F: Future<Output = ()>>(test: impl FnOnce(Host) -> F) {
    with_listener(|_| true, NEVER, test);
}

/// Waits until the agent has closed a connection, whatever it sends before.
async fn is_closed(host: &mut UnixStream) {
    let mut piece = [0; 4096];
    // A socket that is closed with unread bytes in it is reset.
    while host.read(&mut piece).await.is_ok_and(|count| count > 0) {}
}

#[test]
fn nothing_is_sent_before_the_key_and_nothing_after_the_echo() {
    with_host(|host| async move {
        let mut first = host.connect().await;
        assert!(is_silent(&mut first).await);
        first.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        assert!(is_silent(&mut first).await);
        open(&mut first, 1).await;
        assert!(is_silent(&mut first).await);
        hello(first).await;
    });
}

#[test]
fn a_marker_is_found_behind_garbage_however_it_is_cut() {
    with_host(|host| async move {
        let mut first = host.connect().await;
        let sent = [vec![0x1d; 5000], KEY[..9].to_vec(), marker(7)].concat();
        for piece in sent.chunks(7) {
            first.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(read_echo(&mut first, 7).await, b"");
        hello(first).await;
    });
}

#[test]
fn a_marker_on_the_same_connection_opens_its_next_session() {
    with_host(|host| async move {
        let mut first = host.session(1).await;
        for session in 2..10 {
            first = hello(first).await;
            open(&mut first, session).await;
        }
        hello(first).await;
    });
}

#[test]
fn a_connection_that_ended_is_followed_by_the_next() {
    with_host(|host| async move {
        for session in 1..10 {
            drop(hello(host.session(session).await).await);
        }
        drop(host.session(10).await);
        drop(host.connect().await);
        hello(host.session(11).await).await;
    });
}

fn post(path: &str) -> http::Request<()> {
    http::Request::post(format!("http://guest{path}")).body(()).unwrap()
}

/// Starts a flood in a terminal and reads a first piece of it.
async fn flood(client: SendRequest<Bytes>) -> RecvStream {
    let mut client = client.ready().await.unwrap();
    let new = json!({ "id": "flood", "cols": 80, "rows": 24, "command": ["yes"] });
    let (response, mut body) = client.send_request(post("/v1/terminals"), false).unwrap();
    body.send_data(new.to_string().into(), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 201);
    let (response, _) = client.send_request(post("/v1/terminals/flood/attach"), true).unwrap();
    let mut output = response.await.unwrap().into_body();
    assert!(!output.data().await.unwrap().unwrap().is_empty());
    output
}

/// Ends the flood's program, by another session than the one that started it.
async fn end_flood(host: UnixStream) {
    let (client, connection) = h2::client::handshake(host).await.unwrap();
    spawn_local(connection);
    let delete = http::Request::delete("http://guest/v1/terminals/flood").body(()).unwrap();
    let (response, _) = client.ready().await.unwrap().send_request(delete, true).unwrap();
    assert_eq!(response.await.unwrap().status(), 204, "the terminal outlived its session");
}

#[test]
fn a_second_connection_replaces_a_first_in_the_middle_of_a_flood() {
    with_host(|host| async move {
        let (client, connection) = h2::client::handshake(host.session(1).await).await.unwrap();
        spawn_local(connection);
        let mut output = flood(client).await;
        let (broken, ended) = oneshot::channel();
        spawn_local(async move {
            let end = loop {
                match output.data().await {
                    Some(Ok(bytes)) => drop(output.flow_control().release_capacity(bytes.len())),
                    end => break end,
                }
            };
            broken.send(end).unwrap();
        });
        end_flood(host.session(2).await).await;
        assert!(matches!(ended.await.unwrap(), Some(Err(_))), "the first session broke off");
    });
}

#[test]
fn a_connection_whose_host_reads_no_more_is_replaced() {
    with_host(|host| async move {
        let first = host.session(1).await.into_std().unwrap();
        let mut kept = UnixStream::from_std(first.try_clone().unwrap()).unwrap();
        let (client, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 30)
            .initial_connection_window_size(1 << 30)
            .handshake(UnixStream::from_std(first).unwrap())
            .await
            .unwrap();
        let connection = spawn_local(connection);
        let _output = flood(client).await;
        connection.abort();
        // Nothing but the socket holds the agent back, until nothing more fits.
        let mut before = 0;
        loop {
            sleep(Duration::from_millis(50)).await;
            let waiting = descriptor::waiting(&kept);
            if waiting > 0 && waiting == before {
                break;
            }
            before = waiting;
        }
        end_flood(host.session(2).await).await;
        is_closed(&mut kept).await;
    });
}

#[test]
fn what_does_not_show_the_key_disturbs_nobody() {
    with_host(|host| async move {
        let mut served = host.session(1).await;
        let mut strangers = Vec::new();
        for _ in 0..3 * MAX_UNPROVEN {
            let mut stranger = host.connect().await;
            let _ = stranger.write_all(&vec![7; 1000]).await;
            strangers.push(stranger);
            served = hello(served).await;
            open(&mut served, 2).await;
        }
        hello(served).await;
    });
}

#[test]
fn of_too_many_without_the_key_the_oldest_is_closed() {
    with_host(|host| async move {
        let mut waiting = Vec::new();
        for _ in 0..MAX_UNPROVEN {
            let mut connection = host.connect().await;
            assert!(is_silent(&mut connection).await);
            waiting.push(connection);
        }
        let mut newest = host.connect().await;
        is_closed(&mut waiting[0]).await;
        for connection in &mut waiting[1..] {
            assert!(is_silent(connection).await);
        }
        open(&mut newest, 1).await;
        newest = hello(newest).await;
        // It has left its place to another, and those that still wait may yet show the key.
        open(&mut waiting[1], 2).await;
        is_closed(&mut newest).await;
        hello(waiting.remove(1)).await;
    });
}

#[test]
fn no_trickle_of_bytes_moves_the_deadline() {
    with_listener(
        |_| true,
        Duration::from_millis(300),
        |host| async move {
            let mut slow = host.connect().await;
            let started = Instant::now();
            // A key and half an id, and so on: what could still become a marker.
            for byte in marker(1)[..24].iter().cycle() {
                if slow.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
            assert!(started.elapsed() >= Duration::from_millis(300));
            is_closed(&mut slow).await;
            // Who has shown it in time has all the time afterwards.
            let served = host.session(2).await;
            sleep(Duration::from_millis(400)).await;
            hello(served).await;
        },
    );
}

#[test]
fn a_stranger_is_not_heard() {
    with_listener(
        |_| false,
        NEVER,
        |host| async move {
            let mut stranger = host.connect().await;
            let _ = stranger.write_all(&marker(1)).await;
            is_closed(&mut stranger).await;
        },
    );
}

#[test]
fn a_vsock_port_is_listened_on_once() {
    with_host(|_| async move {
        // Any free one; a machine without vsock has nothing to show.
        let Some((port, _listener)) = (40_000..40_100).find_map(|port| Some((port, Listener::on_vsock(port).ok()?)))
        else {
            assert!(!std::path::Path::new("/dev/vsock").exists(), "a port can be listened on where there is vsock");
            return;
        };
        assert!(Listener::on_vsock(port).is_err(), "nobody else listens there");
    });
}
