//! What a machine may take of the host.

use crate::context::Context;
use crate::jail::cgroup::Limits;
use crate::spec::{MachineSpec, MemorySource};

/// What a machine may need of the host's memory.
pub fn memory_mib(context: &Context, spec: &MachineSpec) -> u64 {
    spec.memory_mib + context.vmm.overhead(spec.accelerator).mib(spec.memory_mib, spec.cpus)
}

/// What a machine's cgroup must admit besides. The first machine that touches a page of its template's memory, be it
/// only to change its own copy, has that page charged to it as well, though all of them share it.
fn shared_mib(spec: &MachineSpec) -> u64 {
    if matches!(spec.memory, MemorySource::Template(_)) { spec.memory_mib } else { 0 }
}

pub fn of_cgroup(context: &Context, spec: &MachineSpec) -> Limits {
    Limits {
        memory_bytes: (memory_mib(context, spec) + shared_mib(spec)) << 20,
        pids: context.vmm.threads(spec),
        cpus: spec.cpus,
    }
}
