//! Collects every child that ends. One reaper calls waitpid(-1) for the whole process, so that PID 1's orphans are
//! collected and no other waiter takes an exit status of the agent's own programs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use microterm_wire::Ended;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// The watched processes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Reaper {
    waiting: Rc<RefCell<BTreeMap<i32, oneshot::Sender<Ended>>>>,
}

impl Reaper {
    /// Registers a child just started. The reaper runs on the same thread, so it cannot have been collected before.
    pub fn watch(&self, pid: Pid) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(pid.as_raw(), sender);
        receiver
    }

    /// Whether a watched child has not been collected yet, so that its id still means it.
    pub fn is_running(&self, pid: Pid) -> bool {
        self.waiting.borrow().contains_key(&pid.as_raw())
    }

    /// Serves until the process ends. `requested` gets every other signal of `signals`.
    pub async fn run(self, signals: SigSet, requested: impl Fn(Signal)) -> io::Result<()> {
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        // SAFETY: a SignalFd names one open descriptor for as long as it lives, and the AsyncFd owns it.
        let fd = unsafe { AsyncFd::register(fd) }?;
        self.collect();
        loop {
            let mut ready = fd.readable().await?;
            while let Some(info) = ready.get_inner().read_signal()? {
                match Signal::try_from(info.ssi_signo as i32) {
                    Ok(Signal::SIGCHLD) => {}
                    Ok(signal) => requested(signal),
                    Err(_) => {}
                }
            }
            ready.clear_ready();
            self.collect();
        }
    }

    fn collect(&self) {
        loop {
            let (pid, ended) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Ended::Code(code as u32)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Ended::Signal(signal as u32)),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(waiter) = self.waiting.borrow_mut().remove(&pid.as_raw()) {
                // It fails when the caller has been dropped.
                let _ = waiter.send(ended);
            }
        }
    }
}

/// Blocks these signals in this and all later threads, so that they reach the signalfd. Call before any thread starts.
pub fn block(signals: &[Signal]) -> SigSet {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block().expect("a valid signal set can be blocked");
    set
}

/// A reaper collects every child of its process, another test's too. Tests with a reaper hold this for reading, and those
/// that wait for a child themselves for writing.
#[cfg(test)]
pub static CHILDREN_OF_TESTS: std::sync::RwLock<()> = std::sync::RwLock::new(());
