//! Bringing a guest back: what a launch maps as its memory, and loading the device state into QEMU.

use crate::error::{Code, During, Failure, Outcome, failure};
use crate::fault;
use crate::server::daemon::Daemon;
use crate::server::request::{LaunchArgs, Magic, Memory};
use crate::snapshot::manifest::{self, MEMORY, Manifest, STATE, corrupt};
use crate::snapshot::memory_file;
use crate::snapshot::pages::Sum;
use crate::snapshot::pauses;
use crate::snapshot::templates;
use crate::snapshot::templates::Opened;
use crate::store::disks;
use crate::store::ids::Id;
use crate::store::paths;
use crate::vmm::qemu::qmp::{Control, Fault};
use serde_json::json;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::fchown;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long loading may take on a host under full load. It needs some 20 ms.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a guest comes from.
pub enum Origin {
    Boot(Magic),
    Saved(Box<Saved>),
}

pub struct Saved {
    manifest: Manifest,
    /// What QEMU maps privately.
    pub memory: File,
    state: File,
    /// Of a save: its memory is QEMU's to open while it runs, and is still being checked.
    checked: Option<JoinHandle<Outcome<()>>>,
    /// Of a save, which is used up when the guest goes on.
    folder: Option<File>,
}

impl Origin {
    /// Opens what is to be restored, and checks it: a template here, a save's memory while QEMU starts. The caller
    /// holds the locks of machine and disk.
    ///
    /// # Errors
    /// `snapshot-corrupt`, or `bad-request` when it was not saved by such a machine.
    pub fn open(daemon: &Daemon, args: &LaunchArgs) -> Outcome<Self> {
        let saved = match &args.memory {
            Memory::Plain | Memory::TemplateSource => {
                let magic = args.magic.clone().ok_or_else(|| failure(Code::BadRequest, "a boot needs a magic"))?;
                return Ok(Self::Boot(magic));
            }
            Memory::Template(key) => of_template(&templates::open(daemon, key)?)?,
            Memory::Save(id) => of_save(daemon, id, args)?,
        };
        fits(&saved.manifest, args)?;
        Ok(Self::Saved(Box::new(saved)))
    }

    pub fn magic(&self) -> &Magic {
        match self {
            Self::Boot(magic) => magic,
            Self::Saved(saved) => &saved.manifest.magic,
        }
    }

    pub fn memory(&self) -> Option<&File> {
        match self {
            Self::Boot(_) => None,
            Self::Saved(saved) => Some(&saved.memory),
        }
    }

    /// Lets the machine's uid open a save's memory. A template's is sealed, and open to all.
    ///
    /// # Errors
    /// What the file system refused.
    pub fn give(&self, uid: u32) -> Outcome<()> {
        match self {
            Self::Saved(saved) if saved.checked.is_some() => {
                fchown(&saved.memory, Some(uid), Some(uid)).during(|| "give a save to its machine".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn of_template(opened: &Arc<Opened>) -> Outcome<Saved> {
    let what = || "open a template's memory".to_owned();
    Ok(Saved {
        manifest: opened.manifest.clone(),
        memory: memory_file::reopen(&opened.memory).during(what)?,
        state: memory_file::reopen(&opened.state).during(what)?,
        checked: None,
        folder: None,
    })
}

fn of_save(daemon: &Daemon, id: &Id, args: &LaunchArgs) -> Outcome<Saved> {
    let _held = pauses::hold(daemon, id);
    let folder = paths::save(id);
    let manifest = pauses::whole(daemon, id)?;
    if manifest.disk_id != args.disk_id {
        return Err(failure(Code::BadRequest, format!("save {id} goes on with the disk it was saved with")));
    }
    // Read, checked, and thrown away: it is small, and the file is root's alone.
    manifest.read_state(&folder)?;
    let memory = manifest::open(&folder, MEMORY)?;
    let (file, digests) = (manifest::open(&folder, MEMORY)?, manifest.memory.clone());
    let check = move || manifest::check(Sum::Crc32, &file, MEMORY, &digests, |_, _| Ok(()));
    let checked = std::thread::Builder::new().name("check".to_owned()).spawn(check);
    Ok(Saved {
        memory,
        state: manifest::open(&folder, STATE)?,
        checked: Some(checked.during(|| "start a thread".to_owned())?),
        folder: Some(File::open(&folder).during(|| format!("open save {id}"))?),
        manifest,
    })
}

fn fits(manifest: &Manifest, args: &LaunchArgs) -> Outcome<()> {
    let shape = &manifest.shape;
    let same = shape.image == args.image
        && (shape.memory_mib, shape.cpus, shape.accelerator) == (args.memory_mib, args.cpus, args.accelerator);
    if same && disks::size_mib(args.disk_id.as_ref())? == shape.disk_mib {
        return Ok(());
    }
    Err(failure(Code::BadRequest, "image, memory, CPUs, accelerator and disk must be those of the saved machine"))
}

/// Loads the saved state into a QEMU that waits for it, and continues the guest. A save is used up right before that.
///
/// # Errors
/// `snapshot-corrupt` when it does not load; the caller removes the machine.
pub fn load(control: &mut Control, saved: &mut Saved) -> Outcome<()> {
    control.allow(PATIENCE);
    let loaded = start(control, saved);
    // Also when that failed: the machine must not be removed while its memory is read.
    let checked = saved.checked.take().map_or(Ok(()), |thread| {
        thread.join().unwrap_or_else(|_| Err(failure(Code::Internal, "the check of a save failed")))
    });
    checked?;
    loaded?;
    fault::reach("restore.loaded");
    if let Some(folder) = &saved.folder {
        pauses::use_up(folder)?;
        fault::reach("restore.marked");
    }
    control.execute("cont", &json!({})).map_err(refusal)?;
    Ok(())
}

fn start(control: &mut Control, saved: &Saved) -> Outcome<()> {
    control.prepare_migration().map_err(refusal)?;
    control.give(saved.state.as_fd(), "state").map_err(refusal)?;
    control.execute("migrate-incoming", &json!({ "uri": "fd:state" })).map_err(refusal)?;
    if control.migrated().map_err(refusal)? { Ok(()) } else { Err(corrupt("QEMU does not take the saved state")) }
}

fn refusal(fault: Fault) -> Failure {
    match fault {
        Fault::Late => failure(Code::Internal, "QEMU did not load the saved state in time"),
        Fault::Broken(why) => corrupt(format!("the saved state does not load: {why}")),
    }
}
