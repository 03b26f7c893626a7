//! What a daemon that follows has to know: the range of the instance, and whose a slot is. A record is written whole or not
//! at all; it does not wait for the disk, since nothing that it tells of outlives the host.

use crate::error::{During, Outcome};
use crate::network::addresses::Cidr;
use crate::network::policy::Marked;
use crate::store::ids::{Id, NetworkId};
use crate::store::paths;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostRecord {
    pub boot_id: String,
    pub range: Cidr,
    /// Whether all of it is made.
    pub is_whole: bool,
}

/// Of a slot that is whole.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotRecord {
    pub boot_id: String,
    /// A digest of its rules, without what the ceiling says.
    pub rules: String,
    pub machine_id: Option<Id>,
    pub policy: Marked,
    /// The shared network that it is in.
    #[serde(default)]
    pub membership: Option<Membership>,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    pub network: NetworkId,
    /// Whether all of it is made.
    pub is_whole: bool,
}

fn host_path() -> PathBuf {
    paths::slots().join("host.json")
}

fn slot_path(name: &str) -> PathBuf {
    paths::slots().join(format!("{name}.json"))
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, record: &impl Serialize) -> Outcome<()> {
    let what = || format!("write {}", path.display());
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(record).during(what)?).during(what)?;
    fs::rename(&new, path).during(what)
}

fn remove(path: &Path) -> Outcome<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).during(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

impl HostRecord {
    pub fn read() -> Option<Self> {
        read(&host_path())
    }

    /// # Errors
    /// `no-space` or `internal`.
    pub fn write(&self) -> Outcome<()> {
        write(&host_path(), self)
    }

    /// # Errors
    /// What the file system refused.
    pub fn remove() -> Outcome<()> {
        remove(&host_path())
    }
}

impl SlotRecord {
    pub fn read(name: &str) -> Option<Self> {
        read(&slot_path(name))
    }

    /// # Errors
    /// `no-space` or `internal`.
    pub fn write(&self, name: &str) -> Outcome<()> {
        write(&slot_path(name), self)
    }

    /// # Errors
    /// What the file system refused.
    pub fn remove(name: &str) -> Outcome<()> {
        remove(&slot_path(name))
    }
}

/// The names of slots that have a record.
pub fn slots() -> Vec<String> {
    let names = fs::read_dir(paths::slots()).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).filter(|name| name != "host").collect()
}
