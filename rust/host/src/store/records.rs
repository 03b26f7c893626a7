//! `machine.json`: what the daemon means to make, written before anything of it is made.

use crate::error::{During, Outcome};
use crate::spec::{Accelerator, ChannelKey, MemorySource, SlotName, VmmKind};
use crate::store::ids::{Id, ImageKey};
use crate::store::paths;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub version: u32,
    pub machine_id: Id,
    pub image: ImageKey,
    pub disk_id: Option<Id>,
    pub memory_mib: u64,
    pub cpus: u32,
    pub accelerator: Accelerator,
    /// QEMU in records of daemons that knew nothing else.
    #[serde(default)]
    pub vmm: VmmKind,
    pub environment: Option<Id>,
    /// Plain in records of daemons that knew nothing else.
    #[serde(default)]
    pub memory: MemorySource,
    /// Of the guest channel, for a server that adopts the machine.
    #[serde(rename = "magic")]
    pub channel_key: ChannelKey,
    /// Its network's.
    #[serde(default)]
    pub slot: Option<SlotName>,
    /// Absent until a uid is claimed.
    pub uid: Option<u32>,
    /// The VMM's on the host. Absent until it runs; the cgroup is what tells whether it still does.
    pub pid: Option<i32>,
    /// The host's boot in which it was launched.
    pub boot_id: String,
    pub started_unix_ms: u64,
}

/// The time now, in milliseconds since 1970.
pub fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The kernel's id of this boot.
///
/// # Errors
/// Without /proc.
pub fn boot_id() -> Outcome<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").during(|| "read the boot id".to_owned())?;
    Ok(text.trim().to_owned())
}

impl Record {
    /// Writes it so that after the death of any process the file is the old one or the new one. It does not wait for the
    /// disk, which takes many times what a restore does: where the host itself fails, nothing that it tells of is left.
    ///
    /// # Errors
    /// `no-space` or `internal`.
    pub fn write(&self) -> Outcome<()> {
        let folder = paths::machine(&self.machine_id);
        let new = folder.join("machine.json.new");
        let what = || format!("write machine.json of {}", self.machine_id);
        let text = serde_json::to_vec(self).during(what)?;
        let mut file = File::create(&new).during(what)?;
        file.write_all(&text).during(what)?;
        fs::rename(&new, folder.join("machine.json")).during(what)
    }

    /// The record of a machine; `None` when there is none or it cannot be read.
    pub fn read(id: &Id) -> Option<Self> {
        serde_json::from_slice(&fs::read(paths::machine(id).join("machine.json")).ok()?).ok()
    }
}

/// Ids of all machines that have a folder.
pub fn machines() -> BTreeSet<Id> {
    paths::names_in(&paths::machines(), Id::parse)
}
