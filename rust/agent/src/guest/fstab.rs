//! The file systems of `/etc/fstab`, mounted at each start.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::tenant_child::{self, printable};
use crate::process::tenant_file::read;

const MAX_FILE: u64 = 64 << 10;
const MAX_LINES: usize = 16;
/// The table without the refused entries.
const OWN_TABLE: &str = "/run/microterm/fstab";
/// The agent works with what is here: a guest with another file system in its place does not start, or cannot be reached.
const PROTECTED: [&str; 4] = ["/run", "/proc", "/sys", "/dev"];
/// Mounted by the agent, or left alone: an overlay takes no swap file, and there is no partition for one.
const PASSED_OVER: [&str; 5] = ["proc", "sysfs", "devtmpfs", "devpts", "swap"];

/// Mounts what the table has besides the root. The boot goes on without what fails.
pub fn mount_all() {
    let Some(table) = read(Path::new("/etc/fstab"), MAX_FILE) else { return };
    let entries = entries(&table);
    let (refused, accepted): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is_protected(&entry.target));
    for entry in refused.iter().take(MAX_LINES) {
        let target = printable(&entry.target.to_string_lossy());
        println!("microterm-agent: /etc/fstab: {target}: not mounted, the guest's own file systems are there");
    }
    if accepted.is_empty() {
        return;
    }
    let lines: String = accepted.iter().flat_map(|entry| [entry.line, "\n"]).collect();
    // mount(8) is the tenant's program: it and what it starts count as such.
    let mut mount = Command::new("mount");
    mount.args(["-a", "-T", OWN_TABLE]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    if let Err(error) = fs::write(OWN_TABLE, lines).and_then(|()| tenant_child::run_program(&mut mount)) {
        println!("microterm-agent: /etc/fstab: mount -a: {error}");
    }
}

#[derive(Debug, PartialEq)]
struct Entry<'a> {
    line: &'a str,
    target: PathBuf,
}

/// The entries that `mount -a` would mount.
fn entries(table: &str) -> Vec<Entry<'_>> {
    let entry = |line| {
        let fields: Vec<&str> = fields(line).collect();
        let [_, target, kind, ref rest @ ..] = fields[..] else { return None };
        let is_manual = rest.first().is_some_and(|options| options.split(',').any(|option| option == "noauto"));
        let is_passed_over = PASSED_OVER.contains(&kind) || is_manual || target.starts_with('#');
        (!is_passed_over).then(|| Entry { line, target: decoded(target) })
    };
    let is_entry =
        |line: &&str| !line.contains('\0') && fields(line).next().is_some_and(|first| !first.starts_with('#'));
    table.lines().filter(is_entry).filter_map(entry).collect()
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t']).filter(|field| !field.is_empty())
}

/// A field without its escapes: a backslash and three octal digits are a byte.
fn decoded(field: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// Whether a mount there would cover, or be within, what the agent works with. Links are followed, as mount(8) does.
fn is_protected(target: &Path) -> bool {
    let target = Path::new("/").join(target);
    let mut known = PathBuf::from("/");
    for part in target.components() {
        match part {
            Component::ParentDir => {
                known.pop();
            }
            part => {
                known.push(part);
                // mount(8) may make what is not there yet: no link can be in it.
                known = fs::canonicalize(&known).unwrap_or(known);
            }
        }
    }
    known == Path::new("/") || PROTECTED.iter().any(|path| known.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::{decoded, entries, is_protected};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn entries_are_what_mount_would_mount() {
        for none in [
            "",
            "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n  #tmpfs /mnt tmpfs size=1m 0 0\nhalf /a\n",
            "/dev/loop0 none swap sw 0 0\nproc /proc proc defaults 0 0\n",
            "tmpfs /mnt tmpfs rw,noauto 0 0\n",
            "tmpfs /run\0 tmpfs\n",
        ] {
            assert_eq!(entries(none), [], "{none}");
        }
        let found = entries("\ttmpfs  /mnt\ttmpfs\ntmpfs /a\\040b tmpfs size=1m 0 0\n");
        let found: Vec<_> = found.iter().map(|entry| (entry.line, entry.target.to_str().unwrap())).collect();
        assert_eq!(found, [("\ttmpfs  /mnt\ttmpfs", "/mnt"), ("tmpfs /a\\040b tmpfs size=1m 0 0", "/a b")]);
    }

    #[test]
    fn escapes_are_three_octal_digits() {
        for (field, path) in
            [("/a\\040b", "/a b"), ("/\\162un", "/run"), ("/a\\9", "/a\\9"), ("/a\\04", "/a\\04"), ("\\", "\\")]
        {
            assert_eq!(decoded(field), Path::new(path), "{field}");
        }
    }

    #[test]
    fn the_agents_own_paths_are_protected_however_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/run", &link).unwrap();
        let through = link.join("new");
        let aside = folder.path().join("new/../link");
        for path in
            ["/", "//", "/..", "run", "/run/", "/run/microterm", "/proc", "/sys/fs/cgroup", "/dev/shm", "/usr/../dev"]
        {
            assert!(is_protected(Path::new(path)), "{path}");
        }
        for path in [&link, &through, &aside] {
            assert!(is_protected(path), "{}", path.display());
        }
        for path in ["/mnt", "/srv/new/one", "/home", "/runner", "/devices", "/new/run"] {
            assert!(!is_protected(Path::new(path)), "{path}");
        }
        assert!(!is_protected(folder.path()));
    }
}
