//! QEMU, with its machine type `microvm`.

mod command_line;
mod earlier;
mod firmware;
mod memory;
pub mod migration_stream;
mod page_writer;
mod qmp;
mod running;
mod runtime;
mod tsc;

use crate::error::{Code, Outcome, failure};
use crate::jail::sandbox::{Enclosure, Program};
use crate::spec::{Accelerator, ChannelKey, MachineSpec};
use crate::vmm::interface::{
    Compatibility, Given, NetworkAccess, Overhead, RunningVmm, Socket, SocketOwner, Start, Vmm,
};
use crate::vmm::qemu::command_line::{AGENT_FD, Build, CONTROL_FD, QMP_FD, TAP_FD};
use crate::vmm::qemu::runtime::Runtime;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Threads besides the vCPUs': main, RCU, workers of block I/O, and some to spare.
const OWN_THREADS: u64 = 64;

const SOCKETS: [Socket; 3] = [
    Socket { name: "agent.sock", owner: SocketOwner::Server },
    Socket { name: "qmp.sock", owner: SocketOwner::Server },
    Socket { name: qmp::SOCKET, owner: SocketOwner::Daemon },
];
/// Their numbers in the jail.
const NUMBERS: [i32; 3] = [AGENT_FD, QMP_FD, CONTROL_FD];

pub struct Qemu {
    binary: PathBuf,
    /// The instance's data folder, on whose mount its files are linked.
    data: PathBuf,
    runtime: Mutex<Option<Arc<Runtime>>>,
}

impl Qemu {
    pub fn new(binary: PathBuf, data: PathBuf) -> Self {
        tsc::begin();
        Self { binary, data, runtime: Mutex::default() }
    }

    /// QEMU's files; looked for again as long as something is missing.
    fn runtime(&self) -> Outcome<Arc<Runtime>> {
        let mut known = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = known.as_ref().filter(|runtime| runtime.is_current()) {
            return Ok(Arc::clone(runtime));
        }
        let found = Arc::new(Runtime::find(&self.binary, &self.data)?);
        *known = Some(Arc::clone(&found));
        Ok(found)
    }
}

impl Vmm for Qemu {
    fn name(&self) -> &'static str {
        "QEMU"
    }

    fn process_name(&self) -> &'static str {
        "qemu-system-x86"
    }

    fn version(&self) -> Outcome<String> {
        Ok(self.runtime()?.version_text())
    }

    fn overhead(&self, accelerator: Accelerator) -> Overhead {
        memory::overhead(accelerator)
    }

    fn threads(&self, spec: &MachineSpec) -> u64 {
        OWN_THREADS + u64::from(spec.cpus)
    }

    fn sockets(&self) -> &'static [Socket] {
        &SOCKETS
    }

    fn network_access(&self) -> NetworkAccess {
        NetworkAccess::Tap
    }

    fn works_on_files(&self) -> bool {
        false
    }

    fn check(&self, _: &MachineSpec) -> Outcome<()> {
        Ok(())
    }

    fn program<'a>(&self, spec: &MachineSpec, start: Start<'a>, given: Given<'a>) -> Outcome<Program<'a>> {
        let runtime = self.runtime()?;
        let mut command = vec![runtime.qemu.to_string_lossy().into_owned()];
        command.extend(command_line::arguments(spec, &runtime.build(), start));
        let mut descriptors: Vec<_> = given.sockets.iter().map(AsFd::as_fd).zip(NUMBERS).collect();
        descriptors.extend(given.network.map(|tap| (tap, TAP_FD)));
        if let Start::Restore(files) = start {
            descriptors.push((files.memory.as_fd(), command_line::memory_fd(spec)));
        }
        let needs_proc = matches!(start, Start::Restore(_));
        let enclosure = Enclosure::Bubblewrap { needs_proc };
        Ok(Program { command, files: runtime.binds.clone(), writable: Vec::new(), descriptors, enclosure })
    }

    fn compatibility(&self, spec: &MachineSpec) -> Outcome<Compatibility> {
        let runtime = self.runtime()?;
        let machine = machine_text(spec, &runtime.build())?;
        Ok(Compatibility { build: runtime.identity(), machine })
    }

    fn earlier_compatibility(&self, spec: &MachineSpec) -> Outcome<Option<Compatibility>> {
        let runtime = self.runtime()?;
        let build = runtime.build();
        let machine = earlier::machine_text(&machine_text(spec, &build)?, &build);
        Ok(machine.map(|machine| Compatibility { build: runtime.qemu_identity.clone(), machine }))
    }

    fn connect(&self, folder: &Path, timeout: Duration) -> Outcome<Box<dyn RunningVmm>> {
        let running = running::RunningQemu::connect(folder, timeout);
        running
            .map(|running| Box::new(running) as Box<dyn RunningVmm>)
            .map_err(|error| failure(Code::Internal, error.to_string()))
    }
}

/// QEMU's stream is tied to the machine type, the CPU model and the devices in their order; the guest, to what its
/// kernel was told.
fn machine_text(spec: &MachineSpec, build: &Build<'_>) -> Outcome<String> {
    let key = ChannelKey::try_from("0".repeat(32)).map_err(|why| failure(Code::Internal, why))?;
    let mut text: String = command_line::devices(spec, build).into_iter().map(|word| word + "\n").collect();
    // The rate of the clock is measured and never quite the same; that of one model of processor is.
    text += &command_line::kernel_line(spec, &key, 0);
    Ok(text)
}

#[cfg(test)]
mod tests;
