//! Non-blocking reads and writes of descriptors that the event loop waits for: PTYs, pipes, the port's epoll.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::unix::AsyncFd;

/// Lets the event loop wait for a descriptor.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd names one open descriptor for as long as it lives, and the AsyncFd owns it.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

/// Reads what is there. `WouldBlock` when nothing is; `Ok(0)` also for the hang-up that Linux reports as EIO.
pub fn read(fd: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length describe a live, writable buffer.
    let count = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    if count >= 0 {
        return Ok(count as usize);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EIO) { Ok(0) } else { Err(error) }
}

/// Bytes that can be read at once; 0 where that is not known.
pub fn waiting(fd: &impl AsRawFd) -> u64 {
    let mut count: c_int = 0;
    // SAFETY: FIONREAD writes one int.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) } == 0 { count.max(0) as u64 } else { 0 }
}

/// Writes what fits. `WouldBlock` when nothing does.
pub fn write(fd: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length describe a live buffer.
    let count = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    if count >= 0 { Ok(count as usize) } else { Err(io::Error::last_os_error()) }
}
