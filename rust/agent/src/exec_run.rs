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

use crate::exec_input::{self, Input};
use crate::frames_in::{Fault, FramesIn};
use crate::pty;
use crate::reaper::Reaper;
use crate::terminal::hang_up_group;

/// Output in one piece: with its frame's header it fills one HTTP/2 frame of 16 KiB.
const PIECE_BYTES: usize = (16 << 10) - 64;
/// Once the program has ended, a stream that some descendant keeps open is followed until it is silent this long.
const LINGER: Duration = Duration::from_millis(250);

/// An open output, and the frame its bytes go into.
pub struct Outlet {
    pub fd: Rc<AsyncFd<OwnedFd>>,
    pub frame: fn(Bytes) -> AgentFrame,
}

/// A program that runs, or has run until its output is sent. Dropped before its end, it is hung up.
pub struct Running {
    pub pid: Pid,
    reaper: Reaper,
    outlets: Vec<Outlet>,
    buffer: Vec<u8>,
    exit: oneshot::Receiver<Ended>,
    pub ended: Option<Ended>,
    linger: Option<Pin<Box<Sleep>>>,
    input: Option<Input>,
    input_task: Option<AbortHandle>,
    /// A PTY's slave, kept so that the master does not hang up before the last bytes.
    slave: Option<OwnedFd>,
}

fn would_block(result: &std::io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

impl Running {
    /// Registers a program just forked. `slave` is that of a PTY.
    pub fn new(pid: Pid, reaper: Reaper, outlets: Vec<Outlet>, input: Input, slave: Option<OwnedFd>) -> Self {
        Running {
            pid,
            exit: reaper.watch(pid),
            reaper,
            outlets,
            buffer: vec![0; PIECE_BYTES],
            ended: None,
            linger: None,
            input: Some(input),
            input_task: None,
            slave,
        }
    }

    /// The next frame of output, `None` when nothing more will come.
    pub fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        let mut at = 0;
        while at < self.outlets.len() {
            match self.poll_outlet(at, context) {
                Poll::Ready(Some(frame)) => {
                    self.linger = None;
                    // The other stream's turn is next.
                    self.outlets.rotate_left(at + 1);
                    return Poll::Ready(Some(frame));
                }
                Poll::Ready(None) => drop(self.outlets.remove(at)),
                Poll::Pending => at += 1,
            }
        }
        if self.ended.is_none() {
            let ended = ready!(Pin::new(&mut self.exit).poll(context));
            self.ended = Some(ended.unwrap_or(Ended::Code(0)));
            // Output from before the end may have come since the outlets were read.
            return self.poll_output(context);
        }
        // Nobody but the agent holds a PTY's slave for long, and what was written is there at once.
        if self.outlets.is_empty() || self.slave.is_some() {
            return Poll::Ready(None);
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        ready!(linger.as_mut().poll(context));
        Poll::Ready(None)
    }

    fn poll_outlet(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Option<AgentFrame>> {
        let outlet = &self.outlets[at];
        let buffer = &mut self.buffer;
        loop {
            // Not only when told that it is readable: what came before the program's end must be found after it.
            let mut result = pty::read(outlet.fd.get_ref(), buffer);
            if would_block(&result) {
                let Ok(mut ready) = ready!(outlet.fd.poll_read_ready(context)) else { return Poll::Ready(None) };
                // Read once more: only a read that finds nothing may forget the readiness.
                match ready.try_io(|fd| pty::read(fd.get_ref(), buffer)) {
                    Ok(second) => result = second,
                    Err(_) => continue,
                }
            }
            match result {
                Ok(count) if count > 0 => {
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
            hang_up_group(self.pid, &self.reaper);
        }
    }
}
