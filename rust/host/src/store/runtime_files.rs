//! A VMM's files under a root of their own. Binding each of some fifty libraries takes bubblewrap longer than QEMU takes
//! to restore a guest; three folders of hard links are bound at once, cost no space, and keep the files that a package's
//! upgrade replaces.

use crate::error::{During, Outcome};
use crate::store::ids::hex;
use crate::store::{host_folder, paths};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Host path and path in the jail.
pub type Binds = Vec<(PathBuf, PathBuf)>;

/// Links files below the daemon's folder. Answers with what to bind instead of them.
///
/// # Errors
/// Where they lie on another mount than the data folder: then there are no hard links, and each is bound by itself.
pub fn link(data: &Path, binds: &Binds) -> Outcome<Binds> {
    let folder = paths::runtime().join(name(binds)?);
    if !folder.exists() {
        let new = folder.with_extension("new");
        let _ = fs::remove_dir_all(&new);
        link_all(data, binds, &new).inspect_err(|_| {
            let _ = fs::remove_dir_all(&new);
        })?;
        remove_others()?;
        fs::rename(&new, &folder).during(|| "name a VMM's files".to_owned())?;
    }
    let tops = fs::read_dir(&folder).during(|| "list a VMM's files".to_owned())?;
    Ok(tops.flatten().map(|top| (top.path(), Path::new("/").join(top.file_name()))).collect())
}

/// Differs as soon as one of the files does.
fn name(binds: &Binds) -> Outcome<String> {
    let mut hash = Sha256::new();
    for (from, to) in binds {
        let found = fs::metadata(from).during(|| format!("look at {}", from.display()))?;
        let line = format!("{} {} {} {} {}\n", to.display(), found.dev(), found.ino(), found.size(), found.mtime());
        hash.update(line);
    }
    Ok(hex(&hash.finalize()[..8]))
}

fn link_all(data: &Path, binds: &Binds, new: &Path) -> Outcome<()> {
    // The daemon's own path leads over a mount of its own, and links never cross mounts.
    let host = host_folder::reopen(data)?;
    let below = new.strip_prefix(paths::host()).unwrap_or(new);
    for (from, to) in binds {
        let inside = to.strip_prefix("/").unwrap_or(to);
        let above = new.join(inside.parent().unwrap_or(inside));
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&above);
        made.during(|| "make a folder for a VMM's files".to_owned())?;
        let real = fs::canonicalize(from).during(|| format!("look at {}", from.display()))?;
        linkat(AT_FDCWD, &real, &host, &below.join(inside), AtFlags::empty())
            .during(|| format!("link {}", real.display()))?;
    }
    open_folders(new)
}

/// Lets the jail's uid enter the folders, which the daemon's mask has closed.
fn open_folders(folder: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).during(|| "open a folder".to_owned())?;
    for entry in fs::read_dir(folder).during(|| "list a folder".to_owned())?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes those of earlier builds. Machines that run keep theirs.
fn remove_others() -> Outcome<()> {
    let entries = fs::read_dir(paths::runtime()).during(|| "list a VMM's files".to_owned())?;
    for entry in entries.flatten().filter(|entry| entry.path().extension().is_none()) {
        let _ = fs::remove_dir_all(entry.path());
    }
    Ok(())
}
