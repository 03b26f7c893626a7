//! The slots of an instance: those that are free, those that machines have, and the thread that makes them.

use crate::error::{Code, Outcome, failure, note};
use crate::fault;
use crate::network::host_side::{self, HostSide, Settings};
use crate::network::namespaces::Namespaces;
use crate::network::netlink::watch::Watch;
use crate::network::records::Records;
use crate::network::slot::{self, Removed, Slot, SlotRules};
use crate::network::{ports, shared};
use crate::spec::SlotName;
use crate::store::ids::Id;
use crate::store::paths;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long `attach` waits for a slot that is being made. One takes some 20 ms.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a change waits for another one of the same slot. One takes some 100 ms.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

pub struct Pool {
    namespaces: Namespaces,
    records: Records,
    instance: String,
    boot_id: String,
    settings: Option<Settings>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone)]
pub enum Side {
    Starting,
    /// For which reason there is none.
    Off(String),
    On(Arc<HostSide>),
}

pub struct State {
    pub side: Side,
    pub free: Vec<Arc<Slot>>,
    pub attached: BTreeMap<Id, Arc<Slot>>,
    /// Being made or removed.
    busy: BTreeSet<SlotName>,
    /// Of earlier daemons, and not to be removed.
    stuck: BTreeSet<SlotName>,
    /// Why the last slot was not made.
    why: Option<String>,
}

impl Pool {
    /// `mounts` is the host's mount namespace; without settings there is no pool.
    pub fn new(mounts: OwnedFd, instance: &str, boot_id: &str, settings: Option<Settings>) -> Self {
        let side = match settings {
            Some(_) => Side::Starting,
            None => Side::Off("the daemon was started without --slots".to_owned()),
        };
        Self {
            namespaces: Namespaces::new(mounts, instance),
            records: Records::new(instance),
            instance: instance.to_owned(),
            boot_id: boot_id.to_owned(),
            settings,
            state: Mutex::new(State {
                side,
                free: Vec::new(),
                attached: BTreeMap::new(),
                busy: BTreeSet::new(),
                stuck: BTreeSet::new(),
                why: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Finds or makes the host's side, takes up the slots there are, and keeps some ready, for ever.
    pub fn start(self: &Arc<Self>) {
        let Some(settings) = self.settings.clone() else { return };
        // A slot takes two descriptors.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        let pool = Arc::clone(self);
        let keeper = move || {
            let side = match HostSide::open(&pool.namespaces, &pool.records, &pool.instance, &pool.boot_id, &settings) {
                Ok(side) => Arc::new(side),
                Err(why) => {
                    note(format_args!("there is no network: {why}"));
                    pool.set_side(Side::Off(why.message));
                    return;
                }
            };
            let rules = SlotRules::new(&side);
            pool.recover(&side, &rules);
            pool.set_side(Side::On(Arc::clone(&side)));
            let watched = Arc::clone(&pool);
            let _ = std::thread::Builder::new().name("uplink".to_owned()).spawn(move || watched.follow_uplink());
            pool.keep(&rules, settings.slots as usize);
        };
        if std::thread::Builder::new().name("slots".to_owned()).spawn(keeper).is_err() {
            self.set_side(Side::Off("no thread could be started".to_owned()));
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    fn set_side(&self, side: Side) {
        self.state().side = side;
        self.changed.notify_all();
    }

    /// Of all slots of which anything is there.
    fn names(&self) -> Outcome<BTreeSet<SlotName>> {
        let named = self.namespaces.list()?.into_iter().chain(self.records.slots());
        Ok(named.filter_map(|name| SlotName::try_from(name).ok()).collect())
    }

    fn recover(&self, side: &HostSide, rules: &SlotRules) {
        for name in self.names().unwrap_or_default() {
            // What plugged into an earlier router is cut off.
            let adopted = if side.is_new {
                Err(failure(Code::NotFound, format!("slot {name} was of another router")))
            } else {
                Slot::adopt(&self.namespaces, &self.records, side, rules, name, &self.boot_id)
            };
            let slot = match adopted {
                Ok(slot) => Arc::new(slot),
                Err(why) => {
                    note(format_args!("slot {name} is removed: {why}"));
                    if let Err(why) = slot::remove(&self.namespaces, &self.records, Some(side), name) {
                        note(format_args!("slot {name} is not removed: {why}"));
                        self.state().stuck.insert(name);
                    }
                    continue;
                }
            };
            let machine = slot.tenancy().record.machine_id.clone();
            let mut state = self.state();
            match machine {
                Some(machine) => drop(state.attached.insert(machine, slot)),
                None => state.free.push(slot),
            }
        }
        if let Err(why) = shared::sweep(side) {
            note(format_args!("{why}"));
        }
    }

    /// Makes slots whenever there are fewer than wanted.
    fn keep(&self, rules: &SlotRules, wanted: usize) {
        let mut first = 0;
        loop {
            let mut state = self.state();
            let (side, name) = loop {
                let Side::On(side) = &state.side else { return };
                if let Some(name) = state.next_name(first).filter(|_| state.free.len() < wanted) {
                    break (Arc::clone(side), name);
                }
                state = self.wait(state, Duration::MAX);
            };
            state.busy.insert(name);
            drop(state);
            let made = Slot::make(&self.namespaces, &self.records, &side, rules, name, &self.boot_id);
            let mut state = self.state();
            state.busy.remove(&name);
            match made {
                Ok(slot) => {
                    first = 0;
                    state.free.push(Arc::new(slot));
                    state.why = None;
                    self.changed.notify_all();
                }
                Err(why) => {
                    // Whatever is in the way may be in that of this number alone.
                    first = name.number() + 1;
                    if state.why.as_ref() != Some(&why.message) {
                        note(format_args!("slot {name} could not be made: {why}"));
                    }
                    state.why = Some(why.message);
                    drop(self.wait(state, RETRY));
                }
            }
        }
    }

    fn follow_uplink(&self) {
        let Ok(watch) = Watch::open() else { return note("changes of uplink and rules are not seen") };
        loop {
            let Side::On(side) = self.state().side.clone() else { return };
            match side.follow_uplink() {
                Ok(()) => watch.wait(),
                Err(why) => {
                    note(format_args!("uplink and rules are not followed: {why}"));
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    /// The host's side, waiting for it while it is being made.
    ///
    /// # Errors
    /// `no-network`.
    pub fn on(&self) -> Outcome<(MutexGuard<'_, State>, Arc<HostSide>)> {
        let mut state = self.state();
        loop {
            match &state.side {
                Side::Starting => state = self.wait(state, Duration::MAX),
                Side::Off(why) => return Err(failure(Code::NoNetwork, why.clone())),
                Side::On(side) => {
                    let side = Arc::clone(side);
                    return Ok((state, side));
                }
            }
        }
    }

    /// # Errors
    /// `no-network`.
    pub fn side(&self) -> Outcome<Arc<HostSide>> {
        self.on().map(|(_, side)| side)
    }

    /// # Errors
    /// `not-found` when the machine has none.
    pub fn slot_of(&self, machine: &Id) -> Outcome<Arc<Slot>> {
        let (state, _) = self.on()?;
        let slot = state.attached.get(machine).cloned();
        slot.ok_or_else(|| failure(Code::NotFound, format!("machine {machine} has no slot")))
    }

    /// Gives a machine a slot, always the same one until it is released.
    ///
    /// # Errors
    /// `no-network`, or `busy` when all slots are taken.
    pub fn attach(&self, machine: &Id) -> Outcome<(Arc<Slot>, Arc<HostSide>)> {
        let start = Instant::now();
        let (mut state, side) = self.on()?;
        loop {
            if let Some(slot) = state.attached.get(machine) {
                return Ok((Arc::clone(slot), side));
            }
            if let Some(slot) = state.free.pop() {
                let claimed = slot.tenancy().claim(machine);
                if let Err(why) = claimed {
                    state.free.push(slot);
                    return Err(why);
                }
                state.attached.insert(machine.clone(), Arc::clone(&slot));
                self.changed.notify_all();
                return Ok((slot, side));
            }
            let left = ATTACH_TIMEOUT.saturating_sub(start.elapsed());
            let is_full = state.attached.len() >= usize::from(ports::MOST);
            if is_full || left.is_zero() {
                let why = state.why.clone().unwrap_or_else(|| format!("{} are taken", state.attached.len()));
                return Err(failure(Code::Busy, format!("there is no slot to be had: {why}")));
            }
            state = self.wait(state, left);
        }
    }

    /// Marks a machine's slot as busy, once what another client has asked of it is over: that one may have died meanwhile, and
    /// nobody asks in its place. `None` when the machine has no slot.
    fn hold(&self, machine: &Id) -> Outcome<Option<(Arc<Slot>, Arc<HostSide>)>> {
        let start = Instant::now();
        let (mut state, side) = self.on()?;
        loop {
            let Some(slot) = state.attached.get(machine).cloned() else { return Ok(None) };
            if state.busy.insert(slot.name) {
                return Ok(Some((slot, side)));
            }
            let left = BUSY_TIMEOUT.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(failure(Code::Busy, format!("slot {} is being changed or released", slot.name)));
            }
            state = self.wait(state, left);
        }
    }

    /// Changes which shared network a machine's slot is in, alone.
    ///
    /// # Errors
    /// `not-found` when the machine has none, `busy` while it is being released, or what the change fails with.
    pub fn replug(
        &self,
        machine: &Id,
        change: impl FnOnce(&Slot, &HostSide) -> Outcome<()>,
    ) -> Outcome<(Arc<Slot>, Arc<HostSide>)> {
        let held = self.hold(machine)?;
        let (slot, side) = held.ok_or_else(|| failure(Code::NotFound, format!("machine {machine} has no slot")))?;
        let outcome = change(&slot, &side);
        self.state().busy.remove(&slot.name);
        self.changed.notify_all();
        outcome.map(|()| (slot, side))
    }

    /// Removes a machine's slot with all that it has.
    ///
    /// # Errors
    /// What was refused; saying so again goes on from there.
    pub fn release(&self, machine: &Id) -> Outcome<Removed> {
        let (slot, side) = match self.hold(machine) {
            Err(why) if why.code == Code::NoNetwork => return Ok(Removed::default()),
            held => match held? {
                Some(held) => held,
                None => return Ok(Removed::default()),
            },
        };
        let outcome = slot::remove(&self.namespaces, &self.records, Some(&side), slot.name);
        let mut state = self.state();
        state.busy.remove(&slot.name);
        if outcome.is_ok() {
            state.attached.remove(machine);
        }
        self.changed.notify_all();
        outcome
    }

    /// Takes everything back that the host has for networks. There is none any more until the next start.
    ///
    /// # Errors
    /// `busy` as long as a machine is there that has a slot, or what was refused: saying so again goes on from there.
    pub fn remove(&self) -> Outcome<()> {
        let side = match self.on() {
            Ok((mut state, side)) => {
                if let Some(machine) = state.attached.keys().find(|machine| paths::machine(machine).exists()) {
                    return Err(failure(Code::Busy, format!("machine {machine} has a slot")));
                }
                // Nothing is attached or made from here on.
                state.side = Side::Off("it was removed".to_owned());
                drop(state);
                side.close();
                Some(side)
            }
            Err(_) => None,
        };
        self.changed.notify_all();
        let mut state = self.state();
        while !state.busy.is_empty() {
            state = self.wait(state, RETRY);
        }
        (state.free, state.attached) = (Vec::new(), BTreeMap::new());
        drop(state);
        for name in self.names()? {
            slot::remove(&self.namespaces, &self.records, side.as_deref(), name)?;
        }
        fault::reach("network.emptied");
        host_side::remove(&self.namespaces, &self.records, &self.instance)
    }
}

impl State {
    pub fn spare(&self) -> Vec<SlotName> {
        self.free.iter().map(|slot| slot.name).chain(self.busy.iter().copied()).collect()
    }

    /// The lowest number that is free, from one on and then from 0.
    fn next_name(&self, first: u16) -> Option<SlotName> {
        let taken = |name: &SlotName| {
            self.busy.contains(name)
                || self.stuck.contains(name)
                || self.free.iter().chain(self.attached.values()).any(|slot| slot.name == *name)
        };
        (first..ports::MOST).chain(0..first).filter_map(SlotName::new).find(|name| !taken(name))
    }
}
