//! What the host has, and has left.

use crate::error::{During, Outcome};
use crate::store::paths;
use nix::sys::statvfs::statvfs;
use serde::Serialize;
use std::fs;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    total_mib: u64,
    available_mib: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    total_mib: u64,
    free_mib: u64,
}

#[derive(Serialize)]
pub struct Resources {
    memory: Memory,
    disk: Disk,
    cpus: usize,
}

fn meminfo(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Memory that new machines can have without swapping out others, in MiB (`MemAvailable` of proc_meminfo(5)).
pub fn available_mib() -> u64 {
    meminfo(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable") / 1024
}

/// # Errors
/// What the system refused.
pub fn read() -> Outcome<Resources> {
    let text = fs::read_to_string("/proc/meminfo").during(|| "read /proc/meminfo".to_owned())?;
    let found = statvfs(&paths::host()).during(|| "ask for free space".to_owned())?;
    let mib = |blocks: u64| (blocks * found.fragment_size()) >> 20;
    Ok(Resources {
        memory: Memory {
            total_mib: meminfo(&text, "MemTotal") / 1024,
            available_mib: meminfo(&text, "MemAvailable") / 1024,
        },
        disk: Disk { total_mib: mib(found.blocks()), free_mib: mib(found.blocks_available()) },
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_meminfo_by_its_whole_name() {
        let text = "MemTotal:  2048 kB\nMemAvailable:   1024 kB\n";
        assert_eq!((meminfo(text, "MemTotal"), meminfo(text, "MemAvailable"), meminfo(text, "Mem")), (2048, 1024, 0));
    }
}
