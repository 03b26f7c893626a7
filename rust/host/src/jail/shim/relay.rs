//! Bytes between two sockets, both ways, without waiting.

use nix::poll::PollFlags;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes that may wait for their reader, each way.
const MOST: usize = 64 * 1024;
/// How long the guest may take to read what a client said last that is gone.
const LINGER: Duration = Duration::from_secs(30);

/// One direction.
struct Flow {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Its source has said all.
    is_over: bool,
    is_shut: bool,
}

impl Flow {
    fn new() -> Self {
        Self { buffer: vec![0; MOST].into(), start: 0, end: 0, is_over: false, is_shut: false }
    }

    fn wants_read(&self) -> bool {
        !self.is_over && self.end < MOST
    }

    fn wants_write(&self) -> bool {
        self.start < self.end
    }

    /// An end that fails has ended: what it said before is passed on all the same.
    fn pump(&mut self, mut from: &UnixStream, mut to: &UnixStream) {
        if self.wants_read() {
            match from.read(&mut self.buffer[self.end..]) {
                Ok(read @ 1..) => self.end += read,
                Err(error) if means_not_now(&error) => {}
                Ok(_) | Err(_) => self.is_over = true,
            }
        }
        if self.wants_write() {
            match to.write(&self.buffer[self.start..self.end]) {
                Ok(written) => self.start += written,
                Err(error) if means_not_now(&error) => {}
                Err(_) => self.give_up(),
            }
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.is_over && self.end == 0 && !self.is_shut {
            self.is_shut = true;
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    /// Nobody reads it any more.
    fn give_up(&mut self) {
        (self.start, self.end, self.is_over, self.is_shut) = (0, 0, true, true);
    }
}

fn means_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Which ends are gone for good.
#[derive(Clone, Copy, Debug, Default)]
pub struct HungUp {
    pub client: bool,
    pub server: bool,
}

pub struct Relay {
    client: UnixStream,
    server: UnixStream,
    up: Flow,
    down: Flow,
    hung_up: HungUp,
    /// Since when the client is gone.
    since: Option<Instant>,
}

impl Relay {
    /// Both are non-blocking.
    pub fn new(client: UnixStream, server: UnixStream) -> Self {
        Self { client, server, up: Flow::new(), down: Flow::new(), hung_up: HungUp::default(), since: None }
    }

    /// What to poll of client and server. One that is gone makes poll(2) return at once: where nothing more is to be had of
    /// it, the other is polled in its place.
    pub fn wants(&self) -> [(&UnixStream, PollFlags); 2] {
        let flags = |reads: &Flow, writes: &Flow| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, reads.wants_read());
            flags.set(PollFlags::POLLOUT, writes.wants_write());
            flags
        };
        let client = (&self.client, flags(&self.up, &self.down));
        let server = (&self.server, flags(&self.down, &self.up));
        match self.hung_up {
            HungUp { client: true, .. } if client.1.is_empty() => [server, server],
            HungUp { server: true, .. } if server.1.is_empty() => [client, client],
            _ => [client, server],
        }
    }

    /// Whether it ends some time though nothing happens.
    pub fn lingers(&self) -> bool {
        self.since.is_some()
    }

    /// Moves what can be moved. Answers with whether there may be more to come. What an end said last before it was gone is
    /// still passed on.
    pub fn pump(&mut self, hung_up: HungUp) -> bool {
        // Where one was polled in the other's place, that one is gone already.
        self.hung_up.client |= hung_up.client;
        self.hung_up.server |= hung_up.server;
        if self.hung_up.client {
            self.down.give_up();
            self.since.get_or_insert_with(Instant::now);
        }
        if self.hung_up.server {
            self.up.give_up();
        }
        self.up.pump(&self.client, &self.server);
        self.down.pump(&self.server, &self.client);
        let is_late = self.since.is_some_and(|since| since.elapsed() > LINGER);
        let is_over = self.up.is_shut && self.down.is_shut;
        !is_late && !is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (ours, theirs)
    }

    #[test]
    fn passes_on_both_ways_and_half_closes() {
        let ((near, mut client), (far, mut server)) = (pair(), pair());
        let mut relay = Relay::new(near, far);
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        for _ in 0..3 {
            assert!(relay.pump(HungUp::default()));
        }
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").unwrap();
        drop(server);
        while relay.pump(HungUp::default()) {}
        text.clear();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
    }

    #[test]
    fn a_reader_that_stalls_holds_up_its_writer() {
        let ((near, mut client), (far, _server)) = (pair(), pair());
        client.set_nonblocking(true).unwrap();
        let mut relay = Relay::new(near, far);
        let mut sent = 0;
        for _ in 0..1000 {
            sent += client.write(&[7; 4096]).unwrap_or(0);
            assert!(relay.pump(HungUp::default()));
        }
        assert!(sent < 4 << 20, "{sent} bytes were taken");
    }

    const CLIENT: HungUp = HungUp { client: true, server: false };
    const SERVER: HungUp = HungUp { client: false, server: true };

    #[test]
    fn ends_when_one_end_is_gone() {
        let ((near, client), (far, mut server)) = (pair(), pair());
        let mut relay = Relay::new(near, far);
        drop(client);
        server.write_all(&[1; 100]).unwrap();
        assert!(!relay.pump(CLIENT));
    }

    #[test]
    fn what_was_said_last_arrives() {
        let ((near, mut client), (far, mut server)) = (pair(), pair());
        let mut relay = Relay::new(near, far);
        let said = vec![5; 3 * MOST];
        server.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(written) = server.write(&said) {
            sent += written;
            relay.pump(HungUp::default());
        }
        drop(server);
        // All that the client has not read yet is in the sockets and in the relay.
        for _ in 0..10 {
            assert!(relay.pump(SERVER), "it ends before all is read");
        }
        let mut received = vec![0; sent];
        let mut read = 0;
        while read < sent {
            relay.pump(SERVER);
            read += client.read(&mut received[read..]).unwrap();
        }
        assert!(!relay.pump(SERVER));
    }

    #[test]
    fn one_that_is_gone_is_polled_for_no_more_than_it_has() {
        let ((near, mut client), (far, _server)) = (pair(), pair());
        let mut relay = Relay::new(near, far);
        client.set_nonblocking(true).unwrap();
        while client.write(&[7; 4096]).is_ok() {
            relay.pump(HungUp::default());
        }
        drop(client);
        assert!(relay.pump(CLIENT) && relay.lingers());
        // Its words fill the relay, and the guest reads none.
        let [first, second] = relay.wants();
        assert_eq!((first.1, second.1), (PollFlags::POLLOUT, PollFlags::POLLOUT));
    }
}
