//! The cgroup of everything a tenant runs: its limits leave the agent room to answer.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

const ROOT: &str = "/sys/fs/cgroup";
const TENANT: &str = "/sys/fs/cgroup/tenant";
/// Memory for the kernel, the agent and its rings.
const RESERVED_KIB: u64 = 48 << 10;
/// Enough for any build; far below what a kernel thread needs to be refused.
const MAX_PROCESSES: u64 = 4096;

/// Makes the cgroup; answers its `cgroup.procs`. cgroup2 must be mounted.
pub fn create() -> io::Result<OwnedFd> {
    fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory +pids")?;
    fs::create_dir_all(TENANT)?;
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let total: Option<u64> = meminfo.split_whitespace().nth(1).and_then(|field| field.parse().ok());
    let total = total.ok_or_else(|| io::Error::other("/proc/meminfo is not as expected"))?;
    let limit_kib = total.saturating_sub(RESERVED_KIB).max(total / 2);
    fs::write(format!("{TENANT}/memory.max"), (limit_kib << 10).to_string())?;
    let threads: u64 = fs::read_to_string("/proc/sys/kernel/threads-max")?.trim().parse().unwrap_or(MAX_PROCESSES);
    fs::write(format!("{TENANT}/pids.max"), MAX_PROCESSES.min(threads / 2).max(64).to_string())?;
    Ok(fs::OpenOptions::new().write(true).open(format!("{TENANT}/cgroup.procs"))?.into())
}

/// Whether no program is left in it.
pub fn is_empty() -> bool {
    fs::read_to_string(format!("{TENANT}/cgroup.events")).is_ok_and(|events| events.contains("populated 0"))
}
