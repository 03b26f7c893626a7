//! Templates: memory, device state and disk of a guest from which many machines are restored. The memory of one that is
//! used lies in a sealed file in memory, which all its machines map privately.

use crate::error::{Code, During, Outcome, failure, note};
use crate::fault;
use crate::server::daemon::Daemon;
use crate::server::locks::Held;
use crate::server::request::{Memory, ShapeArgs};
use crate::snapshot::capture::{self, failed};
use crate::snapshot::compatibility;
use crate::snapshot::manifest::{self, DISK, MEMORY, Manifest, corrupt};
use crate::snapshot::memory_file;
use crate::snapshot::pages;
use crate::snapshot::pages::Sum;
use crate::store::copy;
use crate::store::ids::{Id, TemplateKey};
use crate::store::paths;
use crate::store::records::{Record, now_unix_ms};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Its file says that the template was found damaged, so that the next daemon knows.
const CORRUPT: &str = "corrupt";
/// In a machine's folder: that it is being saved, and as what.
pub const SAVING: &str = "saving";
/// What that says of a machine that becomes a template. No save has this id: it is too short.
pub const AS_TEMPLATE: &str = "@";
/// Memory that no launch asked for in this long is given back; filling it again takes a fraction of a second.
const UNUSED: Duration = Duration::from_mins(30);

/// A template whose bytes were found right, ready for use.
pub struct Opened {
    pub manifest: Manifest,
    /// Sealed.
    pub memory: File,
    /// Sealed.
    pub state: File,
    disk: File,
    stamp: String,
    used: Mutex<Instant>,
}

#[derive(Default)]
pub struct Templates(Mutex<HashMap<TemplateKey, Arc<Opened>>>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    template: TemplateKey,
    is_built: bool,
    allocated_bytes: u64,
}

impl Templates {
    fn known(&self) -> MutexGuard<'_, HashMap<TemplateKey, Arc<Opened>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back the memory of templates that were not used for long.
    pub fn let_go(&self) {
        self.known().retain(|_, opened| opened.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < UNUSED);
    }
}

fn hold(daemon: &Daemon, key: &TemplateKey) -> Held {
    daemon.locks.hold(format!("template {key}"))
}

/// Whether a launch may try. The bytes are checked at the first use.
fn whole(daemon: &Daemon, key: &TemplateKey) -> Outcome<Manifest> {
    let folder = paths::template(key);
    if folder.join(CORRUPT).exists() {
        return Err(corrupt(format!("template {key} was found damaged; build it again")));
    }
    let manifest = Manifest::read(&folder)?;
    let runtime = daemon.runtime()?;
    let is_ours = manifest.kind == compatibility::of(&manifest.shape, &runtime)?
        && compatibility::template(&manifest.shape, &runtime)? == *key
        && manifest.disk.is_some();
    if !is_ours {
        return Err(corrupt(format!("template {key} was made with another QEMU or on another host; build it again")));
    }
    Ok(manifest)
}

/// The key for a shape, and whether there is such a template.
///
/// # Errors
/// `internal` without QEMU.
pub fn find(daemon: &Daemon, shape: &ShapeArgs) -> Outcome<(TemplateKey, bool)> {
    let key = compatibility::template(shape, &*daemon.runtime()?)?;
    let _held = hold(daemon, &key);
    let is_built = whole(daemon, &key).is_ok();
    Ok((key, is_built))
}

/// All that have a folder.
pub fn list(daemon: &Daemon) -> Vec<Listed> {
    let listed = |template: TemplateKey| Listed {
        is_built: whole(daemon, &template).is_ok(),
        allocated_bytes: manifest::allocated(&paths::template(&template)),
        template,
    };
    paths::named(&paths::templates(), TemplateKey::parse).into_iter().map(listed).collect()
}

/// Removes a template. Machines that run on it keep its memory.
///
/// # Errors
/// What the file system refused.
pub fn remove(daemon: &Daemon, key: &TemplateKey) -> Outcome<manifest::Removed> {
    let _held = hold(daemon, key);
    daemon.templates.known().remove(key);
    let folder = paths::template(key);
    manifest::remove(&[&folder, &folder.with_extension("new")])
}

/// Opens a template for use: its memory filled and sealed, and every byte checked, unless that was done before.
///
/// # Errors
/// `snapshot-corrupt`, and then the template is marked as such.
pub fn open(daemon: &Daemon, key: &TemplateKey) -> Outcome<Arc<Opened>> {
    let _held = hold(daemon, key);
    let folder = paths::template(key);
    let manifest = whole(daemon, key).inspect_err(|_| {
        daemon.templates.known().remove(key);
    })?;
    let stamp = manifest::stamp(&folder).ok_or_else(|| corrupt(format!("template {key} lacks a file")))?;
    let known = daemon.templates.known().get(key).filter(|opened| opened.stamp == stamp).map(Arc::clone);
    if let Some(opened) = known {
        *opened.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        return Ok(opened);
    }
    daemon.templates.known().remove(key);
    match fill(&folder, manifest, stamp) {
        Ok(opened) => {
            let opened = Arc::new(opened);
            daemon.templates.known().insert(key.clone(), Arc::clone(&opened));
            Ok(opened)
        }
        Err(failure) => {
            if failure.code == Code::SnapshotCorrupt {
                note(format_args!("template {key}: {failure}"));
                let _ = File::create(folder.join(CORRUPT));
            }
            Err(failure)
        }
    }
}

fn fill(folder: &Path, manifest: Manifest, stamp: String) -> Outcome<Opened> {
    let what = || "make room for a template's memory".to_owned();
    let bytes = manifest.read_state(folder)?;
    let state = memory_file::create(c"microterm-state", bytes.len() as u64).during(what)?;
    state.write_all_at(&bytes, 0).during(what)?;
    memory_file::seal(&state).during(what)?;
    let memory = memory_file::create(c"microterm-memory", manifest.shape.memory_mib << 20).during(what)?;
    let file = manifest::open(folder, MEMORY)?;
    manifest::check(Sum::Sha256, &file, MEMORY, &manifest.memory, |offset, bytes| memory.write_all_at(bytes, offset))?;
    memory_file::seal(&memory).during(what)?;
    let disk = manifest::open(folder, DISK)?;
    manifest::check(Sum::Sha256, &disk, DISK, manifest.disk.as_deref().unwrap_or_default(), |_, _| Ok(()))?;
    Ok(Opened { manifest, memory, state, disk, stamp, used: Mutex::new(Instant::now()) })
}

impl Opened {
    /// A copy of the disk, sharing blocks where the file system can.
    ///
    /// # Errors
    /// What the file system refused.
    pub fn clone_disk(&self, to: &Path) -> std::io::Result<File> {
        copy::clone_file(&self.disk, to)
    }
}

/// Makes a template out of a machine, whose lock the caller holds. Past the first checks its VMM is ended, whatever
/// comes of it.
///
/// # Errors
/// `not-found`, `bad-request`, `no-space` or `snapshot-failed`.
pub fn save(daemon: &Daemon, machine: &Id, key: &TemplateKey) -> Outcome<u64> {
    let record = Record::read(machine).ok_or_else(|| failure(Code::NotFound, format!("no machine {machine}")))?;
    let (Memory::TemplateSource, Some(disk)) = (&record.memory, &record.disk_id) else {
        return Err(failure(Code::BadRequest, format!("machine {machine} is no template source with a disk")));
    };
    let _disk = daemon.hold_disk(disk);
    let shape = compatibility::shape(&record)?;
    let runtime = daemon.runtime()?;
    if compatibility::template(&shape, &runtime)? != *key {
        return Err(failure(Code::BadRequest, format!("{key} is not the key of a template out of machine {machine}")));
    }
    let _held = hold(daemon, key);
    let folder = paths::template(key);
    let outcome = fs::write(paths::machine(machine).join(SAVING), AS_TEMPLATE)
        .during(|| "note what is being done".to_owned())
        .and_then(|()| capture::check_room(daemon, &record))
        .and_then(|()| manifest::begin(&folder))
        .and_then(|new| {
            let kind = compatibility::of(&shape, &runtime)?;
            build(daemon, &record, &new, (shape, kind)).and_then(|()| manifest::settle(&new, &folder)).inspect_err(
                |_| {
                    let _ = fs::remove_dir_all(&new);
                },
            )
        });
    let ended = daemon.cgroups.kill(machine, || ());
    outcome.and(ended).map_err(|failure| match failure.code {
        Code::NoSpace | Code::SnapshotFailed => failure,
        _ => failed(failure),
    })?;
    fault::reach("template.renamed");
    Ok(manifest::allocated(&folder))
}

fn build(daemon: &Daemon, record: &Record, new: &Path, (shape, kind): (ShapeArgs, String)) -> Outcome<()> {
    let captured = capture::capture(&mut capture::monitor(record)?, record, new, Sum::Sha256)?;
    // From here on nobody writes to the disk any more.
    daemon.cgroups.kill(&record.machine_id, || ())?;
    let disk = record.disk_id.as_ref().map(paths::disk).unwrap_or_default();
    let from =
        File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&disk).during(|| "open the disk".to_owned())?;
    let copy = copy::clone_file(&from, &new.join(DISK)).during(|| "copy the disk".to_owned())?;
    copy.sync_all().during(|| "write the disk".to_owned())?;
    let disk = pages::digest(Sum::Sha256, &copy, |_, _| Ok(())).during(|| "read the disk".to_owned())?;
    let manifest = Manifest {
        version: 1,
        kind,
        shape,
        magic: record.magic.clone(),
        disk_id: None,
        saved_unix_ms: now_unix_ms(),
        state: captured.state,
        memory: captured.memory,
        disk: Some(disk),
    };
    manifest.write(new)?;
    fault::reach("template.saved");
    Ok(())
}
