//! What the calls say. Paths are those in Firecracker's jail, relative to its working directory or absolute.

use crate::spec::Mac;
use crate::vmm::firecracker::api::capabilities::Capabilities;
use crate::vmm::firecracker::api::error::ApiError;
use crate::vmm::firecracker::api::rate_limiter::RateLimiter;
use serde::Serialize;
use serde_json::{Value, json};

/// A drive's or interface's name, which is a part of a path: letters, digits and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId(&'static str);

impl DeviceId {
    /// Panics on any other name, which for a constant is an error of the compiler.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "a device has a name");
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_', "a device's name has other characters");
            at += 1;
        }
        Self(name)
    }

    pub fn as_str(self) -> &'static str {
        self.0
    }
}

#[derive(Clone, Copy, Debug)]
pub struct MachineConfig {
    /// 1 to 32.
    pub cpus: u32,
    pub memory_mib: u64,
    /// Needed for `SnapshotType::Diff` of a guest that was booted.
    pub track_dirty_pages: bool,
}

impl MachineConfig {
    pub(super) fn body(&self) -> Value {
        json!({
            "vcpu_count": self.cpus,
            "mem_size_mib": self.memory_mib,
            "smt": false,
            "track_dirty_pages": self.track_dirty_pages,
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct BootSource<'a> {
    /// An uncompressed ELF file (`vmlinux`).
    pub kernel: &'a str,
    pub initrd: Option<&'a str>,
    /// The kernel's whole command line, but for what Firecracker adds of its devices.
    pub command_line: &'a str,
}

impl BootSource<'_> {
    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "kernel_image_path": self.kernel, "boot_args": self.command_line });
        if let Some(initrd) = self.initrd {
            body["initrd_path"] = initrd.into();
        }
        body
    }
}

/// A block device. The first that is put is the guest's `vda`, the second its `vdb`.
#[derive(Clone, Copy, Debug)]
pub struct Drive<'a> {
    pub id: DeviceId,
    pub path: &'a str,
    pub is_read_only: bool,
    pub limits: Option<RateLimiter>,
}

impl Drive<'_> {
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "drive_id": self.id.as_str(),
            "path_on_host": self.path,
            // It would only add words to the kernel's command line, and come before the others.
            "is_root_device": false,
            "is_read_only": self.is_read_only,
            // A flush of the guest's is one of the file. The default passes none on.
            "cache_type": "Writeback",
        });
        if let Some(limits) = self.limits {
            body["rate_limiter"] = limits.body();
        }
        body
    }
}

pub struct NetworkInterface<'a> {
    pub id: DeviceId,
    /// Its name in the network namespace of the process.
    pub tap: &'a str,
    pub guest_mac: Mac,
}

impl NetworkInterface<'_> {
    pub(super) fn body(&self) -> Value {
        json!({
            "iface_id": self.id.as_str(),
            "host_dev_name": self.tap,
            "guest_mac": self.guest_mac.to_string(),
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Vsock<'a> {
    /// The guest's address, 3 or more.
    pub guest_cid: u32,
    /// The socket, which Firecracker binds at this call. One that is there already is a refusal.
    pub path: &'a str,
}

impl Vsock<'_> {
    pub(super) fn body(&self) -> Value {
        json!({ "guest_cid": self.guest_cid, "uds_path": self.path })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SnapshotType {
    Full,
    /// Of the memory, what has changed since it was loaded, or since the last snapshot of either type. It is written into the
    /// file that is there when that has the memory's size; else the rest is a hole.
    Diff,
}

/// Where a snapshot is written. Firecracker makes the files where they are not there, and syncs them.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotFiles<'a> {
    pub state: &'a str,
    pub memory: &'a str,
}

impl SnapshotFiles<'_> {
    pub(super) fn body(&self, kind: SnapshotType) -> Value {
        json!({ "snapshot_type": kind, "snapshot_path": self.state, "mem_file_path": self.memory })
    }
}

/// A tap in place of the one that the snapshot was made with.
#[derive(Clone, Copy, Debug)]
pub struct NetworkOverride<'a> {
    pub id: DeviceId,
    pub tap: &'a str,
}

/// What a guest is restored from.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotSource<'a> {
    pub state: &'a str,
    /// Mapped privately: the guest's writes do not reach it, and it is needed for as long as the guest runs.
    pub memory: &'a str,
    /// Needed for `SnapshotType::Diff`.
    pub track_dirty_pages: bool,
    pub network: &'a [NetworkOverride<'a>],
}

impl SnapshotSource<'_> {
    /// # Errors
    /// `Unsupported` where this version cannot do it.
    pub(super) fn body(&self, capabilities: Capabilities) -> Result<Value, ApiError> {
        let mut body = json!({
            "snapshot_path": self.state,
            "mem_backend": { "backend_type": "File", "backend_path": self.memory },
            "resume_vm": false,
        });
        let tracking = if capabilities.load_tracks_dirty_pages { "track_dirty_pages" } else { "enable_diff_snapshots" };
        body[tracking] = self.track_dirty_pages.into();
        if !self.network.is_empty() {
            if !capabilities.network_overrides {
                let why = "Firecracker before 1.12 cannot give a restored guest another tap";
                return Err(ApiError::Unsupported(why.to_owned()));
            }
            let one = |one: &NetworkOverride<'_>| json!({ "iface_id": one.id.as_str(), "host_dev_name": one.tap });
            body["network_overrides"] = self.network.iter().map(one).collect();
        }
        Ok(body)
    }
}
