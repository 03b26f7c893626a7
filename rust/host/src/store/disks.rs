//! Disks: sparse files with an ext4 each, cloned from a blank that is formatted once per size.

use crate::error::{Code, During, Outcome, failure};
use crate::store::free_space::{KEEP_FREE, free_bytes};
use crate::store::ids::Id;
use crate::store::{copy, paths};
use crate::{fault, programs};
use serde::Serialize;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Blanks of so many sizes are kept, the newest ones.
const MOST_BLANKS: usize = 8;

/// What mke2fs is told instead of the host's mke2fs.conf, so that every host makes the same file system, and one that
/// Linux 5.10 and later mount.
const FEATURES: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
huge_file,dir_nlink,extra_isize,metadata_csum";

/// One blank is made at a time.
static MAKING: Mutex<()> = Mutex::new(());

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    disk_id: Id,
    size_mib: u64,
    allocated_bytes: u64,
}

#[derive(Default, Serialize)]
pub struct Removed {
    files: u64,
    bytes: u64,
}

fn blank(size_mib: u64) -> Outcome<File> {
    let _one = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = paths::blanks().join(format!("{size_mib}.ext4"));
    if !path.exists() {
        let new = paths::blanks().join(format!("{size_mib}.ext4.new"));
        format_blank(&new, size_mib).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })?;
        fs::rename(&new, &path).during(|| format!("name {}", path.display()))?;
        remove_old_blanks();
    }
    File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&path).during(|| format!("open {}", path.display()))
}

/// Any size may be asked for, and each blank takes a few megabytes.
fn remove_old_blanks() {
    let entries = fs::read_dir(paths::blanks()).into_iter().flatten().flatten();
    let mut blanks: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    blanks.sort();
    for (_, path) in blanks.iter().rev().skip(MOST_BLANKS) {
        let _ = fs::remove_file(path);
    }
}

fn format_blank(new: &Path, size_mib: u64) -> Outcome<()> {
    let _ = fs::remove_file(new);
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)
        .during(|| format!("make {}", new.display()))?;
    file.set_len(size_mib << 20).during(|| "size the blank".to_owned())?;
    let journal_mib = if size_mib < 512 { 4 } else { 16 };
    // mke2fs punches the file out and then trusts it to read as zeros: it marks the inode tables as zeroed, so that
    // they are written neither here nor, lazily, by every guest.
    let output = Command::new(programs::find("mkfs.ext4")?)
        .args(["-q", "-F", "-L", "disk", "-m", "0", "-b", "4096", "-I", "256", "-i", "16384", "-O", FEATURES])
        .args(["-J", &format!("size={journal_mib}")])
        .args(["-E", "discard,lazy_itable_init=1,lazy_journal_init=1,packed_meta_blocks=1,root_owner=0:0"])
        .arg(new)
        .env_clear()
        .env("MKE2FS_CONFIG", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .during(|| "run mkfs.ext4".to_owned())?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failure(Code::Internal, format!("mkfs.ext4: {why}")));
    }
    file.sync_all().during(|| "write the blank".to_owned())
}

/// The size in MiB of what a machine has as its disk; 0 without one.
///
/// # Errors
/// When it cannot be looked at.
pub fn size_mib(id: Option<&Id>) -> Outcome<u64> {
    let Some(id) = id else { return Ok(0) };
    let found = fs::symlink_metadata(paths::disk(id)).during(|| format!("look at disk {id}"))?;
    Ok(found.len() >> 20)
}

/// Makes a file a copy of the blank of this size.
///
/// # Errors
/// `no-space` or `internal`.
pub fn clone_blank(size_mib: u64, to: &Path) -> Outcome<()> {
    let blank = blank(size_mib)?;
    copy::clone_file(&blank, to).during(|| format!("copy the blank of {size_mib} MiB")).map(|_| ())
}

/// Makes a disk of the file that `clone` makes under the name that it is given. The caller holds the disk's lock.
///
/// # Errors
/// `exists`, `no-space`, `internal`, or as `clone`.
pub fn create(id: &Id, clone: impl FnOnce(&Path) -> Outcome<()>) -> Outcome<()> {
    let path = paths::disk(id);
    if path.symlink_metadata().is_ok() {
        return Err(failure(Code::Exists, format!("disk {id} exists")));
    }
    let free = free_bytes()?;
    if free < KEEP_FREE {
        return Err(failure(Code::NoSpace, format!("{} MiB are free for disks, and 256 are kept free", free >> 20)));
    }
    let new = paths::disks().join(format!("{id}.ext4.new"));
    let _ = fs::remove_file(&new);
    let made = clone(&new).and_then(|()| {
        fault::reach("disk.copied");
        fs::rename(&new, &path).during(|| format!("name disk {id}"))
    });
    made.inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

/// Removes a disk and what a broken creation left of it. The caller holds the disk's lock, and knows that no machine
/// uses it.
///
/// # Errors
/// What the file system refused.
pub fn remove(id: &Id) -> Outcome<Removed> {
    let mut removed = Removed::default();
    for path in [paths::disk(id), paths::disks().join(format!("{id}.ext4.new"))] {
        let Ok(found) = path.symlink_metadata() else { continue };
        fs::remove_file(&path).during(|| format!("remove disk {id}"))?;
        fault::reach("disk.removed");
        removed.files += 1;
        removed.bytes += found.blocks() * 512;
    }
    Ok(removed)
}

/// All disks, from their names.
pub fn list() -> Vec<Listed> {
    let Ok(entries) = fs::read_dir(paths::disks()) else { return Vec::new() };
    let mut disks: Vec<Listed> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let disk_id = Id::parse(name.strip_suffix(".ext4")?).ok()?;
            let found = entry.metadata().ok()?;
            Some(Listed { disk_id, size_mib: found.len() >> 20, allocated_bytes: found.blocks() * 512 })
        })
        .collect();
    disks.sort_by(|a, b| a.disk_id.cmp(&b.disk_id));
    disks
}
