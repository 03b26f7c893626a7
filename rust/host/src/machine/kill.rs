//! Ending a machine and removing all that bears its id.

use crate::context::Context;
use crate::error::{During, Outcome};
use crate::fault;
use crate::snapshot::manifest::MEMORY;
use crate::spec::MemorySource;
use crate::store::ids::Id;
use crate::store::paths;
use crate::store::records::Record;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

#[derive(Default, Serialize)]
pub struct Removed {
    processes: usize,
    cgroups: u64,
    sockets: u64,
    files: u64,
    uids: u64,
}

/// Ends a machine whatever is being done with it, and removes all that bears its id. What is being done, such as a
/// save, waits for the VMM, which may be hostile and take its time; so the VMM is killed before the lock is waited for.
///
/// # Errors
/// As `remove`.
pub fn kill(context: &Context, id: &Id) -> Outcome<Removed> {
    // What does not die now is reported below.
    let early = context.cgroups.kill(id, || fault::reach("kill.signalled")).unwrap_or_default();
    let _guard = context.lock_machine(id);
    let mut removed = remove(context, id)?;
    removed.processes += early;
    Ok(removed)
}

/// Removes all that bears the machine's id. The caller holds the machine's lock. `machine.json` goes last, so that
/// whatever interrupts this, the machine stays in the list until nothing of it is left.
///
/// # Errors
/// `internal` when something stays; saying so again later goes on from there.
pub fn remove(context: &Context, id: &Id) -> Outcome<Removed> {
    let mut removed =
        Removed { processes: context.cgroups.kill(id, || fault::reach("kill.signalled"))?, ..Removed::default() };
    removed.cgroups = context.cgroups.remove(id)?;
    fault::reach("kill.cgroup");
    let record = Record::read(id);
    if let Some(disk) = record.as_ref().and_then(|record| record.disk_id.as_ref()) {
        let _guard = context.lock_disk(disk);
        return_to_root(&paths::disk(disk))?;
    }
    if let Some(MemorySource::Save(save)) = record.as_ref().map(|record| &record.memory) {
        let _guard = context.lock_pause(save);
        return_to_root(&paths::save(save).join(MEMORY))?;
    }
    if fs::remove_file(paths::node(id)).is_ok() {
        removed.files += 1;
    }
    let vmm_files = paths::vmm_files(id);
    removed.files += fs::read_dir(&vmm_files).map_or(0, |entries| entries.flatten().count() as u64);
    match fs::remove_dir_all(&vmm_files) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).during(|| format!("remove the files of machine {id}'s VMM"));
        }
        _ => {}
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
    removed.uids = context.claims.release(id);
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
fn return_to_root(path: &Path) -> Outcome<()> {
    match std::os::unix::fs::lchown(path, Some(0), Some(0)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).during(|| format!("return {}", path.display()))
        }
        _ => Ok(()),
    }
}
