//! The compatibility key: what a snapshot can be loaded into. It is tied to the VMM's build, machine and devices, to the
//! accelerator, and, for the guest in it, to its kernel and the clock it was booted with.

use crate::context::Context;
use crate::error::{Code, Outcome, failure};
use crate::spec::{Accelerator, Labels, LiveLimits, MachineSpec, MemorySource, Shape, SlotName};
use crate::store::disks;
use crate::store::ids::{Id, TemplateKey, hex};
use crate::store::records::Record;
use crate::vmm::interface::Compatibility;
use sha2::{Digest, Sha256};
use std::fs;

/// Changes when files of older daemons cannot be used any more.
const FORMAT: u32 = 1;
/// Digits of a template's key: 128 bits.
const DIGITS: usize = 32;

/// The host's processor, as far as a guest depends on it: a guest under TCG reads the host's time stamp counter, and
/// one under KVM has the host's features as well.
fn processor(accelerator: Accelerator) -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or("").to_owned();
    match accelerator {
        Accelerator::Tcg => of("model name"),
        Accelerator::Kvm => of("model name") + &of("flags"),
    }
}

/// A machine of this shape with all that tells one from another taken out.
///
/// # Errors
/// Not of itself.
pub fn typical(shape: &Shape) -> Outcome<MachineSpec> {
    let id = Id::parse("anymachine").map_err(|why| failure(Code::Internal, why))?;
    Ok(MachineSpec {
        disk_id: (shape.disk_mib > 0).then(|| id.clone()),
        machine_id: id,
        image: shape.image.clone(),
        memory_mib: shape.memory_mib,
        cpus: shape.cpus,
        accelerator: shape.accelerator,
        vmm: shape.vmm,
        channel_key: None,
        labels: Labels::default(),
        memory: MemorySource::Plain,
        limits: LiveLimits::default(),
        slot: SlotName::new(0).filter(|_| shape.network),
    })
}

/// The key out of all that it depends on.
pub fn digest(shape: &Shape, vmm: &Compatibility, processor: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{FORMAT}\n{}\n{processor}\n{}\n{}", vmm.build, shape.image, vmm.machine));
    hex(&hash.finalize())
}

/// Names the machines that can load what one of this shape saves.
///
/// # Errors
/// `internal` without the VMM.
pub fn key(context: &Context, shape: &Shape) -> Outcome<String> {
    let vmm = context.vmm(shape.vmm).compatibility(&typical(shape)?)?;
    Ok(digest(shape, &vmm, &processor(shape.accelerator)))
}

/// Whether a snapshot of this shape that has such a key can be loaded, also where an earlier release saved it.
///
/// # Errors
/// `internal` without the VMM.
pub fn is_loadable(context: &Context, shape: &Shape, key_of_snapshot: &str) -> Outcome<bool> {
    if key(context, shape)? == key_of_snapshot {
        return Ok(true);
    }
    let earlier = context.vmm(shape.vmm).earlier_compatibility(&typical(shape)?)?;
    Ok(earlier.is_some_and(|vmm| digest(shape, &vmm, &processor(shape.accelerator)) == key_of_snapshot))
}

/// The key of a template of this shape, whose compatibility key is given.
///
/// # Errors
/// Not of itself.
pub fn template_key_of(shape: &Shape, key: &str) -> Outcome<TemplateKey> {
    let whole = hex(&Sha256::digest(format!("{key}\n{}", shape.disk_mib)));
    TemplateKey::parse(&whole[..DIGITS]).map_err(|why| failure(Code::Internal, why))
}

/// The key of a template of this shape on this host, today.
///
/// # Errors
/// As `key`.
pub fn template_key(context: &Context, shape: &Shape) -> Outcome<TemplateKey> {
    template_key_of(shape, &key(context, shape)?)
}

/// The shape of a machine that runs.
///
/// # Errors
/// When its disk cannot be looked at.
pub fn shape(record: &Record) -> Outcome<Shape> {
    Ok(Shape {
        image: record.image.clone(),
        memory_mib: record.memory_mib,
        cpus: record.cpus,
        disk_mib: disks::size_mib(record.disk_id.as_ref())?,
        accelerator: record.accelerator,
        vmm: record.vmm,
        network: record.slot.is_some(),
    })
}
