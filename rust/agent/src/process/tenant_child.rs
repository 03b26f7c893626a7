//! Children of PID 1 at the boot that count as a tenant's programs, and that a boot waits for only so long.

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
const PATIENCE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(5);

/// Runs this in a child. Only while the process has one thread.
pub fn run(work: impl FnOnce()) -> io::Result<()> {
    // SAFETY: no other thread holds a lock that the child could need.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => finish(child, PATIENCE),
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
    finish(Pid::from_raw(child.id() as i32), PATIENCE)
}

fn finish(child: Pid, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, 0) => return Ok(()),
            WaitStatus::StillAlive if Instant::now() > deadline => {
                // One that hangs in the kernel does not go; the reaper takes it when it does.
                let _ = kill(child, Signal::SIGKILL);
                return Err(io::ErrorKind::TimedOut.into());
            }
            WaitStatus::StillAlive => thread::sleep(INTERVAL),
            WaitStatus::Exited(_, status) => return Err(io::Error::other(format!("exit status {status}"))),
            ended => return Err(io::Error::other(format!("{ended:?}"))),
        }
    }
}

/// A word of a tenant's file, as it may be shown on the console.
pub fn shown(text: &str) -> String {
    const LENGTH: usize = 80;
    text.chars().take(LENGTH).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::{finish, shown};
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
        let finish = |child: &Child, patience| finish(Pid::from_raw(child.id() as i32), patience);
        let forever = Duration::from_secs(60);
        assert!(finish(&start("exit 0"), forever).is_ok());
        assert_eq!(finish(&start("exit 3"), forever).unwrap_err().to_string(), "exit status 3");
        let mut hung = start("exec sleep 60");
        assert_eq!(finish(&hung, Duration::from_millis(20)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(hung.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn the_console_gets_neither_controls_nor_long_words() {
        assert_eq!(shown("a\u{1b}\n"), "a\\u{1b}\\n");
        assert_eq!(shown(&"x".repeat(1000)).len(), 80);
    }
}
