//! What a slot does for its machine: its policy, the addresses admitted to it, and what it has counted. All of it goes
//! over one socket of the slot's namespace.

use crate::error::{Code, During, Outcome, failure};
use crate::fault;
use crate::network::ceiling::Ceiling;
use crate::network::netlink::sets::{self, Change, Count, Element, Family, Found};
use crate::network::netlink::{Netlink, flows};
use crate::network::policy::{self, Marked, Policy, Protocol};
use crate::network::records::{Membership, Records, SlotRecord};
use crate::network::rules::{ADMITTED, PLAIN, TABLE};
use crate::spec::SlotName;
use crate::store::ids::Id;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Names' addresses live on for as long, so that a name that is asked for again and again changes nothing.
const SLACK: Duration = Duration::from_secs(30);
/// An element that is about to go may be gone before a change arrives.
const ABOUT_TO_GO: Duration = Duration::from_secs(2);

/// An address that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub mark: u32,
    pub address: Ipv4Addr,
    pub protocol: Protocol,
    pub port: u16,
    pub lifetime: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    address: Ipv4Addr,
    protocol: u8,
    /// Of TCP and UDP.
    port: Option<u16>,
    packets: u64,
    /// No policy can allow it.
    is_forbidden: bool,
}

/// Packets and bytes of a guest.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    sent: Count,
    received: Count,
    /// Tracked now. `None` where the kernel does not say.
    connections: Option<u32>,
    /// Connections that were let through, in either direction. `None` in a slot of an earlier version.
    opened: Option<u64>,
    denied_packets: u64,
    /// Connections beyond the limits.
    exceeded_packets: u64,
    /// Beyond the limits of bytes and packets.
    flooded_packets: u64,
    /// Of addresses that are not the guest's.
    spoofed_packets: u64,
}

pub struct Tenancy {
    name: SlotName,
    tables: Netlink,
    records: Records,
    pub record: SlotRecord,
    /// Until when an address is admitted; `None` until it is read from the kernel. After a change that failed, whatever is believed of the kernel's set may be wrong.
    admitted: Option<HashMap<Vec<u8>, Instant>>,
}

impl Tenancy {
    pub fn new(name: SlotName, tables: Netlink, records: Records, record: SlotRecord) -> Self {
        Self { name, tables, records, record, admitted: None }
    }

    /// Gives the slot to a machine.
    ///
    /// # Errors
    /// `no-space` or `internal`.
    pub fn claim(&mut self, machine: &Id) -> Outcome<()> {
        let record = SlotRecord { machine_id: Some(machine.clone()), ..self.record.clone() };
        self.records.write_slot(self.name, &record)?;
        fault::reach("slot.claimed");
        self.record = record;
        Ok(())
    }

    /// Notes which shared network the slot is in.
    ///
    /// # Errors
    /// `no-space` or `internal`.
    pub fn note_membership(&mut self, membership: Option<Membership>) -> Outcome<()> {
        let record = SlotRecord { membership, ..self.record.clone() };
        self.records.write_slot(self.name, &record)?;
        self.record = record;
        Ok(())
    }

    /// Has another policy be in force, at once and whole. Answers with the marks of its rules.
    ///
    /// # Errors
    /// `bad-request` where it makes no sense, or what the kernel refused: then the former one is in force.
    pub fn set_policy(&mut self, policy: &Policy) -> Outcome<Vec<u32>> {
        policy.check()?;
        let next = self.record.policy.follow(policy);
        next.allowed()?;
        let record = SlotRecord { policy: next, ..self.record.clone() };
        self.records.write_slot(self.name, &record)?;
        fault::reach("slot.policy");
        if let Err(why) = self.apply(&record.policy) {
            self.records.write_slot(self.name, &self.record)?;
            return Err(why);
        }
        self.record = record;
        Ok(self.record.policy.marks())
    }

    fn apply(&self, policy: &Marked) -> Outcome<()> {
        let live =
            policy.marks().into_iter().map(|mark| Element { key: mark.to_ne_bytes().into(), ..Element::default() });
        let changes = vec![
            Change::Clear("allowed"),
            Change::Clear("live"),
            Change::Add("allowed", policy.allowed()?),
            Change::Add("live", live.collect()),
        ];
        sets::change(&self.tables, Family::Ip, TABLE, changes).during(|| "change the policy of a slot".to_owned())
    }

    /// Has the policy of the record be in force.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn restore(&self) -> Outcome<()> {
        self.apply(&self.record.policy)
    }

    /// Has what comes from the tap go by the hop from here on, for as long as the slot is there.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn use_hop(&self) -> Outcome<()> {
        sets::change(&self.tables, Family::Netdev, TABLE, vec![Change::Clear(PLAIN)])
            .during(|| "have a slot use its hop".to_owned())
    }

    /// Admits addresses of names that the policy allows.
    ///
    /// # Errors
    /// `not-found` when a mark is no rule's any more, or what the kernel refused: then none is admitted.
    pub fn admit(&mut self, admissions: &[Admission]) -> Outcome<()> {
        for Admission { mark, protocol, port, .. } in admissions {
            let rule = self.record.policy.named(*mark);
            let rule = rule.ok_or_else(|| failure(Code::NotFound, format!("no rule with a name has mark {mark}")))?;
            let is_within = rule.ports.is_none_or(|(first, last)| (first..=last).contains(port));
            if !is_within || (rule.protocol != *protocol && rule.protocol != Protocol::Any) {
                return Err(failure(Code::BadRequest, format!("the rule of mark {mark} does not allow port {port}")));
            }
        }
        self.admit_with(admissions).during(|| "admit addresses to a slot".to_owned())
    }

    fn admit_with(&mut self, admissions: &[Admission]) -> std::io::Result<()> {
        let now = Instant::now();
        let mut known = match self.admitted.take() {
            Some(known) => known,
            None => self.read_admitted(now)?,
        };
        known.retain(|_, until| *until > now);
        let plain = |key: &[u8]| Element { key: key.to_vec(), ..Element::default() };
        let (mut add, mut remove): (HashMap<Vec<u8>, Element>, Vec<Element>) = (HashMap::new(), Vec::new());
        for Admission { mark, address, protocol, port, lifetime } in admissions {
            let key = policy::key(*address, protocol.number().unwrap_or(0), *port);
            let left = known.get(&key).map(|until| until.saturating_duration_since(now));
            if left.is_some_and(|left| left >= *lifetime) || add.contains_key(&key) {
                continue;
            }
            match left {
                Some(left) if left > ABOUT_TO_GO => remove.push(plain(&key)),
                // Its end may come first, and then there is nothing to remove.
                Some(_) => drop(sets::change(
                    &self.tables,
                    Family::Ip,
                    TABLE,
                    vec![Change::Remove("admitted", vec![plain(&key)])],
                )),
                None => {}
            }
            let timeout = u64::try_from((*lifetime + SLACK).as_millis()).unwrap_or(u64::MAX);
            add.insert(key.clone(), Element { data: Some(*mark), timeout: Some(timeout), ..plain(&key) });
        }
        // Those that would go first make room.
        let mut others: Vec<(Instant, Vec<u8>)> =
            known.iter().filter(|(key, _)| !add.contains_key(*key)).map(|(key, until)| (*until, key.clone())).collect();
        others.sort();
        let excess = (others.len() + add.len()).saturating_sub(ADMITTED);
        for (_, key) in others.into_iter().take(excess) {
            remove.push(plain(&key));
            known.remove(&key);
        }
        let lifetimes: Vec<_> =
            add.values().map(|element| (element.key.clone(), element.timeout.unwrap_or(0))).collect();
        let changes = vec![Change::Remove("admitted", remove), Change::Add("admitted", add.into_values().collect())];
        sets::change(&self.tables, Family::Ip, TABLE, changes)?;
        known.extend(lifetimes.into_iter().map(|(key, timeout)| (key, now + Duration::from_millis(timeout))));
        self.admitted = Some(known);
        Ok(())
    }

    fn read_admitted(&self, now: Instant) -> std::io::Result<HashMap<Vec<u8>, Instant>> {
        let found = sets::elements(&self.tables, TABLE, "admitted")?;
        let until = |found: Found| (found.key, now + Duration::from_millis(found.expiration.unwrap_or(0)));
        Ok(found.into_iter().map(until).collect())
    }

    /// What the guest was refused during the last hour.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn denials(&self, ceiling: &Ceiling) -> Outcome<Vec<Denial>> {
        // One that came late may be in two sets, once there is room for it among the others.
        let mut packets: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for set in ["denials", "later_denials", "denied_hosts", "later_denied_hosts"] {
            let found = match sets::elements(&self.tables, TABLE, set) {
                // A slot of an earlier version does not have all of them.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
                found => found.during(|| "read the denials of a slot".to_owned())?,
            };
            for Found { key, count, .. } in found {
                *packets.entry(key).or_default() += count.packets;
            }
        }
        let denial = |(key, packets): (Vec<u8>, u64)| {
            let address: [u8; 4] = key.get(0..4)?.try_into().ok()?;
            let port = key.get(8..10).map(|port| u16::from_be_bytes([port[0], port[1]]));
            let address = Ipv4Addr::from(address);
            Some(Denial { address, protocol: *key.get(4)?, port, packets, is_forbidden: ceiling.forbids(address) })
        };
        Ok(packets.into_iter().filter_map(denial).collect())
    }

    /// # Errors
    /// What the kernel refused.
    pub fn traffic(&self) -> Outcome<Traffic> {
        let mut traffic = Traffic { connections: flows::count(&self.tables).ok(), ..Traffic::default() };
        for family in [Family::Ip, Family::Netdev] {
            let counters =
                sets::counters(&self.tables, family, TABLE).during(|| "read the counters of a slot".to_owned())?;
            for (name, count) in counters {
                match name.as_str() {
                    "sent" => traffic.sent = count,
                    "received" => traffic.received = count,
                    "opened" => traffic.opened = Some(count.packets),
                    "denied" => traffic.denied_packets = count.packets,
                    "exceeded" => traffic.exceeded_packets = count.packets,
                    "flooded" => traffic.flooded_packets = count.packets,
                    "spoofed" => traffic.spoofed_packets = count.packets,
                    _ => {}
                }
            }
        }
        Ok(traffic)
    }
}
