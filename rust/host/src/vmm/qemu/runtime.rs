//! What QEMU needs of the host's files: its binary, its libraries, its firmware. Found once per daemon.

use crate::error::{Code, During, Outcome, failure};
use crate::programs;
use crate::store::paths;
use crate::store::runtime_files;
use crate::vmm::qemu::command_line::Build;
use crate::vmm::qemu::firmware::Firmware;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where distributions keep QEMU's loadable modules. Only the emulator itself is one that we need: with most builds
/// TCG is compiled in and there is no such file.
const MODULES: [&str; 3] = ["/usr/lib/x86_64-linux-gnu/qemu", "/usr/lib/qemu", "/usr/lib64/qemu"];
const MODULE: &str = "accel-tcg-x86_64.so";

pub struct Runtime {
    pub qemu: PathBuf,
    /// Major, minor, micro.
    pub version: (u32, u32, u32),
    /// Differs between any two builds of QEMU.
    pub qemu_identity: String,
    pub firmware: Firmware,
    fingerprint: String,
    /// Host path and path in the jail.
    pub binds: Vec<(PathBuf, PathBuf)>,
}

impl Runtime {
    /// # Errors
    /// `internal` when QEMU, its firmware or ldd is missing.
    pub fn find(qemu: &Path, data: &Path) -> Outcome<Self> {
        let version = version_of(qemu)?;
        let mut files: BTreeSet<PathBuf> = libraries(qemu)?;
        files.extend(libraries(Path::new(paths::PROGRAM))?);
        files.insert(qemu.to_owned());
        for module in MODULES.iter().map(|folder| Path::new(folder).join(MODULE)).filter(|path| path.exists()) {
            files.extend(libraries(&module)?);
            files.insert(module);
        }
        let mut binds: Vec<_> = files.into_iter().map(|file| (file.clone(), file)).collect();
        let firmware = Firmware::find()?;
        binds.extend(firmware.binds.iter().cloned());
        // Where they cannot be linked each is bound by itself, which takes a little longer.
        let binds = runtime_files::link(data, &binds).unwrap_or(binds);
        let said = version.1;
        let fingerprint =
            fingerprint(qemu).ok_or_else(|| failure(Code::Internal, format!("{} is gone", qemu.display())))?;
        let qemu_identity = format!("{said} {fingerprint}");
        Ok(Self { qemu: qemu.to_owned(), version: version.0, qemu_identity, firmware, fingerprint, binds })
    }

    /// Whether QEMU is still the one that was found: it may be upgraded while the daemon runs.
    pub fn is_current(&self) -> bool {
        fingerprint(&self.qemu).as_ref() == Some(&self.fingerprint)
    }

    /// Differs between any two builds, of QEMU or its firmware.
    pub fn identity(&self) -> String {
        format!("{} {}", self.qemu_identity, self.firmware.identity)
    }

    pub fn build(&self) -> Build<'_> {
        Build { version: self.version, firmware: &self.firmware }
    }

    pub fn version_text(&self) -> String {
        let (major, minor, micro) = self.version;
        format!("{major}.{minor}.{micro}")
    }
}

fn output(program: &Path, argument: &std::ffi::OsStr) -> Outcome<(bool, String)> {
    let output = Command::new(program)
        .arg(argument)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .during(|| format!("run {}", program.display()))?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Size and time of change of a binary, which an upgrade replaces.
fn fingerprint(binary: &Path) -> Option<String> {
    let found = std::fs::metadata(binary).ok()?;
    Some(format!("{} {}.{:09}", found.size(), found.mtime(), found.mtime_nsec()))
}

/// The version, and the line that says it.
fn version_of(qemu: &Path) -> Outcome<((u32, u32, u32), String)> {
    let (_, text) = output(qemu, "--version".as_ref())?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    parse_version(&text)
        .map(|version| (version, line))
        .ok_or_else(|| failure(Code::Internal, format!("{} did not say its version", qemu.display())))
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let word = text.split_once("version ")?.1.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
    let mut numbers = word.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

/// The shared libraries of a program, its loader among them. A static one has none.
fn libraries(program: &Path) -> Outcome<BTreeSet<PathBuf>> {
    let (dynamic, text) = output(&programs::find("ldd")?, program.as_os_str())?;
    if text.contains("not found") {
        return Err(failure(Code::Internal, format!("{} lacks a library:\n{text}", program.display())));
    }
    Ok(if dynamic { parse_libraries(&text) } else { BTreeSet::new() })
}

fn parse_libraries(text: &str) -> BTreeSet<PathBuf> {
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or for the loader `/lib64/ld-linux-x86-64.so.2 (0x…)`.
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_qemu_and_ldd_print() {
        assert_eq!(parse_version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n"), Some((7, 2, 22)));
        assert_eq!(parse_version("QEMU emulator version 10.0\n"), Some((10, 0, 0)));
        assert_eq!(parse_version("something else"), None);
        let text =
            "\tlinux-vdso.so.1 (0x7ffc)\n\tlibz.so.1 => /lib/libz.so.1 (0x7f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let expected: BTreeSet<_> =
            ["/lib/libz.so.1", "/lib64/ld-linux-x86-64.so.2"].into_iter().map(PathBuf::from).collect();
        assert_eq!(parse_libraries(text), expected);
    }
}
