//! Copies of files that share blocks where the file system can, and keep their holes where it cannot.

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Bytes copied at a time.
const CHUNK: usize = 1024 * 1024;

mod ioctl {
    // FICLONE, linux/fs.h: `_IOW(0x94, 9, int)`.
    nix::ioctl_write_int!(ficlone, 0x94, 9);
}

/// Makes `to`, which must not exist, a copy of `from`, with mode 0600.
///
/// # Errors
/// What the kernel refused; `to` may be left incomplete.
pub fn clone_file(from: &File, to: &Path) -> io::Result<File> {
    let copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(to)?;
    let source = from.as_raw_fd();
    // SAFETY: FICLONE takes a descriptor as its argument; both are open files of ours.
    match unsafe { ioctl::ficlone(copy.as_raw_fd(), source.cast_unsigned().into()) } {
        Ok(_) => Ok(copy),
        // The ways in which file systems say that they cannot.
        Err(Errno::EOPNOTSUPP | Errno::EXDEV | Errno::EINVAL | Errno::ENOTTY | Errno::ENOSYS | Errno::EPERM) => {
            sparse(from, &copy)?;
            Ok(copy)
        }
        Err(error) => Err(error.into()),
    }
}

fn sparse(from: &File, to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let end = i64::try_from(size).map_err(io::Error::other)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < end {
        let data = match lseek(from, at, Whence::SeekData) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = lseek(from, data, Whence::SeekHole)?;
        copy_range(from, to, data.cast_unsigned()..hole.cast_unsigned(), &mut buffer)?;
        at = hole;
    }
    Ok(())
}

fn copy_range(from: &File, to: &File, range: std::ops::Range<u64>, buffer: &mut [u8]) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let most = usize::try_from(range.end - at).unwrap_or(CHUNK).min(CHUNK);
        let read = from.read_at(&mut buffer[..most], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn keeps_bytes_and_holes() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let source = File::options().read(true).write(true).create_new(true).open(&from).unwrap();
        source.set_len(64 << 20).unwrap();
        source.write_all_at(b"head", 0).unwrap();
        source.write_all_at(&[7; 5000], (32 << 20) - 100).unwrap();
        clone_file(&source, &to).unwrap();
        assert_eq!(std::fs::read(&from).unwrap(), std::fs::read(&to).unwrap());
        assert!(std::fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20, "the copy is not sparse");
    }

    #[test]
    fn never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        std::fs::write(&to, b"precious").unwrap();
        let source = File::open("/proc/self/exe").unwrap();
        assert_eq!(clone_file(&source, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    }
}
