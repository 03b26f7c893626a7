//! Networks of machines. A **slot** is a machine's place on the network, made ahead: a namespace with a tap for its guest
//! and the rules of its policy. All slots of an instance plug into one **router** namespace, which has one link to the
//! host. The **ceiling** is what no policy opens.
//!
//! A slot is attached to a machine before that one is launched, allows nothing until its policy is set, and is removed
//! after the machine. Flows of slots need no daemon; one that starts finds slots by their names and records.

pub mod addresses;
mod ceiling;
mod host_side;
mod namespaces;
mod netlink;
pub mod policy;
mod pool;
mod ports;
mod records;
mod rules;
mod shared;
mod slot;
mod sysctl;
mod tap;
mod tenancy;

pub use host_side::Settings;
pub use slot::Removed;
pub use tenancy::{Admission, Denial, Traffic};

use crate::error::{Code, Outcome, failure};
use crate::network::host_side::HostSide;
use crate::network::namespaces::within_new;
use crate::network::policy::Policy;
use crate::network::pool::{Pool, Side};
use crate::network::slot::{GATEWAY, Slot};
use crate::spec::{GUEST_MAC, Mac, SlotName};
use crate::store::ids::{Id, NetworkId};
use serde::Serialize;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub struct Network(Arc<Pool>);

/// A machine's slot, with all that its VMM and its guest have to know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    slot: SlotName,
    mac_address: String,
    address: Ipv4Addr,
    prefix_length: u8,
    gateway: Ipv4Addr,
    mtu: u32,
}

/// Where a VMM that opens its tap by itself finds it.
pub struct TapPlace {
    /// The slot's network namespace.
    pub namespace: OwnedFd,
    pub device: &'static str,
    /// Of the guest.
    pub mac_address: Mac,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    is_available: bool,
    /// Where it is not, why.
    reason: Option<String>,
    uplink: Option<String>,
    range: Option<addresses::Cidr>,
    free_slots: usize,
    attached_slots: usize,
}

#[derive(Serialize)]
pub struct Slots {
    /// Those that machines have.
    slots: Vec<Listed>,
    /// Those that are ready, being made or being removed.
    spare: Vec<SlotName>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    slot: SlotName,
    machine_id: Id,
}

impl Network {
    /// `mounts` is the host's mount namespace; without settings there is no network.
    #[must_use]
    pub fn new(mounts: OwnedFd, instance: &str, boot_id: &str, settings: Option<Settings>) -> Self {
        Self(Arc::new(Pool::new(mounts, instance, boot_id, settings)))
    }

    /// Finds or makes the host's side, takes up the slots there are, and keeps some ready.
    pub fn start(&self) {
        self.0.start();
    }

    /// Gives a machine a slot, always the same one until it is released.
    ///
    /// # Errors
    /// `no-network`, or `busy` when all slots are taken.
    pub fn attach(&self, machine: &Id) -> Outcome<Attached> {
        self.0.attach(machine).map(|(slot, side)| attached(&slot, &side))
    }

    /// Has a machine's slot be in a shared network, in the place of the one that it was in. The guest's address is another then.
    ///
    /// # Errors
    /// `unsupported` in a slot of an earlier version, or as of the slot.
    pub fn join(&self, machine: &Id, network: &NetworkId) -> Outcome<Attached> {
        self.0.replug(machine, |slot, side| slot.join(side, network)).map(|(slot, side)| attached(&slot, &side))
    }

    /// Has a machine's slot be in no shared network.
    ///
    /// # Errors
    /// As of the slot; saying so again goes on from there.
    pub fn leave(&self, machine: &Id) -> Outcome<Attached> {
        self.0.replug(machine, Slot::leave).map(|(slot, side)| attached(&slot, &side))
    }

    /// Removes a machine's slot with all that it has.
    ///
    /// # Errors
    /// What was refused; saying so again goes on from there.
    pub fn release(&self, machine: &Id) -> Outcome<Removed> {
        self.0.release(machine)
    }

    /// The guest's end of a machine's slot.
    ///
    /// # Errors
    /// `bad-request` when it is not that machine's, `busy` while a VMM has it.
    pub fn open_tap(&self, machine: &Id, name: SlotName) -> Outcome<File> {
        self.claimed(machine, name)?.open_tap()
    }

    /// Has a VMM of that user be able to open the guest's end of a machine's slot, from inside the slot's namespace. From there
    /// it reaches nothing else.
    ///
    /// # Errors
    /// `bad-request` when it is not that machine's, `busy` while a VMM has it, `unsupported` in a slot of an earlier version.
    pub fn hand_over_tap(&self, machine: &Id, name: SlotName, uid: u32) -> Outcome<TapPlace> {
        let namespace = self.claimed(machine, name)?.hand_over_tap(uid)?;
        Ok(TapPlace { namespace, device: rules::TAP, mac_address: GUEST_MAC })
    }

    fn claimed(&self, machine: &Id, name: SlotName) -> Outcome<Arc<Slot>> {
        let slot = self.0.slot_of(machine)?;
        if slot.name == name {
            return Ok(slot);
        }
        Err(failure(Code::BadRequest, format!("slot {name} is not that of machine {machine}")))
    }

    /// # Errors
    /// As of the slot.
    pub fn set_policy(&self, machine: &Id, policy: &Policy) -> Outcome<Vec<u32>> {
        self.0.slot_of(machine)?.tenancy().set_policy(policy)
    }

    /// # Errors
    /// `denied` when the ceiling is below one of the addresses, or as of the slot.
    pub fn admit(&self, machine: &Id, admissions: &[Admission]) -> Outcome<()> {
        let side = self.0.side()?;
        if let Some(admission) = admissions.iter().find(|admission| side.ceiling.forbids(admission.address)) {
            return Err(failure(Code::Denied, format!("{} is no address of the internet", admission.address)));
        }
        self.0.slot_of(machine)?.tenancy().admit(admissions)
    }

    /// # Errors
    /// As of the slot.
    pub fn denials(&self, machine: &Id) -> Outcome<Vec<Denial>> {
        let side = self.0.side()?;
        self.0.slot_of(machine)?.tenancy().denials(&side.ceiling)
    }

    /// # Errors
    /// As of the slot.
    pub fn traffic(&self, machine: &Id) -> Outcome<Traffic> {
        self.0.slot_of(machine)?.tenancy().traffic()
    }

    #[must_use]
    pub fn list(&self) -> Slots {
        let state = self.0.on().map_or_else(|_| self.0.state(), |(state, _)| state);
        let listed = |(machine, slot): (&Id, &Arc<Slot>)| Listed { slot: slot.name, machine_id: machine.clone() };
        Slots { slots: state.attached.iter().map(listed).collect(), spare: state.spare() }
    }

    #[must_use]
    pub fn status(&self) -> Status {
        let (state, side) = match self.0.on() {
            Ok((state, side)) => (state, Some(side)),
            Err(_) => (self.0.state(), None),
        };
        Status {
            is_available: side.is_some(),
            reason: if let Side::Off(why) = &state.side { Some(why.clone()) } else { None },
            uplink: side.as_ref().and_then(|side| side.uplink()).map(|uplink| uplink.name),
            range: side.map(|side| side.range),
            free_slots: state.free.len(),
            attached_slots: state.attached.len(),
        }
    }

    /// Takes everything back that the host has for networks. There is none any more until the next start.
    ///
    /// # Errors
    /// `busy` as long as a machine is there that has a slot, or what was refused: saying so again goes on from there.
    pub fn remove(&self) -> Outcome<()> {
        self.0.remove()
    }
}

fn attached(slot: &Slot, side: &HostSide) -> Attached {
    let (address, prefix_length) = slot.address(side);
    Attached {
        slot: slot.name,
        mac_address: GUEST_MAC.to_string(),
        address,
        prefix_length,
        gateway: GATEWAY,
        mtu: slot.mtu,
    }
}

/// A tap of no network, for what is to be tried with one. `None` where the host makes none.
pub fn open_bait() -> Option<File> {
    within_new(|| tap::open(rules::TAP)).ok()
}
