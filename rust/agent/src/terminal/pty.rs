//! Pseudo-terminals: a non-blocking master for the agent, a slave for the program.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};

use nix::sys::termios::{InputFlags, SetArg, tcgetattr, tcsetattr};
use tokio::io::unix::AsyncFd;

use crate::process::user::User;

/// The group `tty`, as Debian numbers it and devpts is mounted with.
const TTY_GID: u32 = 5;

pub struct Pty {
    pub master: OwnedFd,
    /// Kept open by the agent until the program has ended: with no slave open the master reports a hang-up, which could
    /// come before the last bytes, or while the program lives on.
    pub slave: OwnedFd,
}

impl Pty {
    /// Opens a pair of this size, the slave owned by the user.
    pub fn open(user: &User, cols: u16, rows: u16) -> io::Result<Pty> {
        let master: OwnedFd = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/ptmx")?
            .into();
        let unlocked: c_int = 0;
        // SAFETY: TIOCSPTLCK reads one int, TIOCGPTPEER takes open flags by value and answers a new descriptor, which
        // nothing else owns.
        let slave = unsafe {
            if libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) != 0 {
                return Err(io::Error::last_os_error());
            }
            let slave =
                libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
            if slave < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(slave)
        };
        if user.switch {
            fchown(&slave, Some(user.uid), Some(TTY_GID))?;
        }
        let mut mode = tcgetattr(&slave)?;
        // Backspace erases a whole UTF-8 character in line mode.
        mode.input_flags |= InputFlags::IUTF8;
        tcsetattr(&slave, SetArg::TCSANOW, &mode)?;
        resize(&master, cols, rows)?;
        Ok(Pty { master, slave })
    }
}

/// Lets the event loop wait for a descriptor.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd names one open descriptor for as long as it lives, and the AsyncFd owns it.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

/// Sets the window's size; the kernel sends SIGWINCH to the foreground group when it changed.
pub fn resize(master: &impl AsRawFd, cols: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize.
    if unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
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
