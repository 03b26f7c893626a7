//! Stopping a guest and writing its memory and device state into a folder.

use crate::error::{Code, During, Failure, Outcome, failure};
use crate::fault;
use crate::machine::resources;
use crate::server::daemon::Daemon;
use crate::snapshot::manifest::{self, Listed, MEMORY, STATE};
use crate::snapshot::pages::{self, PageWriter, Sum};
use crate::store::disks::KEEP_FREE;
use crate::store::paths;
use crate::store::records::Record;
use crate::vmm::qemu::migration_stream::{self, Pages};
use crate::vmm::qemu::qmp::{Control, Fault};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::json;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a command may take on a host under full load.
const COMMAND: Duration = Duration::from_secs(30);
/// How long QEMU may go without writing another byte of its stream.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the whole stream may take: this, and a second for each `MIB_A_SECOND`, of which any disk takes many more.
const STREAM: Duration = Duration::from_mins(1);
const MIB_A_SECOND: u64 = 16;
/// Of the socket that the stream comes through, in bytes.
const BUFFER: usize = 1024 * 1024;
/// After as many bytes the free space is looked at again.
const BETWEEN_LOOKS: u64 = 64 << 20;

/// What was written.
pub struct Captured {
    pub state: Listed,
    pub memory: Vec<String>,
}

pub fn failed(what: impl std::fmt::Display) -> Failure {
    failure(Code::SnapshotFailed, what.to_string())
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        failed(fault)
    }
}

/// Connects to a machine's monitor.
///
/// # Errors
/// `snapshot-failed` when nobody answers.
pub fn monitor(record: &Record) -> Outcome<Control> {
    Ok(Control::connect(&paths::machine(&record.machine_id), COMMAND)?)
}

/// Whether the disk has room for a machine's memory.
///
/// # Errors
/// `no-space`.
pub fn check_room(daemon: &Daemon, record: &Record) -> Outcome<()> {
    let used = daemon.cgroups.usage(&record.machine_id)?.memory_bytes.min(record.memory_mib << 20);
    let free = resources::free_bytes()?;
    if free >= KEEP_FREE + used {
        return Ok(());
    }
    let text = format!("{} MiB are free, up to {} MiB are needed, and 256 are kept free", free >> 20, used >> 20);
    Err(failure(Code::NoSpace, text))
}

/// Reads what a VMM writes. One that was taken over may send a byte now and then for ever, so there is an end to that,
/// as there is to its silence.
struct Bounded {
    from: UnixStream,
    until: Instant,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now()).min(SILENCE);
        let late = || io::Error::new(io::ErrorKind::TimedOut, "QEMU's stream does not come to its end in time");
        if left.is_zero() {
            return Err(late());
        }
        self.from.set_read_timeout(Some(left))?;
        self.from.read(into).map_err(|error| if error.kind() == io::ErrorKind::WouldBlock { late() } else { error })
    }
}

struct IntoFile<'a>(PageWriter<'a>);

impl Pages for IntoFile<'_> {
    fn page(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }
    fn zero(&mut self, offset: u64) -> io::Result<()> {
        self.0.clear(offset)
    }
}

/// Stops the guest and writes `memory` and `state`. Whatever this answers, the guest is stopped.
///
/// # Errors
/// `no-space` or `snapshot-failed`; `release` then continues the guest.
pub fn capture(control: &mut Control, record: &Record, folder: &Path, sum: Sum) -> Outcome<Captured> {
    control.allow(COMMAND);
    let status = control.execute("query-status", &json!({}))?;
    if status["status"] != "running" {
        return Err(failed(format!("the guest does not run, it is {}", status["status"])));
    }
    control.execute("stop", &json!({}))?;
    fault::reach("save.stopped");
    control.prepare_migration()?;
    let memory = manifest::create(folder, MEMORY)?;
    memory.set_len(record.memory_mib << 20).during(|| "size the memory".to_owned())?;
    let state = receive(control, record, &memory)?;
    control.allow(COMMAND);
    if !control.migrated()? {
        return Err(failed("QEMU says that its stream is not complete"));
    }
    memory.sync_all().during(|| "write the memory".to_owned())?;
    let digests = pages::digest(sum, &memory, |_, _| Ok(())).during(|| "read the memory".to_owned())?;
    manifest::write(folder, STATE, &state)?;
    Ok(Captured { state: Listed::of(&state), memory: digests })
}

fn receive(control: &mut Control, record: &Record, memory: &File) -> Outcome<Vec<u8>> {
    let what = || "make a socket for the memory".to_owned();
    let (ours, theirs) = UnixStream::pair().during(what)?;
    let _ = setsockopt(&theirs, sockopt::SndBufForce, &BUFFER);
    control.give(theirs.as_fd(), "stream")?;
    drop(theirs);
    control.execute("migrate", &json!({ "uri": "fd:stream" }))?;
    let written = Cell::new(0);
    let before = |bytes: u64| {
        let since = written.get() + bytes;
        written.set(since % BETWEEN_LOOKS);
        // Others write, too.
        let full = since >= BETWEEN_LOOKS && resources::free_bytes().is_ok_and(|free| free < KEEP_FREE);
        if full { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    };
    let mut into = IntoFile(PageWriter::new(memory, &before));
    let until = Instant::now() + STREAM + Duration::from_secs(record.memory_mib / MIB_A_SECOND);
    let reader = io::BufReader::with_capacity(BUFFER, Bounded { from: ours, until });
    let split = migration_stream::split(reader, record.memory_mib << 20, &mut into);
    let state = split.and_then(|state| into.0.flush().map(|()| state));
    state.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => failure(Code::NoSpace, "the disk became full"),
        _ => failed(error),
    })
}

/// Continues a guest whose capture failed.
///
/// # Errors
/// `snapshot-failed` when it cannot.
pub fn release(control: &mut Control) -> Outcome<()> {
    control.allow(COMMAND);
    // Nothing to cancel is no fault.
    control.execute("migrate_cancel", &json!({}))?;
    control.migrated()?;
    control.execute("cont", &json!({}))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_stream_that_drips_for_ever_has_an_end() {
        let (from, mut to) = UnixStream::pair().unwrap();
        let drips = std::thread::spawn(move || {
            while to.write_all(b"!").is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let until = Instant::now() + Duration::from_millis(100);
        let error = Bounded { from, until }.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drips.join().unwrap();
    }
}
