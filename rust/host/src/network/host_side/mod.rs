//! What all slots of an instance share: the router namespace that they plug into, and in the host's own namespace one
//! link, one route, one table, and forwarding on that link and the uplink.
//!
//! The host's own end has the first address of the instance's range, the router the second, slots those of `ports.rs`.

use crate::error::{Code, During, Outcome, failure, note};
use crate::fault;
use crate::network::addresses::Cidr;
use crate::network::ceiling::Ceiling;
use crate::network::namespaces::{Namespaces, within};
use crate::network::netlink::links::{self, End, Link};
use crate::network::netlink::{Netlink, Protocol, flows, routes, sets};
use crate::network::records::{HostRecord, Records};
use crate::network::rules::{self, BRIDGE, HostRules, PREFIX, UPLINK};
use crate::network::{ports, sysctl};
use crate::spec::SlotName;
use crate::store::paths;
mod forwarding;

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of the router's links, in its namespace.
pub const BRIDGE_INDEX: u32 = 10;
const UPLINK_INDEX: u32 = 11;
/// Of the bridge, which has one of its ports' otherwise, and another one whenever a slot comes or goes.
pub const ROUTER_MAC: [u8; 6] = [0x02, 0x6d, 0x74, 2, 0, 0];
/// Of the two ends of the link between router and host.
const UPLINK_MAC: [u8; 6] = [0x02, 0x6d, 0x74, 2, 0, 1];
const HOST_MAC: [u8; 6] = [0x02, 0x6d, 0x74, 2, 0, 2];
/// Bits of the range: room for 4,096 addresses.
const PREFIX_BITS: u8 = 20;
/// Of Ethernet, which is as much as the virtual links take.
pub const MTU: u32 = 1500;
/// Of neighbours in one change: the kernel acknowledges each, and drops what its socket does not hold.
const NEIGHBOURS: usize = 64;
const ROUTER: &str = "router";

/// What the operator says of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `None`: where the default route goes.
    pub uplink: Option<String>,
    pub allow_private: Vec<Cidr>,
    /// Slots that are kept ready.
    pub slots: u32,
}

pub struct HostSide {
    instance: String,
    settings: Settings,
    /// Whether nothing of an earlier daemon was found.
    pub is_new: bool,
    pub range: Cidr,
    pub ceiling: Ceiling,
    pub router: OwnedFd,
    /// Of the router's namespace.
    pub router_links: Netlink,
    /// Held while bridges of shared networks come and go.
    bridges: Mutex<()>,
    /// Of the host's own.
    filter: Netlink,
    links: Netlink,
    /// `None` once the host's side is being removed.
    followed: Mutex<Option<Followed>>,
}

/// What rules and forwarding are for, and what is there of them.
#[derive(Default, PartialEq, Eq)]
struct Followed {
    uplink: Option<Link>,
    /// Whether the host forwards from all devices.
    is_global: bool,
    /// Other programs remove all rules of a host when they load theirs (`flush ruleset`).
    rules: usize,
}

impl HostSide {
    /// Finds what an earlier daemon made, or makes it.
    ///
    /// # Errors
    /// What is missing on the host, or was refused; then nothing is left.
    pub fn open(
        namespaces: &Namespaces,
        records: &Records,
        instance: &str,
        boot_id: &str,
        settings: &Settings,
    ) -> Outcome<Self> {
        let open = |protocol| Netlink::open(protocol).during(|| "open a netlink socket".to_owned());
        let links = open(Protocol::Route)?;
        records.take_over(&paths::earlier_slots())?;
        let record = records.host().filter(|record| record.boot_id == boot_id && record.is_whole);
        let found = record.filter(|_| is_linked(instance)).and_then(|record| {
            let router = namespaces.open(ROUTER).ok()??;
            Some((record.range, router))
        });
        let is_new = found.is_none();
        let (range, router) = if let Some(found) = found {
            found
        } else {
            remove_links(namespaces, instance)?;
            let range = choose_range(&links, instance)?;
            let mut record = HostRecord { boot_id: boot_id.to_owned(), range, is_whole: false };
            records.write_host(&record)?;
            let made = make_router(namespaces, instance, range, &links);
            let router = made.inspect_err(|_| drop(remove_links(namespaces, instance)))?;
            record.is_whole = true;
            records.write_host(&record)?;
            (range, router)
        };
        let ceiling = Ceiling::new(&settings.allow_private, range);
        let router_links = within(&router, || {
            rules::load(&rules::router(&ceiling, range))?;
            open(Protocol::Route)
        })?;
        know_each_other(&router_links, &links, &link(instance), range)?;
        know_slots(&router_links, range).during(|| "set the router's neighbours".to_owned())?;
        let side = Self {
            instance: instance.to_owned(),
            settings: settings.clone(),
            is_new,
            range,
            ceiling,
            router,
            router_links,
            bridges: Mutex::default(),
            filter: open(Protocol::Netfilter)?,
            links,
            followed: Mutex::new(Some(Followed::default())),
        };
        side.follow_uplink()?;
        Ok(side)
    }

    /// The uplink as it is now.
    ///
    /// # Errors
    /// When links or routes cannot be read.
    pub fn find_uplink(&self) -> Outcome<Option<Link>> {
        let links = links::all(&self.links).during(|| "read the links".to_owned())?;
        let of = |is: &dyn Fn(&Link) -> bool| links.into_iter().find(|link| is(link));
        if let Some(name) = &self.settings.uplink {
            return Ok(of(&|link| link.name == *name));
        }
        let all = routes::all(&self.links).during(|| "read the routes".to_owned())?;
        let Some(found) = routes::default_link(&all).and_then(|index| of(&|link| link.index == index)) else {
            return Ok(None);
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+".contains(&byte);
        if found.name.bytes().all(is_plain) {
            return Ok(Some(found));
        }
        Err(failure(Code::Internal, format!("the uplink {:?} has a name that nft does not take", found.name)))
    }

    /// The uplink that rules and forwarding are for.
    pub fn uplink(&self) -> Option<Link> {
        self.followed().as_ref()?.uplink.clone()
    }

    fn followed(&self) -> MutexGuard<'_, Option<Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_rules(&self) -> Outcome<usize> {
        sets::count_rules(&self.filter, &table(&self.instance)).during(|| "read the host's rules".to_owned())
    }

    /// Bytes of a packet that the uplink takes.
    pub fn mtu(&self) -> u32 {
        self.uplink().map_or(MTU, |uplink| uplink.mtu).clamp(576, MTU)
    }

    /// Has rules and forwarding be those of the uplink that there is now, and the rules be there.
    ///
    /// # Errors
    /// What was refused.
    pub fn follow_uplink(&self) -> Outcome<()> {
        let mut followed = self.followed();
        let Some(before) = &*followed else { return Ok(()) };
        let (uplink, is_global) = (self.find_uplink()?, forwarding::is_global());
        let has = |rules| Followed { uplink: uplink.clone(), is_global, rules };
        if *before == has(self.count_rules()?) && before.rules > 0 {
            return Ok(());
        }
        let name = uplink.as_ref().map(|uplink| uplink.name.as_str());
        let is_forwarding_ours = match name {
            Some(device) => forwarding::enable(device, &self.instance)?,
            None => false,
        };
        fault::reach("network.forwarding");
        rules::load(&rules::host(&HostRules {
            table: &table(&self.instance),
            link: &link(&self.instance),
            slots: self.range,
            uplink: name,
            is_forwarding_ours,
        }))?;
        fault::reach("network.rules");
        forwarding::disable_others(&self.instance, name)?;
        note(format_args!("the host's rules are made for the uplink {}", name.unwrap_or("that is not there")));
        let now = has(self.count_rules()?);
        *followed = Some(now);
        Ok(())
    }

    /// From here on neither rules nor forwarding are made any more.
    pub fn close(&self) {
        *self.followed() = None;
    }

    /// Does something with the bridges of shared networks, alone, over a socket of the router's namespace.
    ///
    /// # Errors
    /// What the work fails with.
    pub fn with_bridges<T>(&self, work: impl FnOnce(&Netlink) -> io::Result<T>) -> io::Result<T> {
        let _guard = self.bridges.lock().unwrap_or_else(PoisonError::into_inner);
        work(&self.router_links)
    }

    /// Of the router, as slots reach it.
    pub fn gateway(&self) -> Ipv4Addr {
        self.range.address(2)
    }

    /// Forgets all flows of a slot. Answers with their number.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn forget_flows(&self, name: SlotName) -> Outcome<u64> {
        flows::forget(&self.filter, ports::slot_address(self.range, name))
            .during(|| "forget the flows of a slot".to_owned())
    }
}

/// Takes everything back that the host has for the instance.
///
/// # Errors
/// What was refused; saying so again goes on from there.
pub fn remove(namespaces: &Namespaces, records: &Records, instance: &str) -> Outcome<()> {
    remove_links(namespaces, instance)?;
    fault::reach("network.unlinked");
    forwarding::disable_others(instance, None)?;
    records.remove_host()
}

fn link(instance: &str) -> String {
    format!("{PREFIX}{instance}")
}

fn table(instance: &str) -> String {
    format!("microterm-{instance}")
}

fn is_linked(instance: &str) -> bool {
    nix::net::if_::if_nametoindex(link(instance).as_str()).is_ok()
}

fn remove_links(namespaces: &Namespaces, instance: &str) -> Outcome<()> {
    let links = Netlink::open(Protocol::Route).during(|| "open a netlink socket".to_owned())?;
    links::delete(&links, &link(instance)).during(|| "delete the link to the router".to_owned())?;
    namespaces.remove(ROUTER)?;
    let table = table(instance);
    rules::load(&format!("table ip {table} {{ }}\ndelete table ip {table}\n"))
}

/// A range that no route of the host leads to. Instances begin their look at different ones.
fn choose_range(routes: &Netlink, instance: &str) -> Outcome<Cidr> {
    let taken: Vec<Cidr> = routes::all(routes)
        .during(|| "read the routes".to_owned())?
        .into_iter()
        .filter(|route| route.prefix > 0)
        .map(|route| Cidr::of(route.network, route.prefix))
        .collect();
    free_range(&taken, instance)
        .ok_or_else(|| failure(Code::Busy, "routes of the host lead to all of 10.64.0.0/10 and 172.16.0.0/12"))
}

fn free_range(taken: &[Cidr], instance: &str) -> Option<Cidr> {
    let ranges = |network: Cidr| {
        let step = 1_u32 << (32 - PREFIX_BITS);
        let count = 1_u32 << (PREFIX_BITS - network.prefix());
        (0..count).map(move |number| Cidr::of(network.address(number * step), PREFIX_BITS))
    };
    let all: Vec<Cidr> =
        [Cidr::new([10, 64, 0, 0], 10), Cidr::new([172, 16, 0, 0], 12)].into_iter().flat_map(ranges).collect();
    let start = instance.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut candidates = (0..all.len()).map(|number| all[start.wrapping_add(number) % all.len()]);
    candidates.find(|range| taken.iter().all(|other| !range.overlaps(*other)))
}

fn make_router(namespaces: &Namespaces, instance: &str, range: Cidr, host_links: &Netlink) -> Outcome<OwnedFd> {
    let what = || "make the router's links".to_owned();
    let router = namespaces.create(ROUTER)?;
    fault::reach("network.router");
    let (host, own, link) = (range.address(1), range.address(2), link(instance));
    let ready = within(&router, || {
        sysctl::set_namespace()?;
        let links = Netlink::open(Protocol::Route).during(what)?;
        links
            .change(vec![links::bridge(BRIDGE, BRIDGE_INDEX), links::set_mac(BRIDGE, ROUTER_MAC), links::up(BRIDGE)])
            .during(what)?;
        links.change(vec![links::address(BRIDGE_INDEX, own, 32)]).during(what)?;
        links.change(vec![links::route((range.address(0), range.prefix()), None, BRIDGE_INDEX)]).during(what)?;
        Ok(links)
    })?;
    let here = End { name: UPLINK, index: UPLINK_INDEX };
    let own_namespace = File::open("/proc/thread-self/ns/net").during(what)?;
    ready.change(vec![links::veth(&here, &End { name: &link, index: 0 }, own_namespace.as_fd())]).during(what)?;
    fault::reach("network.linked");
    ready
        .change(vec![
            links::up(UPLINK),
            links::route((host, 32), None, UPLINK_INDEX),
            links::route((Ipv4Addr::UNSPECIFIED, 0), Some(host), UPLINK_INDEX),
        ])
        .during(what)?;
    sysctl::set_host_link(&link)?;
    let index = nix::net::if_::if_nametoindex(link.as_str()).during(what)?;
    host_links
        .change(vec![
            links::address(index, host, 32),
            links::up(&link),
            links::route((range.address(0), range.prefix()), Some(own), index),
        ])
        .during(what)?;
    note(format_args!("slots have addresses of {range}"));
    Ok(router)
}

/// Has router and host know each other, so that neither asks: each would be asked for an address that another of its links
/// has, and answers for none but those of the link. A link forgets its neighbours when its MAC is set, so that comes first.
fn know_each_other(router: &Netlink, host: &Netlink, link: &str, range: Cidr) -> Outcome<()> {
    let what = || "set the neighbours of the link to the router".to_owned();
    let index = nix::net::if_::if_nametoindex(link).during(what)?;
    let (host_address, own) = (range.address(1), range.address(2));
    router
        .change(vec![links::set_mac(UPLINK, UPLINK_MAC), links::neighbour(UPLINK_INDEX, host_address, HOST_MAC)])
        .during(what)?;
    host.change(vec![links::set_mac(link, HOST_MAC), links::neighbour(index, own, UPLINK_MAC)]).during(what)
}

/// Has the router know all slots that there may be, so that it never asks for one.
fn know_slots(router: &Netlink, range: Cidr) -> io::Result<()> {
    let known = |name| links::neighbour(BRIDGE_INDEX, ports::slot_address(range, name), ports::slot_mac(name));
    let all: Vec<SlotName> = ports::all().collect();
    all.chunks(NEIGHBOURS).try_for_each(|some| router.change(some.iter().copied().map(known).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_the_host_has_routes_to_is_passed_over() {
        let first = free_range(&[], "abcd1234").unwrap();
        assert_eq!(first.prefix(), 20);
        assert!(!free_range(&[first], "abcd1234").unwrap().overlaps(first));
        assert_ne!(free_range(&[], "abcd1235").unwrap(), first);
        let half = Cidr::new([10, 64, 0, 0], 10);
        assert!(Cidr::new([172, 16, 0, 0], 12).overlaps(free_range(&[half], "abcd1234").unwrap()));
        assert!(free_range(&[half, Cidr::new([172, 16, 0, 0], 12)], "abcd1234").is_none());
    }
}
