//! Which hierarchies this host offers, read from /proc/self/mountinfo (proc_pid_mountinfo(5)).

use crate::jail::cgroup::hierarchy::{Hierarchy, Version};
use std::fs;
use std::path::PathBuf;

/// Those that are used on version 1; the first two are needed, the others are taken where they are.
const CONTROLLERS: [&str; 5] = ["memory", "pids", "freezer", "cpu", "cpuacct"];

struct Mount<'a> {
    at: PathBuf,
    kind: &'a str,
    options: &'a str,
}

fn mounts(text: &str) -> impl Iterator<Item = Mount<'_>> {
    text.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let mut source = source.split(' ');
        let at = PathBuf::from(mount.split(' ').nth(4)?);
        Some(Mount { at, kind: source.next()?, options: source.nth(1)? })
    })
}

pub fn hierarchies(mountinfo: &str) -> (Option<Version>, Vec<Hierarchy>) {
    let unified = mounts(mountinfo).find(|mount| mount.kind == "cgroup2").filter(|mount| {
        let offered = fs::read_to_string(mount.at.join("cgroup.controllers")).unwrap_or_default();
        ["memory", "pids"].iter().all(|needed| offered.split_whitespace().any(|name| name == *needed))
    });
    if let Some(mount) = unified {
        return (Some(Version::V2), vec![Hierarchy { controller: "", root: mount.at }]);
    }
    let mut found: Vec<Hierarchy> = Vec::new();
    for controller in CONTROLLERS {
        let has = |mount: &Mount<'_>| mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller);
        // `cpu` and `cpuacct` are most often one hierarchy, with one group for both.
        let mount =
            mounts(mountinfo).find(has).filter(|mount| controller != "cpuacct" || cpu(&found) != Some(&mount.at));
        if let Some(mount) = mount {
            found.push(Hierarchy { controller, root: mount.at });
        }
    }
    let has = |controller: &str| found.iter().any(|one| one.controller == controller);
    if has("memory") && has("pids") { (Some(Version::V1), found) } else { (None, Vec::new()) }
}

fn cpu(found: &[Hierarchy]) -> Option<&PathBuf> {
    found.iter().find(|one| one.controller == "cpu").map(|one| &one.root)
}

/// User and system time of a process and all its threads, in microseconds (proc_pid_stat(5), fields 14 and 15).
pub fn cpu_usec(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // A tick is 1/100 s in every Linux ABI that counts for us.
    ticks * 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids
";

    #[test]
    fn finds_version_1_by_its_controllers() {
        let (version, found) = hierarchies(V1);
        assert_eq!(version, Some(Version::V1));
        let roots: Vec<_> = found.iter().map(|one| (one.controller, one.root.to_str().unwrap())).collect();
        let expected = [
            ("memory", "/sys/fs/cgroup/memory"),
            ("pids", "/sys/fs/cgroup/pids"),
            ("cpu", "/sys/fs/cgroup/cpu,cpuacct"),
        ];
        assert_eq!(roots, expected);
    }

    #[test]
    fn without_memory_or_pids_there_is_none() {
        assert_eq!(hierarchies(V1.lines().next().unwrap()).0, None);
        assert_eq!(hierarchies("").0, None);
    }

    #[test]
    fn reads_own_cpu_time() {
        let mut sum = 0u64;
        while cpu_usec(std::process::id().cast_signed()) == 0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
