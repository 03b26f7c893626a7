//! Children of PID 1 at the boot that count as a tenant's programs. A boot waits for them for a limited time.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::process::cgroup;

/// How long such a child may take before the guest goes on without it.
const TIMEOUT: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(5);

/// Runs this in a child. Only while the process has one thread.
pub fn run(work: impl FnOnce()) -> io::Result<()> {
    // SAFETY: no other thread holds a lock that the child could need.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => finish(child, TIMEOUT),
        ForkResult::Child => {
            let status = match cgroup::enter() {
                Ok(()) => {
                    work();
                    0
                }
                Err(_) => 1,
            };
            // SAFETY: ends the child at once, without what the parent's exit would do.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Runs a program in a child. Only while the process has one thread.
pub fn run_program(command: &mut Command) -> io::Result<()> {
    // SAFETY: no other thread holds a lock that the child could need.
    let child = unsafe { command.pre_exec(cgroup::enter) }.spawn()?;
    finish(Pid::from_raw(child.id() as i32), TIMEOUT)
}

fn finish(child: Pid, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, 0) => return Ok(()),
            WaitStatus::StillAlive if Instant::now() > deadline => {
                // One that hangs in the kernel ends later; the reaper collects it then.
                let _ = kill(child, Signal::SIGKILL);
                return Err(io::ErrorKind::TimedOut.into());
            }
            WaitStatus::StillAlive => thread::sleep(INTERVAL),
            WaitStatus::Exited(_, status) => return Err(io::Error::other(format!("exit status {status}"))),
            ended => return Err(io::Error::other(format!("{ended:?}"))),
        }
    }
}

/// Text of a tenant's file, as it may be printed on the console.
pub fn printable(text: &str) -> String {
    const LENGTH: usize = 80;
    text.chars().take(LENGTH).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::{finish, printable};
    use crate::process::reaper::CHILDREN_OF_TESTS;
    use nix::unistd::Pid;
    use std::io;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};
    use std::time::Duration;

    #[test]
    fn a_child_is_waited_for_until_its_deadline() {
        let _children = CHILDREN_OF_TESTS.write();
        let start = |script: &str| Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let finish = |child: &Child, timeout| finish(Pid::from_raw(child.id() as i32), timeout);
        let forever = Duration::from_secs(60);
        assert!(finish(&start("exit 0"), forever).is_ok());
        assert_eq!(finish(&start("exit 3"), forever).unwrap_err().to_string(), "exit status 3");
        let mut hung = start("exec sleep 60");
        assert_eq!(finish(&hung, Duration::from_millis(20)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(hung.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn the_console_gets_neither_controls_nor_long_text() {
        assert_eq!(printable("a\u{1b}\n"), "a\\u{1b}\\n");
        assert_eq!(printable(&"x".repeat(1000)).len(), 80);
    }
}
