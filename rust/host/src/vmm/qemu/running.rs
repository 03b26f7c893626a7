//! A QEMU that runs: saving by its migration stream, which is taken apart while it is written, and loading what is left
//! of the stream on top of a mapped memory.

use crate::deadline;
use crate::error::{Code, During, Failure, Outcome, failure};
use crate::fault;
use crate::spec::{ChannelKey, DiskLimits, MachineSpec};
use crate::store::files;
use crate::vmm::interface::{RunningVmm, SaveFiles, Saved, SnapshotFiles, save_timeout};
use crate::vmm::qemu::migration_stream::{self, Pages};
use crate::vmm::qemu::page_writer::PageWriter;
use crate::vmm::qemu::qmp::{Qmp, QmpError};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long commands may take on a host under full load; loading a guest takes some 20 ms.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long QEMU may go without writing another byte of its stream.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Of the socket that the stream comes through, in bytes.
const BUFFER: usize = 1024 * 1024;

pub struct RunningQemu {
    qmp: Qmp,
}

impl RunningQemu {
    /// Connects to a machine's monitor, and waits until QEMU's main loop runs.
    ///
    /// # Errors
    /// As `Qmp::connect`.
    pub fn connect(folder: &Path, timeout: Duration) -> Result<Self, QmpError> {
        Ok(Self { qmp: Qmp::connect(folder, timeout)? })
    }

    /// Has QEMU write its stream, whose pages go to `memory`. Answers with the rest of it.
    fn receive(&mut self, to: &SaveFiles<'_>, memory: &File) -> Outcome<Vec<u8>> {
        let what = || "make a socket for the memory".to_owned();
        let (ours, theirs) = UnixStream::pair().during(what)?;
        let _ = setsockopt(&theirs, sockopt::SndBufForce, &BUFFER);
        self.qmp.send_descriptor(theirs.as_fd(), "stream").map_err(failed)?;
        drop(theirs);
        self.qmp.execute("migrate", &json!({ "uri": "fd:stream" })).map_err(failed)?;
        let mut writer = MemoryWriter(PageWriter::new(memory, to.before_write));
        let until = Instant::now() + deadline::of(save_timeout(to.memory_mib));
        let reader = io::BufReader::with_capacity(BUFFER, BoundedStream { from: ours, until });
        let split = migration_stream::split(reader, to.memory_mib << 20, &mut writer);
        let state = split.and_then(|state| writer.0.flush().map(|()| state));
        state.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => failure(Code::NoSpace, "the disk became full"),
            _ => failed(error),
        })
    }
}

impl RunningVmm for RunningQemu {
    fn limit_disk(&mut self, limits: &DiskLimits, _: bool) -> Outcome<()> {
        self.qmp.limit_disk(limits).map_err(|error| failure(Code::Internal, format!("limit the disk: {error}")))
    }

    fn boot(&mut self, _: &MachineSpec, _: &ChannelKey) -> Outcome<()> {
        // Its command line has said so.
        Ok(())
    }

    fn save(&mut self, to: &SaveFiles<'_>) -> Outcome<Saved> {
        self.qmp.set_timeout(COMMAND_TIMEOUT);
        let status = self.qmp.execute("query-status", &json!({})).map_err(failed)?;
        if status["status"] != "running" {
            return Err(failed(format!("the guest does not run, it is {}", status["status"])));
        }
        self.qmp.execute("stop", &json!({})).map_err(failed)?;
        fault::reach("save.stopped");
        self.qmp.prepare_migration().map_err(failed)?;
        let memory = files::create(to.memory)?;
        memory.set_len(to.memory_mib << 20).during(|| "size the memory".to_owned())?;
        let state = self.receive(to, &memory)?;
        self.qmp.set_timeout(COMMAND_TIMEOUT);
        if !self.qmp.wait_for_migration().map_err(failed)? {
            return Err(failed("QEMU says that its stream is not complete"));
        }
        memory.sync_all().during(|| "write the memory".to_owned())?;
        files::write(to.state, &state)?;
        Ok(Saved::InPlace)
    }

    fn resume(&mut self) -> Outcome<()> {
        self.qmp.set_timeout(COMMAND_TIMEOUT);
        // Nothing to cancel is no fault.
        self.qmp.execute("migrate_cancel", &json!({})).map_err(failed)?;
        self.qmp.wait_for_migration().map_err(failed)?;
        self.qmp.execute("cont", &json!({})).map_err(failed)?;
        Ok(())
    }

    fn load(&mut self, _: &MachineSpec, from: &SnapshotFiles) -> Outcome<()> {
        self.qmp.set_timeout(COMMAND_TIMEOUT);
        self.qmp.prepare_migration().map_err(not_loaded)?;
        self.qmp.send_descriptor(from.state.as_fd(), "state").map_err(not_loaded)?;
        self.qmp.execute("migrate-incoming", &json!({ "uri": "fd:state" })).map_err(not_loaded)?;
        if self.qmp.wait_for_migration().map_err(not_loaded)? {
            Ok(())
        } else {
            Err(failure(Code::SnapshotCorrupt, "QEMU does not take the saved state"))
        }
    }

    fn run(&mut self) -> Outcome<()> {
        self.qmp.execute("cont", &json!({})).map_err(not_loaded)?;
        Ok(())
    }
}

fn failed(what: impl std::fmt::Display) -> Failure {
    failure(Code::SnapshotFailed, what.to_string())
}

fn not_loaded(error: QmpError) -> Failure {
    match error {
        QmpError::TimedOut => failure(Code::Internal, "QEMU did not load the saved state in time"),
        QmpError::Broken(why) => failure(Code::SnapshotCorrupt, format!("the saved state does not load: {why}")),
    }
}

/// Reads what a VMM writes. One that was taken over may send a byte now and then for ever, so there is an end to that,
/// as there is to its silence.
struct BoundedStream {
    from: UnixStream,
    until: Instant,
}

impl Read for BoundedStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now()).min(deadline::of(SILENCE_TIMEOUT));
        let late = || io::Error::new(io::ErrorKind::TimedOut, "QEMU's stream does not come to its end in time");
        if left.is_zero() {
            return Err(late());
        }
        self.from.set_read_timeout(Some(left))?;
        self.from.read(into).map_err(|error| if error.kind() == io::ErrorKind::WouldBlock { late() } else { error })
    }
}

struct MemoryWriter<'a>(PageWriter<'a>);

impl Pages for MemoryWriter<'_> {
    fn page(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }
    fn zero(&mut self, offset: u64) -> io::Result<()> {
        self.0.clear(offset)
    }
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
        let error = BoundedStream { from, until }.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drips.join().unwrap();
    }
}
