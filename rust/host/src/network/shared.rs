//! Shared networks: each is a bridge of its own in the router namespace, with no address and no route, so that what is on
//! one has no way to another. The slot of a member has a second link, its **leg**, to that bridge, and routes its guest's
//! packets there; no frame of a guest's own is ever on a bridge.
//!
//! Nobody asks by ARP there. A leg sends all that is for members to one address, and the router's rules write the MAC that goes with
//! the member's address; a bridge knows each of its ports' MACs ahead and drops what is for none of them.

use crate::error::{During, Outcome};
use crate::fault;
use crate::network::addresses::Cidr;
use crate::network::host_side::HostSide;
use crate::network::netlink::links::{self, End, Link};
use crate::network::netlink::{Netlink, Protocol};
use crate::network::ports;
use crate::network::rules::{BRIDGES, LEG};
use crate::spec::SlotName;
use crate::store::ids::NetworkId;
use std::os::fd::AsFd;

const LEG_INDEX: u32 = 11;

fn bridge_of(network: &NetworkId) -> String {
    format!("{BRIDGES}{network}")
}

/// Gives a slot its leg, in the slot's namespace, which is the calling thread's.
///
/// # Errors
/// What was refused; then a part of it may be there.
pub fn plug(host: &HostSide, name: SlotName, network: &NetworkId) -> Outcome<()> {
    let what = || format!("plug slot {name} into network {network}");
    let socket = Netlink::open(Protocol::Route).during(what)?;
    let (port, gateway) = (ports::leg(name), ports::leg_gateway(host.range));
    let there = End { name: &port, index: ports::leg_index(name) };
    let here = End { name: LEG, index: LEG_INDEX };
    let mac = ports::leg_mac(ports::member_address(host.range, name));
    socket
        .change(vec![
            links::veth(&here, &there, host.router.as_fd()),
            links::set_mac(LEG, mac),
            links::address(LEG_INDEX, ports::leg_address(host.range, name), 32),
            links::neighbour(LEG_INDEX, gateway, ports::leg_mac(gateway)),
        ])
        .during(what)?;
    fault::reach("member.linked");
    host.with_bridges(|router| {
        let bridge = bridge_of(network);
        let all = links::all(router)?;
        let index = match all.iter().find(|link| link.name == bridge) {
            Some(link) => link.index,
            None => make_bridge(router, &bridge, &all)?,
        };
        fault::reach("member.bridge");
        router.change(links::known_port(&there, index, mac).into())
    })
    .during(what)?;
    let way = |to: Cidr| links::route((to.address(0), to.prefix()), Some(gateway), LEG_INDEX);
    socket.change(vec![links::up(LEG), way(ports::legs(host.range)), way(ports::members(host.range))]).during(what)?;
    fault::reach("member.plugged");
    Ok(())
}

/// Makes a bridge with the lowest index that none of the links has. Answers with it.
fn make_bridge(router: &Netlink, name: &str, all: &[Link]) -> std::io::Result<u32> {
    let mut index = ports::FIRST_BRIDGE;
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
