//! Files and folders that are whole or not there: written under another name, synced, and then named.

use crate::error::{During, Outcome};
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes a file and waits for the disk.
///
/// # Errors
/// `no-space` or `internal`.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let what = || format!("write {}", name_of(path));
    let mut file = create(path)?;
    file.write_all(bytes).during(what)?;
    file.sync_all().during(what)
}

/// Makes an empty file.
///
/// # Errors
/// `no-space` or `internal`.
pub fn create(path: &Path) -> Outcome<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path).during(|| format!("make {}", name_of(path)))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[derive(Default, Serialize)]
pub struct Removed {
    pub files: u64,
    pub bytes: u64,
}

/// Bytes that a folder's files have on disk.
pub fn allocated(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.blocks() * 512).sum()
}

/// Removes folders with all that is in them, under names whose folders a start removes, so that none is ever half
/// there.
///
/// # Errors
/// What the file system refused.
pub fn remove(folders: &[&Path]) -> Outcome<Removed> {
    let mut removed = Removed::default();
    for folder in folders.iter().filter(|folder| folder.symlink_metadata().is_ok()) {
        removed.files += fs::read_dir(folder).map_or(0, |entries| entries.flatten().count() as u64);
        removed.bytes += allocated(folder);
        let away = if folder.extension().is_some() { folder.to_path_buf() } else { folder.with_extension("old.new") };
        if away != **folder {
            let _ = fs::remove_dir_all(&away);
            fs::rename(folder, &away).during(|| "move a folder away".to_owned())?;
        }
        fs::remove_dir_all(&away).during(|| "remove a folder".to_owned())?;
    }
    Ok(removed)
}

/// Makes the folder in which something is written before it gets its name.
///
/// # Errors
/// What the file system refused.
pub fn create_partial(folder: &Path) -> Outcome<PathBuf> {
    let new = folder.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    fs::create_dir(&new).during(|| format!("make {}", new.display()))?;
    Ok(new)
}

/// Gives a complete folder its name, in place of what has it.
///
/// # Errors
/// What the file system refused.
pub fn commit(new: &Path, folder: &Path) -> Outcome<()> {
    remove(&[folder])?;
    fs::rename(new, folder).during(|| format!("name {}", folder.display()))?;
    let above = folder.parent().unwrap_or(folder);
    File::open(above).and_then(|open| open.sync_all()).during(|| "write a folder".to_owned())
}
