//! Machines as they are found on the host.

use crate::context::Context;
use crate::jail::vmm_process::vmm_pid;
use crate::spec::{ChannelKey, VmmKind};
use crate::store::ids::{Id, ImageKey};
use crate::store::records::{self, Record};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    machine_id: Id,
    alive: bool,
    pid: Option<i32>,
    uid: Option<u32>,
    disk_id: Option<Id>,
    image: Option<ImageKey>,
    memory_mib: Option<u64>,
    vmm: Option<VmmKind>,
    started_unix_ms: Option<u64>,
    boot_id: Option<String>,
    environment: Option<Id>,
    #[serde(rename = "magic")]
    channel_key: Option<ChannelKey>,
}

/// All machines of which anything is left.
pub fn list(context: &Context) -> Vec<Listed> {
    let mut ids = records::machines();
    ids.extend(context.cgroups.machines());
    let listed = |id: Id| {
        let (record, pid) = (Record::read(&id), vmm_pid(&context.cgroups, &id));
        let record = record.as_ref();
        Listed {
            alive: pid.is_some(),
            pid: pid.or(record.and_then(|record| record.pid)),
            uid: record.and_then(|record| record.uid),
            disk_id: record.and_then(|record| record.disk_id.clone()),
            image: record.map(|record| record.image.clone()),
            memory_mib: record.map(|record| record.memory_mib),
            vmm: record.map(|record| record.vmm),
            started_unix_ms: record.map(|record| record.started_unix_ms),
            boot_id: record.map(|record| record.boot_id.clone()),
            environment: record.and_then(|record| record.environment.clone()),
            channel_key: record.map(|record| record.channel_key.clone()),
            machine_id: id,
        }
    };
    ids.into_iter().map(listed).collect()
}
