//! A machine's part of the processors: a weight beside others on a busy host, and a quota that it never exceeds. The
//! controller, or its quota, may be absent: a machine then runs without it.

use crate::error::{Code, During, Failure, Outcome, failure};
use crate::jail::cgroup::files;
use crate::jail::cgroup::hierarchy::{Hierarchy, Version};
use std::fs;
use std::path::Path;

/// A quota is given out again after each period, in microseconds. The kernel's default is 100 ms, for which a machine
/// that has used up its own would stand still, and a key typed into it wait. The least quota is 1 ms.
const PERIOD_USEC: u64 = 20_000;

pub fn missing() -> Failure {
    failure(
        Code::Unsupported,
        "this host limits no processor time: its cgroups lack the cpu controller (v2: cgroup.controllers has no cpu; \
         v1: there is no cpu.cfs_quota_us)",
    )
}

/// Whether weight and quota can both be had.
pub fn is_there(version: Version, hierarchies: &[Hierarchy]) -> bool {
    match version {
        Version::V1 => {
            hierarchies.iter().any(|one| one.controller == "cpu" && one.root.join("cpu.cfs_quota_us").exists())
        }
        Version::V2 => hierarchies.iter().any(|one| {
            let offered = fs::read_to_string(one.root.join("cgroup.controllers")).unwrap_or_default();
            offered.split_whitespace().any(|name| name == "cpu")
        }),
    }
}

/// Writes what the group has files for.
pub fn write(version: Version, folder: &Path, weight: u64, quota_percent: Option<u64>) -> Outcome<()> {
    let quota = quota_percent.map(|percent| percent * PERIOD_USEC / 100);
    let files = match version {
        // The same scale as version 2's, with another number for the default.
        Version::V1 => vec![
            ("cpu.shares", (weight * 1024 / 100).max(2).to_string()),
            ("cpu.cfs_period_us", PERIOD_USEC.to_string()),
            ("cpu.cfs_quota_us", quota.map_or_else(|| "-1".to_owned(), |usec| usec.to_string())),
        ],
        Version::V2 => vec![
            ("cpu.weight", weight.to_string()),
            ("cpu.max", quota.map_or_else(|| format!("max {PERIOD_USEC}"), |usec| format!("{usec} {PERIOD_USEC}"))),
        ],
    };
    for (name, text) in files {
        let path = folder.join(name);
        if !path.exists() {
            continue;
        }
        let written = fs::write(&path, &text);
        // Version 1 refuses a quota that is larger than what an ancestor has, such as a container's, which then holds alone.
        if name == "cpu.cfs_quota_us" && written.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
        {
            files::write(&path, "-1")?;
        } else {
            written.during(|| format!("write {text} to {}", path.display()))?;
        }
    }
    Ok(())
}
