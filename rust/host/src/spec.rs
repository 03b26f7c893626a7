//! What a machine is asked to be: the words that the wire, what lies on disk and the VMMs share.

use crate::store::ids::{Id, ImageKey, TemplateKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a guest's code runs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    Tcg,
    Kvm,
}

/// The program that runs a guest.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum VmmKind {
    /// What records and callers of before mean, which name none.
    #[default]
    Qemu,
    Firecracker,
}

impl VmmKind {
    pub const ALL: [Self; 2] = [Self::Qemu, Self::Firecracker];
}

/// The address of every guest's network device: each is alone with its gateway, and a restored guest keeps what it had.
pub const GUEST_MAC: Mac = Mac([0x02, 0x6d, 0x74, 0, 0, 2]);

/// The device of every guest's network on the host, in its slot's namespace.
pub const TAP: &str = "tap0";

#[derive(Clone, Copy, Debug)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

/// A slot of the network: `s` and a number below 10,000.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String", into = "String")]
pub struct SlotName(u16);

impl SlotName {
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number < 10_000).then_some(Self(number))
    }

    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<String> for SlotName {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = text.strip_prefix('s').and_then(|digits| digits.parse().ok()).and_then(Self::new);
        number.filter(|name| name.to_string() == text).ok_or("a slot is s and a number below 10000")
    }
}

impl From<SlotName> for String {
    fn from(name: SlotName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    pub environment: Option<Id>,
}

/// The guest channel's key: 16 bytes in lower-case hexadecimal, for the guest's kernel command line. On the wire and on
/// disk it is called `magic`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct ChannelKey(String);

impl ChannelKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ChannelKey {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text))
        } else {
            Err("magic is 32 digits of 0-9 and a-f")
        }
    }
}

/// All that a caller says of a machine.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineSpec {
    pub machine_id: Id,
    pub image: ImageKey,
    pub disk_id: Option<Id>,
    pub memory_mib: u64,
    pub cpus: u32,
    pub accelerator: Accelerator,
    #[serde(default)]
    pub vmm: VmmKind,
    /// Needed to boot; a restored guest has its own.
    #[serde(rename = "magic")]
    pub channel_key: Option<ChannelKey>,
    #[serde(default)]
    pub labels: Labels,
    #[serde(default)]
    pub memory: MemorySource,
    #[serde(default)]
    pub limits: LiveLimits,
    /// Absent: it has no network device.
    pub slot: Option<SlotName>,
}

/// What a machine may use, as far as that can be changed while it runs. What is absent is as it was; of a new machine,
/// as a host has it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LiveLimits {
    pub cpu: Option<CpuLimits>,
    pub disk: Option<DiskLimits>,
}

/// Of the host's processors, for all threads of a machine together: the guest's processors and the VMM's own.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CpuLimits {
    /// Its part of a busy host, beside those of others (cgroup-v2.rst, `cpu.weight`).
    pub weight: u64,
    /// The most it gets, in percent of one processor.
    pub quota_percent: u64,
}

/// Of all its block devices together, reads and writes alike.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskLimits {
    pub bytes_per_second: u64,
    pub operations_per_second: u64,
    /// What it gets for `burst_seconds` after it has rested, instead of the former.
    pub burst_bytes_per_second: u64,
    pub burst_operations_per_second: u64,
    pub burst_seconds: u64,
}

/// Where a machine's memory comes from: `"plain"`, `"template-source"`, `{"template":key}` or `{"save":saveId}`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MemorySource {
    #[default]
    Plain,
    /// It boots as well, and may become a template.
    TemplateSource,
    Template(TemplateKey),
    Save(Id),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// All that a caller says of a template's shape.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Shape {
    pub image: ImageKey,
    pub memory_mib: u64,
    pub cpus: u32,
    /// 0 without a disk.
    pub disk_mib: u64,
    pub accelerator: Accelerator,
    #[serde(default, skip_serializing_if = "is_default")]
    pub vmm: VmmKind,
    /// Whether it has a network device.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
}
