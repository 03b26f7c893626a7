//! The daemon's own monitor of a machine: QMP (docs/interop/qmp-spec.rst of QEMU) on a socket that only root connects
//! to. The VMM is hostile: every line is bounded, every wait has a deadline, and nothing it says is believed but that
//! a command was done.

use crate::deadline;
use crate::spec::DiskLimits;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// The socket's name in the machine's folder.
pub const SOCKET: &str = "control.sock";
/// More than any answer to the commands below, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most bytes while one answer is waited for: events come in between.
const MOST: usize = 1024 * 1024;
/// Between two looks at a migration.
const STEP: Duration = Duration::from_millis(1);

/// Why a command was not done.
#[derive(Debug)]
pub enum QmpError {
    /// The deadline has passed.
    TimedOut,
    /// The VMM is gone, refused, or talks nonsense.
    Broken(String),
}

impl fmt::Display for QmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("QEMU did not answer in time"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

fn broken(what: impl fmt::Display) -> QmpError {
    QmpError::Broken(what.to_string())
}

type QmpResult<T> = Result<T, QmpError>;

pub struct Qmp {
    stream: UnixStream,
    until: Instant,
    /// Received, and not yet used.
    received: Vec<u8>,
}

impl Qmp {
    /// Connects, and waits until QEMU's main loop runs: the greeting comes from a thread of its own, but the first
    /// command is answered by the main loop.
    ///
    /// # Errors
    /// `Broken` when nobody listens any more.
    pub fn connect(folder: &Path, timeout: Duration) -> QmpResult<Self> {
        let stream =
            UnixStream::connect(folder.join(SOCKET)).map_err(|error| broken(format!("no monitor: {error}")))?;
        let mut qmp = Self { stream, until: Instant::now() + deadline::of(timeout), received: Vec::new() };
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Sets a new deadline for all that follows.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.until = Instant::now() + deadline::of(timeout);
    }

    /// Does a command and answers with what it returned.
    ///
    /// # Errors
    /// `Broken` when it was refused, or the VMM is gone.
    pub fn execute(&mut self, name: &str, arguments: &Value) -> QmpResult<Value> {
        self.send(name, arguments, None)
    }

    /// Hands a descriptor to QEMU under a name (`getfd`).
    ///
    /// # Errors
    /// As `execute`.
    pub fn send_descriptor(&mut self, descriptor: BorrowedFd<'_>, name: &str) -> QmpResult<()> {
        self.send("getfd", &json!({ "fdname": name }), Some(descriptor)).map(|_| ())
    }

    /// Has QEMU throttle all block devices as one (docs/throttle.txt of QEMU): the image as well, which is read through
    /// the host's page cache, but from its disk.
    ///
    /// # Errors
    /// As `execute`.
    pub fn limit_disk(&mut self, limits: &DiskLimits) -> QmpResult<()> {
        let devices = self.execute("query-block", &json!({}))?;
        // They have no ids, which would be in the state that is saved; their paths go back to the VMM that said them.
        let paths = devices.as_array().into_iter().flatten().filter_map(|device| device["qdev"].as_str());
        let paths: Vec<_> = paths.map(str::to_owned).collect();
        if paths.is_empty() {
            return Err(broken("QEMU names no block device"));
        }
        for path in paths {
            let throttle = json!({
                "id": path, "group": "machine",
                "bps": limits.bytes_per_second, "bps_rd": 0, "bps_wr": 0,
                "iops": limits.operations_per_second, "iops_rd": 0, "iops_wr": 0,
                "bps_max": limits.burst_bytes_per_second, "bps_max_length": limits.burst_seconds,
                "iops_max": limits.burst_operations_per_second, "iops_max_length": limits.burst_seconds,
            });
            self.execute("block_set_io_throttle", &throttle)?;
        }
        Ok(())
    }

    /// Switches on what templates and saves are made with.
    ///
    /// # Errors
    /// As `execute`.
    pub fn prepare_migration(&mut self) -> QmpResult<()> {
        let capability = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
        self.execute("migrate-set-capabilities", &capability)?;
        // The default of 128 MiB/s is meant for networks.
        self.execute("migrate-set-parameters", &json!({ "max-bandwidth": 1_u64 << 40 })).map(|_| ())
    }

    /// Waits until a migration has ended, either way. Answers whether it was completed.
    ///
    /// # Errors
    /// As `execute`.
    pub fn wait_for_migration(&mut self) -> QmpResult<bool> {
        loop {
            let answer = self.execute("query-migrate", &json!({}))?;
            match answer["status"].as_str() {
                Some("completed") => return Ok(true),
                // Without a status there has been none.
                Some("failed" | "cancelled") | None => return Ok(false),
                Some(_) => std::thread::sleep(STEP),
            }
        }
    }

    fn send(&mut self, name: &str, arguments: &Value, descriptor: Option<BorrowedFd<'_>>) -> QmpResult<Value> {
        let mut line = json!({ "execute": name, "arguments": arguments }).to_string().into_bytes();
        line.push(b'\n');
        self.limit_wait()?;
        let descriptors: Vec<_> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        let sent = sendmsg::<()>(self.stream.as_raw_fd(), &[IoSlice::new(&line)], rights, MsgFlags::MSG_NOSIGNAL, None);
        match sent {
            // A command is far shorter than a socket's buffer, so it goes whole or not at all.
            Ok(length) if length == line.len() => self.answer(name),
            Ok(_) => Err(broken(format!("{name} was cut short"))),
            Err(error) => Err(broken(format!("{name}: {error}"))),
        }
    }

    fn answer(&mut self, name: &str) -> QmpResult<Value> {
        let mut count = 0;
        loop {
            let line = self.line(&mut count)?;
            let mut said: Value = serde_json::from_slice(&line).map_err(|error| broken(format!("{name}: {error}")))?;
            if let Some(value) = said.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = said.get("error") {
                let why: String = error["desc"].as_str().unwrap_or("no reason").chars().take(200).collect();
                return Err(broken(format!("QEMU refused {name}: {why}")));
            }
            // The greeting, or an event.
        }
    }

    fn line(&mut self, count: &mut usize) -> QmpResult<Vec<u8>> {
        let mut looked = 0;
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.received[looked..].iter().position(|byte| *byte == b'\n') {
                let rest = self.received.split_off(looked + at + 1);
                return Ok(std::mem::replace(&mut self.received, rest));
            }
            looked = self.received.len();
            if looked > LONGEST || *count > MOST {
                return Err(broken("QEMU talks too much"));
            }
            self.limit_wait()?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(broken("QEMU ended, or closed its monitor")),
                Ok(read) => {
                    *count += read;
                    self.received.extend_from_slice(&buffer[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(QmpError::TimedOut),
                Err(error) => return Err(broken(format!("QEMU's monitor: {error}"))),
            }
        }
    }

    /// Lets the next read or write wait no longer than the deadline.
    fn limit_wait(&self) -> QmpResult<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(QmpError::TimedOut);
        }
        let set = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.set_write_timeout(Some(left)));
        set.map_err(broken)
    }
}

#[cfg(test)]
mod tests;
