//! Everything of a machine but its process. The probe is made of the same.

use crate::context::Context;
use crate::error::{During, Outcome};
use crate::fault;
use crate::machine::limits;
use crate::spec::{ChannelKey, MachineSpec};
use crate::store::files;
use crate::store::ids::Id;
use crate::store::paths;
use crate::store::records::{Record, now_unix_ms};
use crate::vmm::interface::{SAVED_MEMORY, SAVED_STATE, SocketOwner};
use nix::unistd::chown;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, fchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

pub struct Prepared {
    pub uid: u32,
    /// `cgroup.procs` of each group to join.
    pub joins: Vec<PathBuf>,
    /// The VMM's, in its order.
    pub sockets: Vec<UnixListener>,
    pub record: Record,
}

/// Makes record, uid, cgroups, ownership of the disk, and sockets, in the folder that the caller has made.
///
/// # Errors
/// Whatever is refused; the caller removes what was made.
pub fn prepare(context: &Context, spec: &MachineSpec, key: &ChannelKey) -> Outcome<Prepared> {
    let id = &spec.machine_id;
    let folder = paths::machine(id);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))
        .during(|| "open the machine's folder".to_owned())?;
    let mut record = Record {
        version: 1,
        machine_id: id.clone(),
        image: spec.image.clone(),
        disk_id: spec.disk_id.clone(),
        memory_mib: spec.memory_mib,
        cpus: spec.cpus,
        accelerator: spec.accelerator,
        vmm: spec.vmm,
        environment: spec.labels.environment.clone(),
        memory: spec.memory.clone(),
        channel_key: key.clone(),
        slot: spec.slot,
        uid: None,
        pid: None,
        boot_id: context.boot_id.clone(),
        started_unix_ms: now_unix_ms(),
    };
    record.write()?;
    fault::reach("launch.intent");
    let uid = context.claims.claim(id)?;
    record.uid = Some(uid);
    record.write()?;
    let joins = context.cgroups.create(id, &limits::of_cgroup(context, spec))?;
    fault::reach("launch.cgroup");
    if let Some(disk) = &spec.disk_id {
        hand_over_disk(disk, uid)?;
    }
    if context.vmm(spec.vmm).works_on_files() {
        let folder = paths::vmm_files(id);
        DirBuilder::new().mode(0o700).create(&folder).during(|| "make the folder of the VMM's files".to_owned())?;
        for name in [SAVED_MEMORY, SAVED_STATE] {
            let file = files::create(&folder.join(name))?;
            fchown(&file, Some(uid), Some(uid)).during(|| format!("give {name} to the machine"))?;
        }
    }
    let listen_in = |name: &str, owner: SocketOwner| {
        let uid = if owner == SocketOwner::Server { context.options.server_uid } else { 0 };
        listen(&folder.join(name), uid)
    };
    let sockets = context.vmm(spec.vmm).sockets().iter().map(|socket| listen_in(socket.name, socket.owner));
    Ok(Prepared { uid, joins, sockets: sockets.collect::<Outcome<_>>()?, record })
}

fn hand_over_disk(disk: &Id, uid: u32) -> Outcome<()> {
    let path = paths::disk(disk);
    std::os::unix::fs::lchown(&path, Some(uid), Some(uid)).during(|| format!("give disk {disk} to the machine"))
}

fn listen(path: &Path, owner: u32) -> Outcome<UnixListener> {
    let what = || format!("bind {}", path.file_name().unwrap_or_default().to_string_lossy());
    // Between bind and chmod nobody but root can connect: the daemon's file mode mask is 077.
    let listener = UnixListener::bind(path).during(what)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).during(what)?;
    chown(path, Some(owner.into()), None).during(what)?;
    Ok(listener)
}
