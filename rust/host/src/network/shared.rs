//! Shared networks: each is a bridge of its own in the router namespace, with no address and no route, so that what is on
//! one has no way to another. The slot of a member has a second link, its **leg**, to that bridge, and routes its guest's
//! packets there; no frame of a guest's own is ever on a bridge.
//!
//! Three addresses of the instance's range go with a slot: its own towards the router, its guest's as a member, and its
//! leg's, which nothing answers but ARP.

use crate::error::{During, Outcome};
use crate::fault;
use crate::network::addresses::Cidr;
use crate::network::host_side::HostSide;
use crate::network::netlink::links::{self, End, Link};
use crate::network::netlink::{Netlink, Protocol};
use crate::network::rules::{BRIDGES, LEG};
use crate::network::sysctl;
use crate::spec::SlotName;
use crate::store::ids::NetworkId;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

const LEG_INDEX: u32 = 11;
/// Of the first slot's port of a bridge.
const FIRST_PORT: u32 = 3000;
/// Of bridges, beyond those of all ports: the kernel's own choice would be a port's some day, which it then refuses.
const FIRST_BRIDGE: u32 = 5000;
/// Numbers of the first member's and the first leg's address in the instance's range, with the prefix of both networks.
const MEMBERS: (u32, u8) = (1024, 22);
const LEGS: (u32, u8) = (2048, 22);

/// Where members are, in an instance's range.
pub fn members(range: Cidr) -> Cidr {
    Cidr::of(range.address(MEMBERS.0), MEMBERS.1)
}

fn legs(range: Cidr) -> Cidr {
    Cidr::of(range.address(LEGS.0), LEGS.1)
}

/// A guest's address while its slot is in a shared network.
pub fn member_address(range: Cidr, name: SlotName) -> Ipv4Addr {
    range.address(MEMBERS.0 + u32::from(name.number()))
}

fn bridge_of(network: &NetworkId) -> String {
    format!("{BRIDGES}{network}")
}

/// In the router.
pub fn port_of(name: SlotName) -> String {
    format!("m{}", name.number())
}

fn mac_of(name: SlotName) -> [u8; 6] {
    let [high, low] = name.number().to_be_bytes();
    [0x02, 0x6d, 0x74, 3, high, low]
}

/// Gives a slot its leg, in the slot's namespace, which is the calling thread's.
///
/// # Errors
/// What was refused; then a part of it may be there.
pub fn plug(host: &HostSide, name: SlotName, network: &NetworkId) -> Outcome<()> {
    let what = || format!("plug slot {name} into network {network}");
    let socket = Netlink::open(Protocol::Route).during(what)?;
    let port = port_of(name);
    let there = End { name: &port, index: FIRST_PORT + u32::from(name.number()) };
    let here = End { name: LEG, index: LEG_INDEX };
    socket
        .change(vec![
            links::veth(&here, &there, host.router.as_fd()),
            links::set_mac(LEG, mac_of(name)),
            links::set_mtu(LEG, host.mtu()),
            links::address(LEG_INDEX, host.range.address(LEGS.0 + u32::from(name.number())), 32),
            links::proxy(LEG_INDEX, member_address(host.range, name)),
        ])
        .during(what)?;
    sysctl::set_leg(LEG)?;
    fault::reach("member.linked");
    host.with_bridges(|router| {
        let bridge = bridge_of(network);
        let all = links::all(router)?;
        let index = match all.iter().find(|link| link.name == bridge) {
            Some(link) => link.index,
            None => make_bridge(router, &bridge, &all)?,
        };
        fault::reach("member.bridge");
        router.change(vec![links::port(&port, index)])
    })
    .during(what)?;
    let way = |to: Cidr| links::route((to.address(0), to.prefix()), None, LEG_INDEX);
    socket.change(vec![links::up(LEG), way(legs(host.range)), way(members(host.range))]).during(what)?;
    fault::reach("member.plugged");
    Ok(())
}

/// Makes a bridge with the lowest index that none of the links has. Answers with it.
fn make_bridge(router: &Netlink, name: &str, all: &[Link]) -> std::io::Result<u32> {
    let mut index = FIRST_BRIDGE;
    while all.iter().any(|link| link.index == index) {
        index += 1;
    }
    router.change(vec![links::bridge(name, index), links::up(name)])?;
    Ok(index)
}

/// Takes a slot's leg away, in the slot's namespace, which is the calling thread's. Answers whether there was one.
///
/// # Errors
/// What was refused.
pub fn unplug(name: SlotName) -> Outcome<bool> {
    let what = || format!("unplug slot {name}");
    let socket = Netlink::open(Protocol::Route).during(what)?;
    links::delete(&socket, LEG).during(what)
}

/// Deletes the bridges that nothing is plugged into. Answers with their number.
///
/// # Errors
/// What was refused.
pub fn sweep(host: &HostSide) -> Outcome<u64> {
    host.with_bridges(|router| {
        let all = links::all(router)?;
        let is_empty =
            |bridge: &&Link| bridge.name.starts_with(BRIDGES) && all.iter().all(|link| link.master != bridge.index);
        let mut deleted = 0;
        for bridge in all.iter().filter(is_empty) {
            deleted += u64::from(links::delete(router, &bridge.name)?);
        }
        Ok(deleted)
    })
    .during(|| "delete the bridges of networks that have no member".to_owned())
}
