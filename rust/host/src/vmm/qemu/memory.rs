//! What QEMU takes of the host's memory besides its guest's.

use crate::spec::Accelerator;
use crate::vmm::interface::Overhead;

/// Size of TCG's buffer of translated code. QEMU would take up to a gigabyte.
pub const TB_SIZE_MIB: u64 = 96;
/// What QEMU itself needs, with room for the page cache of its disk.
const OWN_MIB: u64 = 160;
/// Software TLBs under TCG, which grow with what the guest touches: one MiB for so many of the guest's, and so many a CPU.
const TLB_DIVISOR: u64 = 16;
const TLB_CPU_MIB: u64 = 8;

pub fn overhead(accelerator: Accelerator) -> Overhead {
    match accelerator {
        Accelerator::Tcg => {
            Overhead { fixed_mib: OWN_MIB + TB_SIZE_MIB, cpu_mib: TLB_CPU_MIB, memory_divisor: Some(TLB_DIVISOR) }
        }
        Accelerator::Kvm => Overhead { fixed_mib: OWN_MIB, cpu_mib: 0, memory_divisor: None },
    }
}
