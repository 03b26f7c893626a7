//! Machines as they are found on the host, and how one is removed.

use crate::error::{During, Outcome};
use crate::fault;
use crate::jail::uids;
use crate::server::daemon::Daemon;
use crate::server::request::{Magic, Memory};
use crate::snapshot::manifest::MEMORY;
use crate::snapshot::pauses;
use crate::store::ids::{Id, ImageKey};
use crate::store::paths;
use crate::store::records::Record;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

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
    started_unix_ms: Option<u64>,
    boot_id: Option<String>,
    environment: Option<Id>,
    magic: Option<Magic>,
}

#[derive(Default, Serialize)]
pub struct Removed {
    processes: usize,
    cgroups: u64,
    sockets: u64,
    files: u64,
    uids: u64,
}

/// Ids of all machines that have a folder.
pub fn folders() -> BTreeSet<Id> {
    paths::named(&paths::machines(), Id::parse)
}

/// The machine that uses a disk, if any does.
pub fn user_of(disk: &Id) -> Option<Id> {
    let folders = folders();
    let by_record = |id: &&Id| Record::read(id).is_some_and(|record| record.disk_id.as_ref() == Some(disk));
    if let Some(user) = folders.iter().find(by_record) {
        return Some(user.clone());
    }
    // A machine whose record cannot be read has its uid on its disk until it is removed.
    let owner = fs::symlink_metadata(paths::disk(disk)).ok()?.uid();
    let holder = uids::holder(owner)?;
    folders.into_iter().find(|id| *id == holder && Record::read(id).is_none())
}

/// The real uid of a process, if there is one with this pid (proc_pid_status(5)).
fn uid_of(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
}

/// The VMM's pid on the host: the process in the machine's cgroup that is not root's any more.
pub fn vmm(daemon: &Daemon, id: &Id) -> Option<i32> {
    daemon
        .cgroups
        .pids(id)
        .into_iter()
        .find(|pid| uid_of(*pid).is_some_and(|uid| (uids::FIRST..uids::END).contains(&uid)))
}

/// All machines of which anything is left.
pub fn list(daemon: &Daemon) -> Vec<Listed> {
    let mut ids = folders();
    ids.extend(daemon.cgroups.machines());
    let listed = |id: Id| {
        let (record, pid) = (Record::read(&id), vmm(daemon, &id));
        let record = record.as_ref();
        Listed {
            alive: pid.is_some(),
            pid: pid.or(record.and_then(|record| record.pid)),
            uid: record.and_then(|record| record.uid),
            disk_id: record.and_then(|record| record.disk_id.clone()),
            image: record.map(|record| record.image.clone()),
            memory_mib: record.map(|record| record.memory_mib),
            started_unix_ms: record.map(|record| record.started_unix_ms),
            boot_id: record.map(|record| record.boot_id.clone()),
            environment: record.and_then(|record| record.environment.clone()),
            magic: record.map(|record| record.magic.clone()),
            machine_id: id,
        }
    };
    ids.into_iter().map(listed).collect()
}

/// Ends a machine whatever is being done with it, and removes all that bears its id. What is being done, such as a
/// save, waits for the VMM, which may be hostile and take its time; so the VMM is killed before the lock is waited for.
///
/// # Errors
/// As `kill`.
pub fn end(daemon: &Daemon, id: &Id) -> Outcome<Removed> {
    // What does not die now is reported below.
    let early = daemon.cgroups.kill(id, || fault::reach("kill.signalled")).unwrap_or_default();
    let _held = daemon.hold_machine(id);
    let mut removed = kill(daemon, id)?;
    removed.processes += early;
    Ok(removed)
}

/// Removes all that bears the machine's id. The caller holds the machine's lock. `machine.json` goes last, so that
/// whatever interrupts this, the machine stays in the list until nothing of it is left.
///
/// # Errors
/// `internal` when something stays; saying so again later goes on from there.
pub fn kill(daemon: &Daemon, id: &Id) -> Outcome<Removed> {
    let mut removed =
        Removed { processes: daemon.cgroups.kill(id, || fault::reach("kill.signalled"))?, ..Removed::default() };
    removed.cgroups = daemon.cgroups.remove(id)?;
    fault::reach("kill.cgroup");
    let record = Record::read(id);
    if let Some(disk) = record.as_ref().and_then(|record| record.disk_id.as_ref()) {
        let _held = daemon.hold_disk(disk);
        take_back(&paths::disk(disk))?;
    }
    if let Some(Memory::Save(save)) = record.as_ref().map(|record| &record.memory) {
        let _held = pauses::hold(daemon, save);
        take_back(&paths::save(save).join(MEMORY))?;
    }
    if fs::remove_file(paths::node(id)).is_ok() {
        removed.files += 1;
    }
    let folder = paths::machine(id);
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if entry.file_name() == "machine.json" {
            continue;
        }
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        fs::remove_file(entry.path()).during(|| format!("remove a file of machine {id}"))?;
        *(if is_socket { &mut removed.sockets } else { &mut removed.files }) += 1;
    }
    fault::reach("kill.files");
    removed.uids = daemon.claims.release(id);
    if fs::remove_file(folder.join("machine.json")).is_ok() {
        removed.files += 1;
    }
    match fs::remove_dir(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).during(|| format!("remove the folder of machine {id}"))
        }
        _ => Ok(removed),
    }
}

/// Makes a file root's again.
fn take_back(path: &Path) -> Outcome<()> {
    match std::os::unix::fs::lchown(path, Some(0), Some(0)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).during(|| format!("take back {}", path.display()))
        }
        _ => Ok(()),
    }
}
