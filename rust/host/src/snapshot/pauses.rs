//! Saves: memory and device state of one machine that was paused. Its disk stays where it is.

use crate::error::{Code, During, Failure, Outcome, failure, note};
use crate::fault;
use crate::machine::list;
use crate::server::daemon::Daemon;
use crate::server::locks::Held;
use crate::snapshot::capture::{self, failed};
use crate::snapshot::compatibility;
use crate::snapshot::manifest::{self, Manifest, corrupt};
use crate::snapshot::pages::Sum;
use crate::snapshot::templates::{AS_TEMPLATE, SAVING};
use crate::store::ids::{Id, ImageKey};
use crate::store::paths;
use crate::store::records::{Record, now_unix_ms};
use crate::vmm::qemu::qmp::Control;
use serde::Serialize;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Its file says that a guest has gone on from the save. The disk has moved on with that guest, so that loading the
/// memory once more would have a kernel write what it believes the disk to be over what it is.
const USED: &str = "used";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    save_id: Id,
    is_whole: bool,
    image: Option<ImageKey>,
    allocated_bytes: u64,
}

pub fn hold(daemon: &Daemon, id: &Id) -> Held {
    daemon.locks.hold(format!("save {id}"))
}

/// All that have a folder.
pub fn list() -> Vec<Listed> {
    let listed = |save_id: Id| Listed {
        is_whole: unused(&paths::save(&save_id)).is_ok(),
        image: Manifest::read(&paths::save(&save_id)).ok().map(|manifest| manifest.shape.image),
        allocated_bytes: manifest::allocated(&paths::save(&save_id)),
        save_id,
    };
    paths::named(&paths::saves(), Id::parse).into_iter().map(listed).collect()
}

/// Removes a save and what a broken one left. A machine that was resumed from it keeps its memory.
///
/// # Errors
/// What the file system refused.
pub fn remove(daemon: &Daemon, id: &Id) -> Outcome<manifest::Removed> {
    let _held = hold(daemon, id);
    let folder = paths::save(id);
    manifest::remove(&[&folder, &folder.with_extension("new"), &folder.with_extension("old.new")])
}

/// Saves a machine, whose lock the caller holds, and ends its VMM. The guest goes on when that fails.
///
/// # Errors
/// `not-found`, `exists`, `no-space` or `snapshot-failed`.
pub fn save(daemon: &Daemon, machine: &Id, id: &Id) -> Outcome<u64> {
    let record = Record::read(machine)
        .filter(|_| list::vmm(daemon, machine).is_some())
        .ok_or_else(|| failure(Code::NotFound, format!("machine {machine} does not run")))?;
    let _held = hold(daemon, id);
    let folder = paths::save(id);
    if folder.symlink_metadata().is_ok() {
        return Err(failure(Code::Exists, format!("save {id} exists")));
    }
    capture::check_room(daemon, &record)?;
    let mark = paths::machine(machine).join(SAVING);
    let mut control = capture::monitor(&record)?;
    let new = manifest::begin(&folder)?;
    let written = fs::write(&mark, id.as_str())
        .during(|| "note what is being done".to_owned())
        .and_then(|()| write(daemon, &record, &mut control, &new))
        .and_then(|()| manifest::settle(&new, &folder));
    if let Err(why) = written {
        let _ = fs::remove_dir_all(&new);
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::remove_file(&mark);
        return Err(undo(&mut control, why));
    }
    daemon.cgroups.kill(machine, || ())?;
    Ok(manifest::allocated(&folder))
}

fn write(daemon: &Daemon, record: &Record, control: &mut Control, new: &Path) -> Outcome<()> {
    let shape = compatibility::shape(record)?;
    let kind = compatibility::of(&shape, &*daemon.runtime()?)?;
    let captured = capture::capture(control, record, new, Sum::Crc32)?;
    let manifest = Manifest {
        version: 1,
        kind,
        shape,
        magic: record.magic.clone(),
        disk_id: record.disk_id.clone(),
        saved_unix_ms: now_unix_ms(),
        state: captured.state,
        memory: captured.memory,
        disk: None,
    };
    manifest.write(new)?;
    fault::reach("save.written");
    Ok(())
}

fn undo(control: &mut Control, why: Failure) -> Failure {
    let why = if why.code == Code::NoSpace { why } else { failed(why) };
    match capture::release(control) {
        Ok(()) => why,
        Err(stuck) => failed(format!("{why}; and the guest does not go on: {stuck}")),
    }
}

/// After a daemon that died while it saved a machine, whose lock the caller holds: ends the VMM if its save is whole
/// (or it was becoming a template), and continues the guest otherwise.
pub fn recover(daemon: &Daemon, machine: &Id) {
    let mark = paths::machine(machine).join(SAVING);
    let Ok(what) = fs::read_to_string(&mark) else { return };
    let saved = Id::parse(&what).is_ok_and(|id| paths::save(&id).exists());
    if saved || what == AS_TEMPLATE {
        let _ = daemon.cgroups.kill(machine, || ());
        return;
    }
    let outcome = Record::read(machine)
        .ok_or_else(|| failed("its record cannot be read"))
        .and_then(|record| capture::monitor(&record))
        .and_then(|mut control| capture::release(&mut control));
    match outcome {
        Ok(()) => {
            let _ = fs::remove_file(&mark);
        }
        Err(failure) => note(format_args!("machine {machine} was being saved and does not go on: {failure}")),
    }
}

/// Looks whether a save fits what is asked for and can be loaded here.
///
/// # Errors
/// `snapshot-corrupt`, also when there is none.
pub fn whole(daemon: &Daemon, id: &Id) -> Outcome<Manifest> {
    let manifest = unused(&paths::save(id))?;
    if compatibility::of(&manifest.shape, &*daemon.runtime()?)? != manifest.kind {
        return Err(corrupt(format!(
            "its memory was saved by another QEMU or on another processor, and cannot go on with QEMU {} here",
            daemon.runtime()?.version_text()
        )));
    }
    Ok(manifest)
}

fn unused(folder: &Path) -> Outcome<Manifest> {
    // A name that cannot be looked at is no proof of anything.
    if folder.join(USED).symlink_metadata().map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true) {
        return Err(gone_on());
    }
    Manifest::read(folder)
}

fn gone_on() -> Failure {
    corrupt("a guest has gone on from the save once already")
}

/// Notes on disk that a guest goes on from a save, of which the folder is given. This comes before the guest does, so
/// that no crash leaves a save that has been gone on from, and does not say so.
///
/// # Errors
/// `snapshot-corrupt` when it was noted before, `no-space`, or `internal`: then the guest must not go on.
pub fn use_up(folder: &File) -> Outcome<()> {
    // By its descriptor: what has the name may be another save by now.
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    if Path::new(&path).join(USED).symlink_metadata().is_ok() {
        return Err(gone_on());
    }
    manifest::write(Path::new(&path), USED, b"")?;
    folder.sync_all().during(|| "note that a save is used".to_owned())
}
