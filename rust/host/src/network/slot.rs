//! A slot: a namespace with a tap for one guest, a link to the router, and rules between the two. All are alike but for
//! the address towards the router, to which the guest's own, the same in every slot, is translated.
//!
//! A slot serves one machine and is then removed with its namespace; the next of its number is a new one.

use crate::error::{Code, During, Outcome, failure, note};
use crate::fault;
use crate::network::host_side::{BRIDGE_INDEX, HostSide, MTU, ROUTER_MAC};
use crate::network::namespaces::{Namespaces, within};
use crate::network::netlink::links::{self, End};
use crate::network::netlink::{Netlink, Protocol};
use crate::network::policy::Marked;
use crate::network::records::{Membership, Records, SlotRecord};
use crate::network::rules::{self, HOP, HOP_END, LEG, Loader, TAP, UPLINK};
use crate::network::tap::{self, offloads, segments};
use crate::network::tenancy::Tenancy;
use crate::network::{ports, shared, sysctl};
use crate::spec::{GUEST_MAC, SlotName};
use crate::store::ids::{NetworkId, hex};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The guest's own address and its gateway's, the same in every slot: of the prefix that RFC 7335 keeps for addresses
/// which are translated before they leave a host, so that they are never those of somebody's network.
const GUEST: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 2);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
const PREFIX: u8 = 30;
/// Of the tap, as the guest sees it. A restored guest still has it among its neighbours.
const GATEWAY_MAC: [u8; 6] = [0x02, 0x6d, 0x74, 0, 0, 1];
/// In a slot's namespace; 11 is the leg's.
const UPLINK_INDEX: u32 = 10;
const HOP_INDEX: u32 = 12;
const HOP_END_INDEX: u32 = 13;

pub struct Slot {
    pub name: SlotName,
    namespace: OwnedFd,
    tenancy: Mutex<Tenancy>,
    /// Whether its rules are those of this version.
    is_current: bool,
    /// Bytes of a packet that its guest is to send at most: what the uplink took when it was made.
    pub mtu: u32,
}

#[derive(Default, Serialize)]
pub struct Removed {
    namespaces: u64,
    links: u64,
    flows: u64,
}

/// The rules of every slot, whatever the ceiling, and their digest.
pub struct SlotRules {
    pub text: String,
    pub digest: String,
}

impl SlotRules {
    pub fn new(host: &HostSide) -> Self {
        let text = rules::slot(GUEST, ports::members(host.range), sysctl::has_ipv6());
        let digest = hex(&Sha256::digest(&text));
        Self { text, digest }
    }
}

impl Slot {
    /// Makes a slot that nobody has, and of which nothing is there.
    ///
    /// # Errors
    /// What was refused; then nothing is left.
    pub fn make(
        namespaces: &Namespaces,
        records: &Records,
        host: &HostSide,
        rules: &SlotRules,
        name: SlotName,
        boot_id: &str,
    ) -> Outcome<Self> {
        let record = SlotRecord {
            boot_id: boot_id.to_owned(),
            rules: rules.digest.clone(),
            machine_id: None,
            policy: Marked::default(),
            membership: None,
        };
        let made = namespaces.create(&name.to_string()).and_then(|namespace| {
            fault::reach("slot.namespace");
            let mtu = host.mtu();
            let tables = within(&namespace, || furnish(host, rules, name, mtu))?;
            records.write_slot(name, &record)?;
            Ok(Self {
                name,
                namespace,
                tenancy: Mutex::new(Tenancy::new(name, tables, records.clone(), record)),
                is_current: true,
                mtu,
            })
        });
        made.inspect_err(|_| drop(remove(namespaces, records, Some(host), name)))
    }

    /// Takes up a slot of an earlier daemon. It is given its policy again, since that daemon may have died over a change,
    /// and this one's ceiling.
    ///
    /// # Errors
    /// `not-found` when it is not whole, or what was refused.
    pub fn adopt(
        namespaces: &Namespaces,
        records: &Records,
        host: &HostSide,
        rules: &SlotRules,
        name: SlotName,
        boot_id: &str,
    ) -> Outcome<Self> {
        let record = records.slot(name).filter(|record| record.boot_id == boot_id);
        let found = record.zip(namespaces.open(&name.to_string())?);
        let (record, namespace) = found.ok_or_else(|| failure(Code::NotFound, format!("slot {name} is not whole")))?;
        let is_current = record.rules == rules.digest;
        if !is_current && record.machine_id.is_none() {
            return Err(failure(Code::NotFound, format!("slot {name} is of another version")));
        }
        let (tables, mtu) = within(&namespace, || {
            rules::load(&rules::forbid(&host.ceiling))?;
            let what = || format!("look at slot {name}");
            let links = links::all(&Netlink::open(Protocol::Route).during(what)?).during(what)?;
            let tap = links.into_iter().find(|link| link.name == TAP);
            let tap = tap.ok_or_else(|| failure(Code::NotFound, format!("slot {name} has no tap")))?;
            Ok((Netlink::open(Protocol::Netfilter).during(what)?, tap.mtu))
        })?;
        let slot = Self {
            name,
            namespace,
            tenancy: Mutex::new(Tenancy::new(name, tables, records.clone(), record)),
            is_current,
            mtu,
        };
        slot.tenancy().restore()?;
        if let Err(why) = slot.reconnect(host) {
            note(format_args!("slot {name} is in no shared network any more: {why}"));
            slot.cut_off(&mut slot.tenancy());
        }
        Ok(slot)
    }

    /// Has it be in the shared network of its record, where an earlier daemon died over that.
    fn reconnect(&self, host: &HostSide) -> Outcome<()> {
        let membership = self.tenancy().record.membership.clone();
        if membership.as_ref().is_some_and(|membership| membership.is_whole) {
            return Ok(());
        }
        within(&self.namespace, || shared::unplug(self.name))?;
        membership.map_or(Ok(()), |membership| self.join(host, &membership.network))
    }

    /// Has it be in no shared network after a change that failed. Where that is not done, its record goes on to say that the
    /// change is under way.
    fn cut_off(&self, tenancy: &mut Tenancy) {
        let unplugged = within(&self.namespace, || shared::unplug(self.name));
        if let Err(why) = unplugged.and_then(|_| tenancy.note_membership(None)) {
            note(format_args!("slot {} is not all out of its shared network: {why}", self.name));
        }
    }

    fn check_version(&self) -> Outcome<()> {
        if self.is_current {
            return Ok(());
        }
        let why = "it was started by an earlier version of microterm-host: stop it and start it again";
        Err(failure(Code::Unsupported, why))
    }

    /// Plugs it into a shared network, in the place of the one that it was in.
    ///
    /// # Errors
    /// `unsupported` in a slot of an earlier version, or what was refused: then it is in none, or where it was when not even
    /// the change could be noted.
    pub fn join(&self, host: &HostSide, network: &NetworkId) -> Outcome<()> {
        let mut tenancy = self.tenancy();
        let is = |is_whole| Some(Membership { network: network.clone(), is_whole });
        if tenancy.record.membership == is(true) {
            return Ok(());
        }
        self.check_version()?;
        tenancy.note_membership(is(false))?;
        fault::reach("member.noted");
        let plugged = within(&self.namespace, || {
            shared::unplug(self.name)?;
            shared::plug(host, self.name, network)
        });
        let joined = plugged.and_then(|()| tenancy.note_membership(is(true)));
        if joined.is_err() {
            self.cut_off(&mut tenancy);
        }
        // The next change deletes what this one does not.
        if let Err(why) = shared::sweep(host) {
            note(format_args!("{why}"));
        }
        joined
    }

    /// Unplugs it from the shared network that it is in. Its flows there end with its leg. That it is in none is noted first, so
    /// that a daemon which dies over it is followed by one that goes on from there.
    ///
    /// # Errors
    /// What was refused; saying so again goes on from there.
    pub fn leave(&self, host: &HostSide) -> Outcome<()> {
        let mut tenancy = self.tenancy();
        let was_member = tenancy.record.membership.is_some();
        if was_member {
            tenancy.note_membership(None)?;
        }
        fault::reach("member.left");
        let had_leg = within(&self.namespace, || shared::unplug(self.name))?;
        fault::reach("member.unplugged");
        if was_member || had_leg { shared::sweep(host).map(drop) } else { Ok(()) }
    }

    /// The guest's address, and the prefix that goes with it.
    pub fn address(&self, host: &HostSide) -> (Ipv4Addr, u8) {
        let is_member = self.tenancy().record.membership.as_ref().is_some_and(|membership| membership.is_whole);
        if is_member { (ports::member_address(host.range, self.name), 32) } else { (GUEST, PREFIX) }
    }

    /// What it does for its machine, one thing at a time.
    pub fn tenancy(&self) -> MutexGuard<'_, Tenancy> {
        self.tenancy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest's end of it, for its VMM. It is one's at a time.
    ///
    /// # Errors
    /// `busy` while another has it.
    pub fn open_tap(&self) -> Outcome<File> {
        within(&self.namespace, || tap::open(TAP))
    }

    /// Has a user without capabilities be able to open the guest's end in the slot's namespace, which this answers with, and to
    /// take frames there with a header of virtio-net.
    ///
    /// # Errors
    /// `unsupported` in a slot of an earlier version, `busy` while somebody has the tap.
    pub fn hand_over_tap(&self, uid: u32) -> Outcome<OwnedFd> {
        self.check_version()?;
        let tap = self.open_tap()?;
        // Before it can be opened by another.
        within(&self.namespace, || segments::limit(TAP))?;
        self.tenancy().use_hop()?;
        tap::give(&tap, uid)?;
        drop(tap);
        within(&self.namespace, || tap::wait_until_closed(TAP))?;
        self.namespace.try_clone().during(|| format!("hand over the namespace of slot {}", self.name))
    }
}

/// Makes what is in a slot's namespace, which is the calling thread's. Answers with a socket that changes its rules.
fn furnish(host: &HostSide, rules: &SlotRules, name: SlotName, mtu: u32) -> Outcome<Netlink> {
    let what = || format!("make the links of slot {name}");
    let loader = Loader::start()?;
    sysctl::set_namespace()?;
    let links = Netlink::open(Protocol::Route).during(what)?;
    let here = End { name: UPLINK, index: UPLINK_INDEX };
    let port = ports::slot(name);
    let there = End { name: &port, index: ports::slot_index(name) };
    let tap = tap::open(TAP)?;
    tap::keep(&tap)?;
    drop(tap);
    let tap = nix::net::if_::if_nametoindex(TAP).during(what)?;
    let own = File::open("/proc/thread-self/ns/net").during(what)?;
    let (hop, end) = (End { name: HOP, index: HOP_INDEX }, End { name: HOP_END, index: HOP_END_INDEX });
    let mut messages = vec![
        links::veth(&here, &there, host.router.as_fd()),
        links::veth(&hop, &end, own.as_fd()),
        // The guest's frames are for this one.
        links::set_mac(HOP_END, GATEWAY_MAC),
        links::set_mac(UPLINK, ports::slot_mac(name)),
        links::set_mac(TAP, GATEWAY_MAC),
    ];
    // The links between slots take as much as there is, so that what is too long for a guest is refused where its sender is
    // told of it.
    if mtu != MTU {
        messages.push(links::set_mtu(TAP, mtu));
    }
    messages.extend([
        links::address(tap, GATEWAY, PREFIX),
        links::address(UPLINK_INDEX, ports::slot_address(host.range, name), 32),
    ]);
    links.change(messages).during(what)?;
    offloads::disable(HOP)?;
    sysctl::take_any_source(HOP_END)?;
    fault::reach("slot.linked");
    let member = ports::member_address(host.range, name);
    loader.load(&format!("{}{}{}", rules.text, rules::forbid(&host.ceiling), rules::member(member)))?;
    // From here on a frame of the guest's meets the rules.
    host.router_links.change(links::isolated_port(&port, BRIDGE_INDEX).into()).during(what)?;
    links
        .change(vec![
            // An end that comes up before the other does not send at once.
            links::up(HOP_END),
            links::up(HOP),
            links::up(TAP),
            links::up(UPLINK),
            links::neighbour(tap, GUEST, GUEST_MAC.0),
            links::route((member, 32), None, tap),
            links::neighbour(tap, member, GUEST_MAC.0),
            links::neighbour(UPLINK_INDEX, host.gateway(), ROUTER_MAC),
            links::route((Ipv4Addr::UNSPECIFIED, 0), Some(host.gateway()), UPLINK_INDEX),
        ])
        .during(what)?;
    fault::reach("slot.furnished");
    Netlink::open(Protocol::Netfilter).during(what)
}

/// Removes all that there is of a slot, where the host's side is there or not: its links even while they are open, its
/// name, what the host remembers of its flows, and then its record.
///
/// # Errors
/// What was refused; saying so again goes on from there.
pub fn remove(namespaces: &Namespaces, records: &Records, host: Option<&HostSide>, name: SlotName) -> Outcome<Removed> {
    let what = || format!("delete the links of slot {name}");
    let mut removed = Removed::default();
    let text = name.to_string();
    let mut legs = 0;
    if let Some(namespace) = namespaces.open(&text)? {
        (removed.links, legs) = within(&namespace, || {
            let links = Netlink::open(Protocol::Route).during(what)?;
            let delete = |link| links::delete(&links, link).map(u64::from).during(what);
            Ok((delete(TAP)? + delete(UPLINK)?, delete(LEG)?))
        })?;
    }
    if let Some(host) = host {
        // They go with their other ends, unless those were never named.
        removed.links += u64::from(links::delete(&host.router_links, &ports::slot(name)).during(what)?);
        legs += u64::from(links::delete(&host.router_links, &ports::leg(name)).during(what)?);
        // Where a removal before this one came no further, the record says that there was a leg.
        if legs > 0 || records.slot(name).is_some_and(|record| record.membership.is_some()) {
            removed.links += shared::sweep(host)?;
        }
    }
    removed.links += legs;
    fault::reach("slot.unlinked");
    removed.namespaces = u64::from(namespaces.remove(&text)?);
    if let Some(host) = host {
        removed.flows = host.forget_flows(name)?;
    }
    fault::reach("slot.forgotten");
    records.remove_slot(name)?;
    Ok(removed)
}
