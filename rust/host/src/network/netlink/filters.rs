//! Programs of eBPF that a link's frames pass as they come in, before any rule of nftables (linux/pkt_sched.h, linux/pkt_cls.h).

use crate::network::netlink::Netlink;
use crate::network::netlink::message::{ACKNOWLEDGE, CREATE, Message, REPLACE};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const NEW_DISCIPLINE: u16 = 36;
const NEW_FILTER: u16 = 44;
/// Of the discipline that has nothing but places for filters ("clsact"): its handle, where it is, and its place for what comes in.
const HANDLE: u32 = 0xffff_0000;
const PLACE: u32 = 0xffff_fff1;
const INCOMING: u32 = 0xffff_fff2;
/// The first filter, for every protocol (ETH_P_ALL, in the network's order).
const FIRST: u32 = 1 << 16;
const EVERY_PROTOCOL: u16 = 3;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
/// Of a filter by a program: its descriptor, its name, and that its answer is what is done.
const DESCRIPTOR: u16 = 6;
const NAME: u16 = 7;
const FLAGS: u16 = 8;
const IS_ACTION: u32 = 1;

/// `struct tcmsg`.
fn message(kind: u16, flags: u16, index: u32, [handle, parent, info]: [u32; 3]) -> Message {
    let mut message = Message::new(kind, flags | CREATE | ACKNOWLEDGE);
    message.put(&[0; 4]);
    for word in [index, handle, parent, info] {
        message.put(&word.to_ne_bytes());
    }
    message
}

/// Has what comes in by a link pass a program, in place of the one that it has passed.
///
/// # Errors
/// What the kernel refused.
pub fn incoming(socket: &Netlink, index: u32, program: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut discipline = message(NEW_DISCIPLINE, 0, index, [HANDLE, PLACE, 0]);
    discipline.text(KIND, "clsact");
    let info = FIRST | u32::from(EVERY_PROTOCOL.to_be());
    let mut filter = message(NEW_FILTER, REPLACE, index, [1, INCOMING, info]);
    filter.text(KIND, "bpf");
    filter.nested(OPTIONS, |options| {
        options.attribute(DESCRIPTOR, &program.as_raw_fd().to_ne_bytes());
        options.text(NAME, name);
        options.attribute(FLAGS, &IS_ACTION.to_ne_bytes());
    });
    socket.change(vec![discipline, filter])
}
