//! What the shim beside a Firecracker passes on, of which every byte may be hostile.

use crate::support::firecracker::{args, ask, connect, folder, is_gone, launched, machine_that, with_impostor};
use crate::support::{Host, SERVER_UID, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

#[test]
fn sockets_are_their_owners() {
    let Some((host, _)) = launched(None) else { return };
    for (name, uid) in [("agent.sock", SERVER_UID), ("watch.sock", SERVER_UID), ("control.sock", 0)] {
        let socket = folder(&host, "machine1~").join(name);
        let found = fs::metadata(&socket).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o777), (uid, 0o600), "{name}");
        let others = [SERVER_UID, 12_345, host.machines()[0]["uid"].as_u64().unwrap().try_into().unwrap()];
        for other in others {
            assert_eq!(connects_as(other, &socket), other == uid, "{name} as {other}");
        }
    }
}

/// Whether a socket can be connected to by a thread that is another user's.
fn connects_as(uid: u32, socket: &Path) -> bool {
    let socket = socket.to_owned();
    let tried = std::thread::spawn(move || {
        // SAFETY: the system call, unlike libc's function, is of this thread alone, which ends with what it asks for.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }, 0);
        UnixStream::connect(socket).is_ok()
    });
    tried.join().unwrap()
}

#[test]
fn the_shim_tells_of_a_death_and_follows() {
    let Some((host, pid)) = launched(None) else { return };
    let mut early = connect(&host, "machine1~", "watch.sock");
    early.write_all(b"w").unwrap();
    // This guest says nothing, and what is no wish is answered by nothing.
    for words in [&b"c"[..], b"x", b"ww", b"\0"] {
        assert_eq!(ask(&host, "machine1~", "watch.sock", words), b"");
    }
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    let mut line = String::new();
    early.read_to_string(&mut line).unwrap();
    assert_eq!(line, "signal 9\n");
    until("the shim follows", || (host.machines()[0]["alive"] == false).then_some(()));
    for socket in ["watch.sock", "agent.sock", "control.sock"] {
        assert!(UnixStream::connect(folder(&host, "machine1~").join(socket)).is_err(), "{socket}");
    }
    let save = json!({ "machineId": "machine1~", "saveId": "savesave1~" });
    assert_eq!(host.refused("machine.save", save), "not-found");
    is_gone(&host, "machine1~");
}

#[test]
fn connections_beyond_the_most_are_closed_at_once() {
    let Some((host, _)) = launched(None) else { return };
    for (socket, words) in [("watch.sock", &b"w"[..]), ("agent.sock", b""), ("control.sock", b"")] {
        let open = |count: usize| (0..count).map(|_| connect(&host, "machine1~", socket)).collect::<Vec<_>>();
        let mut kept = open(8);
        // The shim accepts in their order, so that the last is one too many once it is closed.
        let mut ninth = connect(&host, "machine1~", socket);
        assert_eq!(ninth.read(&mut [0]).ok(), Some(0), "{socket}");
        for stream in &mut kept {
            stream.set_nonblocking(true).unwrap();
            stream.write_all(words).unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{socket}");
        }
        // Those that have gone make room at once, also while their guest has not accepted them.
        drop(kept);
        until("there is room", || {
            let mut next = connect(&host, "machine1~", socket);
            next.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let is_open = next.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            is_open.then_some(())
        });
    }
    is_gone(&host, "machine1~");
}

#[test]
fn bytes_pass_both_ways_as_they_are() {
    let Some((host, pid)) = machine_that("echoes") else { return };
    let sent: Vec<u8> = (0..4_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut stream = connect(&host, "machine1~", "agent.sock");
                let mut writer = stream.try_clone().unwrap();
                let sent = &sent;
                scope.spawn(move || {
                    writer.write_all(sent).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let mut received = Vec::new();
                stream.read_to_end(&mut received).unwrap();
                assert!(received == *sent, "{} of {} bytes", received.len(), sent.len());
            });
        }
    });
    // A client that does not read is its own trouble.
    let mut lazy = connect(&host, "machine1~", "agent.sock");
    lazy.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(lazy.write_all(&sent).is_err());
    assert_eq!(ask_and_shut(&host, b"hello"), b"hello");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    until("the shim follows", || (host.machines()[0]["alive"] == false).then_some(()));
    drop(lazy);
    is_gone(&host, "machine1~");
}

fn ask_and_shut(host: &Host, words: &[u8]) -> Vec<u8> {
    let mut stream = connect(host, "machine1~", "agent.sock");
    stream.write_all(words).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn what_is_no_guest_is_hung_up_on() {
    for word in ["hangs up", "grants nonsense", "grants at length"] {
        let Some((host, _)) = machine_that(word) else { return };
        for _ in 0..20 {
            assert_eq!(ask(&host, "machine1~", "agent.sock", b"hello"), b"", "{word}");
        }
        is_gone(&host, "machine1~");
    }
}

#[test]
fn a_guest_that_never_accepts_is_waited_for_while_its_client_waits() {
    let Some((host, _)) = machine_that("no guest") else { return };
    for _ in 0..30 {
        let mut stream = connect(&host, "machine1~", "agent.sock");
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let kind = stream.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::WouldBlock), "there is no room for a further one");
    }
    is_gone(&host, "machine1~");
}

#[test]
fn a_flood_of_output_is_bounded() {
    let Some(host) = with_impostor("floods") else { return };
    let answer: Value = std::thread::scope(|scope| {
        let launch = scope.spawn(|| host.try_call("machine.launch", &args("machine1~", None)));
        until("it runs", || folder(&host, "machine1~").join("watch.sock").exists().then_some(()));
        let most = 64 << 10;
        until("the console is full", || (ask(&host, "machine1~", "watch.sock", b"c").len() == most).then_some(()));
        for _ in 0..20 {
            assert_eq!(ask(&host, "machine1~", "watch.sock", b"c"), vec![b'x'; most]);
        }
        let sizes = fs::read_dir(folder(&host, "machine1~")).unwrap().flatten();
        let total: u64 = sizes.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum();
        assert!(total < 1 << 20, "{total} bytes are kept");
        host.kill("machine1~");
        launch.join().unwrap().expect("an answer")
    });
    assert!(answer["error"]["message"].as_str().unwrap().len() < 10_000, "{answer}");
    is_gone(&host, "machine1~");
}

#[test]
fn one_that_takes_no_client_holds_up_nothing() {
    let Some(host) = with_impostor("listens to nobody") else { return };
    let answer = host.try_call("machine.launch", &args("machine1~", None)).expect("an answer");
    assert!(answer["error"].is_object(), "{answer}");
    is_gone(&host, "machine1~");
}
