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
use crate::exec::input::{self, Input};
use crate::process::hang_up;
use crate::process::reaper::Reaper;

/// Output in one piece: with its frame's header it fills one HTTP/2 frame of 16 KiB.
const PIECE_BYTES: usize = (16 << 10) - 64;
/// After the program's end, output that a descendant keeps open is read until nothing came for so long.
const LINGER: Duration = Duration::from_millis(250);
/// After the program's end, output is read no longer than this in all.
const LINGER_LIMIT: Duration = Duration::from_secs(1);

/// An open output, and the frame its bytes go into.
pub struct Outlet {
    fd: Rc<AsyncFd<OwnedFd>>,
    frame: fn(Bytes) -> AgentFrame,
    /// Bytes in the pipe when the program ended: they are sent even after [`LINGER_LIMIT`], as they may be its own.
    unread_at_end: u64,
}

impl Outlet {
    pub fn new(fd: Rc<AsyncFd<OwnedFd>>, frame: fn(Bytes) -> AgentFrame) -> Self {
        Outlet { fd, frame, unread_at_end: 0 }
    }
}

/// The agent's ends of a program's streams.
pub struct AgentEnds {
    pub outlets: Vec<Outlet>,
    pub input: Input,
    /// A PTY's slave, kept so that the master does not hang up before the last bytes.
    pub slave: Option<OwnedFd>,
}

/// Timers of the output that comes after the program's end.
struct Lingering {
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
    lingering: Option<Lingering>,
    input: Option<Input>,
    input_task: Option<AbortHandle>,
    slave: Option<OwnedFd>,
}

fn would_block(result: &std::io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

impl Running {
    /// Registers a program just forked.
    pub fn new(pid: Pid, reaper: Reaper, drains: Rc<Drains>, ends: AgentEnds) -> Self {
        Running {
            pid,
            exit: reaper.watch(pid),
            reaper,
            drains,
            outlets: ends.outlets,
            buffer: vec![0; PIECE_BYTES],
            ended: None,
            lingering: None,
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
            if self.is_past_limit(context) && self.outlets[at].unread_at_end == 0 && self.slave.is_none() {
                at += 1;
                continue;
            }
            match self.poll_outlet(at, context) {
                Poll::Ready(Some(frame)) => {
                    if let Some(lingering) = &mut self.lingering {
                        lingering.silence = None;
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
        let Some(lingering) = &mut self.lingering else { return Poll::Pending };
        // Processes that remain have lost the PTY, and what was written to it can be read at once: nothing is waited for.
        if is_past || self.outlets.is_empty() || self.slave.is_some() {
            return Poll::Ready(None);
        }
        let silence = lingering.silence.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        ready!(silence.as_mut().poll(context));
        Poll::Ready(None)
    }

    fn poll_end(&mut self, context: &mut Context<'_>) {
        if self.ended.is_some() {
            return;
        }
        let Poll::Ready(ended) = Pin::new(&mut self.exit).poll(context) else { return };
        self.ended = Some(ended.unwrap_or(Ended::Code(0)));
        self.lingering = Some(Lingering { limit: Box::pin(sleep(LINGER_LIMIT)), silence: None });
        for outlet in &mut self.outlets {
            outlet.unread_at_end = descriptor::waiting(outlet.fd.get_ref());
        }
    }

    /// Whether [`LINGER_LIMIT`] has passed; if not, the task is woken when it has.
    fn is_past_limit(&mut self, context: &mut Context<'_>) -> bool {
        self.lingering.as_mut().is_some_and(|lingering| lingering.limit.as_mut().poll(context).is_ready())
    }

    fn poll_outlet(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        let outlet = &mut self.outlets[at];
        let buffer = &mut self.buffer;
        loop {
            // Also without an event: output from before the program's end must be found after it.
            let mut result = descriptor::read(outlet.fd.get_ref(), buffer);
            if would_block(&result) {
                let Ok(mut ready) = ready!(outlet.fd.poll_read_ready(context)) else { return Poll::Ready(None) };
                // Read once more: only a read that finds nothing may clear the readiness.
                match ready.try_io(|fd| descriptor::read(fd.get_ref(), buffer)) {
                    Ok(second) => result = second,
                    Err(_) => continue,
                }
            }
            match result {
                Ok(count) if count > 0 => {
                    outlet.unread_at_end = outlet.unread_at_end.saturating_sub(count as u64);
                    return Poll::Ready(Some((outlet.frame)(Bytes::copy_from_slice(&buffer[..count]))));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return Poll::Ready(None),
            }
        }
    }

    pub fn follow_input(&mut self, frames: FramesIn, fault: Fault) {
        let Some(input) = self.input.take() else { return };
        let task = input::follow(frames, input, self.pid, self.reaper.clone(), fault);
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
            // Processes that outlive the program must not get SIGPIPE.
            for outlet in self.outlets.drain(..) {
                self.drains.add(outlet.fd);
            }
        }
    }
}
