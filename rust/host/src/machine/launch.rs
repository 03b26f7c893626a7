//! Launching a machine. First the intent is on disk, then each thing that bears the machine's id is made; a failure
//! at any step removes all of them, and a crash leaves them to `machine.kill`.

use crate::context::Context;
use crate::error::{Code, During, Outcome, failure};
use crate::fault;
use crate::jail::sandbox::{Jail, create_node};
use crate::jail::vmm_process::vmm_pid;
use crate::machine::prepare::prepare;
use crate::machine::{disk_use, kill, limits, resources, stderr_log};
use crate::network::Network;
use crate::snapshot::restore::{self, Origin};
use crate::snapshot::template_cache::TemplateCache;
use crate::spec::{ChannelKey, MachineSpec, SlotName};
use crate::store::{images, paths};
use crate::vmm::interface::{Given, NetworkAccess, Vmm};
use serde::Serialize;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How long a VMM may take until it answers. QEMU needs 0.1 s; a machine under full load, many times that.
const START_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Serialize)]
pub struct Launched {
    pid: i32,
    uid: u32,
    /// The guest channel's, which a restored guest keeps from when it was saved.
    #[serde(rename = "magic")]
    channel_key: ChannelKey,
}

/// Launches a machine.
///
/// # Errors
/// `exists`, `not-found` (image, disk or slot), `busy` (disk or slot), `no-memory`, `image-corrupt`, or `internal` with what the VMM
/// said last.
pub fn launch(
    context: &Context,
    templates: &TemplateCache,
    network: &Network,
    spec: &MachineSpec,
) -> Outcome<Launched> {
    let _machine = context.lock_machine(&spec.machine_id);
    let disk_guard = spec.disk_id.as_ref().map(|disk| context.lock_disk(disk));
    check(context, spec)?;
    let mut origin = Origin::open(context, templates, spec)?;
    fs::create_dir(paths::machine(&spec.machine_id)).during(|| format!("make the folder of {}", spec.machine_id))?;
    let outcome = start(context, network, spec, &mut origin);
    if outcome.is_err() {
        // The disk is locked here, and `kill` takes that lock itself.
        drop(disk_guard);
        let _ = kill::remove(context, &spec.machine_id);
    }
    outcome
}

fn check(context: &Context, spec: &MachineSpec) -> Outcome<()> {
    let id = &spec.machine_id;
    let folder = paths::machine(id);
    if folder.symlink_metadata().is_ok() || context.cgroups.machines().contains(id) {
        return Err(failure(Code::Exists, format!("machine {id} exists")));
    }
    if context.is_corrupt(&spec.image) {
        return Err(failure(Code::ImageCorrupt, format!("image {} failed its verification", spec.image)));
    }
    context.vmm(spec.vmm).check(spec)?;
    images::check_sizes(&spec.image)?;
    if let Some(disk) = &spec.disk_id {
        if paths::disk(disk).symlink_metadata().is_err() {
            return Err(failure(Code::NotFound, format!("there is no disk {disk}")));
        }
        if let Some(user) = disk_use::user_of(disk) {
            return Err(failure(Code::Busy, format!("disk {disk} is used by machine {user}")));
        }
    }
    let (needed, available) = (limits::memory_mib(context, spec), resources::available_mib());
    if needed > available {
        return Err(failure(
            Code::NoMemory,
            format!("the machine may need {needed} MiB, and the host has {available} available"),
        ));
    }
    Ok(())
}

fn start(context: &Context, network: &Network, spec: &MachineSpec, origin: &mut Origin) -> Outcome<Launched> {
    let id = &spec.machine_id;
    let folder = paths::machine(id);
    // Before anything is made: where the VMM is missing, this says so.
    let vmm = context.vmm(spec.vmm);
    vmm.version()?;
    let mut prepared = prepare(context, spec, origin.channel_key())?;
    origin.hand_over(vmm, &paths::vmm_files(id), prepared.uid)?;
    let entry = spec.slot.map(|slot| enter(network, vmm, spec, slot, prepared.uid)).transpose()?;
    let disk = spec.disk_id.as_ref().map(paths::disk);
    let disk_bytes = disk.as_ref().and_then(|disk| disk.symlink_metadata().ok()).map_or(0, |found| found.len());
    let saved_bytes = if vmm.works_on_files() { spec.memory_mib << 20 } else { 0 };
    let output = stderr_log::create(&folder)?;
    let pouring = stderr_log::pour(&folder)?;
    let jail = Jail {
        machine: id.clone(),
        program: vmm.program(
            spec,
            origin.start(),
            Given { sockets: &prepared.sockets, network: entry.as_ref().map(AsFd::as_fd) },
        )?,
        image: paths::image(&spec.image),
        disk,
        largest_file: disk_bytes.max(saved_bytes),
        node: create_node(&paths::node(id), spec.accelerator, prepared.uid)?,
        uid: prepared.uid,
        threads: vmm.threads(spec),
        joins: std::mem::take(&mut prepared.joins),
        output,
    };
    jail.start()?;
    drop(jail);
    drop((prepared.sockets, entry));
    fault::reach("launch.spawned");
    if let Err(why) = begin(context, spec, origin) {
        let _ = context.cgroups.kill(id, || ());
        // With the VMM dead the FIFO has ended, and all it said is in the log.
        let _ = pouring.join();
        let said = stderr_log::tail(&folder);
        return Err(failure(why.code, format!("{why}; it said: {said}")));
    }
    // The mount in the jail keeps the node.
    let _ = fs::remove_file(paths::node(id));
    let pid = vmm_pid(&context.cgroups, id).ok_or_else(|| failure(Code::Internal, "the VMM ended at once"))?;
    prepared.record.pid = Some(pid);
    prepared.record.write()?;
    fault::reach("launch.ready");
    Ok(Launched { pid, uid: prepared.uid, channel_key: prepared.record.channel_key })
}

/// Opens a machine's slot for its VMM.
fn enter(network: &Network, vmm: &dyn Vmm, spec: &MachineSpec, slot: SlotName, uid: u32) -> Outcome<OwnedFd> {
    match vmm.network_access() {
        NetworkAccess::Tap => network.open_tap(&spec.machine_id, slot).map(OwnedFd::from),
        NetworkAccess::Namespace => Ok(network.hand_over_tap(&spec.machine_id, slot, uid)?.namespace),
    }
}

/// Waits until the VMM answers, limits it, and has it load what is to be restored.
fn begin(context: &Context, spec: &MachineSpec, origin: &mut Origin) -> Outcome<()> {
    let mut running = context.vmm(spec.vmm).connect(&paths::machine(&spec.machine_id), START_TIMEOUT)?;
    if let Some(disk) = &spec.limits.disk {
        running.limit_disk(disk, spec.disk_id.is_some())?;
    }
    match origin {
        Origin::Boot(key) => running.boot(spec, key),
        Origin::Saved(saved) => restore::load(running.as_mut(), spec, saved),
    }
}
