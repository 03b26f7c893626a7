//! Connections: who may speak, how much at once, and one answer a request.

use crate::error::{Code, Failure, failure, note};
use crate::server::clients::Client;
use crate::server::daemon::Daemon;
use crate::server::dispatch::dispatch;
use crate::server::request::{self, LONGEST_LINE, Line, Request, RequestId};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most connections at a time.
const MOST_CONNECTIONS: usize = 32;
/// So many of them are root's alone, so that a server that leaks its own does not lock out root, who looks into it.
const OF_ROOT: usize = 4;
/// Most requests of one connection at a time; while there are as many, its next line is not read.
const MOST_REQUESTS: usize = 16;
/// How long one that is turned away may take to read why, and how many may at a time; to others it is closed at once.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(5);
const MOST_LEAVING: usize = 8;
/// How long an answer waits for a client that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves for ever.
pub fn accept(daemon: &Arc<Daemon>, listener: &UnixListener) -> i32 {
    let open = Arc::new(AtomicUsize::new(0));
    let leaving = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a client that has gone: neither is worth dying of, nor spinning for.
                note(format_args!("accept: {error}"));
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let _ = stream.set_write_timeout(Some(WRITE_TIMEOUT));
        if let Err(refusal) = admit(&stream, daemon.context.options.server_uid, open.load(Ordering::SeqCst)) {
            turn_away(stream, refusal, &leaving);
            continue;
        }
        let Ok(watched) = stream.try_clone() else { continue };
        // Here, and not in its thread: who connects later must find it.
        let client = daemon.clients.enter(Some(watched));
        open.fetch_add(1, Ordering::SeqCst);
        let (daemon, entered) = (Arc::clone(daemon), Arc::clone(&open));
        let started = std::thread::Builder::new().name("connection".to_owned()).spawn(move || {
            serve(&daemon, &client, &stream);
            entered.fetch_sub(1, Ordering::SeqCst);
        });
        if started.is_err() {
            open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn admit(stream: &UnixStream, server_uid: u32, open: usize) -> Result<(), Failure> {
    let peer =
        getsockopt(stream, PeerCredentials).map_err(|error| failure(Code::Denied, format!("who are you? {error}")))?;
    if peer.uid() != server_uid && peer.uid() != 0 {
        return Err(failure(Code::Denied, format!("uid {} may not speak to this daemon", peer.uid())));
    }
    let most = if peer.uid() == 0 { MOST_CONNECTIONS } else { MOST_CONNECTIONS - OF_ROOT };
    if open >= most {
        return Err(failure(Code::Busy, format!("{most} connections are open already")));
    }
    Ok(())
}

/// Says why, and lets the client find that out: one whose first request meets a closed socket gets an error for it, and
/// may never look at what had been said before.
fn turn_away(stream: UnixStream, why: Failure, leaving: &Arc<AtomicUsize>) {
    let _ = (&stream).write_all(&line(None, Err(why)));
    let _ = stream.shutdown(Shutdown::Write);
    if leaving.fetch_add(1, Ordering::SeqCst) >= MOST_LEAVING {
        leaving.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let left = Arc::clone(leaving);
    let started = std::thread::Builder::new().name("leaving".to_owned()).spawn(move || {
        let until = Instant::now() + LEAVING_TIMEOUT;
        let mut sink = [0; 4096];
        loop {
            let timeout = until.saturating_duration_since(Instant::now());
            // A timeout of nothing is refused, and ends it as well.
            if stream.set_read_timeout(Some(timeout)).is_err() || !matches!((&stream).read(&mut sink), Ok(1..)) {
                break;
            }
        }
        drop(stream);
        left.fetch_sub(1, Ordering::SeqCst);
    });
    if started.is_err() {
        leaving.fetch_sub(1, Ordering::SeqCst);
    }
}

fn line(id: Option<u64>, outcome: Result<Value, Failure>) -> Vec<u8> {
    let mut answer = match outcome {
        Ok(value) => json!({ "id": id, "ok": value }),
        Err(failure) => json!({ "id": id, "error": failure }),
    }
    .to_string()
    .into_bytes();
    answer.push(b'\n');
    answer
}

/// Counts what is under way.
#[derive(Default)]
struct UnderWay(Mutex<usize>, Condvar);

impl UnderWay {
    fn enter(&self) {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *count >= MOST_REQUESTS {
            count = self.1.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
        *count += 1;
    }

    fn leave(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.1.notify_all();
    }
}

fn serve(daemon: &Arc<Daemon>, client: &Arc<Client>, stream: &UnixStream) {
    let Ok(writer) = stream.try_clone() else { return };
    let writer = Arc::new(Mutex::new(writer));
    let answer = |bytes: &[u8]| send(&writer, bytes);
    let under_way = Arc::new(UnderWay::default());
    let mut reader = BufReader::new(stream);
    let mut text = Vec::new();
    loop {
        text.clear();
        match reader.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut text) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if text.len() > LONGEST_LINE || text.last() != Some(&b'\n') {
            if text.len() > LONGEST_LINE {
                answer(&line(None, Err(failure(Code::BadRequest, format!("a line has at most {LONGEST_LINE} bytes")))));
            }
            return;
        }
        match request::parse(&text) {
            Line { id, request: Err(refusal), .. } => answer(&line(id, Err(refusal))),
            Line { id, request_id, request: Ok(request) } => {
                start(daemon, client, &writer, &under_way, Asked { id, request_id, request });
            }
        }
    }
}

struct Asked {
    id: Option<u64>,
    request_id: Option<RequestId>,
    request: Request,
}

fn start(
    daemon: &Arc<Daemon>,
    client: &Arc<Client>,
    writer: &Arc<Mutex<UnixStream>>,
    under_way: &Arc<UnderWay>,
    Asked { id, request_id, request }: Asked,
) {
    under_way.enter();
    let (daemon, to, leaving) = (Arc::clone(daemon), Arc::clone(writer), Arc::clone(under_way));
    let (number, changing) = (client.number(), request.changes().then(|| Arc::clone(client)));
    let started = std::thread::Builder::new().name("verb".to_owned()).spawn(move || {
        let outcome = dispatch(&daemon, number, request);
        if let (Err(why), Some(request_id)) = (&outcome, &request_id) {
            note(format_args!("request {request_id}: {why}"));
        }
        drop(changing);
        send(&to, &line(id, outcome));
        leaving.leave();
    });
    if started.is_err() {
        under_way.leave();
        send(writer, &line(id, Err(failure(Code::Busy, "no thread could be started"))));
    }
}

/// A client that is gone or does not read loses its answer, and its connection with it.
fn send(writer: &Mutex<UnixStream>, bytes: &[u8]) {
    let mut stream = writer.lock().unwrap_or_else(PoisonError::into_inner);
    if stream.write_all(bytes).is_err() {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
