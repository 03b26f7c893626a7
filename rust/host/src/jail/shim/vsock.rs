//! Opening a connection to a guest's vsock port through Firecracker's socket (docs/vsock.md of Firecracker: the client
//! sends `CONNECT port`, and is answered `OK port` once the guest has accepted).

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The port of the guest's agent.
pub const AGENT_PORT: u32 = 1024;
/// Longest answer, in bytes: `OK 4294967295\n` and some.
const LONGEST: usize = 32;
/// How long a guest may take to accept. One that is stopped does not.
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct Greeting {
    pub client: UnixStream,
    pub server: UnixStream,
    answer: Vec<u8>,
    since: Instant,
}

/// What comes of a greeting.
#[derive(Debug, PartialEq, Eq)]
pub enum Greeted {
    NotYet,
    Connected,
    Refused,
}

impl Greeting {
    /// # Errors
    /// Firecracker does not take the request.
    pub fn new(client: UnixStream, mut server: UnixStream) -> io::Result<Self> {
        server.set_nonblocking(true)?;
        server.write_all(format!("CONNECT {AGENT_PORT}\n").as_bytes())?;
        Ok(Self { client, server, answer: Vec::new(), since: Instant::now() })
    }

    /// Reads on. Not a byte behind the line is taken: those are the guest's.
    pub fn read(&mut self) -> Greeted {
        let mut byte = [0];
        while self.answer.len() < LONGEST && self.since.elapsed() < TIMEOUT {
            match self.server.read(&mut byte) {
                Ok(1) if byte[0] == b'\n' => {
                    let is_granted = self
                        .answer
                        .strip_prefix(b"OK ")
                        .is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
                    return if is_granted { Greeted::Connected } else { Greeted::Refused };
                }
                Ok(1) => self.answer.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Greeted::NotYet,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return Greeted::Refused,
            }
        }
        Greeted::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greet(answer: &[u8]) -> (Greeted, Greeting) {
        let ((client, _), (server, mut firecracker)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        firecracker.write_all(answer).unwrap();
        let mut greeting = Greeting::new(client, server).unwrap();
        (greeting.read(), greeting)
    }

    #[test]
    fn takes_the_answer_and_nothing_behind_it() {
        let (greeted, mut greeting) = greet(b"OK 1073741824\nguest");
        assert_eq!(greeted, Greeted::Connected);
        let mut rest = [0; 5];
        greeting.server.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"guest");
    }

    #[test]
    fn refuses_what_is_no_answer() {
        assert_eq!(greet(b"OK 12").0, Greeted::NotYet);
        assert_eq!(greet(b"OK \n").0, Greeted::Refused);
        assert_eq!(greet(b"OK 1 2\n").0, Greeted::Refused);
        assert_eq!(greet(b"no\n").0, Greeted::Refused);
        assert_eq!(greet(&[b'x'; 1000]).0, Greeted::Refused);
    }
}
