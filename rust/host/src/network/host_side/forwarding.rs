//! Forwarding on the host's uplink, which instances share: the first one turns it on, and the last one gives it back what
//! it was. Who needs it stands in a folder a device: `was`, and a file an instance.

use crate::error::{During, Outcome};
use crate::store::paths::UPLINKS;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const WAS: &str = "was";

fn setting(device: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv4/conf").join(device).join("forwarding")
}

/// Whether the host forwards from all of its devices, which is others' doing.
pub fn is_global() -> bool {
    fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1")
}

/// Devices of other network namespaces may have the same name.
fn folder(device: &str) -> Outcome<PathBuf> {
    let own = fs::metadata("/proc/thread-self/ns/net").during(|| "look at the network namespace".to_owned())?;
    Ok(Path::new(UPLINKS).join(format!("{}-{device}", own.ino())))
}

fn lock() -> Outcome<Flock<File>> {
    let what = || format!("lock {UPLINKS}");
    let file = File::open(UPLINKS).during(what)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).during(what)
}

fn others(folder: &Path, instance: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name != WAS && name != instance)
}

/// Has the host forward what comes from a device. Answers whether it does so for instances alone.
///
/// # Errors
/// What the file system or the kernel refused.
pub fn enable(device: &str, instance: &str) -> Outcome<bool> {
    let what = || format!("have {device} forward");
    let _lock = lock()?;
    let folder = folder(device)?;
    fs::create_dir_all(&folder).during(what)?;
    let (was, claim) = (folder.join(WAS), folder.join(instance));
    if !claim.exists() && !others(&folder, instance) {
        let now = fs::read_to_string(setting(device)).during(what)?;
        fs::write(&was, now).during(what)?;
    }
    fs::write(&claim, b"").during(what)?;
    fs::write(setting(device), b"1").during(what)?;
    Ok(fs::read_to_string(&was).during(what)?.trim() == "0" && !is_global())
}

/// Gives up what an instance needs of all devices but one.
///
/// # Errors
/// What the file system refused.
pub fn disable_others(instance: &str, but: Option<&str>) -> Outcome<()> {
    let _lock = lock()?;
    let here = folder("")?;
    let here = here.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in fs::read_dir(UPLINKS).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(device) = name.strip_prefix(&here) else { continue };
        let (path, what) = (entry.path(), || format!("give {device} its forwarding back"));
        if Some(device) == but || !path.join(instance).exists() {
            continue;
        }
        if !others(&path, instance) {
            let was = fs::read_to_string(path.join(WAS)).during(what)?;
            if !is_global() {
                match fs::write(setting(device), was.trim()) {
                    // The device is gone, and its setting with it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    written => written.during(what)?,
                }
            }
            fs::remove_file(path.join(WAS)).during(what)?;
        }
        fs::remove_file(path.join(instance)).during(what)?;
        let _ = fs::remove_dir(&path);
    }
    Ok(())
}
