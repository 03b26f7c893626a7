//! The guest's use of CPU, memory, disk: read from /proc and statvfs(3) at each call.

use std::fs;
use std::io;
use std::time::Instant;

use nix::sys::statvfs::statvfs;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::error::{CallError, CallResult, Code};
use crate::process::memory;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    uptime_ms: u64,
    cpu: Cpu,
    memory: Memory,
    disk: Disk,
    processes: usize,
    load1: f64,
}

/// Sums over all CPUs since boot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cpu {
    user_ms: u64,
    system_ms: u64,
    idle_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    total_kib: u64,
    available_kib: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    total_kib: u64,
    free_kib: u64,
}

/// Reads all. `Internal` where /proc is missing or not as proc(5) says.
pub fn read(started: Instant) -> CallResult<Metrics> {
    let meminfo = |error: io::Error| CallError::io("/proc/meminfo", &error);
    let root = statvfs("/").map_err(|error| CallError::io("statvfs /", &error.into()))?;
    let block_kib = |blocks: u64| blocks.saturating_mul(root.fragment_size()) / 1024;
    let load = proc_file("/proc/loadavg")?;
    Ok(Metrics {
        uptime_ms: uptime_ms(started),
        cpu: cpu(&proc_file("/proc/stat")?).ok_or_else(|| malformed("/proc/stat"))?,
        memory: Memory {
            total_kib: memory::total_kib().map_err(meminfo)?,
            available_kib: memory::available_kib().map_err(meminfo)?,
        },
        disk: Disk { total_kib: block_kib(root.blocks()), free_kib: block_kib(root.blocks_available()) },
        processes: processes()?,
        load1: load.split(' ').next().and_then(|first| first.parse().ok()).ok_or_else(|| malformed("/proc/loadavg"))?,
    })
}

/// Since the guest's boot; since the agent's start where the clock cannot be read.
pub fn uptime_ms(started: Instant) -> u64 {
    match clock_gettime(ClockId::CLOCK_BOOTTIME) {
        Ok(time) => time.tv_sec() as u64 * 1000 + time.tv_nsec() as u64 / 1_000_000,
        Err(_) => started.elapsed().as_millis() as u64,
    }
}

fn proc_file(path: &str) -> CallResult<String> {
    fs::read_to_string(path).map_err(|error| CallError::io(path, &error))
}

fn malformed(path: &str) -> CallError {
    CallError::new(Code::Internal, format!("{path} is not as expected"))
}

/// The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, … in ticks of 10 ms (USER_HZ is 100).
fn cpu(stat: &str) -> Option<Cpu> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, ..] = ticks[..] else { return None };
    Some(Cpu { user_ms: (user + nice) * 10, system_ms: (system + irq + softirq) * 10, idle_ms: (idle + iowait) * 10 })
}

fn processes() -> CallResult<usize> {
    let entries = fs::read_dir("/proc").map_err(|error| CallError::io("/proc", &error))?;
    let is_process = |name: &std::ffi::OsStr| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    Ok(entries.filter_map(Result::ok).filter(|entry| is_process(&entry.file_name())).count())
}
