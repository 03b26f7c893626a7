//! Firecracker, under its own jailer.

pub mod api;
mod configuration;
mod running;
mod runtime;
pub mod version;

use crate::error::{Code, Outcome, failure};
use crate::jail::sandbox::{Enclosure, Program};
use crate::jail::shim::plan::{AGENT_FD, CONTROL_FD, NETWORK_FD, WATCH_FD};
use crate::spec::{Accelerator, ChannelKey, MachineSpec};
use crate::store::paths;
use crate::vmm::firecracker::running::RunningFirecracker;
use crate::vmm::firecracker::runtime::Runtime;
use crate::vmm::interface::{
    Compatibility, Given, NetworkAccess, Overhead, RunningVmm, Socket, SocketOwner, Start, Vmm,
};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

pub use crate::vmm::firecracker::runtime::Programs;

/// Threads besides the vCPUs': its main thread and that of its API, those of the shim and of the jailer, and some to spare.
const OWN_THREADS: u64 = 16;
/// Of Firecracker, which keeps below 5 MiB, the shim, and the page cache of the disk.
const OWN_MIB: u64 = 64;
const SOCKETS: [Socket; 3] = [
    Socket { name: "agent.sock", owner: SocketOwner::Server },
    Socket { name: running::WATCH, owner: SocketOwner::Server },
    Socket { name: running::SOCKET, owner: SocketOwner::Daemon },
];
/// Their numbers in the shim.
const NUMBERS: [i32; 3] = [AGENT_FD, WATCH_FD, CONTROL_FD];

pub struct Firecracker {
    programs: Option<Programs>,
    /// The supervisor's copies, which stay what they are for as long as the daemon runs.
    runtime: OnceLock<Outcome<Runtime>>,
}

impl Firecracker {
    pub fn new(programs: Option<Programs>) -> Self {
        Self { programs, runtime: OnceLock::new() }
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        self.runtime.get_or_init(|| Runtime::find(self.programs.as_ref())).as_ref().map_err(Clone::clone)
    }
}

impl Vmm for Firecracker {
    fn name(&self) -> &'static str {
        "Firecracker"
    }

    fn process_name(&self) -> &'static str {
        "firecracker"
    }

    fn version(&self) -> Outcome<String> {
        Ok(self.runtime()?.version.to_string())
    }

    fn overhead(&self, _: Accelerator) -> Overhead {
        Overhead { fixed_mib: OWN_MIB, cpu_mib: 0, memory_divisor: None }
    }

    fn threads(&self, spec: &MachineSpec) -> u64 {
        OWN_THREADS + u64::from(spec.cpus)
    }

    fn sockets(&self) -> &'static [Socket] {
        &SOCKETS
    }

    fn network_access(&self) -> NetworkAccess {
        NetworkAccess::Namespace
    }

    fn works_on_files(&self) -> bool {
        true
    }

    fn check(&self, spec: &MachineSpec) -> Outcome<()> {
        match spec.accelerator {
            Accelerator::Kvm => Ok(()),
            Accelerator::Tcg => Err(failure(Code::BadRequest, "Firecracker runs guests by KVM alone")),
        }
    }

    fn program<'a>(&self, spec: &MachineSpec, start: Start<'a>, given: Given<'a>) -> Outcome<Program<'a>> {
        self.runtime()?;
        let folder = paths::vmm_files(&spec.machine_id);
        let mut descriptors: Vec<_> = given.sockets.iter().map(AsFd::as_fd).zip(NUMBERS).collect();
        descriptors.extend(given.network.map(|network| (network, NETWORK_FD)));
        let bind = |(name, jail): (&str, &str)| (folder.join(name), jail.into());
        let restored = match start {
            Start::Boot(_) => Vec::new(),
            Start::Restore(_) => configuration::RESTORED.map(bind).to_vec(),
        };
        Ok(Program {
            command: configuration::command_line(Path::new(paths::FIRECRACKER)),
            files: restored,
            writable: configuration::SAVED.map(bind).to_vec(),
            descriptors,
            enclosure: Enclosure::Jailer { jailer: paths::JAILER.into(), network: given.network.map(|_| NETWORK_FD) },
        })
    }

    fn compatibility(&self, spec: &MachineSpec) -> Outcome<Compatibility> {
        let key = ChannelKey::try_from("0".repeat(32)).map_err(|why| failure(Code::Internal, why))?;
        let machine = configuration::machine_text(spec, &key);
        Ok(Compatibility { build: self.runtime()?.identity.clone(), machine })
    }

    fn earlier_compatibility(&self, _: &MachineSpec) -> Outcome<Option<Compatibility>> {
        Ok(None)
    }

    fn connect(&self, folder: &Path, timeout: Duration) -> Outcome<Box<dyn RunningVmm>> {
        let running = RunningFirecracker::connect(folder, timeout);
        running
            .map(|running| Box::new(running) as Box<dyn RunningVmm>)
            .map_err(|error| failure(Code::Internal, error.to_string()))
    }
}
