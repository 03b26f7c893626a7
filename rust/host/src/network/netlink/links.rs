//! Links, addresses, neighbours and the routes that we make (rtnetlink(7)).

use crate::network::netlink::message::{ACKNOWLEDGE, CREATE, DUMP, EXCLUSIVE, Message, REPLACE, u32_at};
use crate::network::netlink::{Netlink, attribute};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const NEW_NEIGHBOUR: u16 = 28;

/// Attributes of a link (linux/if_link.h).
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const INFO: u16 = 18;
const NAMESPACE: u16 = 28;
const CARRIER: u16 = 33;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_PORT_KIND: u16 = 4;
const INFO_PORT_DATA: u16 = 5;
const PEER: u16 = 1;
/// Of a bridge's port: whether it learns MACs, and whether it is sent frames for MACs that are not known, multicast, broadcast.
const LEARNING: u16 = 8;
const FLOODS: [u16; 3] = [9, 27, 30];
const ISOLATED: u16 = 33;

/// States of a neighbour (linux/neighbour.h).
const PERMANENT: u16 = 0x80;
const NO_ARP: u16 = 0x40;
/// A neighbour's flag: it is an entry of the bridge that the link is a port of (NTF_MASTER).
const OF_BRIDGE: u8 = 4;
const UP: u32 = 1;
const INET: u8 = 2;
/// Of entries of bridges (AF_BRIDGE).
const BRIDGE: u8 = 7;
/// The gateway is on the link though no route says so.
const ON_LINK: u32 = 4;

const LINK_BYTES: usize = 16;

/// `struct ifinfomsg`.
fn link(index: u32, flags: u32) -> [u8; LINK_BYTES] {
    let mut fixed = [0; LINK_BYTES];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    // Which of the flags are to be changed.
    fixed[12..16].copy_from_slice(&flags.to_ne_bytes());
    fixed
}

fn new_link(name: &str, index: u32, kind: &str, data: impl FnOnce(&mut Message)) -> Message {
    let mut message = Message::new(NEW_LINK, CREATE | EXCLUSIVE | ACKNOWLEDGE);
    message.put(&link(index, 0));
    message.text(NAME, name);
    message.nested(INFO, |info| {
        info.text(INFO_KIND, kind);
        info.nested(INFO_DATA, data);
    });
    message
}

/// One end of a veth pair.
pub struct End<'a> {
    pub name: &'a str,
    /// 0: the kernel chooses.
    pub index: u32,
}

/// A pair, its first end in the socket's namespace, the other in the one given.
pub fn veth(here: &End<'_>, there: &End<'_>, namespace: BorrowedFd<'_>) -> Message {
    new_link(here.name, here.index, "veth", |data| {
        data.nested(PEER, |peer| {
            peer.put(&link(there.index, 0));
            peer.text(NAME, there.name);
            peer.attribute(NAMESPACE, &namespace.as_raw_fd().to_ne_bytes());
        });
    })
}

pub fn bridge(name: &str, index: u32) -> Message {
    new_link(name, index, "bridge", |_| {})
}

fn change(name: &str, flags: u32, fill: impl FnOnce(&mut Message)) -> Message {
    let mut message = Message::new(NEW_LINK, ACKNOWLEDGE);
    message.put(&link(0, flags));
    message.text(NAME, name);
    fill(&mut message);
    message
}

pub fn up(name: &str) -> Message {
    change(name, UP, |_| {})
}

pub fn set_mac(name: &str, mac: [u8; 6]) -> Message {
    change(name, 0, |message| message.attribute(ADDRESS, &mac))
}

pub fn set_mtu(name: &str, mtu: u32) -> Message {
    change(name, 0, |message| message.attribute(MTU, &mtu.to_ne_bytes()))
}

/// Makes a link a port of a bridge and has it come up.
fn port(name: &str, bridge: u32) -> Message {
    change(name, UP, |message| message.attribute(MASTER, &bridge.to_ne_bytes()))
}

fn set_port(name: &str, settings: &[(u16, u8)]) -> Message {
    change(name, 0, |message| {
        message.nested(INFO, |info| {
            info.text(INFO_PORT_KIND, "bridge");
            info.nested(INFO_PORT_DATA, |data| {
                for (setting, value) in settings {
                    data.attribute(*setting, &[*value]);
                }
            });
        });
    })
}

/// Makes a link a port of a bridge that reaches no port but those that are not isolated, and has it come up.
pub fn isolated_port(name: &str, bridge: u32) -> [Message; 2] {
    [port(name, bridge), set_port(name, &[(ISOLATED, 1)])]
}

/// Makes a link a port of a bridge that is sent frames for one MAC and no others, and has it come up.
pub fn known_port(end: &End<'_>, bridge: u32, mac: [u8; 6]) -> [Message; 3] {
    let off: Vec<_> = FLOODS.into_iter().chain([LEARNING]).map(|setting| (setting, 0)).collect();
    let mut entry = Message::new(NEW_NEIGHBOUR, CREATE | REPLACE | ACKNOWLEDGE);
    entry.put(&[BRIDGE, 0, 0, 0]);
    entry.put(&end.index.to_ne_bytes());
    entry.put(&NO_ARP.to_ne_bytes());
    entry.put(&[OF_BRIDGE, 0]);
    entry.attribute(2, &mac);
    [port(end.name, bridge), set_port(end.name, &off), entry]
}

pub fn address(index: u32, address: Ipv4Addr, prefix: u8) -> Message {
    let mut message = Message::new(NEW_ADDRESS, CREATE | EXCLUSIVE | ACKNOWLEDGE);
    message.put(&[INET, prefix, 0, 0]);
    message.put(&index.to_ne_bytes());
    message.attribute(1, &address.octets());
    message.attribute(2, &address.octets());
    message
}

/// One that is not asked for by ARP, and takes no place of those that are (`gc_thresh3`).
pub fn neighbour(index: u32, address: Ipv4Addr, mac: [u8; 6]) -> Message {
    let mut message = Message::new(NEW_NEIGHBOUR, CREATE | REPLACE | ACKNOWLEDGE);
    message.put(&[INET, 0, 0, 0]);
    message.put(&index.to_ne_bytes());
    message.put(&PERMANENT.to_ne_bytes());
    message.put(&[0, 0]);
    message.attribute(1, &address.octets());
    message.attribute(2, &mac);
    message
}

/// A route to a network, 0.0.0.0/0 being all, on a link: by a gateway, or to neighbours on it.
pub fn route((network, prefix): (Ipv4Addr, u8), gateway: Option<Ipv4Addr>, index: u32) -> Message {
    let mut message = Message::new(NEW_ROUTE, CREATE | EXCLUSIVE | ACKNOWLEDGE);
    let (scope, flags) = if gateway.is_some() { (0, ON_LINK) } else { (253, 0) };
    // struct rtmsg: the main table, RTPROT_STATIC, unicast.
    message.put(&[INET, prefix, 0, 0, 254, 4, scope, 1]);
    message.put(&flags.to_ne_bytes());
    if prefix > 0 {
        message.attribute(1, &network.octets());
    }
    message.attribute(4, &index.to_ne_bytes());
    if let Some(gateway) = gateway {
        message.attribute(5, &gateway.octets());
    }
    message
}

/// Deletes a link, and with it its peer. Answers whether there was one.
///
/// # Errors
/// What the kernel refused.
pub fn delete(socket: &Netlink, name: &str) -> io::Result<bool> {
    let mut message = Message::new(DELETE_LINK, ACKNOWLEDGE);
    message.put(&link(0, 0));
    message.text(NAME, name);
    match socket.change(vec![message]) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub mtu: u32,
    /// The index of the bridge, or other device, that it is a port of; 0: none.
    pub master: u32,
}

/// Whether anything is at a link's other end: of a tap, who has it open. `false` where there is no such link.
///
/// # Errors
/// What the kernel refused.
pub fn has_carrier(socket: &Netlink, name: &str) -> io::Result<bool> {
    let mut message = Message::new(GET_LINK, DUMP);
    message.put(&link(0, 0));
    let all = socket.dump(&message)?;
    let named = |body: &&Vec<u8>| {
        attribute(body, LINK_BYTES, NAME).and_then(|text| text.strip_suffix(&[0])) == Some(name.as_bytes())
    };
    Ok(all.iter().find(named).and_then(|body| attribute(body, LINK_BYTES, CARRIER)) == Some(&[1]))
}

/// # Errors
/// What the kernel refused.
pub fn all(socket: &Netlink) -> io::Result<Vec<Link>> {
    let mut message = Message::new(GET_LINK, DUMP);
    message.put(&link(0, 0));
    let read = |body: &Vec<u8>| {
        let name = attribute(body, LINK_BYTES, NAME)?.strip_suffix(&[0])?;
        let mtu = u32_at(attribute(body, LINK_BYTES, MTU)?, 0)?;
        let master = attribute(body, LINK_BYTES, MASTER).and_then(|index| u32_at(index, 0)).unwrap_or(0);
        Some(Link { index: u32_at(body, 4)?, name: String::from_utf8_lossy(name).into_owned(), mtu, master })
    };
    Ok(socket.dump(&message)?.iter().filter_map(read).collect())
}
