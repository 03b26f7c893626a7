//! Bytes in memory that nobody can change any more: a file of no name, sealed (memfd_create(2), fcntl(2)). QEMU opens
//! the file behind a guest's memory for writing even where it maps it privately, and no mode, bind or read-only
//! descriptor that stops writing lets that pass; a sealed file does, and refuses every write and shared mapping.

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// A file in memory of this size, all zero and not allocated.
///
/// # Errors
/// What the kernel refused.
pub fn create(name: &std::ffi::CStr, size: u64) -> io::Result<File> {
    let file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.set_len(size)?;
    Ok(file)
}

/// Makes the file's bytes and size final.
///
/// # Errors
/// While somebody has it mapped for writing.
pub fn seal(file: &File) -> io::Result<()> {
    let all = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(file, FcntlArg::F_ADD_SEALS(all))?;
    Ok(())
}

/// The same file under a descriptor of its own, for reading, at its beginning.
///
/// # Errors
/// Without /proc.
pub fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_sealed_file_can_be_read_and_not_changed() {
        let file = create(c"test", 8192).unwrap();
        file.write_all_at(b"word", 4096).unwrap();
        seal(&file).unwrap();
        let again = File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        for sealed in [&file, &again] {
            assert_eq!(sealed.write_at(b"other", 0).unwrap_err().raw_os_error(), Some(libc::EPERM));
            assert!(sealed.set_len(4096).is_err() && sealed.set_len(12_288).is_err() && seal(sealed).is_err());
        }
        let mut text = String::new();
        reopen(&file).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(&text[4096..4100], "word");
    }
}
