//! Images as they lie on disk, and what their manifests say of them.

use crate::error::{Code, During, Outcome, failure};
use crate::store::ids::{ImageKey, hex};
use crate::store::paths;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The files of every image, besides its manifest.
pub const FILES: [&str; 3] = ["vmlinuz", "initrd.cpio", "root.erofs"];
/// Longest manifest, in bytes.
pub const LONGEST_MANIFEST: u64 = 1024 * 1024;

#[derive(Clone, Debug, Deserialize)]
pub struct ListedFile {
    pub size: u64,
    pub sha256: String,
}

/// `manifest.json`. Keys that only the image's makers need are passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct ImageManifest {
    pub version: u32,
    pub key: ImageKey,
    pub files: BTreeMap<String, ListedFile>,
}

impl ImageManifest {
    /// # Errors
    /// `image-corrupt` when it is not one, of another version, or incomplete.
    pub fn read(bytes: &[u8]) -> Outcome<Self> {
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

    pub fn listed(&self, name: &str) -> &ListedFile {
        &self.files[name]
    }
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// What the file system refused.
pub fn digest(mut file: File) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

/// Opens a file for reading, unless it is a symbolic link.
///
/// # Errors
/// What the file system refused.
pub fn open_plain(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

fn manifest_of(key: &ImageKey) -> Outcome<ImageManifest> {
    let path = paths::image(key).join("manifest.json");
    let file = open_plain(&path).map_err(|_| failure(Code::NotFound, format!("there is no image {key}")))?;
    let mut bytes = Vec::new();
    file.take(LONGEST_MANIFEST).read_to_end(&mut bytes).during(|| format!("read the manifest of {key}"))?;
    ImageManifest::read(&bytes)
}

/// The keys of all imported images.
pub fn list() -> BTreeSet<ImageKey> {
    paths::names_in(&paths::images(), ImageKey::parse)
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

/// Keys of the images that an import would take from a folder, as their manifests say.
pub fn offered(from: &Path) -> BTreeSet<ImageKey> {
    let below = fs::read_dir(from).into_iter().flatten().flatten().map(|entry| entry.path());
    let key = |folder: &Path| {
        let mut bytes = Vec::new();
        open_plain(&folder.join("manifest.json")).ok()?.take(LONGEST_MANIFEST).read_to_end(&mut bytes).ok()?;
        Some(ImageManifest::read(&bytes).ok()?.key)
    };
    std::iter::once(from.to_owned()).chain(below).filter_map(|folder| key(&folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_lists_every_file() {
        let good = r#"{"version":1,"key":"abcdefgh","kernel":"6.1","files":{"vmlinuz":{"size":1,"sha256":"x"},
            "initrd.cpio":{"size":1,"sha256":"x"},"root.erofs":{"size":1,"sha256":"x"}}}"#;
        assert_eq!(ImageManifest::read(good.as_bytes()).unwrap().key.as_str(), "abcdefgh");
        for (from, to) in [("root.erofs", "other"), ("\"version\":1", "\"version\":2"), ("abcdefgh", "../../x1")] {
            let failure = ImageManifest::read(good.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(failure.code, Code::ImageCorrupt, "{from} → {to}");
        }
    }
}
