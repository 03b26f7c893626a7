//! The arguments of each verb, as they stand on the wire.

use crate::network::Admission;
use crate::network::policy::{Policy, Protocol};
use crate::spec::LiveLimits;
use crate::store::ids::{Id, ImageKey, NetworkId, TemplateKey};
use serde::Deserialize;
use std::net::Ipv4Addr;
use std::time::Duration;

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ImageArgs {
    pub image: ImageKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskCreateArgs {
    pub disk_id: Id,
    size_mib: Option<u64>,
    template: Option<TemplateKey>,
}

/// What a new disk is a clone of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskFrom {
    /// An empty file system of this many MiB.
    Blank(u64),
    Template(TemplateKey),
}

impl DiskCreateArgs {
    /// `None` when neither or both are given.
    pub fn from(&self) -> Option<DiskFrom> {
        match (self.size_mib, &self.template) {
            (Some(size), None) => Some(DiskFrom::Blank(size)),
            (None, Some(template)) => Some(DiskFrom::Template(template.clone())),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskArgs {
    pub disk_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineArgs {
    pub machine_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineLimitArgs {
    pub machine_id: Id,
    pub limits: LiveLimits,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ScanArgs {
    pub ids: Vec<Id>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TemplateSaveArgs {
    pub machine_id: Id,
    pub template: TemplateKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TemplateArgs {
    pub template: TemplateKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineSaveArgs {
    pub machine_id: Id,
    pub save_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SaveArgs {
    pub save_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkPolicyArgs {
    pub machine_id: Id,
    pub policy: Policy,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkJoinArgs {
    pub machine_id: Id,
    pub network: NetworkId,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkAdmitArgs {
    pub machine_id: Id,
    pub entries: Vec<AdmitEntry>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AdmitEntry {
    mark: u32,
    address: Ipv4Addr,
    protocol: NamedProtocol,
    port: u16,
    pub ttl_seconds: u64,
}

/// What a name is admitted for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum NamedProtocol {
    Tcp,
    Udp,
}

impl NetworkAdmitArgs {
    pub fn admissions(&self) -> Vec<Admission> {
        let admission = |entry: &AdmitEntry| Admission {
            mark: entry.mark,
            address: entry.address,
            protocol: match entry.protocol {
                NamedProtocol::Tcp => Protocol::Tcp,
                NamedProtocol::Udp => Protocol::Udp,
            },
            port: entry.port,
            lifetime: Duration::from_secs(entry.ttl_seconds),
        };
        self.entries.iter().map(admission).collect()
    }
}
