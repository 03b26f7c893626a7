//! Connections that the host tracks (nfnetlink_conntrack.h).

use crate::network::netlink::message::{ACKNOWLEDGE, DUMP, Message};
use crate::network::netlink::{Netlink, attribute};
use std::io;
use std::net::Ipv4Addr;

const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
const STATISTICS: u16 = 1 << 8 | 5;
/// `struct nfgenmsg`, and that of AF_INET.
const FIXED: usize = 4;
const INET: [u8; 4] = [2, 0, 0, 0];
const ORIGINAL: u16 = 1;
const ADDRESSES: u16 = 1;
const SOURCE: u16 = 1;
const ID: u16 = 12;
const FILTER: u16 = 25;
/// Of statistics, in the network's order of bytes.
const ENTRIES: u16 = 1;
/// The source's address alone.
const BY_SOURCE: u32 = 1;

/// How many flows the socket's namespace tracks now, with those that have ended and are remembered for a while (TCP's for two minutes).
///
/// # Errors
/// What the kernel refused.
pub fn count(socket: &Netlink) -> io::Result<u32> {
    let mut ask = Message::new(STATISTICS, ACKNOWLEDGE);
    ask.put(&INET);
    let answer = socket.dump(&ask)?;
    let entries = answer.first().and_then(|body| attribute(body, FIXED, ENTRIES)?.try_into().ok());
    entries.map(u32::from_be_bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Forgets every flow of the socket's namespace that came from an address. Answers with how many there were.
///
/// # Errors
/// What the kernel refused.
pub fn forget(socket: &Netlink, source: Ipv4Addr) -> io::Result<u64> {
    let mut ask = Message::new(GET, DUMP);
    ask.put(&INET);
    ask.nested(ORIGINAL, |tuple| tuple.nested(ADDRESSES, |pair| pair.attribute(SOURCE, &source.octets())));
    ask.nested(FILTER, |filter| {
        filter.attribute(1, &BY_SOURCE.to_ne_bytes());
        filter.attribute(2, &0_u32.to_ne_bytes());
    });
    let mut forgotten = 0;
    for flow in socket.dump(&ask)? {
        let (Some(tuple), Some(id)) = (attribute(&flow, FIXED, ORIGINAL), attribute(&flow, FIXED, ID)) else {
            continue;
        };
        // A kernel that does not filter answers with all.
        let of = attribute(tuple, 0, ADDRESSES).and_then(|pair| attribute(pair, 0, SOURCE));
        if of != Some(source.octets().as_slice()) {
            continue;
        }
        let mut delete = Message::new(DELETE, ACKNOWLEDGE);
        delete.put(&INET);
        delete.nested(ORIGINAL, |copy| copy.put(tuple));
        delete.attribute(ID, id);
        match socket.change(vec![delete]) {
            Ok(()) => forgotten += 1,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
}
