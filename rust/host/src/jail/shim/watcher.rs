//! What the server asks of a shim: the console, or to be told of the end.

use nix::poll::PollFlags;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a client may take to say what it wants, and to take it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How Firecracker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
}

impl End {
    /// Whether it ended by itself, as it does when its guest powers off or resets.
    pub fn is_clean(self) -> bool {
        self == Self::Exit(0)
    }

    fn line(self) -> Vec<u8> {
        match self {
            Self::Exit(code) => format!("exit {code}\n"),
            Self::Signal(number) => format!("signal {number}\n"),
        }
        .into_bytes()
    }
}

enum Wish {
    Unknown,
    End,
    /// Bytes that are still to be sent.
    Sending(Vec<u8>),
}

/// What a client has said since it was last asked.
#[derive(PartialEq, Eq)]
enum Said {
    Nothing,
    Byte(u8),
    /// It has hung up.
    Gone,
}

pub struct Watcher {
    stream: UnixStream,
    wish: Wish,
    since: Instant,
}

impl Watcher {
    /// The stream is non-blocking.
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, wish: Wish::Unknown, since: Instant::now() }
    }

    pub fn wants(&self) -> (&UnixStream, PollFlags) {
        let flags = if matches!(self.wish, Wish::Sending(_)) { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        (&self.stream, flags)
    }

    /// Whether it may come to wait for too long.
    pub fn has_deadline(&self) -> bool {
        !matches!(self.wish, Wish::End)
    }

    /// Whether it is being told something.
    pub fn is_sending(&self) -> bool {
        matches!(self.wish, Wish::Sending(_))
    }

    /// Does what can be done. Answers with whether it is still of use.
    pub fn turn(&mut self, tail: impl Fn() -> Vec<u8>, end: Option<End>) -> bool {
        match self.wish {
            Wish::Unknown => match self.read() {
                Said::Byte(b'c') => self.send(tail()),
                Said::Byte(b'w') => self.wish = Wish::End,
                Said::Nothing => return self.since.elapsed() < TIMEOUT,
                Said::Byte(_) | Said::Gone => return false,
            },
            // It has nothing more to say.
            Wish::End => {
                if self.read() != Said::Nothing {
                    return false;
                }
            }
            Wish::Sending(_) => {}
        }
        if let (Wish::End, Some(end)) = (&self.wish, end) {
            self.send([end.line(), tail()].concat());
        }
        let Wish::Sending(bytes) = &mut self.wish else { return true };
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => drop(bytes.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.since.elapsed() < TIMEOUT,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        false
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.since = Instant::now();
        self.wish = Wish::Sending(bytes);
    }

    fn read(&mut self) -> Said {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(1) => Said::Byte(byte[0]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Said::Nothing,
            _ => Said::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watcher() -> (Watcher, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Watcher::new(ours), theirs)
    }

    fn said(mut client: UnixStream, watcher: Watcher) -> String {
        drop(watcher);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn gives_the_console() {
        let (mut watcher, mut client) = watcher();
        assert!(watcher.turn(Vec::new, None));
        client.write_all(b"c").unwrap();
        assert!(!watcher.turn(|| b"hello".to_vec(), None));
        assert_eq!(said(client, watcher), "hello");
    }

    #[test]
    fn tells_of_the_end_also_when_it_was_before() {
        let (mut first, mut client) = watcher();
        client.write_all(b"w").unwrap();
        assert!(first.turn(Vec::new, None));
        assert!(first.turn(Vec::new, None));
        assert!(!first.turn(|| b"last words".to_vec(), Some(End::Signal(9))));
        assert_eq!(said(client, first), "signal 9\nlast words");
        let (mut late, mut client) = watcher();
        client.write_all(b"w").unwrap();
        assert!(!late.turn(Vec::new, Some(End::Exit(0))));
        assert_eq!(said(client, late), "exit 0\n");
    }

    #[test]
    fn drops_whoever_says_something_else() {
        for words in ["x", "ww"] {
            let (mut watcher, mut client) = watcher();
            client.write_all(words.as_bytes()).unwrap();
            assert!((0..3).any(|_| !watcher.turn(Vec::new, None)), "{words}");
        }
    }
}
