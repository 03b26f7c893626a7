//! How the release of 23 November 2026 described a machine. It left the firmware to QEMU's default, which was qboot
//! wherever its guests booted at all, and had a restart of the guest's kernel go through it. A restored guest is past
//! both.

use crate::vmm::qemu::command_line::Build;

/// Out of the current description. `None` where that release could not start a machine.
pub fn machine_text(current: &str, build: &Build<'_>) -> Option<String> {
    if build.firmware.option_roms() == "on" {
        return None;
    }
    let firmware = format!("-bios\n{}\n", build.firmware.name());
    Some(current.replacen(&firmware, "", 1).replacen(" reboot=t", "", 1))
}
