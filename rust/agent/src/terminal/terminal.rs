//! One terminal: a program on a PTY, its ring, its readers.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use microterm_wire::Ended;
use nix::unistd::Pid;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, Notify};

use crate::descriptor;
use crate::process::hang_up;
use crate::process::reaper::Reaper;
use crate::terminal::accepted_input::AcceptedInput;
use crate::terminal::backpressure::Readers;
use crate::terminal::output::Output;
use crate::terminal::pty;
use crate::terminal::ring::Ring;

pub struct Terminal {
    pub id: String,
    pub pid: Pid,
    created: SystemTime,
    pub output: RefCell<Output>,
    /// `None` once the program has ended and its last bytes are in the ring.
    master: RefCell<Option<Rc<AsyncFd<OwnedFd>>>>,
    /// Wakes the task that reads the PTY: a reader has moved, or left.
    pub reader_moved: Notify,
    /// So that the pieces of two writers do not mix.
    input: Mutex<()>,
    pub accepted: AcceptedInput,
    /// Called when the ring has taken more memory.
    on_growth: Box<dyn Fn()>,
    reaper: Reaper,
    /// The order in which programs ended; 0 while running.
    pub ended_sequence: Cell<u64>,
}

impl Terminal {
    pub fn new(
        id: String,
        pid: Pid,
        master: OwnedFd,
        size: (u16, u16),
        reaper: Reaper,
        on_growth: Box<dyn Fn()>,
    ) -> io::Result<Rc<Terminal>> {
        Ok(Rc::new(Terminal {
            id,
            pid,
            created: SystemTime::now(),
            output: RefCell::new(Output {
                ring: Ring::new(size.0, size.1),
                readers: Readers::new(Instant::now()),
                ended: None,
                removed: false,
            }),
            master: RefCell::new(Some(Rc::new(descriptor::watch(master)?))),
            reader_moved: Notify::new(),
            input: Mutex::new(()),
            accepted: AcceptedInput::default(),
            on_growth,
            reaper,
            ended_sequence: Cell::new(0),
        }))
    }

    /// Appends output to the ring.
    pub fn append(&self, bytes: &[u8]) {
        let has_grown = {
            let mut output = self.output.borrow_mut();
            let (end, memory) = (output.ring.end(), output.ring.memory());
            output.readers.fell_behind(end, Instant::now());
            output.ring.push(bytes);
            output.readers.wake();
            output.ring.memory() > memory
        };
        if has_grown {
            (self.on_growth)();
        }
    }

    pub fn resize(&self, cols: u16, rows: u16) -> io::Result<()> {
        let Some(master) = self.master() else { return Ok(()) };
        pty::resize(master.get_ref(), cols, rows)?;
        let mut output = self.output.borrow_mut();
        output.ring.resize(cols, rows);
        output.readers.wake();
        Ok(())
    }

    /// Writes input to the PTY. Waits while the program does not read; drops it when the program has ended.
    pub async fn write_input(&self, mut bytes: &[u8]) {
        let _turn = self.input.lock().await;
        while !bytes.is_empty() {
            let Some(master) = self.master() else { break };
            let taken = match descriptor::write(master.get_ref(), bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What was accepted so far is acknowledged now: the rest may have to wait for long.
                    self.accepted.notify();
                    let Ok(mut ready) = master.writable().await else { break };
                    // Try before the readiness is cleared: it may have come after the failed write.
                    ready.try_io(|master| descriptor::write(master.get_ref(), bytes)).unwrap_or(Ok(0))
                }
                result => result,
            };
            let Ok(count) = taken else { break };
            self.accepted.add(count);
            bytes = &bytes[count..];
        }
        self.accepted.add(bytes.len());
    }

    /// Hangs the session up, and kills what is left of it after [`hang_up::TIMEOUT`].
    pub fn hang_up(self: &Rc<Self>) {
        let mut output = self.output.borrow_mut();
        output.removed = true;
        output.readers.wake();
        self.reader_moved.notify_one();
        hang_up::group(self.pid, &self.reaper);
    }

    /// Records the program's end, once its last bytes are in the ring.
    pub fn end(&self, ended: Ended) {
        self.master.replace(None);
        let mut output = self.output.borrow_mut();
        output.ended = Some(ended);
        output.readers.wake();
    }

    /// `None` once the program has ended.
    pub fn master(&self) -> Option<Rc<AsyncFd<OwnedFd>>> {
        self.master.borrow().clone()
    }
}

impl Serialize for Terminal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let output = self.output.borrow();
        let size = output.ring.size_at(output.ring.end());
        let created = self.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("pid", &self.pid.as_raw())?;
        map.serialize_entry("cols", &size.cols)?;
        map.serialize_entry("rows", &size.rows)?;
        map.serialize_entry("startOffset", &output.ring.start())?;
        map.serialize_entry("endOffset", &output.ring.end())?;
        map.serialize_entry("createdUnixMs", &created)?;
        let exit = output.ended.map(|ended| match ended {
            Ended::Code(code) => serde_json::json!({ "code": code }),
            Ended::Signal(signal) => serde_json::json!({ "signal": signal }),
        });
        map.serialize_entry("exit", &exit)?;
        map.end()
    }
}
