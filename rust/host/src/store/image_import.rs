//! Importing images: once, checked against their manifest, and root's from then on.

use crate::error::{Code, During, Outcome, failure, note};
use crate::store::free_space::{KEEP_FREE, free_bytes};
use crate::store::ids::ImageKey;
use crate::store::images::{FILES, ImageManifest, LONGEST_MANIFEST, ListedFile, digest, open_plain, verify};
use crate::store::{copy, fingerprint, paths};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What an image's fingerprint is taken of.
const NAMES: [&str; 4] = [FILES[0], FILES[1], FILES[2], "manifest.json"];

/// Imports the image in `from`, or the ones in its subfolders. An image that is here and whole is left alone; one
/// whose bytes are wrong is replaced.
pub fn import(from: &Path) -> Vec<Outcome<ImageKey>> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let top = match open(from, flags, Mode::empty()).during(|| format!("open {}", from.display())) {
        Ok(top) => top,
        Err(failure) => return vec![Err(failure)],
    };
    if openat(&top, "manifest.json", OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).is_ok() {
        return vec![import_one(&top)];
    }
    let Ok(entries) = fs::read_dir(from) else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let images =
        names.iter().filter_map(|name| openat(&top, name.as_os_str(), flags | OFlag::O_NOFOLLOW, Mode::empty()).ok());
    images
        .filter(|image| openat(image, "manifest.json", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).is_ok())
        .map(|image| import_one(&image))
        .collect()
}

/// The folder may be another user's, so each file is opened without following links, and what counts is the hash of
/// the copy.
fn import_one(from: impl AsFd) -> Outcome<ImageKey> {
    let plain = |name: &str| -> Outcome<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(from.as_fd(), name, flags, Mode::empty()).during(|| format!("open {name}"))?);
        match file.metadata() {
            Ok(found) if found.is_file() => Ok(file),
            _ => Err(failure(Code::ImageCorrupt, format!("{name} is not a regular file"))),
        }
    };
    let mut bytes = Vec::new();
    plain("manifest.json")?
        .take(LONGEST_MANIFEST)
        .read_to_end(&mut bytes)
        .during(|| "read manifest.json".to_owned())?;
    let manifest = ImageManifest::read(&bytes)?;
    let key = &manifest.key;
    let here = paths::image(key);
    if fingerprint::is_unchanged(&here, &NAMES) {
        return Ok(key.clone());
    }
    match verify(key) {
        Ok(bad) if bad.is_empty() => {
            fingerprint::note(&here, &NAMES);
            return Ok(key.clone());
        }
        // Set-up finds this line in the log and passes it on.
        Ok(bad) => note(format_args!("the installed image is corrupt ({}): it is installed again", bad.join(", "))),
        Err(_) if here.exists() => note("the installed image is corrupt (manifest.json): it is installed again"),
        Err(_) => {}
    }
    check_room(&manifest)?;
    let new = paths::images().join(format!("{key}.new"));
    let _ = fs::remove_dir_all(&new);
    let made = fs::create_dir(&new).during(|| format!("make {}", new.display()));
    let copied = made.and_then(|()| {
        for name in FILES {
            copy_checked(&plain(name)?, &new.join(name), manifest.listed(name), name)?;
        }
        write_plain(&new.join("manifest.json"), &bytes)
    });
    copied.and_then(|()| name_image(&new, key)).inspect_err(|_| {
        let _ = fs::remove_dir_all(&new);
    })?;
    fingerprint::note(&here, &NAMES);
    Ok(key.clone())
}

/// Whether the disk has room for a copy; where files are cloned there is more than enough.
fn check_room(manifest: &ImageManifest) -> Outcome<()> {
    let needed = FILES.iter().fold(0_u64, |sum, name| sum.saturating_add(manifest.listed(name).size));
    let free = free_bytes()?;
    if free >= KEEP_FREE.saturating_add(needed) {
        return Ok(());
    }
    let text = format!(
        "image {} needs {} MiB, {} MiB are free, and 256 are kept free",
        manifest.key,
        needed >> 20,
        free >> 20
    );
    Err(failure(Code::NoSpace, text))
}

fn copy_checked(from: &File, to: &Path, listed: &ListedFile, name: &str) -> Outcome<()> {
    let wrong = |why: &str| failure(Code::ImageCorrupt, format!("{name} {why}"));
    if from.metadata().during(|| format!("look at {name}"))?.len() != listed.size {
        return Err(wrong("does not have the size its manifest lists"));
    }
    let copy = copy::clone_file(from, to).during(|| format!("copy {name}"))?;
    copy.set_permissions(fs::Permissions::from_mode(0o444)).during(|| format!("protect {name}"))?;
    copy.sync_all().during(|| format!("write {name}"))?;
    let digest = digest(open_plain(to).during(|| format!("read {name}"))?).during(|| format!("read {name}"))?;
    if digest == listed.sha256 { Ok(()) } else { Err(wrong("does not have the SHA-256 its manifest lists")) }
}

fn write_plain(path: &Path, bytes: &[u8]) -> Outcome<()> {
    fs::write(path, bytes).during(|| format!("write {}", path.display()))?;
    File::open(path).and_then(|file| file.sync_all()).during(|| format!("write {}", path.display()))
}

fn name_image(new: &Path, key: &ImageKey) -> Outcome<()> {
    let target = paths::image(key);
    if target.exists() {
        // Machines that run on the old files keep them open; the name is free for the good ones.
        let old = paths::images().join(format!("{key}.old.new"));
        let _ = fs::remove_dir_all(&old);
        fs::rename(&target, &old).during(|| format!("move the old image {key} away"))?;
        fs::rename(new, &target).during(|| format!("name image {key}"))?;
        let _ = fs::remove_dir_all(&old);
        return Ok(());
    }
    fs::rename(new, &target).during(|| format!("name image {key}"))
}
