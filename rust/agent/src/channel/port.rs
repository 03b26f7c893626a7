//! The virtio-serial port as a byte stream.
//!
//! It has no connections. While the host's end is not open the port is always readable (POLLHUP is level-triggered) and
//! reads give 0; so it is watched edge-triggered, by an epoll of its own whose descriptor the event loop watches in turn.
//! Data can come before the event that the host's end was opened. So the host has gone only when an event says so after
//! one that said it was there; a read of 0 does not tell.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use crate::channel::host_stream::HostStream;
use crate::descriptor;

/// The name that the host gives the port.
const PORT_NAME: &str = "microterm.agent";

#[derive(Default)]
struct Watched {
    read: Option<Waker>,
    write: Option<Waker>,
    /// As the kernel last reported.
    connected: bool,
}

pub struct Port {
    file: File,
    watched: Rc<RefCell<Watched>>,
    departed: Rc<Notify>,
}

/// The device of the port, once the kernel has it.
pub fn find() -> Option<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports").ok()?.filter_map(Result::ok) {
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim_end() == PORT_NAME {
            return Some(PathBuf::from("/dev").join(entry.file_name()));
        }
    }
    None
}

impl Port {
    /// Opens the port and starts the task that watches it. The kernel admits one opener at a time.
    pub fn open(path: &PathBuf) -> io::Result<Port> {
        Port::watch(OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?)
    }

    /// Takes a non-blocking file that is polled as the port is.
    pub fn watch(file: File) -> io::Result<Port> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        epoll.add(&file, EpollEvent::new(flags, 0))?;
        let port = Port { file, watched: Rc::default(), departed: Rc::default() };
        spawn_local(watch(epoll, port.watched.clone(), port.departed.clone()));
        Ok(port)
    }
}

impl HostStream for Port {
    /// Waits also while the host's end is not open.
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match (&self.file).read(buffer) {
                Ok(0) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => return Poll::Ready(result),
            }
            self.watched.borrow_mut().read = Some(context.waker().clone());
            return Poll::Pending;
        }
    }

    /// Waits also while the host's end is not open.
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match (&self.file).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.watched.borrow_mut().write = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Ends when the host's end has been seen connected and then not.
    async fn departed(&self) -> io::Result<()> {
        self.departed.notified().await;
        Ok(())
    }
}

/// Passes the port's edges on. Reader and writer try before they wait, and this runs between their turns, so no edge
/// falls between a failed try and its waker.
async fn watch(epoll: Epoll, watched: Rc<RefCell<Watched>>, departed: Rc<Notify>) {
    let fd: AsyncFd<OwnedFd> = descriptor::watch(epoll.0).expect("an epoll can be watched by another");
    loop {
        let Ok(mut ready) = fd.readable().await else { return };
        if let Ok(Ok(events)) = ready.try_io(next_events) {
            let mut watched = watched.borrow_mut();
            let connected = !events.contains(EpollFlags::EPOLLHUP);
            if watched.connected && !connected {
                departed.notify_waiters();
            }
            watched.connected = connected;
            for waker in [watched.read.take(), watched.write.take()].into_iter().flatten() {
                waker.wake();
            }
        }
    }
}

/// Takes the port's events; `WouldBlock` when there are none.
fn next_events(epoll: &AsyncFd<OwnedFd>) -> io::Result<EpollFlags> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: the pointer is to one live event, as the count says; a timeout of 0 does not wait.
    match unsafe { libc::epoll_wait(epoll.get_ref().as_raw_fd(), &raw mut event, 1, 0) } {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        1 => Ok(EpollFlags::from_bits_retain(event.events as i32)),
        _ => Err(io::Error::last_os_error()),
    }
}
