//! What a saved memory can be loaded into: QEMU's stream is tied to its build, the machine type, the CPU model, the
//! devices in their order, and the accelerator; the guest in it, to its kernel and the clock it was booted with.

use crate::error::{Code, Outcome, failure};
use crate::server::request::{Accelerator, Labels, LaunchArgs, Magic, Memory, ShapeArgs};
use crate::store::disks;
use crate::store::ids::{Id, TemplateKey, hex};
use crate::store::records::Record;
use crate::vmm::qemu::command_line;
use crate::vmm::qemu::runtime::Runtime;
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

/// A launch with all that tells machines of one kind apart taken out.
fn typical(shape: &ShapeArgs) -> Outcome<LaunchArgs> {
    let wrong = |why: String| failure(Code::Internal, why);
    let id = Id::parse("anymachine").map_err(wrong)?;
    Ok(LaunchArgs {
        disk_id: (shape.disk_mib > 0).then(|| id.clone()),
        machine_id: id,
        image: shape.image.clone(),
        memory_mib: shape.memory_mib,
        cpus: shape.cpus,
        accelerator: shape.accelerator,
        magic: None,
        labels: Labels::default(),
        memory: Memory::Plain,
    })
}

/// Names the machines that can load what one of this shape saves.
///
/// # Errors
/// Not of itself.
pub fn of(shape: &ShapeArgs, runtime: &Runtime) -> Outcome<String> {
    let mut hash = Sha256::new();
    let launch = typical(shape)?;
    let magic = Magic::try_from("0".repeat(32)).map_err(|why| failure(Code::Internal, why))?;
    hash.update(format!("{FORMAT}\n{}\n{}\n{}\n", runtime.identity, processor(shape.accelerator), shape.image));
    for word in command_line::devices(&launch, runtime) {
        hash.update(word + "\n");
    }
    // The rate of the clock is measured and never quite the same; that of one model of processor is.
    hash.update(command_line::kernel_line(&launch, &magic, 0));
    Ok(hex(&hash.finalize()))
}

/// The key of a template of this shape on this host, today.
///
/// # Errors
/// As `of`.
pub fn template(shape: &ShapeArgs, runtime: &Runtime) -> Outcome<TemplateKey> {
    let whole = hex(&Sha256::digest(format!("{}\n{}", of(shape, runtime)?, shape.disk_mib)));
    TemplateKey::parse(&whole[..DIGITS]).map_err(|why| failure(Code::Internal, why))
}

/// The shape of a machine that runs.
///
/// # Errors
/// When its disk cannot be looked at.
pub fn shape(record: &Record) -> Outcome<ShapeArgs> {
    Ok(ShapeArgs {
        image: record.image.clone(),
        memory_mib: record.memory_mib,
        cpus: record.cpus,
        disk_mib: disks::size_mib(record.disk_id.as_ref())?,
        accelerator: record.accelerator,
    })
}
