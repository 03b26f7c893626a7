//! What a VMM says on its standard error, bounded.
//!
//! RLIMIT_FSIZE must admit the whole disk, so it cannot bound a log as well. The VMM gets a FIFO instead, opened for
//! both ways so that it never breaks and never blocks; the daemon pours it into `stderr.log` up to a limit. After the
//! daemon's death the FIFO holds what is said until the next one opens it by its name.

use crate::error::{During, Outcome};
use nix::sys::stat::Mode;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::{self, JoinHandle};

/// Most bytes of `stderr.log`.
const MOST: u64 = 64 * 1024;
/// A pouring thread calls next to nothing.
const STACK: usize = 64 * 1024;

pub const FIFO: &str = "stderr.fifo";
pub const LOG: &str = "stderr.log";

/// Makes the FIFO and opens the VMM's end of it.
///
/// # Errors
/// What the file system refused.
pub fn create(folder: &Path) -> Outcome<File> {
    let path = folder.join(FIFO);
    nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).during(|| "make the log's fifo".to_owned())?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(&path)
        .during(|| "open the log's fifo".to_owned())
}

/// Starts to pour a machine's FIFO into its log, until the VMM is gone or the log is full.
///
/// # Errors
/// What the file system refused.
pub fn pour(folder: &Path) -> Outcome<JoinHandle<()>> {
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(folder.join(FIFO));
    let fifo = opened.during(|| "open the log's fifo".to_owned())?;
    let log =
        OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(folder.join(LOG));
    let log = log.during(|| "open the log".to_owned())?;
    let started = thread::Builder::new().name("stderr".to_owned()).stack_size(STACK).spawn(move || {
        let _ = pump(fifo, log);
    });
    started.during(|| "start a thread".to_owned())
}

fn pump(mut fifo: File, mut log: File) -> io::Result<()> {
    let mut room = MOST.saturating_sub(log.metadata()?.len());
    let mut buffer = [0; 4096];
    while room > 0 {
        let most = usize::try_from(room).unwrap_or(buffer.len()).min(buffer.len());
        match fifo.read(&mut buffer[..most]) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                log.write_all(&buffer[..read])?;
                room -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&fifo)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait(fifo: &File) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    poll(&mut [PollFd::new(fifo.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    Ok(())
}

/// The end of what was said, for a message of failure.
pub fn tail(folder: &Path) -> String {
    let text = std::fs::read(folder.join(LOG)).unwrap_or_default();
    let from = text.len().saturating_sub(1000);
    String::from_utf8_lossy(&text[from..]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_neither_blocks_its_writer_nor_fills_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut said = create(folder.path()).unwrap();
        let pouring = pour(folder.path()).unwrap();
        said.write_all(b"first words\n").unwrap();
        let mut refused = 0;
        for _ in 0..10_000 {
            // A full FIFO refuses at once; a VMM goes on.
            refused += u32::from(said.write(&[b'x'; 1000]).is_err());
        }
        assert!(refused > 0);
        drop(said);
        pouring.join().unwrap();
        let log = std::fs::read(folder.path().join(LOG)).unwrap();
        assert!(log.starts_with(b"first words\n") && log.len() as u64 <= MOST, "{}", log.len());
    }
}
