//! Where the daemon's own things lie. Every path starts below `/run/microterm-host`, where each component is root's
//! (`host_folder.rs`).

use crate::store::ids::{Id, ImageKey, TemplateKey};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Root's folder on the host, shared by all instances.
pub const BASE: &str = "/run/microterm-host";
/// Claims of uids, one file each, shared by all instances.
pub const CLAIMS: &str = "/run/microterm-host/uids";
/// Devices that instances have the host forward from (network/forwarding.rs).
pub const UPLINKS: &str = "/run/microterm-host/uplinks";
/// Records of slots, a folder an instance.
pub const SLOTS: &str = "/run/microterm-host/slots";
/// A tmpfs of this instance's mount namespace.
pub const PRIVATE: &str = "/run/microterm-host/mnt";
/// `DIR/host`, bound.
pub const HOST: &str = "/run/microterm-host/mnt/host";
/// Device nodes for machines under KVM.
pub const NODES: &str = "/run/microterm-host/mnt/nodes";
/// A copy of this program, which no rebuild replaces.
pub const PROGRAM: &str = "/run/microterm-host/mnt/microterm-host";
/// Copies of Firecracker and its jailer, which no upgrade replaces under a machine.
pub const FIRECRACKER: &str = "/run/microterm-host/mnt/firecracker";
pub const JAILER: &str = "/run/microterm-host/mnt/jailer";
/// Where each shim mounts what its jailer is to find, in a mount namespace of its own.
pub const JAIL: &str = "/run/microterm-host/mnt/jail";
/// The same of the prober, where it lay beside this program.
pub const PROBER: &str = "/run/microterm-host/mnt/microterm-jail-probe";
/// Its second name: the jailer runs nothing that is not called so.
pub const FIRECRACKER_PROBER: &str = "/run/microterm-host/mnt/probe-firecracker";

pub fn host() -> PathBuf {
    PathBuf::from(HOST)
}
pub fn socket() -> PathBuf {
    host().join("run/host.sock")
}
pub fn images() -> PathBuf {
    host().join("images")
}
pub fn image(key: &ImageKey) -> PathBuf {
    images().join(key.as_str())
}
pub fn blanks() -> PathBuf {
    host().join("blanks")
}
pub fn disks() -> PathBuf {
    host().join("disks")
}
pub fn disk(id: &Id) -> PathBuf {
    disks().join(format!("{id}.ext4"))
}
pub fn machines() -> PathBuf {
    host().join("machines")
}
pub fn machine(id: &Id) -> PathBuf {
    machines().join(id.as_str())
}
/// Files of a machine that its VMM has in its jail by their names. A user who could read there could read a guest's memory.
pub fn vmm_files(id: &Id) -> PathBuf {
    machine(id).join("vmm")
}
/// Records of an instance's slots. They are of what ends with the host's kernel, and no disk has to hear of them.
pub fn slots(instance: &str) -> PathBuf {
    Path::new(SLOTS).join(instance)
}
/// Where an earlier version had them.
pub fn earlier_slots() -> PathBuf {
    host().join("slots")
}
pub fn runtime() -> PathBuf {
    host().join("runtime")
}
pub fn templates() -> PathBuf {
    host().join("templates")
}
pub fn template(key: &TemplateKey) -> PathBuf {
    templates().join(key.as_str())
}
pub fn saves() -> PathBuf {
    host().join("saves")
}
pub fn save(id: &Id) -> PathBuf {
    saves().join(id.as_str())
}
pub fn node(id: &Id) -> PathBuf {
    Path::new(NODES).join(format!("{id}-kvm"))
}

/// What the entries of a folder are named by; whatever else lies in it is passed over.
pub fn names_in<T: Ord>(folder: &Path, parse: impl Fn(&str) -> Result<T, String>) -> BTreeSet<T> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| parse(entry.file_name().to_str()?).ok()).collect()
}

/// Frees what a killed daemon left half-made: copies that never got their name.
pub fn remove_partial() {
    for folder in [images(), blanks(), disks(), runtime(), templates(), saves()] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().ends_with(".new") {
                let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
            }
        }
    }
}
