//! The mounts and files of a guest's boot.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, chroot};

use crate::guest::devices;
use crate::process::user::User;

const NEW_ROOT: &str = "/root.new";
/// The initrd's root, which the new root covers. The disk stays mounted there, where the tenant cannot see it.
static OLD_ROOT: OnceLock<File> = OnceLock::new();

/// Where programs find this binary, for `poweroff`, `reboot` and so on.
const AGENT_BELOW_RUN: &str = "/run/microterm/agent";

fn mount_new(kind: &str, target: &str, flags: MsFlags, options: &str) -> io::Result<()> {
    Ok(mount(Some(kind), target, Some(kind), flags, Some(options))?)
}

fn quiet() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
}

pub fn mount_kernel_files() -> io::Result<()> {
    mount_new("proc", "/proc", quiet(), "")?;
    mount_new("sysfs", "/sys", quiet(), "")?;
    mount_new("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=0755")
}

/// Loads the modules of /modules in the order of /modules/order.
pub fn load_modules() -> io::Result<()> {
    for name in fs::read_to_string("/modules/order")?.lines().filter(|line| !line.is_empty()) {
        let file = File::open(Path::new("/modules").join(name))?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            // Built in, or loaded because another module needs it.
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(error) => return Err(io::Error::other(format!("{name}: {error}"))),
        }
    }
    Ok(())
}

/// The block device of a name: the one whose virtio serial it is, else the virtio device at its place among `drives`.
pub fn block_device(name: &str, drives: &[String]) -> Option<PathBuf> {
    find_block_device(Path::new("/sys/block"), name, drives)
        .map(|device| Path::new("/dev").join(device))
        .filter(|device| device.exists())
}

fn find_block_device(blocks: &Path, name: &str, drives: &[String]) -> Option<OsString> {
    for entry in fs::read_dir(blocks).ok()?.filter_map(Result::ok) {
        if fs::read_to_string(entry.path().join("serial")).is_ok_and(|found| found.trim_end() == name) {
            return Some(entry.file_name());
        }
    }
    // The kernel names virtio's block devices in the order in which it finds them, which is the VMM's.
    let place = drives.iter().position(|drive| drive == name)?;
    let device = OsString::from(format!("vd{}", ('a'..='z').nth(place)?));
    blocks.join(&device).exists().then_some(device)
}

/// Mounts base and disk, and the overlay of both on [`NEW_ROOT`]. Waits for the base, whose driver has just been loaded.
pub fn mount_root(drives: &[String]) -> io::Result<()> {
    let base = devices::wait_for(|| block_device("base", drives))
        .ok_or_else(|| io::Error::other("no block device with the serial \"base\""))?;
    mount(Some(&base), "/base", Some("erofs"), MsFlags::MS_RDONLY, None::<&str>)?;
    // Base and disk are attached before the start: a disk that is not found beside the base does not exist.
    match block_device("disk", drives) {
        Some(disk) => mount(Some(&disk), "/disk", Some("ext4"), MsFlags::MS_NOATIME, None::<&str>)?,
        None => mount_new("tmpfs", "/disk", MsFlags::empty(), "size=50%,mode=0755")?,
    }
    for directory in ["/disk/upper", "/disk/work"] {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, PermissionsExt::from_mode(0o755))?;
    }
    mount_new("overlay", NEW_ROOT, MsFlags::empty(), "lowerdir=/base,upperdir=/disk/upper,workdir=/disk/work")
}

/// Makes [`NEW_ROOT`] the root, with the kernel's files, this binary and the disk in it.
pub fn enter_root() -> io::Result<()> {
    let below = |path: &str| format!("{NEW_ROOT}{path}");
    for directory in ["/proc", "/sys", "/dev", "/run", "/tmp"] {
        fs::create_dir_all(below(directory))?;
    }
    for directory in ["/proc", "/sys", "/dev"] {
        mount(Some(directory), below(directory).as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    }
    mount_new("tmpfs", &below("/run"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=0755,size=20%")?;
    fs::create_dir(below("/run/microterm"))?;
    File::create(below(AGENT_BELOW_RUN))?;
    let agent = below(AGENT_BELOW_RUN);
    mount(Some("/init"), agent.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, agent.as_str(), None::<&str>, read_only, None::<&str>)?;
    OLD_ROOT.get_or_init(|| File::open("/").expect("the initrd's root opens"));
    chdir(NEW_ROOT)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    chroot(".")?;
    Ok(chdir("/")?)
}

/// Makes the root and the disk below it clean: no journal to replay at the next start. Where that fails (a file is
/// still open for writing) a journal is left. The process's working directory changes.
pub fn freeze_disks() {
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let _ = mount(None::<&str>, "/", None::<&str>, read_only, None::<&str>);
    if OLD_ROOT.get().is_some_and(|root| nix::unistd::fchdir(root).is_ok()) {
        let _ = mount(None::<&str>, "disk", None::<&str>, read_only, None::<&str>);
    }
}

pub fn mount_rest() -> io::Result<()> {
    fs::create_dir_all("/dev/pts")?;
    fs::create_dir_all("/dev/shm")?;
    let no_exec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("devpts", "/dev/pts", no_exec, "gid=5,mode=0620,ptmxmode=0666")?;
    let shared = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/dev/shm", shared, "mode=1777")?;
    mount_new("tmpfs", "/tmp", shared, "mode=1777")?;
    mount_new("cgroup2", "/sys/fs/cgroup", quiet(), "")?;
    for (link, target) in
        [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("core", "/proc/kcore")]
    {
        match symlink(target, Path::new("/dev").join(link)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    // Programs open it for a terminal of their own; devtmpfs makes it for root alone.
    fs::set_permissions("/dev/ptmx", PermissionsExt::from_mode(0o666))?;
    fs::create_dir_all("/run/lock")?;
    fs::set_permissions("/run/lock", PermissionsExt::from_mode(0o1777))
}

/// Makes the home of the user, which a new disk lacks.
pub fn create_home(user: &User) -> io::Result<()> {
    if user.home.exists() {
        return Ok(());
    }
    // Made under another name and renamed: a power cut leaves no part of a home that looks like a whole one.
    let aside = user.home.with_file_name(".home.new");
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    if let Some(parent) = user.home.parent() {
        fs::create_dir_all(parent)?;
    }
    copy_tree(Path::new("/etc/skel"), &aside, user)?;
    fs::rename(&aside, &user.home)
}

fn copy_tree(from: &Path, to: &Path, user: &User) -> io::Result<()> {
    fs::create_dir(to)?;
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                copy_tree(&entry.path(), &target, user)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, &target)?;
                std::os::unix::fs::lchown(&target, Some(user.uid), Some(user.gid))?;
            } else if kind.is_file() {
                fs::copy(entry.path(), &target)?;
                chown(&target, Some(user.uid), Some(user.gid))?;
            }
        }
    }
    chown(to, Some(user.uid), Some(user.gid))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::find_block_device;

    /// A /sys/block of devices and their serials.
    fn blocks(devices: &[(&str, Option<&str>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, serial) in devices {
            let device = folder.path().join(name);
            fs::create_dir(&device).unwrap();
            if let Some(serial) = serial {
                fs::write(device.join("serial"), format!("{serial}\n")).unwrap();
            }
        }
        folder
    }

    #[test]
    fn a_serial_counts_before_a_place() {
        let drives = ["base".to_owned(), "disk".to_owned()];
        let swapped = blocks(&[("vda", Some("disk")), ("vdb", Some("base")), ("loop0", None)]);
        assert_eq!(find_block_device(swapped.path(), "base", &drives).unwrap(), "vdb");
        assert_eq!(find_block_device(swapped.path(), "disk", &drives).unwrap(), "vda");
        assert_eq!(find_block_device(swapped.path(), "disk", &[]).unwrap(), "vda");
    }

    #[test]
    fn a_device_of_another_serial_has_its_place() {
        let drives = ["base".to_owned(), "disk".to_owned()];
        let placed = blocks(&[("vda", Some("64769-1-23")), ("vdb", None), ("loop0", None)]);
        assert_eq!(find_block_device(placed.path(), "base", &drives).unwrap(), "vda");
        assert_eq!(find_block_device(placed.path(), "disk", &drives).unwrap(), "vdb");
        assert_eq!(find_block_device(placed.path(), "disk", &drives[..1]), None);
        let alone = blocks(&[("vda", None)]);
        assert_eq!(find_block_device(alone.path(), "disk", &drives), None);
        assert_eq!(find_block_device(alone.path(), "base", &[]), None);
    }
}
