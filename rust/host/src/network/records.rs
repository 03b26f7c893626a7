//! What a daemon that follows has to know: the range of the instance, and whose a slot is. A record is written whole or not
//! at all; it does not wait for the disk, since nothing that it tells of outlives the host.

use crate::error::{During, Outcome};
use crate::network::addresses::Cidr;
use crate::network::policy::Marked;
use crate::spec::SlotName;
use crate::store::ids::{Id, NetworkId};
use crate::store::paths;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const HOST: &str = "host";

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

/// The records of an instance.
#[derive(Clone)]
pub struct Records(PathBuf);

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, record: &impl Serialize) -> Outcome<()> {
    let what = || format!("write {}", path.display());
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(record).during(what)?).during(what)?;
    fs::rename(&new, path).during(what)
}

/// Done already where there is none.
fn gone(removed: io::Result<()>, path: &Path) -> Outcome<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).during(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

impl Records {
    pub fn new(instance: &str) -> Self {
        Self(paths::slots(instance))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    /// Takes over what an earlier version kept in the data folder.
    ///
    /// # Errors
    /// What the file system refused; saying so again goes on from there.
    pub fn take_over(&self, earlier: &Path) -> Outcome<()> {
        let what = || format!("take over {}", earlier.display());
        let entries = fs::read_dir(earlier).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let to = self.0.join(path.file_name().unwrap_or_default());
            let record: Option<serde_json::Value> = read(&path).filter(|_| !to.exists());
            if let Some(record) = record {
                fs::create_dir_all(&self.0).during(what)?;
                write(&to, &record)?;
            }
        }
        gone(fs::remove_dir_all(earlier), earlier)
    }

    pub fn host(&self) -> Option<HostRecord> {
        read(&self.path(HOST))
    }

    /// # Errors
    /// `no-space` or `internal`.
    pub fn write_host(&self, record: &HostRecord) -> Outcome<()> {
        fs::create_dir_all(&self.0).during(|| format!("make {}", self.0.display()))?;
        write(&self.path(HOST), record)
    }

    /// After all others.
    ///
    /// # Errors
    /// What the file system refused.
    pub fn remove_host(&self) -> Outcome<()> {
        gone(fs::remove_dir_all(&self.0), &self.0)
    }

    pub fn slot(&self, name: SlotName) -> Option<SlotRecord> {
        read(&self.path(&name.to_string()))
    }

    /// # Errors
    /// `no-space` or `internal`.
    pub fn write_slot(&self, name: SlotName, record: &SlotRecord) -> Outcome<()> {
        write(&self.path(&name.to_string()), record)
    }

    /// # Errors
    /// What the file system refused.
    pub fn remove_slot(&self, name: SlotName) -> Outcome<()> {
        let path = self.path(&name.to_string());
        // One that was not written to its end goes first: the slot is known by the other.
        [path.with_extension("new"), path].iter().try_for_each(|path| gone(fs::remove_file(path), path))
    }

    /// The names of slots that have a record.
    pub fn slots(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).filter(|name| name != HOST).collect()
    }
}
