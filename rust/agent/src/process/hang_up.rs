//! The hang-up of programs whose terminal or stream was closed.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::process::reaper::Reaper;

/// How long a program may take to end after SIGHUP.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// SIGHUP to the process group of a program that still runs, SIGKILL after [`TIMEOUT`].
pub fn group(pid: Pid, reaper: &Reaper) {
    if !reaper.is_running(pid) {
        return;
    }
    // It fails when the group has just ended; then nothing is left to do.
    let _ = killpg(pid, Signal::SIGHUP);
    let _ = killpg(pid, Signal::SIGCONT);
    tokio::task::spawn_local(async move {
        sleep(TIMEOUT).await;
        let _ = killpg(pid, Signal::SIGKILL);
    });
}
