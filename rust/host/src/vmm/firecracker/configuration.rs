//! What a Firecracker is told: its command line, its guest's kernel line and devices.

use crate::jail::layout::{self, DISK, IMAGE_FOLDER};
use crate::jail::shim;
use crate::spec::{ChannelKey, DiskLimits, GUEST_MAC, MachineSpec, TAP};
use crate::vmm::firecracker::api::bodies::{
    BootSource, DeviceId, Drive, MachineConfig, NetworkInterface, NetworkOverride, SnapshotFiles, SnapshotSource, Vsock,
};
use crate::vmm::firecracker::api::client::{Api, Configuring};
use crate::vmm::firecracker::api::error::ApiError;
use crate::vmm::firecracker::api::rate_limiter::RateLimiter;
use crate::vmm::interface::{RESTORED_MEMORY, RESTORED_STATE, SAVED_MEMORY, SAVED_STATE};
use serde_json::json;
use std::path::Path;

pub const BASE: DeviceId = DeviceId::new("base");
pub const WRITABLE: DeviceId = DeviceId::new("disk");
pub const NETWORK: DeviceId = DeviceId::new("net");

/// Files of `paths::vmm_files` and where they are in its jail.
pub const SAVED: [(&str, &str); 2] = [(SAVED_MEMORY, layout::SAVED_MEMORY), (SAVED_STATE, layout::SAVED_STATE)];
pub const RESTORED: [(&str, &str); 2] =
    [(RESTORED_MEMORY, layout::RESTORED_MEMORY), (RESTORED_STATE, layout::RESTORED_STATE)];

pub fn save_to() -> SnapshotFiles<'static> {
    SnapshotFiles { memory: SAVED[0].1, state: SAVED[1].1 }
}

pub fn restore_from<'a>(track_dirty_pages: bool, network: &'a [NetworkOverride<'a>]) -> SnapshotSource<'a> {
    SnapshotSource { memory: RESTORED[0].1, state: RESTORED[1].1, track_dirty_pages, network }
}

/// The tap of the slot that a machine has now.
pub fn network_overrides(spec: &MachineSpec) -> Vec<NetworkOverride<'static>> {
    spec.slot.map(|_| NetworkOverride { id: NETWORK, tap: TAP }).into_iter().collect()
}

/// The guest's address on its vsock (vsock(7)), which no other guest shares with it: each has a socket of its own.
const GUEST_CID: u32 = 3;

/// The program and its arguments. Its log would otherwise be among what the guest prints.
pub fn command_line(program: &Path) -> Vec<String> {
    let words = ["--api-sock", shim::API, "--log-path", shim::LOG, "--level", "Warning"];
    [program.to_string_lossy().into_owned()].into_iter().chain(words.map(str::to_owned)).collect()
}

/// The guest kernel's command line.
pub fn kernel_line(spec: &MachineSpec, key: &ChannelKey) -> String {
    let drives = if spec.disk_id.is_some() { "base,disk" } else { "base" };
    // A reset by the keyboard controller is the one way to end that Firecracker hears of. It emulates no keyboard or mouse,
    // for which the kernel would look for a second, and no PCI.
    let quick = "i8042.noaux i8042.nomux i8042.dumbkbd";
    format!(
        "console=ttyS0 quiet panic=-1 reboot=k pci=off {quick} microterm.magic={} microterm.off=reset \
         microterm.drives={drives} microterm.vsock={}",
        key.as_str(),
        shim::AGENT_PORT
    )
}

/// Puts a guest together.
///
/// # Errors
/// The first call that failed.
pub fn configure(
    api: &mut Api<Configuring>,
    spec: &MachineSpec,
    key: &ChannelKey,
    limits: Option<&DiskLimits>,
) -> Result<(), ApiError> {
    api.machine_config(&MachineConfig { cpus: spec.cpus, memory_mib: spec.memory_mib, track_dirty_pages: false })?;
    let (kernel, initrd) = (format!("{IMAGE_FOLDER}/vmlinuz"), format!("{IMAGE_FOLDER}/initrd.cpio"));
    let command_line = kernel_line(spec, key);
    api.boot_source(&BootSource { kernel: &kernel, initrd: Some(&initrd), command_line: &command_line })?;
    let limits = limits.map(RateLimiter::from);
    let base = format!("{IMAGE_FOLDER}/root.erofs");
    api.drive(&Drive { id: BASE, path: &base, is_read_only: true, limits })?;
    if spec.disk_id.is_some() {
        api.drive(&Drive { id: WRITABLE, path: DISK, is_read_only: false, limits })?;
    }
    if spec.slot.is_some() {
        api.network_interface(&NetworkInterface { id: NETWORK, tap: TAP, guest_mac: GUEST_MAC })?;
    }
    api.vsock(&Vsock { guest_cid: GUEST_CID, path: shim::VSOCK })?;
    api.entropy()
}

/// All that a snapshot depends on besides Firecracker's build, as `configure` says it.
pub fn machine_text(spec: &MachineSpec, key: &ChannelKey) -> String {
    let devices = json!({
        "cpus": spec.cpus,
        "memoryMib": spec.memory_mib,
        "disk": spec.disk_id.is_some(),
        "network": spec.slot.is_some(),
        "files": [SAVED, RESTORED],
        "devices": "base disk net vsock entropy",
    });
    format!("{devices}\n{}", kernel_line(spec, key))
}
