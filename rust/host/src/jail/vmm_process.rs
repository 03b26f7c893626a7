//! Which of a machine's processes is its VMM.

use crate::jail::cgroup::Cgroups;
use crate::jail::uids;
use crate::store::ids::Id;
use std::fs;

/// The real uid of a process, if there is one with this pid (proc_pid_status(5)).
fn uid_of(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
}

/// The VMM's pid on the host: the process in the machine's cgroup that is not root's any more. Beside a Firecracker there is
/// its shim, which keeps what its guest said last when it has ended.
pub fn vmm_pid(cgroups: &Cgroups, id: &Id) -> Option<i32> {
    let is_jailed = |pid: &i32| uid_of(*pid).is_some_and(|uid| (uids::FIRST..uids::END).contains(&uid));
    let jailed: Vec<_> = cgroups.pids(id).into_iter().filter(is_jailed).collect();
    jailed.iter().copied().find(|pid| !is_shim(*pid)).or(jailed.first().copied())
}

fn is_shim(pid: i32) -> bool {
    // As the kernel cuts it (proc_pid_comm(5)).
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "microterm-host")
}
