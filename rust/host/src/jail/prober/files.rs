//! What the prober was given: a template's memory, a disk, descriptors.

use crate::attempt::{Attempts, outcome, write};
use microterm_host::jail_layout;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Error, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// A template's memory is open to QEMU for writing, since it insists, and yet must not change.
pub fn write_template(memory: i32) -> Attempts {
    let path = format!("/proc/self/fd/{memory}");
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        // Then QEMU could not open it either, and the probe proves nothing.
        Err(error) => return vec![(format!("open it as QEMU does: {error}"), Ok(()))],
    };
    change(&file)
}

/// To Firecracker it is a file that it may read.
pub fn write_restored() -> Attempts {
    let path = jail_layout::RESTORED_MEMORY;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return vec![(format!("open it as Firecracker does: {error}"), Ok(()))],
    };
    let mut attempts = change(&file);
    attempts.extend([
        write(path),
        write(jail_layout::RESTORED_STATE),
        (format!("remove {path}"), fs::remove_file(path)),
        (format!("put another in the place of {path}"), fs::rename(jail_layout::SAVED_MEMORY, path)),
    ]);
    attempts
}

fn change(file: &File) -> Attempts {
    let number = file.as_raw_fd();
    // SAFETY: mmap is given no address, and what it might map is never touched; the other calls take plain numbers.
    unsafe {
        let shared = libc::PROT_READ | libc::PROT_WRITE;
        let mapped = libc::mmap(std::ptr::null_mut(), 4096, shared, libc::MAP_SHARED, number, 0);
        let mapped = if mapped == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(()) };
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        vec![
            ("write".to_owned(), file.write_at(b"x", 0).map(|_| ())),
            ("map for writing".to_owned(), mapped),
            ("grow".to_owned(), file.set_len(2 << 20)),
            ("shrink".to_owned(), file.set_len(4096)),
            ("punch a hole".to_owned(), outcome(libc::fallocate(number, punch, 0, 4096))),
            ("seal".to_owned(), outcome(libc::fcntl(number, libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE))),
            ("change its mode".to_owned(), outcome(libc::fchmod(number, 0o666))),
        ]
    }
}

pub fn exceed_disk(is_jailers: bool) -> Attempts {
    // SAFETY: ignoring a signal has no handler that could misbehave.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let grown = OpenOptions::new().write(true).open(jail_layout::DISK).and_then(|disk| {
        let end = disk.metadata()?.len();
        disk.write_at(b"x", end).map(|_| ())
    });
    let mut attempts = vec![("write past the disk's end".to_owned(), grown)];
    if is_jailers {
        attempts.push(("fill the host's memory by files".to_owned(), fill_root()));
    }
    attempts
}

/// The jailer's root lies in memory.
fn fill_root() -> io::Result<()> {
    let path = "/filling";
    let chunk = vec![1; 1 << 20];
    let filled = File::create(path).and_then(|mut file| (0..32).try_for_each(|_| file.write_all(&chunk)));
    let _ = fs::remove_file(path);
    filled
}

pub fn use_descriptors(unused: i32) -> Attempts {
    // Below are 0 to 2 and what the VMM is handed.
    (unused..256)
        .map(|number| (number, is_open(number)))
        .filter(|(_, open)| *open)
        .map(|(number, _)| (format!("descriptor {number}"), Ok(())))
        .collect()
}

pub fn is_open(number: i32) -> bool {
    // SAFETY: F_GETFD on a plain number reads one flag.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}
