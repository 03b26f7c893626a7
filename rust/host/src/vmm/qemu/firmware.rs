//! What brings the kernel into a guest's memory. QEMU's default for the machine type `microvm` is a file name,
//! `bios-microvm.bin`, and what that file is differs between distributions: in Debian 12 it is qboot, which loads the
//! kernel itself; in Debian 13 it is SeaBIOS, which does so only with an option ROM. So the firmware is named.

use crate::error::{Code, During, Outcome, failure};
use crate::store::ids::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// QEMU looks for firmware in its own folder; Debian and Ubuntu keep some of it in SeaBIOS's.
const FOLDERS: [&str; 3] = ["/usr/share/qemu", "/usr/share/seabios", "/usr/share/qemu-firmware"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Starts the kernel by itself.
    Qboot,
    /// Starts it with an option ROM, and takes some tenths of a second longer.
    SeaBios,
}

impl Kind {
    /// The files that it consists of, the firmware itself first. `pvh.bin` starts an uncompressed kernel, the other any.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Qboot => &["qboot.rom"],
            Self::SeaBios => &["bios-microvm.bin", "pvh.bin", "linuxboot_dma.bin"],
        }
    }
}

/// The firmware that was found on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    kind: Kind,
    /// Differs between any two builds: the firmware is part of a saved machine.
    pub identity: String,
    /// Host path and path in the jail.
    pub binds: Vec<(PathBuf, PathBuf)>,
}

impl Firmware {
    /// # Errors
    /// `internal` when the host has no firmware that is whole.
    pub fn find() -> Outcome<Self> {
        Self::find_in(&FOLDERS.map(Path::new))
    }

    pub fn find_in(folders: &[&Path]) -> Outcome<Self> {
        let find = |name: &&str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        for kind in [Kind::Qboot, Kind::SeaBios] {
            let Some(found) = kind.files().iter().map(find).collect::<Option<Vec<_>>>() else { continue };
            let mut hash = Sha256::new();
            for path in &found {
                hash.update(fs::read(path).during(|| format!("read {}", path.display()))?);
            }
            let inside = kind.files().iter().map(|name| Path::new(FOLDERS[0]).join(name));
            return Ok(Self { kind, identity: hex(&hash.finalize()), binds: found.into_iter().zip(inside).collect() });
        }
        Err(failure(
            Code::Internal,
            "neither qboot.rom nor SeaBIOS for microvm is installed (they come with QEMU's data files)",
        ))
    }

    /// The machine's option that goes with it.
    pub fn option_roms(&self) -> &'static str {
        match self.kind {
            Kind::Qboot => "off",
            Kind::SeaBios => "on",
        }
    }

    pub fn name(&self) -> &'static str {
        self.kind.files()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn qboot_is_named_wherever_it_lies_and_whatever_the_default_is() {
        for names in [&["qboot.rom"][..], &["qboot.rom", "bios-microvm.bin", "pvh.bin", "linuxboot_dma.bin"]] {
            let (empty, full) = (folder(&[]), folder(names));
            let found = Firmware::find_in(&[empty.path(), full.path()]).unwrap();
            assert_eq!((found.name(), found.option_roms()), ("qboot.rom", "off"));
            let bind = (full.path().join("qboot.rom"), PathBuf::from("/usr/share/qemu/qboot.rom"));
            assert_eq!(found.binds, [bind]);
        }
    }

    #[test]
    fn seabios_comes_with_the_option_roms_that_it_needs() {
        let (qemu, seabios) = (folder(&["pvh.bin", "linuxboot_dma.bin"]), folder(&["bios-microvm.bin"]));
        let found = Firmware::find_in(&[qemu.path(), seabios.path()]).unwrap();
        assert_eq!((found.name(), found.option_roms(), found.binds.len()), ("bios-microvm.bin", "on", 3));
        let incomplete = folder(&["bios-microvm.bin", "linuxboot_dma.bin"]);
        assert!(Firmware::find_in(&[incomplete.path()]).unwrap_err().to_string().contains("qboot.rom"));
    }

    #[test]
    fn another_build_has_another_identity() {
        let one = folder(&["qboot.rom"]);
        let before = Firmware::find_in(&[one.path()]).unwrap().identity;
        fs::write(one.path().join("qboot.rom"), "of tomorrow").unwrap();
        assert_ne!(Firmware::find_in(&[one.path()]).unwrap().identity, before);
    }
}
