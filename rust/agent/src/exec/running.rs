//! A program while it runs for an exec's stream.

use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use microterm_wire::{AgentFrame, Ended};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Sleep, sleep};

use crate::channel::frames::{Fault, FramesIn};
use crate::descriptor;
use crate::exec::drains::Drains;
use crate::exec::input::{self as exec_input, Input};
use crate::process::hang_up;
use crate::process::reaper::Reaper;

/// Output in one piece: with its frame's header it fills one HTTP/2 frame of 16 KiB.
const PIECE_BYTES: usize = (16 << 10) - 64;
/// Once the program has ended, a stream that some descendant keeps open is followed until it is silent this long.
const LINGER: Duration = Duration::from_millis(250);
/// And no longer than this in all, however much the descendant prints.
const LINGER_LIMIT: Duration = Duration::from_secs(1);

/// An open output, and the frame its bytes go into.
pub struct Outlet {
    fd: Rc<AsyncFd<OwnedFd>>,
    frame: fn(Bytes) -> AgentFrame,
    /// Bytes that waited in it when the program ended: they are sent whatever the time, as they may be its own last words.
    owed: u64,
}

impl Outlet {
    pub fn new(fd: Rc<AsyncFd<OwnedFd>>, frame: fn(Bytes) -> AgentFrame) -> Self {
        Outlet { fd, frame, owed: 0 }
    }
}

/// The agent's ends of a program's streams.
pub struct OwnEnds {
    pub outlets: Vec<Outlet>,
    pub input: Input,
    /// A PTY's slave, kept so that the master does not hang up before the last bytes.
    pub slave: Option<OwnedFd>,
}

/// What a program's stream still waits for after the program's end.
struct Afterwards {
    limit: Pin<Box<Sleep>>,
    silence: Option<Pin<Box<Sleep>>>,
}

/// A program that runs, or has run until its output is sent. Dropped before its end, it is hung up.
pub struct Running {
    pub pid: Pid,
    reaper: Reaper,
    drains: Rc<Drains>,
    outlets: Vec<Outlet>,
    buffer: Vec<u8>,
    exit: oneshot::Receiver<Ended>,
    pub ended: Option<Ended>,
    afterwards: Option<Afterwards>,
    input: Option<Input>,
    input_task: Option<AbortHandle>,
    slave: Option<OwnedFd>,
}

fn would_block(result: &std::io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

impl Running {
    /// Registers a program just forked.
    pub fn new(pid: Pid, reaper: Reaper, drains: Rc<Drains>, ends: OwnEnds) -> Self {
        Running {
            pid,
            exit: reaper.watch(pid),
            reaper,
            drains,
            outlets: ends.outlets,
            buffer: vec![0; PIECE_BYTES],
            ended: None,
            afterwards: None,
            input: Some(ends.input),
            input_task: None,
            slave: ends.slave,
        }
    }

    /// The next frame of output, `None` when nothing more will come.
    pub fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        // Before the streams are read: a descendant that prints without end must not hide the program's end.
        self.poll_end(context);
        let mut at = 0;
        while at < self.outlets.len() {
            if self.is_past_limit(context) && self.outlets[at].owed == 0 && self.slave.is_none() {
                at += 1;
                continue;
            }
            match self.poll_outlet(at, context) {
                Poll::Ready(Some(frame)) => {
                    if let Some(afterwards) = &mut self.afterwards {
                        afterwards.silence = None;
                    }
                    // The other stream's turn is next.
                    self.outlets.rotate_left(at + 1);
                    return Poll::Ready(Some(frame));
                }
                Poll::Ready(None) => drop(self.outlets.remove(at)),
                Poll::Pending => at += 1,
            }
        }
        let is_past = self.is_past_limit(context);
        let Some(afterwards) = &mut self.afterwards else { return Poll::Pending };
        // Nobody but the agent holds a PTY's slave for long, and what was written is there at once.
        if is_past || self.outlets.is_empty() || self.slave.is_some() {
            return Poll::Ready(None);
        }
        let silence = afterwards.silence.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        ready!(silence.as_mut().poll(context));
        Poll::Ready(None)
    }

    fn poll_end(&mut self, context: &mut Context<'_>) {
        if self.ended.is_some() {
            return;
        }
        let Poll::Ready(ended) = Pin::new(&mut self.exit).poll(context) else { return };
        self.ended = Some(ended.unwrap_or(Ended::Code(0)));
        self.afterwards = Some(Afterwards { limit: Box::pin(sleep(LINGER_LIMIT)), silence: None });
        for outlet in &mut self.outlets {
            outlet.owed = descriptor::waiting(outlet.fd.get_ref());
        }
    }

    /// Whether the time for what descendants print is over; else the task is woken when it is.
    fn is_past_limit(&mut self, context: &mut Context<'_>) -> bool {
        self.afterwards.as_mut().is_some_and(|afterwards| afterwards.limit.as_mut().poll(context).is_ready())
    }

    fn poll_outlet(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        let outlet = &mut self.outlets[at];
        let buffer = &mut self.buffer;
        loop {
            // Not only when told that it is readable: what came before the program's end must be found after it.
            let mut result = descriptor::read(outlet.fd.get_ref(), buffer);
            if would_block(&result) {
                let Ok(mut ready) = ready!(outlet.fd.poll_read_ready(context)) else { return Poll::Ready(None) };
                // Read once more: only a read that finds nothing may forget the readiness.
                match ready.try_io(|fd| descriptor::read(fd.get_ref(), buffer)) {
                    Ok(second) => result = second,
                    Err(_) => continue,
                }
            }
            match result {
                Ok(count) if count > 0 => {
                    outlet.owed = outlet.owed.saturating_sub(count as u64);
                    return Poll::Ready(Some((outlet.frame)(Bytes::copy_from_slice(&buffer[..count]))));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return Poll::Ready(None),
            }
        }
    }

    pub fn follow_input(&mut self, frames: FramesIn, fault: Fault) {
        let Some(input) = self.input.take() else { return };
        let task = exec_input::follow(frames, input, self.pid, self.reaper.clone(), fault);
        self.input_task = Some(spawn_local(task).abort_handle());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.input_task {
            task.abort();
        }
        if self.ended.is_none() {
            hang_up::group(self.pid, &self.reaper);
        }
        if self.slave.is_none() {
            // What the program left behind lives on, and would die of a pipe that nobody reads.
            for outlet in self.outlets.drain(..) {
                self.drains.add(outlet.fd);
            }
        }
    }
}
