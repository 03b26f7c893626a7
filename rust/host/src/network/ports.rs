//! What goes with the number of a slot: the names of its links in the router, their indices, MACs and addresses. Since all of
//! it is known ahead, the router's rules and neighbours are made once, and nobody has to ask by ARP.
//!
//! Three addresses of the instance's range go with a slot: its own towards the router, its guest's as a member of a shared
//! network, and its leg's there, from which only errors come.

use crate::network::addresses::Cidr;
use crate::spec::SlotName;
use std::net::Ipv4Addr;

/// Of an instance. A bridge has at most 1,024 ports (`BR_MAX_PORTS`).
pub const MOST: u16 = 1000;
/// Indices of the first slot's port of the router, and of its port of a shared network.
const FIRST_INDEX: u32 = 1000;
const FIRST_LEG_INDEX: u32 = 3000;
/// Of bridges, beyond those of all ports: the kernel's own choice would be a port's some day, which it then refuses.
pub const FIRST_BRIDGE: u32 = 5000;
/// Numbers of the first slot's, member's and leg's address in the instance's range.
const FIRST: u32 = 16;
const FIRST_MEMBER: u32 = 1024;
const FIRST_LEG: u32 = 2048;
/// Of members, and of legs.
const PREFIX: u8 = 22;
/// The first letters of the names of ports of the router, which are slots' names, and of those of shared networks.
const SLOT: &str = "s";
pub const LEG_PREFIX: &str = "m";

/// All slots that there may be.
pub fn all() -> impl Iterator<Item = SlotName> {
    (0..MOST).filter_map(SlotName::new)
}

pub fn slot(name: SlotName) -> String {
    format!("{SLOT}{}", name.number())
}

pub fn leg(name: SlotName) -> String {
    format!("{LEG_PREFIX}{}", name.number())
}

pub fn slot_index(name: SlotName) -> u32 {
    FIRST_INDEX + u32::from(name.number())
}

pub fn leg_index(name: SlotName) -> u32 {
    FIRST_LEG_INDEX + u32::from(name.number())
}

pub fn slot_address(range: Cidr, name: SlotName) -> Ipv4Addr {
    range.address(FIRST + u32::from(name.number()))
}

/// A guest's address while its slot is in a shared network.
pub fn member_address(range: Cidr, name: SlotName) -> Ipv4Addr {
    range.address(FIRST_MEMBER + u32::from(name.number()))
}

pub fn leg_address(range: Cidr, name: SlotName) -> Ipv4Addr {
    range.address(FIRST_LEG + u32::from(name.number()))
}

/// Where members are, in an instance's range.
pub fn members(range: Cidr) -> Cidr {
    Cidr::of(range.address(FIRST_MEMBER), PREFIX)
}

pub fn legs(range: Cidr) -> Cidr {
    Cidr::of(range.address(FIRST_LEG), PREFIX)
}

/// No slot's: by which legs send to all members.
pub fn leg_gateway(range: Cidr) -> Ipv4Addr {
    range.address(FIRST_LEG + u32::from(MOST))
}

/// Of a slot's end of the link to the router.
pub fn slot_mac(name: SlotName) -> [u8; 6] {
    let [high, low] = name.number().to_be_bytes();
    [0x02, 0x6d, 0x74, 1, high, low]
}

/// Of the leg that leads to an address of a member: it ends in that, so that a rule of the router can write it.
pub fn leg_mac(member: Ipv4Addr) -> [u8; 6] {
    let [_, _, high, low] = member.octets();
    [0x02, 0x6d, 0x74, 3, high, low]
}
