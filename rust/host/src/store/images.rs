//! Images: imported once, checked against their manifest, and root's from then on.

use crate::error::{Code, During, Outcome, failure, note};
use crate::machine::resources;
use crate::store::copy;
use crate::store::disks::KEEP_FREE;
use crate::store::fingerprint;
use crate::store::ids::{ImageKey, hex};
use crate::store::paths;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The files of every image, besides its manifest.
pub const FILES: [&str; 3] = ["vmlinuz", "initrd.cpio", "root.erofs"];
/// Longest manifest, in bytes.
const LONGEST_MANIFEST: u64 = 1024 * 1024;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Listed {
    pub size: u64,
    pub sha256: String,
}

/// `manifest.json`. Keys that only the image's makers need are passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub key: ImageKey,
    pub files: BTreeMap<String, Listed>,
}

impl Manifest {
    fn read(bytes: &[u8]) -> Outcome<Self> {
        let corrupt = |why: String| failure(Code::ImageCorrupt, why);
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| corrupt(format!("manifest.json: {error}")))?;
        if manifest.version != 1 {
            return Err(corrupt(format!("manifest.json has version {}, and 1 is understood", manifest.version)));
        }
        match FILES.iter().find(|name| !manifest.files.contains_key(**name)) {
            Some(name) => Err(corrupt(format!("manifest.json does not list {name}"))),
            None => Ok(manifest),
        }
    }

    fn listed(&self, name: &str) -> &Listed {
        &self.files[name]
    }
}

fn digest(mut file: File) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

fn open_plain(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

fn manifest_of(key: &ImageKey) -> Outcome<Manifest> {
    let path = paths::image(key).join("manifest.json");
    let file = open_plain(&path).map_err(|_| failure(Code::NotFound, format!("there is no image {key}")))?;
    let mut bytes = Vec::new();
    file.take(LONGEST_MANIFEST).read_to_end(&mut bytes).during(|| format!("read the manifest of {key}"))?;
    Manifest::read(&bytes)
}

/// The keys of all imported images.
pub fn list() -> BTreeSet<ImageKey> {
    paths::named(&paths::images(), ImageKey::parse)
}

/// Files whose bytes are not those of the manifest. Reads them all.
///
/// # Errors
/// `not-found`, or `image-corrupt` when the manifest itself cannot be read.
pub fn verify(key: &ImageKey) -> Outcome<Vec<String>> {
    let manifest = manifest_of(key)?;
    let good = |name: &str| {
        let listed = manifest.listed(name);
        let file = open_plain(&paths::image(key).join(name)).ok()?;
        let same_size = file.metadata().ok()?.len() == listed.size;
        (same_size && digest(file).ok()? == listed.sha256).then_some(())
    };
    Ok(FILES.iter().filter(|name| good(name).is_none()).map(|name| (*name).to_owned()).collect())
}

/// Whether all files are there in the listed sizes: what a launch can afford to check.
///
/// # Errors
/// `not-found` or `image-corrupt`.
pub fn check_sizes(key: &ImageKey) -> Outcome<()> {
    let manifest = manifest_of(key)?;
    for name in FILES {
        let found = fs::symlink_metadata(paths::image(key).join(name)).map(|found| found.len());
        let listed = manifest.listed(name).size;
        if !found.is_ok_and(|size| size == listed) {
            return Err(failure(
                Code::ImageCorrupt,
                format!("{name} of image {key} does not have the {listed} bytes its manifest lists"),
            ));
        }
    }
    Ok(())
}

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

/// Keys of the images that `import` would take from a folder, as their manifests say.
pub fn offered(from: &Path) -> BTreeSet<ImageKey> {
    let below = fs::read_dir(from).into_iter().flatten().flatten().map(|entry| entry.path());
    let key = |folder: &Path| {
        let mut bytes = Vec::new();
        open_plain(&folder.join("manifest.json")).ok()?.take(LONGEST_MANIFEST).read_to_end(&mut bytes).ok()?;
        Some(Manifest::read(&bytes).ok()?.key)
    };
    std::iter::once(from.to_owned()).chain(below).filter_map(|folder| key(&folder)).collect()
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
    let manifest = Manifest::read(&bytes)?;
    let key = &manifest.key;
    let here = paths::image(key);
    if fingerprint::holds(&here) {
        return Ok(key.clone());
    }
    match verify(key) {
        Ok(bad) if bad.is_empty() => {
            fingerprint::set(&here);
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
            take_in(&plain(name)?, &new.join(name), manifest.listed(name), name)?;
        }
        write_plain(&new.join("manifest.json"), &bytes)
    });
    copied.and_then(|()| put_in_place(&new, key)).inspect_err(|_| {
        let _ = fs::remove_dir_all(&new);
    })?;
    fingerprint::set(&here);
    Ok(key.clone())
}

/// Whether the disk has room for a copy; where files are cloned there is more than enough.
fn check_room(manifest: &Manifest) -> Outcome<()> {
    let needed = FILES.iter().fold(0_u64, |sum, name| sum.saturating_add(manifest.listed(name).size));
    let free = resources::free_bytes()?;
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

fn take_in(from: &File, to: &Path, listed: &Listed, name: &str) -> Outcome<()> {
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

fn put_in_place(new: &Path, key: &ImageKey) -> Outcome<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_lists_every_file() {
        let good = r#"{"version":1,"key":"abcdefgh","kernel":"6.1","files":{"vmlinuz":{"size":1,"sha256":"x"},
            "initrd.cpio":{"size":1,"sha256":"x"},"root.erofs":{"size":1,"sha256":"x"}}}"#;
        assert_eq!(Manifest::read(good.as_bytes()).unwrap().key.as_str(), "abcdefgh");
        for (from, to) in [("root.erofs", "other"), ("\"version\":1", "\"version\":2"), ("abcdefgh", "../../x1")] {
            let failure = Manifest::read(good.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(failure.code, Code::ImageCorrupt, "{from} → {to}");
        }
    }
}
