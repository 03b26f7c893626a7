//! A template or a save on disk: `manifest.json`, which is written last, `memory`, `state`, and a template's `disk`.

use crate::error::{Code, During, Failure, Outcome, failure};
use crate::snapshot::pages::{self, Sum};
use crate::spec::{ChannelKey, Shape};
use crate::store::ids::{Id, hex};
use crate::store::{files, fingerprint};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub const MANIFEST: &str = "manifest.json";
pub const MEMORY: &str = "memory";
pub const STATE: &str = "state";
pub const DISK: &str = "disk";
/// Longest manifest, in bytes. It has some 3,000.
const LONGEST: u64 = 64 * 1024;
/// Most bytes of device state, as much as the taking apart of a stream leaves.
const MOST_STATE: u64 = 64 << 20;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    pub version: u32,
    /// Of machines that can load it (compatibility.rs).
    #[serde(rename = "kind")]
    pub compatibility_key: String,
    pub shape: Shape,
    #[serde(rename = "magic")]
    pub channel_key: ChannelKey,
    /// The disk that a saved machine goes on with.
    pub disk_id: Option<Id>,
    pub saved_unix_ms: u64,
    pub state: StateSum,
    /// Digests as of `pages::digest`: SHA-256 of a template, CRC-32 of a save.
    pub memory: Vec<String>,
    pub disk: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StateSum {
    pub size: u64,
    pub sha256: String,
}

impl StateSum {
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
    }
}

/// What is wrong with a template or a save.
pub fn corrupt(what: impl Into<String>) -> Failure {
    failure(Code::SnapshotCorrupt, what)
}

/// Opens a file of a template or a save.
///
/// # Errors
/// `snapshot-corrupt` when it is not there, or no plain file.
pub fn open(folder: &Path, name: &str) -> Outcome<File> {
    let wrong = |why: String| corrupt(format!("{name}: {why}"));
    let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(folder.join(name));
    let file = opened.map_err(|error| wrong(error.to_string()))?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        _ => Err(wrong("not a regular file".to_owned())),
    }
}

impl Manifest {
    /// Reads a folder's manifest, and looks whether the files have the sizes that belong to it.
    ///
    /// # Errors
    /// `snapshot-corrupt`.
    pub fn read(folder: &Path) -> Outcome<Self> {
        let mut bytes = Vec::new();
        open(folder, MANIFEST)?.take(LONGEST).read_to_end(&mut bytes).map_err(|error| corrupt(error.to_string()))?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| corrupt(format!("{MANIFEST}: {error}")))?;
        if manifest.version != 1 {
            return Err(corrupt(format!("{MANIFEST} has version {}, and 1 is understood", manifest.version)));
        }
        let disk = manifest.disk.as_ref().map(|_| (DISK, manifest.shape.disk_mib << 20));
        let files = [(MEMORY, manifest.shape.memory_mib << 20), (STATE, manifest.state.size)];
        for (name, size) in files.into_iter().chain(disk) {
            let found = fs::symlink_metadata(folder.join(name)).map(|found| found.len());
            if !found.is_ok_and(|found| found == size) {
                return Err(corrupt(format!("{name} does not have the {size} bytes that belong to it")));
            }
        }
        Ok(manifest)
    }

    /// Writes it into a folder whose other files are complete, and waits for the disk.
    ///
    /// # Errors
    /// `no-space` or `internal`.
    pub fn write(&self, folder: &Path) -> Outcome<()> {
        let text = serde_json::to_vec(self).during(|| "write a manifest".to_owned())?;
        files::write(&folder.join(MANIFEST), &text)?;
        File::open(folder).and_then(|open| open.sync_all()).during(|| "write a folder".to_owned())
    }

    /// Reads and checks the device state.
    ///
    /// # Errors
    /// `snapshot-corrupt`.
    pub fn read_state(&self, folder: &Path) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = open(folder, STATE)?.take(MOST_STATE + 1).read_to_end(&mut bytes);
        read.map_err(|error| corrupt(format!("{STATE}: {error}")))?;
        if StateSum::of(&bytes).sha256 == self.state.sha256 { Ok(bytes) } else { Err(differs(STATE)) }
    }
}

/// Whether a sparse file is the one that was digested. Each page that is not zero is handed to `see`.
///
/// # Errors
/// `snapshot-corrupt` when it is not, or cannot be read.
pub fn check(
    sum: Sum,
    file: &File,
    name: &str,
    digests: &[String],
    see: impl Fn(u64, &[u8]) -> std::io::Result<()> + Sync,
) -> Outcome<()> {
    match pages::digest(sum, file, see) {
        Ok(found) if found == digests => Ok(()),
        Ok(_) => Err(differs(name)),
        Err(error) => Err(corrupt(format!("{name}: {error}"))),
    }
}

fn differs(name: &str) -> Failure {
    corrupt(format!("{name} is not as it was saved"))
}

/// Changes with any write to one of the files. `gets_names`: machines give its files names of their own.
pub fn fingerprint(folder: &Path, gets_names: bool) -> Option<String> {
    let names = [MANIFEST, MEMORY, STATE, DISK];
    if gets_names { fingerprint::of_contents(folder, &names) } else { fingerprint::of(folder, &names) }
}
