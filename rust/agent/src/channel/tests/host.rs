//! The host's end of a channel, for tests of what is below HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use crate::agent::{Agent, Place};
use crate::process::reaper::{self, CHILDREN_OF_TESTS, Reaper};
use crate::process::user::User;

pub const KEY: [u8; 16] = *b"\x1d\x1e\x1f-overlapping\x1d";
const DEADLINE: Duration = Duration::from_secs(30);
/// Long enough for an agent that would speak out of turn to do so.
const SILENCE: Duration = Duration::from_millis(100);

/// Runs a test with an agent, which it serves itself.
pub fn with_agent<F: Future<Output = ()>>(test: impl FnOnce(std::rc::Rc<Agent>) -> F) {
    let _children = CHILDREN_OF_TESTS.read();
    let user = User::own(None);
    let runtime = crate::run::runtime(&user);
    LocalSet::new().block_on(&runtime, async {
        let reaper = Reaper::default();
        spawn_local(reaper.clone().run(reaper::block(&[Signal::SIGCHLD]), |_| {}));
        let agent = crate::run::agent(user, reaper, None, Place::Shared).await;
        timeout(DEADLINE, test(agent)).await.expect("the test ends before its deadline");
    });
}

pub fn marker(session: u8) -> Vec<u8> {
    [KEY, [session; 16]].concat()
}

/// Sends a marker and reads up to and with its echo; answers what came before that.
pub async fn open(host: &mut UnixStream, session: u8) -> Vec<u8> {
    host.write_all(&marker(session)).await.unwrap();
    read_echo(host, session).await
}

/// Reads up to and with the echo of a session; answers what came before it.
pub async fn read_echo(host: &mut UnixStream, session: u8) -> Vec<u8> {
    let echo = marker(session);
    let mut seen = Vec::new();
    while !seen.ends_with(&echo) {
        seen.push(host.read_u8().await.unwrap());
    }
    seen.truncate(seen.len() - echo.len());
    seen
}

pub async fn is_silent(host: &mut UnixStream) -> bool {
    timeout(SILENCE, host.read_u8()).await.is_err()
}

/// Speaks HTTP/2 on an opened session; answers whether a call works, and gives the stream back for the next session.
pub async fn hello(host: UnixStream) -> UnixStream {
    let std = host.into_std().unwrap();
    let again = std.try_clone().unwrap();
    let (client, connection) = h2::client::handshake(UnixStream::from_std(std).unwrap()).await.unwrap();
    let connection = spawn_local(async move { drop(connection.await) });
    let request = http::Request::get("http://guest/v1/hello").body(()).unwrap();
    let (response, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Bytes = response.into_body().data().await.unwrap().unwrap();
    assert!(body.starts_with(b"{"));
    // The host closes nothing, as a killed server does.
    connection.abort();
    let _ = connection.await;
    UnixStream::from_std(again).unwrap()
}
