//! How the release of 23 November 2026 described a machine. It left the firmware to QEMU's default, which was qboot
//! wherever its guests booted at all, and had a restart of the guest's kernel go through it. A restored guest is past
//! both.

use crate::error::Outcome;
use crate::spec::MachineSpec;
use crate::vmm::qemu::command_line::Build;
use crate::vmm::qemu::machine_text as current_text;

/// `None` where that release could not start a machine.
///
/// # Errors
/// As the current description.
pub fn machine_text(spec: &MachineSpec, build: &Build<'_>) -> Outcome<Option<String>> {
    if build.firmware.option_roms() == "on" {
        return Ok(None);
    }
    let firmware = format!("-bios\n{}\n", build.firmware.name());
    Ok(Some(current_text(spec, build)?.replacen(&firmware, "", 1).replacen(" reboot=t", "", 1)))
}
