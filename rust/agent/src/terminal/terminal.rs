//! One terminal: a program on a PTY, its ring, its readers.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use microterm_wire::Ended;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until};

use crate::process::reaper::Reaper;
use crate::terminal::accepted_input::Typed;
use crate::terminal::backpressure::{Readers, Room};
use crate::terminal::pty;
use crate::terminal::ring::Ring;

/// A PTY hands out at most 4 KiB a read; a larger buffer costs nothing.
const READ_BYTES: usize = 8 << 10;
/// Reads before other tasks run: with more, a flood delays the keys of all terminals.
const READS_A_TURN: usize = 2;
/// What can still be in a PTY when its program has ended: the kernel buffers at most 64 KiB and a line.
const LAST_BYTES: u64 = 128 << 10;
/// How long a program may take to leave after SIGHUP.
pub const HANGUP_PATIENCE: Duration = Duration::from_secs(2);

pub struct Output {
    pub ring: Ring,
    pub readers: Readers,
    pub ended: Option<Ended>,
    /// Deleted: readers stop without an end.
    pub removed: bool,
}

pub struct Terminal {
    pub id: String,
    pub pid: Pid,
    created: SystemTime,
    pub output: RefCell<Output>,
    /// `None` once the program has ended and its last bytes are in the ring.
    master: RefCell<Option<Rc<AsyncFd<OwnedFd>>>>,
    /// Tells the reading task that a held program may go on.
    pub moved: Notify,
    /// Two writers' pieces don't mix.
    input: Mutex<()>,
    pub typed: Typed,
    /// Called when the ring has taken more memory.
    grew: Box<dyn Fn()>,
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
        grew: Box<dyn Fn()>,
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
            master: RefCell::new(Some(Rc::new(pty::watch(master)?))),
            moved: Notify::new(),
            input: Mutex::new(()),
            typed: Typed::default(),
            grew,
            reaper,
            ended_sequence: Cell::new(0),
        }))
    }

    /// Moves output into the ring until the program has ended. `slave` keeps the PTY from hanging up before.
    pub async fn follow(self: Rc<Self>, slave: OwnedFd, mut exit: oneshot::Receiver<Ended>) -> Ended {
        let Some(master) = self.master() else { return Ended::Code(0) };
        let mut ended = None;
        let mut last = LAST_BYTES;
        let mut reads = 0;
        let mut buffer = [0; READ_BYTES];
        loop {
            let room = {
                let output = self.output.borrow();
                output.readers.room(output.ring.start(), output.ring.end(), Instant::now())
            };
            let room = match room {
                Room::Bytes(room) => room,
                Room::HeldUntil(until) => {
                    tokio::select! {
                        () = sleep_until(until.into()) => {}
                        () = self.moved.notified() => {}
                        status = &mut exit, if ended.is_none() => ended = Some(status.unwrap_or(Ended::Code(0))),
                    }
                    continue;
                }
            };
            let limit = buffer.len().min(room as usize).min(last as usize);
            match pty::read(master.get_ref(), &mut buffer[..limit]) {
                Ok(0) => break,
                Ok(count) => {
                    self.append(&buffer[..count]);
                    if ended.is_some() {
                        last -= count as u64;
                    }
                    reads += 1;
                    if reads % READS_A_TURN == 0 {
                        // A key passes from the port to the PTY through several tasks: the first turn polls the port and
                        // wakes the next of them, the second lets them all run before more is read.
                        yield_now().await;
                        yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && ended.is_some() => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        ready = master.readable() => match ready {
                            // Only a read that finds nothing forgets the readiness, so no edge is lost.
                            Ok(mut ready) => if let Ok(Ok(count)) = ready.try_io(|master| pty::read(master.get_ref(), &mut buffer[..limit])) {
                                if count == 0 { break; }
                                self.append(&buffer[..count]);
                            },
                            Err(_) => break,
                        },
                        status = &mut exit => ended = Some(status.unwrap_or(Ended::Code(0))),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(slave);
        let ended = match ended {
            Some(ended) => ended,
            None => exit.await.unwrap_or(Ended::Code(0)),
        };
        self.master.replace(None);
        let mut output = self.output.borrow_mut();
        output.ended = Some(ended);
        output.readers.wake();
        ended
    }

    fn append(&self, bytes: &[u8]) {
        let has_grown = {
            let mut output = self.output.borrow_mut();
            let (end, memory) = (output.ring.end(), output.ring.memory());
            output.readers.fell_behind(end, Instant::now());
            output.ring.push(bytes);
            output.readers.wake();
            output.ring.memory() > memory
        };
        if has_grown {
            (self.grew)();
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

    /// Types bytes. Waits while the program does not read; drops them when it has ended.
    pub async fn type_bytes(&self, mut bytes: &[u8]) {
        let _turn = self.input.lock().await;
        while !bytes.is_empty() {
            let Some(master) = self.master() else { break };
            let taken = match pty::write(master.get_ref(), bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What was taken so far is reported now: the rest may have to wait for long.
                    self.typed.tell();
                    let Ok(mut ready) = master.writable().await else { break };
                    // Try before the readiness is forgotten: it may have come after the failed write.
                    ready.try_io(|master| pty::write(master.get_ref(), bytes)).unwrap_or(Ok(0))
                }
                result => result,
            };
            let Ok(count) = taken else { break };
            self.typed.add(count);
            bytes = &bytes[count..];
        }
        self.typed.add(bytes.len());
    }

    /// Hangs the session up, and kills what is left of it after [`HANGUP_PATIENCE`].
    pub fn hang_up(self: &Rc<Self>) {
        let mut output = self.output.borrow_mut();
        output.removed = true;
        output.readers.wake();
        self.moved.notify_one();
        hang_up_group(self.pid, &self.reaper);
    }

    fn master(&self) -> Option<Rc<AsyncFd<OwnedFd>>> {
        self.master.borrow().clone()
    }
}

/// SIGHUP to the process group of a program that still runs, SIGKILL after [`HANGUP_PATIENCE`].
pub fn hang_up_group(pid: Pid, reaper: &Reaper) {
    if !reaper.is_running(pid) {
        return;
    }
    // It may have gone this instant; then nothing is left to do.
    let _ = killpg(pid, Signal::SIGHUP);
    let _ = killpg(pid, Signal::SIGCONT);
    tokio::task::spawn_local(async move {
        sleep(HANGUP_PATIENCE).await;
        let _ = killpg(pid, Signal::SIGKILL);
    });
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
