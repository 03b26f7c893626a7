//! The guest's memory, as /proc/meminfo has it.

use std::fs;
use std::io;

pub fn total_kib() -> io::Result<u64> {
    kib("MemTotal:")
}

/// What programs can still take without swapping.
pub fn available_kib() -> io::Result<u64> {
    kib("MemAvailable:")
}

fn kib(name: &str) -> io::Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| io::Error::other("/proc/meminfo is not as expected"))
}
