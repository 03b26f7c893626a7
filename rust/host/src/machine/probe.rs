//! `jail.probe`: a machine as a launch from a template makes it, with a prober in the VMM's place.

use crate::context::Context;
use crate::error::{Code, During, Outcome, failure};
use crate::jail::probe::{self, Baits};
use crate::jail::sandbox::Jail;
use crate::machine::{kill, prepare};
use crate::network;
use crate::snapshot::memory_file;
use crate::spec::{Accelerator, ChannelKey, Labels, LiveLimits, MachineSpec, MemorySource, SlotName, VmmKind};
use crate::store::ids::{Id, hex};
use crate::store::{disks, files, images, paths};
use crate::vmm::interface::{Given, NetworkAccess, RESTORED_MEMORY, RESTORED_STATE, SnapshotFiles, Start};
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Size of the probe's disk and of the bait, the smallest there is.
const DISK_MIB: u64 = 64;
/// Size of what takes the place of a template's memory.
const MEMORY_BYTES: u64 = 1 << 20;

/// Runs the probe and removes all that was made for it.
///
/// # Errors
/// `not-found` without any image or the prober, `unsupported` or `internal` where there is no such VMM, or whatever a launch fails with.
pub fn run(context: &Context, kind: VmmKind) -> Outcome<Vec<Value>> {
    context.vmm(kind).version()?;
    if !Path::new(paths::PROBER).exists() {
        return Err(failure(Code::NotFound, "microterm-jail-probe does not lie beside the daemon's program"));
    }
    let Some(image) = images::list().into_iter().next() else {
        return Err(failure(Code::NotFound, "the probe needs an image, as a launch does, and none is imported"));
    };
    let (id, bait) = (fresh_id()?, fresh_id()?);
    let _guard = context.lock_machine(&id);
    // One that is handed in.
    let takes_tap = context.vmm(kind).network_access() == NetworkAccess::Tap;
    let tap = takes_tap.then(network::open_bait).flatten();
    let spec = MachineSpec {
        machine_id: id.clone(),
        image,
        disk_id: Some(id.clone()),
        memory_mib: 64,
        cpus: 1,
        accelerator: if kind == VmmKind::Firecracker { Accelerator::Kvm } else { Accelerator::Tcg },
        vmm: kind,
        channel_key: None,
        labels: Labels::default(),
        memory: MemorySource::Plain,
        limits: LiveLimits::default(),
        slot: SlotName::new(0).filter(|_| tap.is_some()),
    };
    let create_blank = |id: &Id| disks::create(id, |new| disks::clone_blank(DISK_MIB, new));
    let report = create_blank(&id)
        .and_then(|()| create_blank(&bait))
        .and_then(|()| fs::create_dir(paths::machine(&id)).during(|| "make the probe's folder".to_owned()))
        .and_then(|()| run_with(context, &spec, &bait, tap.as_ref()));
    let killed = kill::remove(context, &id);
    let removed = disks::remove(&id).and_then(|_| disks::remove(&bait));
    let report = report?;
    killed?;
    removed?;
    Ok(report)
}

fn run_with(context: &Context, spec: &MachineSpec, bait: &Id, tap: Option<&File>) -> Outcome<Vec<Value>> {
    let key = ChannelKey::try_from("0".repeat(32)).map_err(|why| failure(Code::Internal, why))?;
    let prepared = prepare::prepare(context, spec, &key)?;
    let files = SnapshotFiles { memory: sealed_memory()?, state: sealed_memory()? };
    let folder = paths::machine(&spec.machine_id);
    if context.vmm(spec.vmm).works_on_files() {
        for name in [RESTORED_MEMORY, RESTORED_STATE] {
            let file = files::create(&paths::vmm_files(&spec.machine_id).join(name))?;
            file.set_len(MEMORY_BYTES)
                .and_then(|()| file.set_permissions(Permissions::from_mode(0o444)))
                .during(|| format!("make {name}"))?;
        }
    }
    let given = Given { sockets: &prepared.sockets, network: tap.map(AsFd::as_fd) };
    let program = context.vmm(spec.vmm).program(spec, Start::Restore(&files), given)?;
    let baits = Baits { disk: bait, data: &context.options.data, folder: &folder, memory: &files.memory, tap };
    probe::run(program, &baits, |program, output| Jail {
        machine: spec.machine_id.clone(),
        program,
        image: paths::image(&spec.image),
        disk: Some(paths::disk(&spec.machine_id)),
        largest_file: DISK_MIB << 20,
        node: None,
        uid: prepared.uid,
        threads: context.vmm(spec.vmm).threads(spec),
        joins: prepared.joins.clone(),
        output,
    })
}

fn fresh_id() -> Outcome<Id> {
    let mut random = [0; 10];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .during(|| "read /dev/urandom".to_owned())?;
    Id::parse(&format!("probe{}", hex(&random))).map_err(|why| failure(Code::Internal, why))
}

/// Bytes in memory as a template's are.
fn sealed_memory() -> Outcome<File> {
    memory_file::create(c"microterm-memory", MEMORY_BYTES)
        .and_then(|file| memory_file::seal(&file).map(|()| file))
        .and_then(|file| memory_file::reopen(&file))
        .during(|| "make a bait of memory".to_owned())
}
