//! Reads a program's PTY into its terminal's ring, as fast as its readers allow.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use microterm_wire::Ended;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep_until;

use crate::descriptor;
use crate::terminal::backpressure::Room;
use crate::terminal::terminal::Terminal;

/// A PTY hands out at most 4 KiB a read; a larger buffer costs nothing.
const READ_BYTES: usize = 8 << 10;
/// Reads before other tasks run: with more, a flood delays the keys of all terminals.
const READS_A_TURN: usize = 2;
/// What can still be in a PTY when its program has ended: the kernel buffers at most 64 KiB and a line.
const LAST_BYTES: u64 = 128 << 10;

/// Moves output into the ring until the program has ended. `slave` keeps the PTY from hanging up before.
pub async fn follow(terminal: &Terminal, slave: OwnedFd, mut exit: oneshot::Receiver<Ended>) {
    let Some(master) = terminal.master() else { return };
    let mut ended = None;
    let mut last = LAST_BYTES;
    let mut reads = 0;
    let mut buffer = [0; READ_BYTES];
    loop {
        let room = {
            let output = terminal.output.borrow();
            output.readers.room(output.ring.start(), output.ring.end(), Instant::now())
        };
        let room = match room {
            Room::Bytes(room) => room,
            Room::NoneUntil(until) => {
                tokio::select! {
                    () = sleep_until(until.into()) => {}
                    () = terminal.reader_moved.notified() => {}
                    status = &mut exit, if ended.is_none() => ended = Some(status.unwrap_or(Ended::Code(0))),
                }
                continue;
            }
        };
        let limit = buffer.len().min(room as usize).min(last as usize);
        match descriptor::read(master.get_ref(), &mut buffer[..limit]) {
            Ok(0) => break,
            Ok(count) => {
                terminal.append(&buffer[..count]);
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
                        // Only a read that finds nothing clears the readiness, so no edge is lost.
                        Ok(mut ready) => if let Ok(Ok(count)) = ready.try_io(|master| descriptor::read(master.get_ref(), &mut buffer[..limit])) {
                            if count == 0 { break; }
                            terminal.append(&buffer[..count]);
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
    terminal.end(ended);
}
