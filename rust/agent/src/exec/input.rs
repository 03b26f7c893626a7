//! What a host sends to a program that runs: input, its end, sizes, signals.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use microterm_wire::HostFrame;
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;

use crate::channel::frames::{Fault, FramesIn};
use crate::descriptor;
use crate::process::reaper::Reaper;
use crate::terminal::pty;

/// The agent's end of a program's input.
pub enum Input {
    Pipe(AsyncFd<OwnedFd>),
    Terminal(Rc<AsyncFd<OwnedFd>>),
}

/// End of input on a terminal (VEOF as a PTY begins with).
const END_OF_TRANSMISSION: u8 = 4;

/// Obeys the host's frames until its side closes. One that has no place there is reported to `fault`.
pub async fn follow(mut frames: FramesIn, input: Input, pid: Pid, reaper: Reaper, fault: Fault) {
    let mut input = Some(input);
    loop {
        match frames.next().await {
            Ok(Some(HostFrame::Input(bytes))) => {
                // A program that has closed its input loses what follows, as with any pipe.
                if let Some(open) = &input
                    && write_all(open, &bytes).await.is_err()
                {
                    input = None;
                }
            }
            Ok(Some(HostFrame::StdinEof)) => end_input(&mut input).await,
            Ok(Some(HostFrame::Resize { cols, rows })) => {
                if let Some(Input::Terminal(master)) = &input {
                    // A terminal that has just ended has no size to set.
                    let _ = pty::resize(master.get_ref(), cols, rows);
                }
            }
            Ok(Some(HostFrame::Signal(number))) => signal_group(pid, &reaper, number),
            Ok(Some(HostFrame::Start(_) | HostFrame::Answer { .. })) => {
                fault.set("a frame that has no place in an exec");
                return;
            }
            Ok(None) => {
                end_input(&mut input).await;
                return;
            }
            Err(broken) => {
                fault.set(broken.0);
                return;
            }
        }
    }
}

async fn end_input(input: &mut Option<Input>) {
    match input {
        // Sizes and signals may still come for a terminal.
        Some(terminal @ Input::Terminal(_)) => drop(write_all(terminal, &[END_OF_TRANSMISSION]).await),
        _ => *input = None,
    }
}

fn signal_group(pid: Pid, reaper: &Reaper, number: u8) {
    if reaper.is_running(pid) {
        // SAFETY: a plain system call; the decoder admits 1 to 64 only. Its failure means that the group is gone.
        unsafe { libc::killpg(pid.as_raw(), i32::from(number)) };
    }
}

async fn write_all(input: &Input, mut bytes: &[u8]) -> io::Result<()> {
    let fd = match input {
        Input::Pipe(fd) => fd,
        Input::Terminal(fd) => fd,
    };
    while !bytes.is_empty() {
        let mut ready = fd.writable().await?;
        match ready.try_io(|fd| descriptor::write(&fd.as_raw_fd(), bytes)) {
            Ok(Ok(count)) => bytes = &bytes[count..],
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}
