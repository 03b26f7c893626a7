//! Named points at which a test may have the daemon die as by `kill -9`.

use crate::error::note;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::OnceLock;

pub const VARIABLE: &str = "MICROTERM_FAULT";
pub const POINTS: [&str; 35] = [
    "launch.intent",
    "launch.cgroup",
    "launch.spawned",
    "launch.ready",
    "kill.signalled",
    "kill.cgroup",
    "kill.files",
    "disk.copied",
    "disk.removed",
    "template.saved",
    "template.renamed",
    "save.stopped",
    "save.ended",
    "save.written",
    "restore.loaded",
    "restore.marked",
    "network.router",
    "network.linked",
    "network.forwarding",
    "network.rules",
    "network.emptied",
    "network.unlinked",
    "slot.namespace",
    "slot.linked",
    "slot.furnished",
    "slot.claimed",
    "slot.policy",
    "member.noted",
    "member.linked",
    "member.bridge",
    "member.plugged",
    "member.left",
    "member.unplugged",
    "slot.unlinked",
    "slot.forgotten",
];
/// Where the supervisor listens for the word that the fault has struck, so that it strikes once.
pub const STRUCK_FD: i32 = 5;

static ARMED: OnceLock<String> = OnceLock::new();

/// The point asked for in the environment.
///
/// # Errors
/// Faults without `--test-faults`, or an unknown point.
pub fn asked(allowed: bool) -> Result<Option<String>, String> {
    let Ok(point) = std::env::var(VARIABLE) else { return Ok(None) };
    if !allowed {
        return Err(format!("{VARIABLE} is set, but --test-faults is not given"));
    }
    if !POINTS.contains(&point.as_str()) {
        return Err(format!("{VARIABLE}={point}: the points are {}", POINTS.join(", ")));
    }
    Ok(Some(point))
}

pub fn arm(point: String) {
    let _ = ARMED.set(point);
}

/// Ends the process here when this point is armed.
pub fn reach(point: &'static str) {
    if ARMED.get().is_none_or(|armed| armed != point) {
        return;
    }
    note(format_args!("fault {point}"));
    // SAFETY: the supervisor opened this descriptor for just this, and the process ends at the next step.
    let struck = unsafe { OwnedFd::from_raw_fd(STRUCK_FD) };
    let _ = std::fs::File::from(struck).write_all(b"!");
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    // The signal is taken on the way out of kill(2); nothing below runs.
    std::process::abort();
}
