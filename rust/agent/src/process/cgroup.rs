//! The cgroup of all programs of a tenant: its limits leave memory and CPU for the agent to answer.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use crate::process::memory;

const ROOT: &str = "/sys/fs/cgroup";
const TENANT: &str = "/sys/fs/cgroup/tenant";
/// A process that writes its pid here is a tenant's program.
const TENANT_PROCESSES: &str = "/sys/fs/cgroup/tenant/cgroup.procs";
/// Memory that programs cannot take, beyond what kernel and agent use when the limit is set, and besides the rings':
/// for what the kernel does not charge to a program. With less, a fork bomb ends in a global shortage, not in the cgroup.
const RESERVED_KIB: u64 = 16 << 10;
/// What a small forked process takes, its kernel's part included: fewer processes than fill the memory.
const PROCESS_KIB: u64 = 384;
/// Enough for any build, and for a shell in the smallest guest.
const PROCESSES: std::ops::RangeInclusive<u64> = 128..=4096;

/// Makes the cgroup; answers its `cgroup.procs`. cgroup2 must be mounted. `rings` are the bytes that all rings may take.
pub fn create(rings: u64) -> io::Result<OwnedFd> {
    // With the cpu controller all programs together weigh as much as the agent alone, so that it answers beside hundreds.
    fs::write(format!("{ROOT}/cgroup.subtree_control"), "+cpu +memory +pids")?;
    fs::create_dir_all(TENANT)?;
    let available = memory::available_kib()?;
    let reserved = RESERVED_KIB + (rings >> 10);
    let limit_kib = available.saturating_sub(reserved).max(available / 2);
    fs::write(format!("{TENANT}/memory.max"), (limit_kib << 10).to_string())?;
    let processes = (limit_kib / PROCESS_KIB).clamp(*PROCESSES.start(), *PROCESSES.end());
    fs::write(format!("{TENANT}/pids.max"), processes.to_string())?;
    Ok(fs::OpenOptions::new().write(true).open(TENANT_PROCESSES)?.into())
}

/// Makes the calling process, a child of PID 1, one of the tenant's programs.
pub fn enter() -> io::Result<()> {
    fs::write(TENANT_PROCESSES, "0")?;
    fs::write("/proc/self/oom_score_adj", "0")
}

/// Whether no program is left in it.
pub fn is_empty() -> bool {
    fs::read_to_string(format!("{TENANT}/cgroup.events")).is_ok_and(|events| events.contains("populated 0"))
}

/// Kills every program in it at once, also those that are about to fork. Does nothing where the kernel cannot.
pub fn kill_all() {
    let _ = fs::write(format!("{TENANT}/cgroup.kill"), "1");
}
