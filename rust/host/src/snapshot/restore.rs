//! Bringing a guest back: what a launch maps as its memory, and loading the device state into the VMM.

use crate::context::Context;
use crate::error::{Code, During, Outcome, failure};
use crate::fault;
use crate::snapshot::manifest::{self, MEMORY, Manifest, STATE};
use crate::snapshot::memory_file;
use crate::snapshot::pages::Sum;
use crate::snapshot::pauses;
use crate::snapshot::template_cache::{OpenTemplate, TemplateCache};
use crate::spec::{ChannelKey, MachineSpec, MemorySource};
use crate::store::ids::Id;
use crate::store::{disks, paths};
use crate::vmm::interface::{RESTORED_MEMORY, RESTORED_STATE, RunningVmm, SnapshotFiles, Start, Vmm};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::thread::JoinHandle;

/// Where a guest comes from.
pub enum Origin {
    Boot(ChannelKey),
    Saved(Box<Saved>),
}

pub struct Saved {
    manifest: Manifest,
    files: SnapshotFiles,
    /// Of a pause: its memory is the VMM's to open while it runs, and is still being checked.
    checked: Option<JoinHandle<Outcome<()>>>,
    /// Of a pause, which is used up when the guest goes on.
    folder: Option<File>,
}

impl Origin {
    /// Opens what is to be restored, and checks it: a template here, a pause's memory while the VMM starts. The caller
    /// holds the locks of machine and disk.
    ///
    /// # Errors
    /// `snapshot-corrupt`, or `bad-request` when it was not saved by such a machine.
    pub fn open(context: &Context, templates: &TemplateCache, spec: &MachineSpec) -> Outcome<Self> {
        let saved = match &spec.memory {
            MemorySource::Plain | MemorySource::TemplateSource => {
                let key = spec.channel_key.clone().ok_or_else(|| failure(Code::BadRequest, "a boot needs a magic"))?;
                return Ok(Self::Boot(key));
            }
            MemorySource::Template(key) => of_template(templates.open(context, key)?.as_ref())?,
            MemorySource::Save(id) => of_pause(context, id, spec)?,
        };
        check_fit(&saved.manifest, spec)?;
        Ok(Self::Saved(Box::new(saved)))
    }

    pub fn channel_key(&self) -> &ChannelKey {
        match self {
            Self::Boot(key) => key,
            Self::Saved(saved) => &saved.manifest.channel_key,
        }
    }

    pub fn start(&self) -> Start<'_> {
        match self {
            Self::Boot(key) => Start::Boot(key),
            Self::Saved(saved) => Start::Restore(&saved.files),
        }
    }

    /// Lets the machine's uid open a pause's memory. A template's is sealed, and open to all. A VMM that works on files gets
    /// both by names of the machine's own, in `folder`, which only root can enter; they stay there when the pause is removed.
    ///
    /// # Errors
    /// What the file system refused.
    pub fn hand_over(&self, vmm: &dyn Vmm, folder: &Path, uid: u32) -> Outcome<()> {
        match self {
            Self::Saved(saved) if vmm.works_on_files() => {
                let files = &saved.files;
                [(&files.memory, RESTORED_MEMORY), (&files.state, RESTORED_STATE)]
                    .into_iter()
                    .try_for_each(|(file, name)| link_for_all(file, &folder.join(name)))
                    .during(|| "give a snapshot to its machine".to_owned())
            }
            Self::Saved(saved) if saved.checked.is_some() => {
                fchown(&saved.files.memory, Some(uid), Some(uid)).during(|| "give a save to its machine".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Gives an open file of root's one more name, under which everybody may read it who gets there.
fn link_for_all(file: &File, to: &Path) -> io::Result<()> {
    if file.metadata()?.mode() & 0o777 != 0o444 {
        file.set_permissions(Permissions::from_mode(0o444))?;
    }
    // The file that was checked, whatever has its name by now.
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(AT_FDCWD, open.as_str(), AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW)?)
}

fn of_template(opened: &OpenTemplate) -> Outcome<Saved> {
    let what = || "open a template's memory".to_owned();
    Ok(Saved {
        manifest: opened.manifest.clone(),
        files: SnapshotFiles {
            memory: memory_file::reopen(&opened.memory).during(what)?,
            state: memory_file::reopen(&opened.state).during(what)?,
        },
        checked: None,
        folder: None,
    })
}

fn of_pause(context: &Context, id: &Id, spec: &MachineSpec) -> Outcome<Saved> {
    let _guard = context.lock_pause(id);
    let folder = paths::save(id);
    let manifest = pauses::check(context, id)?;
    if manifest.disk_id != spec.disk_id {
        return Err(failure(Code::BadRequest, format!("save {id} goes on with the disk it was saved with")));
    }
    // Read, checked, and thrown away: it is small, and the file is root's alone.
    manifest.read_state(&folder)?;
    let memory = manifest::open(&folder, MEMORY)?;
    let (file, digests) = (manifest::open(&folder, MEMORY)?, manifest.memory.clone());
    let check = move || manifest::check(Sum::Crc32, &file, MEMORY, &digests, |_, _| Ok(()));
    let checked = std::thread::Builder::new().name("check".to_owned()).spawn(check);
    Ok(Saved {
        files: SnapshotFiles { memory, state: manifest::open(&folder, STATE)? },
        checked: Some(checked.during(|| "start a thread".to_owned())?),
        folder: Some(File::open(&folder).during(|| format!("open save {id}"))?),
        manifest,
    })
}

fn check_fit(manifest: &Manifest, spec: &MachineSpec) -> Outcome<()> {
    let shape = &manifest.shape;
    let same = shape.image == spec.image
        && (shape.memory_mib, shape.cpus) == (spec.memory_mib, spec.cpus)
        && (shape.accelerator, shape.vmm) == (spec.accelerator, spec.vmm);
    if same && shape.network == spec.slot.is_some() && disks::size_mib(spec.disk_id.as_ref())? == shape.disk_mib {
        return Ok(());
    }
    Err(failure(
        Code::BadRequest,
        "image, memory, CPUs, accelerator, disk and network must be those of the saved machine",
    ))
}

/// Loads the saved state into a VMM that waits for it, and continues the guest. A pause is used up right before that.
///
/// # Errors
/// `snapshot-corrupt` when it does not load; the caller removes the machine.
pub fn load(running: &mut dyn RunningVmm, spec: &MachineSpec, saved: &mut Saved) -> Outcome<()> {
    let loaded = running.load(spec, &saved.files);
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
    running.run()
}
