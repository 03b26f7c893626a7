//! Taking over what a VMM has written into its machine's folder, once it has ended. No process can write to the files any
//! more, nor has anybody else ever had them open: what is behind their names is final.

use crate::error::{Code, During, Outcome, failure};
use crate::snapshot::manifest::{MEMORY, STATE};
use crate::snapshot::pages::{self, PAGE};
use crate::spec::MemorySource;
use crate::store::free_space::free_bytes;
use crate::store::records::Record;
use crate::store::{copy, paths};
use crate::vmm::interface::{RESTORED_MEMORY, SAVED_MEMORY, SAVED_STATE};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Most bytes of device state.
const MOST_STATE: u64 = 64 << 20;
/// Memory is given back to the file system in pieces of so many bytes, all zero.
const PIECE: usize = 64 * 1024;
const PAGE_BYTES: usize = 4096;

/// What a snapshot is to become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Copied, so that nothing is left that a VMM has ever written to.
    Template,
    /// Of one machine, which goes on with the very files.
    Pause,
}

/// Whether a machine has memory of its own that a save of what has changed can be applied to: what it was resumed from, on a
/// file system that tells what was written from what was not.
pub fn has_base(record: &Record) -> bool {
    let files = paths::vmm_files(&record.machine_id);
    matches!(record.memory, MemorySource::Save(_))
        && files.join(RESTORED_MEMORY).symlink_metadata().is_ok()
        && has_exact_holes(&files).unwrap_or(false)
}

/// Whether holes are as small as a guest's pages, and zeros that were written are none (lseek(2), `SEEK_DATA`): the file of what
/// has changed has a hole wherever nothing has.
fn has_exact_holes(folder: &Path) -> io::Result<bool> {
    let path = folder.join("holes");
    let file = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    let (size, at) = (1 << 20, 512 << 10);
    file.set_len(size)?;
    file.write_all_at(&[0; PAGE_BYTES], at)?;
    file.sync_data()?;
    let (at, end) = (at.cast_signed(), (at + PAGE).cast_signed());
    Ok(lseek(&file, 0, Whence::SeekData)? == at && lseek(&file, at, Whence::SeekHole)? == end)
}

/// Whether there is room for what is to be written over the memory that a machine was resumed from.
///
/// # Errors
/// `no-space`.
pub fn check_room(record: &Record, changes_only: bool) -> Outcome<()> {
    let written = paths::vmm_files(&record.machine_id).join(SAVED_MEMORY).symlink_metadata();
    let needed = if changes_only { written.map_or(0, |found| found.blocks() * 512) } else { 0 };
    if free_bytes()? >= needed {
        return Ok(());
    }
    Err(failure(Code::NoSpace, format!("{} MiB more are needed", needed >> 20)))
}

/// Takes memory and state over into `folder`. Saying so again goes on from there.
///
/// # Errors
/// `snapshot-failed` when they are not what a VMM writes, `no-space`, or what the file system refused.
pub fn take(machine: &Path, folder: &Path, memory_mib: u64, purpose: Purpose, changes_only: bool) -> Outcome<()> {
    let state = open(&machine.join(SAVED_STATE), MOST_STATE)?;
    let written = open(&machine.join(SAVED_MEMORY), memory_mib << 20)?;
    if written.metadata().during(|| "look at the memory".to_owned())?.len() != memory_mib << 20 {
        return Err(failure(Code::SnapshotFailed, "the VMM wrote a memory of another size"));
    }
    let name = if changes_only { RESTORED_MEMORY } else { SAVED_MEMORY };
    let base = if changes_only { Some(open(&machine.join(name), memory_mib << 20)?) } else { None };
    if let Some(base) = &base {
        apply(&written, base).during(|| "write what has changed".to_owned())?;
    }
    let memory = base.as_ref().unwrap_or(&written);
    release_zeros(&written, memory).during(|| "give zeros back".to_owned())?;
    match purpose {
        Purpose::Template => {
            for (file, name) in [(memory, MEMORY), (&state, STATE)] {
                let copy = copy::clone_file(file, &folder.join(name)).during(|| format!("copy the {name}"))?;
                copy.sync_all().during(|| format!("write the {name}"))?;
            }
        }
        Purpose::Pause => {
            for (file, from, to) in [(memory, name, MEMORY), (&state, SAVED_STATE, STATE)] {
                keep(file, &machine.join(from), &folder.join(to)).during(|| format!("keep the {to}"))?;
            }
        }
    }
    Ok(())
}

/// Gives back what a save that failed has written of a guest that goes on. What has changed since is not known any more: the
/// next save is one of all.
pub fn discard(record: &Record) {
    let files = paths::vmm_files(&record.machine_id);
    let _ = fs::remove_file(files.join(RESTORED_MEMORY));
    empty(&files);
}

fn empty(machine: &Path) {
    let opened = File::options().write(true).custom_flags(libc::O_NOFOLLOW).open(machine.join(SAVED_MEMORY));
    let _ = opened.and_then(|file| file.set_len(0));
}

fn open(path: &Path, most: u64) -> Outcome<File> {
    let what = || format!("open {}", path.file_name().unwrap_or_default().to_string_lossy());
    let file = File::options().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = file.during(what)?;
    let found = file.metadata().during(what)?;
    if found.is_file() && (1..=most).contains(&found.len()) {
        Ok(file)
    } else {
        Err(failure(Code::SnapshotFailed, format!("{}: it is no file of 1 to {most} bytes", what())))
    }
}

/// Makes a file root's alone, syncs it, and gives it its second name. The first goes with the machine.
fn keep(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    fchown(file, Some(0), Some(0))?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.sync_all()?;
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Writes what a file has data for over another.
fn apply(changes: &File, to: &File) -> io::Result<()> {
    let size = changes.metadata()?.len();
    pages::each_run(changes, 0..size, |offset, bytes| to.write_all_at(bytes, offset))
}

/// Where `looked_at` has data that is all zero, `file` gets a hole: Firecracker writes every page of a guest's memory.
fn release_zeros(looked_at: &File, file: &File) -> io::Result<()> {
    let size = looked_at.metadata()?.len();
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let zero = vec![0; PIECE];
    let mut zeros: Option<std::ops::Range<u64>> = None;
    let punch = |range: &std::ops::Range<u64>| {
        let signed = |number: u64| i64::try_from(number).map_err(io::Error::other);
        match fallocate(file, flags, signed(range.start)?, signed(range.end - range.start)?) {
            // There are file systems without holes.
            Ok(()) | Err(nix::errno::Errno::EOPNOTSUPP) => Ok(()),
            Err(error) => Err(io::Error::from(error)),
        }
    };
    pages::each_run(looked_at, 0..size, |offset, bytes| {
        for (at, piece) in (offset..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
            let end = at + piece.len() as u64;
            if *piece != zero[..piece.len()] {
                zeros.take().map_or(Ok(()), |range| punch(&range))?;
            } else if let Some(range) = zeros.as_mut().filter(|range| range.end == at) {
                range.end = end;
            } else {
                zeros.replace(at..end).map_or(Ok(()), |range| punch(&range))?;
            }
        }
        Ok(())
    })?;
    zeros.map_or(Ok(()), |range| punch(&range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(memory: &[(u64, &[u8])], size: u64) -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (machine, save) = (folder.path().join("machine"), folder.path().join("save"));
        fs::create_dir(&machine).unwrap();
        fs::create_dir(&save).unwrap();
        let file = File::create_new(machine.join(SAVED_MEMORY)).unwrap();
        file.set_len(size).unwrap();
        for (at, bytes) in memory {
            file.write_all_at(bytes, *at).unwrap();
        }
        fs::write(machine.join(SAVED_STATE), "state").unwrap();
        (folder, machine, save)
    }

    #[test]
    fn a_pause_keeps_the_very_file_without_its_zeros() {
        let zeros = vec![0; 1 << 20];
        let (_folder, machine, save) = machine(&[(0, &zeros), (PAGE, b"word")], 1 << 20);
        take(&machine, &save, 1, Purpose::Pause, false).unwrap();
        take(&machine, &save, 1, Purpose::Pause, false).unwrap();
        let found = fs::metadata(save.join(MEMORY)).unwrap();
        assert_eq!(found.ino(), fs::metadata(machine.join(SAVED_MEMORY)).unwrap().ino());
        assert!(found.blocks() * 512 < 256 << 10, "{} blocks", found.blocks());
        assert_eq!(fs::read(save.join(STATE)).unwrap(), b"state");
        let bytes = fs::read(save.join(MEMORY)).unwrap();
        assert_eq!(&bytes[4096..4100], b"word");
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 4);
    }

    #[test]
    fn changes_are_written_over_what_was_restored() {
        let zeros = [0; 4096];
        let (_folder, machine, save) = machine(&[(0, &[2; 4096]), (8192, &zeros)], 1 << 20);
        fs::write(machine.join(RESTORED_MEMORY), vec![1; 1 << 20]).unwrap();
        take(&machine, &save, 1, Purpose::Pause, true).unwrap();
        let bytes = fs::read(save.join(MEMORY)).unwrap();
        assert!(bytes[..4096].iter().all(|byte| *byte == 2));
        assert!(bytes[4096..8192].iter().all(|byte| *byte == 1));
        assert!(bytes[8192..12288].iter().all(|byte| *byte == 0));
        assert!(bytes[12288..].iter().all(|byte| *byte == 1));
    }

    #[test]
    fn holes_of_a_usual_file_system_are_exact() {
        let folder = tempfile::tempdir().unwrap();
        assert!(has_exact_holes(folder.path()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_template_is_a_copy() {
        let (_folder, machine, save) = machine(&[(PAGE, b"word")], 1 << 20);
        take(&machine, &save, 1, Purpose::Template, false).unwrap();
        assert_ne!(
            fs::metadata(save.join(MEMORY)).unwrap().ino(),
            fs::metadata(machine.join(SAVED_MEMORY)).unwrap().ino()
        );
        assert_eq!(&fs::read(save.join(MEMORY)).unwrap()[4096..4100], b"word");
    }

    #[test]
    fn what_a_failed_save_has_written_is_given_back() {
        let (_folder, machine, _save) = machine(&[(PAGE, b"word")], 1 << 20);
        empty(&machine);
        assert_eq!(fs::metadata(machine.join(SAVED_MEMORY)).unwrap().len(), 0);
        fs::remove_file(machine.join(SAVED_MEMORY)).unwrap();
        // A VMM of another kind has none.
        empty(&machine);
        assert!(!machine.join(SAVED_MEMORY).exists());
    }

    #[test]
    fn refuses_what_no_vmm_writes() {
        let (_folder, machine, save) = machine(&[], 1 << 19);
        let code = |outcome: Outcome<()>| outcome.unwrap_err().code;
        assert_eq!(code(take(&machine, &save, 1, Purpose::Pause, false)), Code::SnapshotFailed);
        fs::remove_file(machine.join(SAVED_MEMORY)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", machine.join(SAVED_MEMORY)).unwrap();
        assert_eq!(code(take(&machine, &save, 1, Purpose::Pause, false)), Code::Internal);
    }
}
