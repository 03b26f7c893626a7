//! Pseudo-terminals: a non-blocking master for the agent, a slave for the program.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};

use nix::sys::termios::{InputFlags, SetArg, tcgetattr, tcsetattr};

use microterm_wire::frame::MAX_DIMENSION;

use crate::error::{CallResult, bad_request};
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

/// Sets the window's size; the kernel sends SIGWINCH to the foreground group when it changed.
pub fn resize(master: &impl AsRawFd, cols: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize.
    if unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Refuses a size that no frame can carry.
pub fn check_size(cols: u16, rows: u16) -> CallResult<()> {
    let range = 1..=MAX_DIMENSION;
    if range.contains(&cols) && range.contains(&rows) {
        Ok(())
    } else {
        Err(bad_request("cols and rows are 1 to 1000 each"))
    }
}
