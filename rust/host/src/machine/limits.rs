//! What a machine may take of the host, and changing it while it runs.

use crate::context::Context;
use crate::error::{Code, Outcome, failure};
use crate::jail::cgroup::Limits;
use crate::jail::vmm_process::vmm_pid;
use crate::spec::{LiveLimits, MachineSpec, MemorySource};
use crate::store::ids::Id;
use crate::store::paths;
use crate::store::records::Record;
use std::time::Duration;

/// What a machine may need of the host's memory.
pub fn memory_mib(context: &Context, spec: &MachineSpec) -> u64 {
    spec.memory_mib + context.vmm(spec.vmm).overhead(spec.accelerator).mib(spec.memory_mib, spec.cpus)
}

/// What a machine's cgroup must admit besides. The first machine that touches a page of its template's memory, be it
/// only to change its own copy, has that page charged to it as well, though all of them share it.
fn shared_mib(spec: &MachineSpec) -> u64 {
    if matches!(spec.memory, MemorySource::Template(_)) { spec.memory_mib } else { 0 }
}

pub fn of_cgroup(context: &Context, spec: &MachineSpec) -> Limits {
    let cpu = spec.limits.cpu;
    Limits {
        memory_bytes: (memory_mib(context, spec) + shared_mib(spec)) << 20,
        pids: context.vmm(spec.vmm).threads(spec),
        cpu_weight: cpu.map_or_else(|| default_weight(spec.cpus), |cpu| cpu.weight),
        cpu_quota_percent: cpu.map(|cpu| cpu.quota_percent),
    }
}

/// As much for each of its processors as any other group has, whatever number of threads its VMM makes
/// (cgroup-v2.rst, `cpu.weight`: 1 to 10,000, 100 by default).
fn default_weight(cpus: u32) -> u64 {
    (100 * u64::from(cpus)).min(10_000)
}

/// How long a VMM may take to take a limit over on a host under full load.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Changes what a machine that runs may use. The caller holds the machine's lock.
///
/// # Errors
/// `not-found` when it does not run, `unsupported` where the host limits no processors, `internal` when the VMM does not
/// answer. What comes first, the processors, may have been changed then.
pub fn change(context: &Context, machine: &Id, limits: &LiveLimits) -> Outcome<()> {
    if vmm_pid(&context.cgroups, machine).is_none() {
        return Err(failure(Code::NotFound, format!("machine {machine} does not run")));
    }
    if let Some(cpu) = &limits.cpu {
        context.cgroups.limit_cpu(machine, cpu)?;
    }
    if let Some(disk) = &limits.disk {
        let record = Record::read(machine).ok_or_else(|| failure(Code::Internal, "its record cannot be read"))?;
        let mut running = context.vmm(record.vmm).connect(&paths::machine(machine), TIMEOUT)?;
        running.limit_disk(disk, record.disk_id.is_some())?;
    }
    Ok(())
}
