//! Stopping a guest and writing its memory and device state into a folder.

use crate::context::Context;
use crate::error::{Code, During, Failure, Outcome, failure};
use crate::snapshot::manifest::{MEMORY, STATE, StateSum};
use crate::snapshot::pages::{self, Sum};
use crate::store::free_space::{KEEP_FREE, free_bytes};
use crate::store::ids::Id;
use crate::store::paths;
use crate::store::records::Record;
use crate::vmm::interface::{RunningVmm, SaveFiles};
use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a VMM may take to answer on a host under full load.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// After as many bytes the free space is looked at again.
const BETWEEN_LOOKS: u64 = 64 << 20;

/// What was written.
pub struct Captured {
    pub state: StateSum,
    pub memory: Vec<String>,
}

pub fn failed(what: impl std::fmt::Display) -> Failure {
    failure(Code::SnapshotFailed, what.to_string())
}

/// Connects to the VMM of a machine.
///
/// # Errors
/// `snapshot-failed` when it does not answer.
pub fn connect(context: &Context, machine: &Id) -> Outcome<Box<dyn RunningVmm>> {
    context.vmm.connect(&paths::machine(machine), CONNECT_TIMEOUT).map_err(failed)
}

/// Whether the disk has room for a machine's memory.
///
/// # Errors
/// `no-space`.
pub fn check_room(context: &Context, record: &Record) -> Outcome<()> {
    let used = context.cgroups.usage(&record.machine_id)?.memory_bytes.min(record.memory_mib << 20);
    let free = free_bytes()?;
    if free >= KEEP_FREE + used {
        return Ok(());
    }
    let text = format!("{} MiB are free, up to {} MiB are needed, and 256 are kept free", free >> 20, used >> 20);
    Err(failure(Code::NoSpace, text))
}

/// Stops the guest and writes `memory` and `state`. Whatever this answers, the guest is stopped.
///
/// # Errors
/// `no-space` or `snapshot-failed`; `RunningVmm::resume` then continues the guest.
pub fn capture(running: &mut dyn RunningVmm, record: &Record, folder: &Path, sum: Sum) -> Outcome<Captured> {
    let (memory, state) = (folder.join(MEMORY), folder.join(STATE));
    let written = Cell::new(0);
    let before_write = |bytes: u64| {
        let since = written.get() + bytes;
        written.set(since % BETWEEN_LOOKS);
        // Others write, too.
        let full = since >= BETWEEN_LOOKS && free_bytes().is_ok_and(|free| free < KEEP_FREE);
        if full { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    };
    running.save(&SaveFiles {
        memory: &memory,
        state: &state,
        memory_mib: record.memory_mib,
        before_write: &before_write,
    })?;
    let what = || "read the memory".to_owned();
    let digests = pages::digest(sum, &File::open(&memory).during(what)?, |_, _| Ok(())).during(what)?;
    let state = StateSum::of(&fs::read(&state).during(|| "read the device state".to_owned())?);
    Ok(Captured { state, memory: digests })
}
