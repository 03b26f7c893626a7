//! Handing descriptors to a program under fixed numbers.

use std::io;

/// Numbers above this are free while descriptors are being moved.
const HIGH: i32 = 64;

/// Gives each `(descriptor, number)` its number, open across exec. Only async-signal-safe calls are made, so it may
/// run between fork and exec.
///
/// # Errors
/// What the kernel refused; some descriptors may have been moved by then.
pub fn renumber(given: &[(i32, i32)]) -> io::Result<()> {
    let mut high = [0; 8];
    for (slot, (from, _)) in high.iter_mut().zip(given) {
        // First out of the way, so that no target overwrites a source.
        // SAFETY: fcntl and dup2 on plain numbers touch no memory of ours.
        *slot = unsafe { libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, HIGH) };
        if *slot < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for (slot, (_, number)) in high.iter().zip(given) {
        // SAFETY: as above.
        if unsafe { libc::dup2(*slot, *number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Closes every descriptor from `first` up.
pub fn close_from(first: u32) {
    // SAFETY: callers own no object that still needs one of these descriptors; they are about to exec.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Keeps a descriptor that was handed to this process from its own children.
pub fn keep_private(number: i32) {
    // SAFETY: fcntl on a plain number touches no memory of ours.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}
