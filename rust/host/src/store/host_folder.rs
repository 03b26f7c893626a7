//! The data folder's `host`, which is root's.
//!
//! The data folder belongs to the server's user, who may rename whatever is above `DIR/host`. So the supervisor opens
//! `DIR/host` once, enters a mount namespace of its own, and binds the open folder to a fixed place below
//! `/run/microterm-host`, where every component of every path is root's. All paths of the daemon start there.

use crate::error::{Code, During, Outcome, failure};
use crate::store::paths::{
    BASE, CLAIMS, FIRECRACKER_PROBER, HOST, JAIL, NODES, PRIVATE, PROBER, PROGRAM, SLOTS, UPLINKS,
};
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, fstat, mkdirat};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a folder with exactly this mode, or accepts one that is root's.
fn folder(path: &Path, mode: u32) -> Outcome<()> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).during(|| format!("make {}", path.display())),
    }
    let found = fs::symlink_metadata(path).during(|| format!("look at {}", path.display()))?;
    if !found.is_dir() || found.uid() != 0 || found.mode() & 0o022 != 0 {
        return Err(failure(Code::Denied, format!("{} is not a folder of root's alone", path.display())));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).during(|| format!("set the mode of {}", path.display()))
}

/// Opens `DIR/host`, making it first where it is missing.
fn open_host(data: &Path) -> Outcome<OwnedFd> {
    let folder = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let above = open(data, OFlag::O_PATH | folder, Mode::empty()).during(|| format!("open {}", data.display()))?;
    match mkdirat(&above, "host", Mode::from_bits_truncate(0o711)) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(error) => return Err(error).during(|| format!("make {}/host", data.display())),
    }
    let host = openat(&above, "host", folder | OFlag::O_RDONLY | OFlag::O_NOFOLLOW, Mode::empty())
        .during(|| format!("open {}/host (it must be a folder, and no symbolic link)", data.display()))?;
    let found = fstat(host.as_fd()).during(|| "look at the host folder".to_owned())?;
    if found.st_uid != 0 || found.st_mode & 0o022 != 0 {
        let why = format!(
            "{}/host belongs to uid {} or others may write to it; it must be root's",
            data.display(),
            found.st_uid
        );
        return Err(failure(Code::Denied, why));
    }
    Ok(host)
}

/// The host folder as it lies on the data folder's own mount.
///
/// # Errors
/// `denied` when what has the name now is another folder.
pub fn reopen(data: &Path) -> Outcome<OwnedFd> {
    let found = open_host(data)?;
    let of = |stat: nix::sys::stat::FileStat| (stat.st_dev, stat.st_ino);
    let what = || "look at the host folder".to_owned();
    if of(fstat(&found).during(what)?) == of(nix::sys::stat::stat(HOST).during(what)?) {
        return Ok(found);
    }
    Err(failure(Code::Denied, format!("{}/host is not the daemon's folder any more", data.display())))
}

/// Enters a mount namespace and opens `DIR/host` in it, for its lock.
///
/// # Errors
/// `denied` when something in the way is not root's.
pub fn enter(data: &Path) -> Outcome<OwnedFd> {
    nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
    folder(Path::new(BASE), 0o700)?;
    folder(Path::new(CLAIMS), 0o700)?;
    folder(Path::new(UPLINKS), 0o700)?;
    folder(Path::new(SLOTS), 0o700)?;
    folder(Path::new(PRIVATE), 0o700)?;
    unshare(CloneFlags::CLONE_NEWNS).during(|| "enter a mount namespace".to_owned())?;
    let none: Option<&str> = None;
    // A slave, not private: nothing of ours gets out, yet what the host unmounts is not held by us.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).during(|| "detach the mounts".to_owned())?;
    // Opened only now: a folder of another mount namespace could not be bound.
    open_host(data)
}

/// Binds `host` to its fixed place and makes what lies in and beside it.
///
/// # Errors
/// What the kernel refused.
pub fn bind(host: &OwnedFd) -> Outcome<()> {
    let none: Option<&str> = None;
    mount(Some("tmpfs"), PRIVATE, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0700"))
        .during(|| format!("mount a tmpfs on {PRIVATE}"))?;
    folder(Path::new(NODES), 0o700)?;
    folder(Path::new(HOST), 0o700)?;
    let open_folder = format!("/proc/self/fd/{}", host.as_raw_fd());
    mount(Some(open_folder.as_str()), HOST, none, MsFlags::MS_BIND, none)
        .during(|| "bind the host folder".to_owned())?;
    for name in ["images", "disks", "blanks", "runtime", "templates", "saves"] {
        folder(&Path::new(HOST).join(name), 0o700)?;
    }
    for (name, mode) in [("machines", 0o711), ("run", 0o711)] {
        folder(&Path::new(HOST).join(name), mode)?;
    }
    folder(Path::new(HOST), 0o711)?;
    fs::copy("/proc/self/exe", PROGRAM).during(|| "copy this program".to_owned())?;
    fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755)).during(|| "set the program's mode".to_owned())?;
    folder(Path::new(JAIL), 0o700)?;
    // Machines do without it; a caller that asks for the probe is told that it is missing.
    let _ = copy_prober();
    Ok(())
}

/// Copies a program of the operator's to where only root has it.
///
/// # Errors
/// What the file system refused, also when it is no regular file.
pub fn copy_program(from: &Path, to: &str) -> std::io::Result<()> {
    let mut from = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(from)?;
    if !from.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut copy = fs::File::options().write(true).create_new(true).mode(0o700).open(to)?;
    let copied =
        std::io::copy(&mut from, &mut copy).and_then(|_| copy.set_permissions(fs::Permissions::from_mode(0o755)));
    copied.inspect_err(|_| drop(fs::remove_file(to)))
}

fn copy_prober() -> std::io::Result<()> {
    let name = Path::new(PROBER).file_name().unwrap_or_default();
    copy_program(&std::env::current_exe()?.with_file_name(name), PROBER)?;
    fs::hard_link(PROBER, FIRECRACKER_PROBER)
}
