//! Netlink (netlink(7)), as little of it as slots need: messages are made and read by hand, so that a change of a set
//! starts no program, and a socket stays in the network namespace in which it was opened, whichever thread uses it later.

pub mod filters;
pub mod flows;
pub mod links;
pub mod message;
pub mod routes;
pub mod sets;
pub mod watch;

use crate::network::netlink::message::{Message, attributes, u32_at};
use nix::sys::socket::{self as sockets, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};
use nix::sys::time::TimeVal;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// Of an answer. A dump comes in parts of at most 32 KiB.
const BUFFER: usize = 64 * 1024;
/// The kernel answers before `send` returns; this only keeps a fault from blocking for ever.
const TIMEOUT_S: i64 = 10;
const HEADER: usize = 16;
/// Of nlmsghdr's `nlmsg_type`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Of nlmsghdr's `nlmsg_flags`: what a dump is of has changed meanwhile, and part of it may be missing (`NLM_F_DUMP_INTR`).
const INTERRUPTED: u16 = 0x10;
/// How often a dump is asked for before it is given up.
const DUMPS: usize = 20;

#[derive(Clone, Copy)]
pub enum Protocol {
    /// Links, addresses, routes.
    Route,
    /// nf_tables and conntrack.
    Netfilter,
}

/// A socket, and the number of its last message.
pub struct Netlink(Mutex<(OwnedFd, u32)>);

impl Netlink {
    /// Opens one in the calling thread's network namespace.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        let protocol = match protocol {
            Protocol::Route => SockProtocol::NetlinkRoute,
            Protocol::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let socket = sockets::socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        sockets::setsockopt(&socket, sockets::sockopt::ReceiveTimeout, &TimeVal::new(TIMEOUT_S, 0))?;
        sockets::bind(socket.as_raw_fd(), &sockets::NetlinkAddr::new(0, 0))?;
        Ok(Self(Mutex::new((socket, 0))))
    }

    /// Sends messages at once and waits for the last one's acknowledgement.
    ///
    /// # Errors
    /// The first error that the kernel answers with.
    pub fn change(&self, messages: Vec<Message>) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, last) = &mut *held;
        let first = *last + 1;
        *last += u32::try_from(messages.len()).unwrap_or(u32::MAX);
        let acknowledged = messages.iter().rposition(Message::is_acknowledged).unwrap_or(0);
        let awaited = first + u32::try_from(acknowledged).unwrap_or(0);
        let bytes: Vec<u8> = (first..).zip(messages).flat_map(|(number, message)| message.finish(number)).collect();
        sockets::send(socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut outcome = Ok(());
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = sockets::recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for Answer { number, kind, body, .. } in answers(&buffer[..read]) {
                if kind != ERROR || !(first..=*last).contains(&number) {
                    continue;
                }
                if let (Ok(()), Err(error)) = (&outcome, error_of(body)) {
                    outcome = Err(error);
                }
                // An error of the message that opens a batch is the only answer that there will be.
                if number == awaited || (number == first && outcome.is_err()) {
                    return outcome;
                }
            }
        }
    }

    /// Asks for all objects of a kind, until it is answered with those of one moment. Answers with the body of each.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn dump(&self, message: &Message) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..DUMPS {
            if let Some(found) = self.dump_once(message.clone())? {
                return Ok(found);
            }
        }
        Err(io::Error::other("what the kernel was asked for did not stop changing"))
    }

    /// `None` where the dump was interrupted.
    fn dump_once(&self, message: Message) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, last) = &mut *held;
        *last += 1;
        sockets::send(socket.as_raw_fd(), &message.finish(*last), MsgFlags::empty())?;
        let (mut found, mut buffer, mut is_whole) = (Vec::new(), vec![0; BUFFER], true);
        loop {
            let read = sockets::recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for Answer { number, kind, flags, body } in answers(&buffer[..read]) {
                if number != *last {
                    continue;
                }
                is_whole &= flags & INTERRUPTED == 0;
                match kind {
                    ERROR => return error_of(body).map(|()| is_whole.then_some(found)),
                    DONE => return Ok(is_whole.then_some(found)),
                    _ => found.push(body.to_vec()),
                }
            }
        }
    }
}

struct Answer<'a> {
    number: u32,
    kind: u16,
    flags: u16,
    body: &'a [u8],
}

/// The messages of one datagram.
fn answers(mut bytes: &[u8]) -> Vec<Answer<'_>> {
    let mut found = Vec::new();
    while let (Some(length), Some(number)) = (u32_at(bytes, 0), u32_at(bytes, 8)) {
        let length = length as usize;
        let (Some(body), Some(kind)) = (bytes.get(HEADER..length), u32_at(bytes, 4)) else { break };
        found.push(Answer { number, kind: (kind & 0xffff) as u16, flags: (kind >> 16) as u16, body });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn error_of(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(-number)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// One attribute's bytes, out of a body after its fixed part.
fn attribute(body: &[u8], fixed: usize, kind: u16) -> Option<&[u8]> {
    attributes(body.get(fixed..)?).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::net::UnixDatagram;

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for answer in answers(&bytes) {
                let _ = error_of(answer.body);
                let _ = attribute(answer.body, 4, 1);
            }
        }
    }

    #[test]
    fn what_is_made_can_be_read() {
        let mut message = Message::new(24, 0);
        message.put(&[1, 2, 3, 4]);
        message.attribute(1, b"abc");
        message.nested(2, |inner| inner.attribute(3, &7_u32.to_ne_bytes()));
        let bytes = message.finish(9);
        let found = answers(&bytes);
        assert_eq!((found.len(), found[0].number, found[0].kind), (1, 9, 24));
        assert_eq!(attribute(found[0].body, 4, 1), Some(b"abc".as_slice()));
        let inner = attribute(found[0].body, 4, 2).unwrap();
        assert_eq!(attribute(inner, 0, 3), Some(7_u32.to_ne_bytes().as_slice()));
    }

    /// A socket whose kernel is asked so often and interrupts as many dumps, which lack an object then.
    fn interrupting(dumps: usize, asked: usize) -> (Netlink, std::thread::JoinHandle<()>) {
        let (kernel, socket) = UnixDatagram::pair().unwrap();
        let answer = move || {
            let mut request = [0; 64];
            for dump in 0..asked {
                kernel.recv(&mut request).unwrap();
                let number = u32_at(&request, 8).unwrap();
                let object = |flags, body| {
                    let mut message = Message::new(16, flags);
                    message.put(&[body, 0, 0, 0]);
                    message.finish(number)
                };
                let found = if dump < dumps { object(INTERRUPTED, 1) } else { [object(0, 1), object(0, 2)].concat() };
                kernel.send(&found).unwrap();
                kernel.send(&Message::new(DONE, 0).finish(number)).unwrap();
            }
        };
        (Netlink(Mutex::new((socket.into(), 0))), std::thread::spawn(answer))
    }

    #[test]
    fn a_dump_that_was_interrupted_is_asked_for_again() {
        let (netlink, kernel) = interrupting(2, 3);
        assert_eq!(netlink.dump(&Message::new(18, 0)).unwrap(), [[1, 0, 0, 0], [2, 0, 0, 0]]);
        kernel.join().unwrap();
        let (netlink, kernel) = interrupting(DUMPS, DUMPS);
        assert!(netlink.dump(&Message::new(18, 0)).is_err());
        kernel.join().unwrap();
    }
}
