//! What the daemon asks of a VMM.
//!
//! A **program** is what a machine's jail runs: the VMM with its arguments, its files of the host, and the descriptors
//! that are handed in. The daemon has bound the VMM's **sockets** before, so that it never sees the machine's folder.
//! Image and disk lie in every jail at the places that `jail::layout` names.
//!
//! A guest **boots**, or it is **restored** from the two files of a snapshot: its memory, a sparse file of the guest's
//! size that can be mapped, and its device state, in a format of the VMM's own. What a VMM saved, another can load when
//! their **compatibility** is the same.
//!
//! A boot: `program`, the jail, `connect`, `boot`. A restore: `program`, the jail, `connect`, `load`, `run`. A save: `connect`,
//! `save`, and the end of the process; `resume` when it failed. The daemon ends a VMM by its cgroup and asks none to go.
//!
//! A VMM is hostile once its guest has run: nothing that it says may be believed, and every wait has an end.

use crate::error::Outcome;
use crate::jail::sandbox::Program;
use crate::spec::{Accelerator, ChannelKey, DiskLimits, MachineSpec};
use serde::Serialize;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// A socket in a machine's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    pub name: &'static str,
    pub owner: SocketOwner,
}

/// Who may connect to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOwner {
    Server,
    Daemon,
}

/// How a VMM comes to the network of a machine's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkAccess {
    /// By the open tap, from a namespace without any device.
    Tap,
    /// In the slot's namespace, where it opens the tap itself.
    Namespace,
}

/// What the daemon has opened for a VMM.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Those of `Vmm::sockets`, in that order.
    pub sockets: &'a [UnixListener],
    /// As `Vmm::network_access` says; there exactly where the machine has a slot.
    pub network: Option<BorrowedFd<'a>>,
}

/// How a guest comes to run.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Boot(&'a ChannelKey),
    Restore(&'a SnapshotFiles),
}

/// What a guest is restored from, open for reading.
pub struct SnapshotFiles {
    pub memory: File,
    pub state: File,
}

/// In `paths::vmm_files` of a machine whose VMM `works_on_files`: what its guest was restored from, which nobody writes to, and what
/// it saves to, which is the machine's uid's from the start.
pub const RESTORED_MEMORY: &str = "restored.memory";
pub const RESTORED_STATE: &str = "restored.state";
pub const SAVED_MEMORY: &str = "saved.memory";
pub const SAVED_STATE: &str = "saved.state";

/// Where a save has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// To the files that were asked for.
    InPlace,
    /// To those in the machine's folder, which the VMM can write to as long as it lives.
    InMachine,
}

/// How long a save may take: a minute, and a second for each 16 MiB, of which any disk takes many more.
pub fn save_timeout(memory_mib: u64) -> Duration {
    Duration::from_mins(1) + Duration::from_secs(memory_mib / 16)
}

/// What a save writes, none of which is there yet.
pub struct SaveFiles<'a> {
    pub memory: &'a Path,
    pub state: &'a Path,
    pub memory_mib: u64,
    /// Of the memory, only what has changed since it was loaded: for a VMM that was told that it may be saved again.
    pub changes_only: bool,
    /// Called with a number of bytes before so many are written, but by a VMM that works on files. An error of it ends the save.
    pub before_write: &'a dyn Fn(u64) -> io::Result<()>,
}

/// What a VMM needs of the host's memory besides its guest's: `fixedMib`, `cpuMib` for each CPU, and one MiB for each
/// `memoryDivisor` of the guest's, the last of them rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overhead {
    pub fixed_mib: u64,
    pub cpu_mib: u64,
    /// `None` where it does not grow with the guest's memory.
    pub memory_divisor: Option<u64>,
}

impl Overhead {
    pub fn mib(&self, memory_mib: u64, cpus: u32) -> u64 {
        let share = self.memory_divisor.map_or(0, |divisor| memory_mib.div_ceil(divisor));
        self.fixed_mib + self.cpu_mib * u64::from(cpus) + share
    }
}

/// What a snapshot is tied to, as text that is the same exactly where a snapshot can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatibility {
    /// Of the VMM and all that is built with it.
    pub build: String,
    /// Of the machine: processor, memory, devices in their order, and what the guest's kernel was told.
    pub machine: String,
}

pub trait Vmm: Send + Sync {
    /// For a person.
    fn name(&self) -> &'static str;

    /// The name of its processes, as the kernel cuts it (proc_pid_comm(5)).
    fn process_name(&self) -> &'static str;

    /// The version that is installed now, for a person.
    ///
    /// # Errors
    /// `internal` with what is missing on this host.
    fn version(&self) -> Outcome<String>;

    fn overhead(&self, accelerator: Accelerator) -> Overhead;

    /// Most processes and threads of one machine.
    fn threads(&self, spec: &MachineSpec) -> u64;

    /// What the daemon binds in a machine's folder before the VMM starts.
    fn sockets(&self) -> &'static [Socket];

    fn network_access(&self) -> NetworkAccess;

    /// Whether it opens what it restores from and saves to by their paths in its jail.
    fn works_on_files(&self) -> bool;

    /// Whether it can run such a machine at all.
    ///
    /// # Errors
    /// `bad-request` with why not.
    fn check(&self, spec: &MachineSpec) -> Outcome<()>;

    /// What a machine's jail runs.
    ///
    /// # Errors
    /// As `version`.
    fn program<'a>(&self, spec: &MachineSpec, start: Start<'a>, given: Given<'a>) -> Outcome<Program<'a>>;

    /// What a snapshot of such a machine is tied to. It depends on no id, key or clock.
    ///
    /// # Errors
    /// As `version`.
    fn compatibility(&self, spec: &MachineSpec) -> Outcome<Compatibility>;

    /// What earlier releases tied snapshots of such a machine to that this one loads all the same.
    ///
    /// # Errors
    /// As `version`.
    fn earlier_compatibility(&self, spec: &MachineSpec) -> Outcome<Option<Compatibility>>;

    /// Connects to the VMM of a machine, of which the folder is given, and waits until it answers.
    ///
    /// # Errors
    /// `internal` when it has ended, or does not answer in time.
    fn connect(&self, folder: &Path, timeout: Duration) -> Outcome<Box<dyn RunningVmm>>;
}

/// A VMM that runs.
pub trait RunningVmm {
    /// Limits the guest's block devices, all of them together. Nothing that a guest sees or a snapshot holds depends on it.
    ///
    /// # Errors
    /// `internal` when it does not answer, or refuses.
    fn limit_disk(&mut self, limits: &DiskLimits, has_disk: bool) -> Outcome<()>;

    /// Boots the guest of a VMM that was started to boot one.
    ///
    /// # Errors
    /// `internal` with what the VMM says.
    fn boot(&mut self, spec: &MachineSpec, key: &ChannelKey) -> Outcome<()>;

    /// Stops the guest, reaches the fault point `save.stopped`, and writes memory and device state. Whatever this answers, the
    /// guest is stopped.
    ///
    /// # Errors
    /// `no-space` or `snapshot-failed`; `resume` then continues the guest.
    fn save(&mut self, to: &SaveFiles<'_>) -> Outcome<Saved>;

    /// Continues a guest whose save failed, or was cut short by the daemon's death.
    ///
    /// # Errors
    /// `snapshot-failed` when it cannot.
    fn resume(&mut self) -> Outcome<()>;

    /// Loads a snapshot into a VMM that was started to restore it. The guest does not run yet.
    ///
    /// # Errors
    /// `snapshot-corrupt` when it does not load, `internal` when it takes too long.
    fn load(&mut self, spec: &MachineSpec, from: &SnapshotFiles) -> Outcome<()>;

    /// Has the guest go on that was loaded.
    ///
    /// # Errors
    /// As `load`.
    fn run(&mut self) -> Outcome<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overhead_is_the_sum_of_its_parts_rounded_up() {
        let overhead = Overhead { fixed_mib: 256, cpu_mib: 8, memory_divisor: Some(16) };
        assert_eq!(overhead.mib(512, 2), 256 + 16 + 32);
        assert_eq!(overhead.mib(100, 1), 256 + 8 + 7);
        assert_eq!(Overhead { fixed_mib: 160, cpu_mib: 0, memory_divisor: None }.mib(4096, 4), 160);
    }
}
