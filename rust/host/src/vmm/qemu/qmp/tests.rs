use super::*;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::thread;

/// Runs the client against a monitor that says these bytes after each line it receives.
fn against(says: &'static [&'static [u8]], timeout: Duration) -> QmpResult<Value> {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        for words in says {
            if stream.read(&mut buffer).unwrap_or(0) == 0 || stream.write_all(words).is_err() {
                return;
            }
        }
        let _ = stream.read(&mut buffer);
    });
    let outcome = Qmp::connect(folder.path(), timeout).and_then(|mut qmp| qmp.execute("stop", &json!({})));
    peer.join().unwrap();
    outcome
}

const GREETING: &[u8] = b"{\"QMP\":{}}\r\n{\"return\":{}}\r\n";
const LONG: Duration = Duration::from_mins(1);

#[test]
fn an_answer_is_found_among_events_and_cut_anywhere() {
    let done = against(&[GREETING, b"{\"event\":\"STOP\"}\r\n{\"return\":{\"a\":1}}\r\n"], LONG);
    assert_eq!(done.unwrap(), json!({ "a": 1 }));
}

#[test]
fn a_refusal_and_nonsense_are_faults() {
    let refused = against(&[GREETING, b"{\"error\":{\"class\":\"GenericError\",\"desc\":\"not now\"}}\n"], LONG);
    assert!(matches!(refused, Err(QmpError::Broken(why)) if why.contains("not now")));
    assert!(matches!(against(&[GREETING, b"what?\n"], LONG), Err(QmpError::Broken(_))));
    assert!(matches!(against(&[GREETING, b""], Duration::from_millis(50)), Err(QmpError::TimedOut)));
}

#[test]
fn a_flood_is_cut_off() {
    let line: &'static [u8] = vec![b'x'; LONGEST + 8192].leak();
    let flooded = against(Box::leak(Box::new([GREETING, line])), LONG);
    assert!(matches!(flooded, Err(QmpError::Broken(why)) if why.contains("too much")));
    let events: &'static [u8] = b"{\"event\":\"x\"}\n".repeat(MOST / 8).leak();
    let flooded = against(Box::leak(Box::new([GREETING, events])), LONG);
    assert!(matches!(flooded, Err(QmpError::Broken(why)) if why.contains("too much")));
}

#[test]
fn a_descriptor_arrives() {
    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use std::io::IoSliceMut;
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(GREETING).unwrap();
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let mut into = [IoSliceMut::new(&mut buffer)];
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut into, Some(&mut space), MsgFlags::empty()).unwrap();
        let got =
            message.cmsgs().unwrap().any(|one| matches!(one, ControlMessageOwned::ScmRights(fds) if fds.len() == 1));
        stream.write_all(b"{\"return\":{}}\n").unwrap();
        got
    });
    let mut qmp = Qmp::connect(folder.path(), LONG).unwrap();
    qmp.send_descriptor(std::fs::File::open("/dev/null").unwrap().as_fd(), "state").unwrap();
    assert!(peer.join().unwrap());
}
