//! Stopping a guest and writing its memory and device state into a folder.

use crate::context::Context;
use crate::error::{Code, During, Failure, Outcome, failure};
use crate::fault;
use crate::snapshot::manifest::{MEMORY, STATE, StateSum};
use crate::snapshot::pages::{self, Sum};
use crate::snapshot::written_files::{self, Purpose};
use crate::store::free_space::{KEEP_FREE, free_bytes};
use crate::store::paths;
use crate::store::records::Record;
use crate::vmm::interface::{RunningVmm, SaveFiles, Saved, save_timeout};
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
pub fn connect(context: &Context, record: &Record) -> Outcome<Box<dyn RunningVmm>> {
    connect_within(context, record, CONNECT_TIMEOUT)
}

/// The same to one that may be saving still, and answers nothing until it has.
///
/// # Errors
/// As `connect`.
pub fn connect_to_saving(context: &Context, record: &Record) -> Outcome<Box<dyn RunningVmm>> {
    connect_within(context, record, CONNECT_TIMEOUT + save_timeout(record.memory_mib))
}

fn connect_within(context: &Context, record: &Record, timeout: Duration) -> Outcome<Box<dyn RunningVmm>> {
    context.vmm(record.vmm).connect(&paths::machine(&record.machine_id), timeout).map_err(failed)
}

/// Whether the disk has room for a machine's memory, and for the copy of it that becomes a template's.
///
/// # Errors
/// `no-space`.
pub fn check_room(context: &Context, record: &Record, purpose: Purpose) -> Outcome<()> {
    let memory = record.memory_mib << 20;
    let used = context.cgroups.usage(&record.machine_id)?.memory_bytes.min(memory);
    // A VMM that writes by itself writes zeros as well, and cannot be stopped when the disk becomes full.
    let needed = match context.vmm(record.vmm).works_on_files() {
        true if purpose == Purpose::Template => memory + used,
        true if !changes_only(record, purpose) => memory,
        _ => used,
    };
    let free = free_bytes()?;
    if free >= KEEP_FREE + needed {
        return Ok(());
    }
    let text = format!("{} MiB are free, up to {} MiB are needed, and 256 are kept free", free >> 20, needed >> 20);
    Err(failure(Code::NoSpace, text))
}

/// Stops the guest and writes `memory` and `state`. Whatever this answers, the guest is stopped. `all_is_written` is called when a
/// VMM that works on files has written all, or all changes (`true`); it is ended then.
///
/// # Errors
/// `no-space` or `snapshot-failed`; `RunningVmm::resume` then continues the guest, if its VMM was not ended.
pub fn capture(
    context: &Context,
    running: &mut dyn RunningVmm,
    record: &Record,
    folder: &Path,
    purpose: Purpose,
    all_is_written: impl FnOnce(bool) -> Outcome<()>,
) -> Outcome<Captured> {
    let (memory, state) = (folder.join(MEMORY), folder.join(STATE));
    let written = Cell::new(0);
    let before_write = |bytes: u64| {
        let since = written.get() + bytes;
        written.set(since % BETWEEN_LOOKS);
        // Others write, too.
        let full = since >= BETWEEN_LOOKS && free_bytes().is_ok_and(|free| free < KEEP_FREE);
        if full { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    };
    let changes_only = changes_only(record, purpose);
    let saved = running.save(&SaveFiles {
        memory: &memory,
        state: &state,
        memory_mib: record.memory_mib,
        changes_only,
        before_write: &before_write,
    })?;
    if saved == Saved::InMachine {
        // Past this there is no way back to the guest.
        written_files::check_room(record, changes_only)?;
        all_is_written(changes_only)?;
        context.cgroups.kill(&record.machine_id, || ())?;
        fault::reach("save.ended");
        return take(record, folder, purpose, changes_only);
    }
    sum_up(folder, purpose)
}

/// Takes over what a VMM that has ended has written into its machine's folder.
///
/// # Errors
/// As `written_files::take`.
pub fn take(record: &Record, folder: &Path, purpose: Purpose, changes_only: bool) -> Outcome<Captured> {
    let files = paths::vmm_files(&record.machine_id);
    written_files::take(&files, folder, record.memory_mib, purpose, changes_only)?;
    sum_up(folder, purpose)
}

/// A template is a snapshot of its own.
fn changes_only(record: &Record, purpose: Purpose) -> bool {
    purpose == Purpose::Pause && written_files::has_base(record)
}

/// The digests of what lies in a folder.
fn sum_up(folder: &Path, purpose: Purpose) -> Outcome<Captured> {
    let (memory, state) = (folder.join(MEMORY), folder.join(STATE));
    let sum = if purpose == Purpose::Template { Sum::Sha256 } else { Sum::Crc32 };
    let what = || "read the memory".to_owned();
    let digests = pages::digest(sum, &File::open(&memory).during(what)?, |_, _| Ok(())).during(what)?;
    let state = StateSum::of(&fs::read(&state).during(|| "read the device state".to_owned())?);
    Ok(Captured { state, memory: digests })
}
