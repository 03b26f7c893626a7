//! Pauses: memory and device state of one machine, for it alone. Its disk stays where it is. On the wire and on disk
//! one is called a save.

use crate::context::Context;
use crate::error::{Code, During, Failure, Outcome, failure, note};
use crate::fault;
use crate::jail::vmm_process::vmm_pid;
use crate::snapshot::capture::{self, Captured, capture, failed};
use crate::snapshot::compatibility;
use crate::snapshot::manifest::{Manifest, corrupt};
use crate::snapshot::saving_mark::{self, SavingAs};
use crate::snapshot::written_files::{self, Purpose};
use crate::spec::Shape;
use crate::store::files::{self, Removed};
use crate::store::ids::{Id, ImageKey};
use crate::store::paths;
use crate::store::records::{Record, now_unix_ms};
use crate::vmm::interface::RunningVmm;
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

/// All that have a folder.
pub fn list() -> Vec<Listed> {
    let listed = |save_id: Id| Listed {
        is_whole: unused(&paths::save(&save_id)).is_ok(),
        image: Manifest::read(&paths::save(&save_id)).ok().map(|manifest| manifest.shape.image),
        allocated_bytes: files::allocated(&paths::save(&save_id)),
        save_id,
    };
    paths::names_in(&paths::saves(), Id::parse).into_iter().map(listed).collect()
}

/// Removes a save and what a broken one left. A machine that was resumed from it keeps its memory.
///
/// # Errors
/// What the file system refused.
pub fn remove(context: &Context, id: &Id) -> Outcome<Removed> {
    let _guard = context.lock_pause(id);
    let folder = paths::save(id);
    files::remove(&[&folder, &folder.with_extension("new"), &folder.with_extension("old.new")])
}

/// Saves a machine, whose lock the caller holds, and ends its VMM. The guest goes on when that fails.
///
/// Where its VMM had to be ended before that failed, saying so again goes on from there.
///
/// # Errors
/// `not-found`, `exists`, `no-space` or `snapshot-failed`.
pub fn save(context: &Context, machine: &Id, id: &Id) -> Outcome<u64> {
    if let Ok(Some(SavingAs::WrittenPause { id: written, changes_only })) = saving_mark::read(machine)
        && written == *id
    {
        take_written(context, machine, id, changes_only)?;
        return Ok(files::allocated(&paths::save(id)));
    }
    let record = Record::read(machine)
        .filter(|_| vmm_pid(&context.cgroups, machine).is_some())
        .ok_or_else(|| failure(Code::NotFound, format!("machine {machine} does not run")))?;
    let _guard = context.lock_pause(id);
    let folder = paths::save(id);
    if folder.symlink_metadata().is_ok() {
        return Err(failure(Code::Exists, format!("save {id} exists")));
    }
    capture::check_room(context, &record, Purpose::Pause)?;
    let mut running = capture::connect(context, &record)?;
    let new = files::create_partial(&folder)?;
    let written = saving_mark::set(machine, &SavingAs::Pause(id.clone()))
        .and_then(|()| write(context, &record, running.as_mut(), id, &new))
        .and_then(|()| files::commit(&new, &folder));
    if let Err(why) = written {
        let _ = fs::remove_dir_all(&new);
        if matches!(saving_mark::read(machine), Ok(Some(SavingAs::WrittenPause { .. }))) {
            // The machine still has what was written, and its guest cannot go on.
            return Err(if why.code == Code::NoSpace { why } else { failed(why) });
        }
        let _ = fs::remove_dir_all(&folder);
        written_files::discard(&record);
        saving_mark::clear(machine);
        return Err(undo(running.as_mut(), why));
    }
    context.cgroups.kill(machine, || ())?;
    Ok(files::allocated(&folder))
}

fn write(context: &Context, record: &Record, running: &mut dyn RunningVmm, id: &Id, new: &Path) -> Outcome<()> {
    let shape = compatibility::shape(record)?;
    let compatibility_key = compatibility::key(context, &shape)?;
    let machine = &record.machine_id;
    let written = |changes_only| saving_mark::set(machine, &SavingAs::WrittenPause { id: id.clone(), changes_only });
    let captured = capture(context, running, record, new, Purpose::Pause, written)?;
    finish(record, new, shape, compatibility_key, captured)
}

fn finish(record: &Record, new: &Path, shape: Shape, compatibility_key: String, captured: Captured) -> Outcome<()> {
    let manifest = Manifest {
        version: 1,
        compatibility_key,
        shape,
        channel_key: record.channel_key.clone(),
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

fn undo(running: &mut dyn RunningVmm, why: Failure) -> Failure {
    let why = if why.code == Code::NoSpace { why } else { failed(why) };
    match running.resume() {
        Ok(()) => why,
        Err(stuck) => failed(format!("{why}; and the guest does not go on: {stuck}")),
    }
}

/// After a daemon that died while it saved a machine, whose lock the caller holds: ends the VMM if its snapshot is whole
/// (or it was becoming a template), and continues the guest otherwise.
pub fn recover(context: &Context, machine: &Id) {
    let Ok(saving) = saving_mark::read(machine) else { return };
    let is_over = match saving {
        Some(SavingAs::Template) => true,
        Some(SavingAs::Pause(id)) => paths::save(&id).exists(),
        Some(SavingAs::WrittenPause { id, changes_only }) => {
            if let Err(failure) = take_written(context, machine, &id, changes_only) {
                note(format_args!("machine {machine} was saved, and what it saved is of no use: {failure}"));
            }
            true
        }
        None => false,
    };
    if is_over {
        let _ = context.cgroups.kill(machine, || ());
        return;
    }
    let outcome = Record::read(machine).ok_or_else(|| failed("its record cannot be read")).and_then(|record| {
        capture::connect_to_saving(context, &record)?.resume()?;
        written_files::discard(&record);
        Ok(())
    });
    match outcome {
        Ok(()) => saving_mark::clear(machine),
        Err(failure) => note(format_args!("machine {machine} was being saved and does not go on: {failure}")),
    }
}

/// Makes a pause of what a VMM has written that was not taken over: its daemon died, or the disk was full.
fn take_written(context: &Context, machine: &Id, id: &Id, changes_only: bool) -> Outcome<()> {
    let _guard = context.lock_pause(id);
    context.cgroups.kill(machine, || ())?;
    let folder = paths::save(id);
    if folder.exists() {
        return Ok(());
    }
    let record = Record::read(machine).ok_or_else(|| failed("its record cannot be read"))?;
    let shape = compatibility::shape(&record)?;
    let compatibility_key = compatibility::key(context, &shape)?;
    let new = files::create_partial(&folder)?;
    let captured = capture::take(&record, &new, Purpose::Pause, changes_only)?;
    finish(&record, &new, shape, compatibility_key, captured).and_then(|()| files::commit(&new, &folder))
}

/// The manifest of a pause that is whole and can be loaded here.
///
/// # Errors
/// `snapshot-corrupt`, also when there is none.
pub fn check(context: &Context, id: &Id) -> Outcome<Manifest> {
    let manifest = unused(&paths::save(id))?;
    let vmm = context.vmm(manifest.shape.vmm);
    if !compatibility::is_loadable(context, &manifest.shape, &manifest.compatibility_key)? {
        return Err(corrupt(format!(
            "its memory was saved by another {0} or on another processor, and cannot go on with {0} {1} here",
            vmm.name(),
            vmm.version()?
        )));
    }
    Ok(manifest)
}

fn unused(folder: &Path) -> Outcome<Manifest> {
    // A name that cannot be looked at is no proof of anything.
    if folder.join(USED).symlink_metadata().map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true) {
        return Err(already_used());
    }
    Manifest::read(folder)
}

fn already_used() -> Failure {
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
        return Err(already_used());
    }
    files::write(&Path::new(&path).join(USED), b"")?;
    folder.sync_all().during(|| "note that a save is used".to_owned())
}
