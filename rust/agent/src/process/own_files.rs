//! Small files with a guest's identity: written where that is possible, else mounted over what is there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::{CallError, CallResult};
use crate::process::tenant_file;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Files of this boot: the boot id, mounted over the kernel's, which in a restored guest is the template's.
const OWN_FILES: &str = "/run/microterm";
/// Holds a /proc that nothing covers. In a user namespace a program may mount a /proc of its own only where such a one is
/// among its mounts (mount_too_revealing in the kernel's fs/namespace.c); the boot id covers a file of the guest's.
const UNCOVERED: &str = "/run/microterm/uncovered";

/// Files that one in memory is mounted over.
static COVERED: Mutex<BTreeSet<&Path>> = Mutex::new(BTreeSet::new());

/// The boot id as the guest's programs see it.
pub fn boot_id() -> CallResult<String> {
    let id = fs::read_to_string(BOOT_ID).map_err(|error| CallError::io(BOOT_ID, &error))?;
    Ok(id.trim_end().to_owned())
}

/// Gives a small file this text. Where it cannot be written (a full disk, an immutable file) one in memory is mounted over
/// it, so that the guest starts.
pub fn write(path: &'static str, text: &str) -> io::Result<()> {
    let path = Path::new(path);
    if tenant_file::read(path, text.len() as u64 + 1).is_some_and(|found| found == text) {
        return Ok(());
    }
    if COVERED.lock().is_ok_and(|covered| covered.contains(path)) {
        return cover(path, text);
    }
    match tenant_file::replace(path, text) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) => cover(path, text),
        result => result,
    }
}

/// Mounts a file in memory with this text over another, in place of an earlier one.
pub fn cover(path: &'static Path, text: &str) -> io::Result<()> {
    let aside = Path::new(OWN_FILES).join(path.to_string_lossy().replace('/', "-"));
    let mut covered = COVERED.lock().map_err(|_| io::Error::other("a thread panicked"))?;
    if covered.remove(path) {
        umount2(path, MntFlags::MNT_DETACH)?;
    }
    tenant_file::replace(&aside, text)?;
    mount(Some(&aside), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    covered.insert(path);
    Ok(())
}

pub fn renew_boot_id() -> io::Result<()> {
    static MOUNTED: OnceLock<()> = OnceLock::new();
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let own = Path::new(OWN_FILES).join("boot_id");
    // The file keeps its inode, so that the mount made before shows the new id.
    fs::write(&own, id)?;
    if MOUNTED.get().is_none() {
        mount_uncovered_proc()?;
        mount(Some(&own), BOOT_ID, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        let _ = MOUNTED.set(());
    }
    Ok(())
}

fn mount_uncovered_proc() -> io::Result<()> {
    // The kernel asks only for the mount; ordinary programs need not read it.
    fs::create_dir_all(UNCOVERED)?;
    fs::set_permissions(UNCOVERED, PermissionsExt::from_mode(0o700))?;
    let target = Path::new(UNCOVERED).join("proc");
    fs::create_dir_all(&target)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("proc"), &target, Some("proc"), flags, None::<&str>)?)
}
