//! What Debian applies of a person's own files: sysctl.conf(5) and fstab(5) at each start, environment(5) to programs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cgroup;

/// In the order of sysctl.d(5): a file's name in an earlier folder hides the same name in a later one.
const SYSCTL_FOLDERS: [&str; 4] = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];
/// The kernel's own choice follows the memory, and is 8,192 in a small guest: too few for an editor's or a bundler's
/// tree. A watch costs its owner's cgroup about 1 KiB.
const DEFAULTS: &str = "fs.inotify.max_user_watches = 524288\nfs.inotify.max_user_instances = 1024\n";
/// How long file systems may take to be mounted before the guest goes on without them.
const MOUNT_PATIENCE: Duration = Duration::from_secs(10);
const MOUNT_INTERVAL: Duration = Duration::from_millis(5);
/// Bytes read of one file: whatever a tenant has put there, the agent answers.
const MAX_FILE: u64 = 64 << 10;

/// A regular file's text; nothing for a pipe or a device, which could be waited for without end.
fn read(path: &Path) -> Option<String> {
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sets the kernel's parameters. One that it refuses is reported on the console and does not prevent the others.
pub fn apply_sysctl() {
    apply("the defaults", DEFAULTS);
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in SYSCTL_FOLDERS {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            if entry.path().extension().is_some_and(|extension| extension == "conf") {
                files.entry(entry.file_name()).or_insert_with(|| entry.path());
            }
        }
    }
    for path in files.into_values().chain([PathBuf::from("/etc/sysctl.conf")]) {
        if let Some(text) = read(&path) {
            apply(&path.display().to_string(), &text);
        }
    }
}

fn apply(file: &str, text: &str) {
    for assignment in assignments(text) {
        let name = assignment.name;
        let Some(path) = parameter(name) else {
            println!("microterm-agent: {file}: not a parameter: {name}");
            continue;
        };
        if let Err(error) = fs::write(path, assignment.value)
            && !assignment.may_fail
        {
            println!("microterm-agent: {file}: {name}: {error}");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Assignment<'a> {
    name: &'a str,
    value: &'a str,
    /// Its name is behind a hyphen: a failure is nothing to tell of.
    may_fail: bool,
}

fn assignments(text: &str) -> impl Iterator<Item = Assignment<'_>> {
    text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])).filter_map(|line| {
        let (left, value) = line.split_once('=')?;
        let left = left.trim();
        let name = left.strip_prefix('-').unwrap_or(left).trim();
        Some(Assignment { name, value: value.trim(), may_fail: left.starts_with('-') })
    })
}

/// Where a parameter lies. The first of the two separators that it has is the separator, the other is a character.
fn parameter(name: &str) -> Option<PathBuf> {
    let swapped = |char: char| match char {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path: String = match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'.' => name.chars().map(swapped).collect(),
        _ => name.to_owned(),
    };
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('*');
    path.split('/').all(is_plain).then(|| Path::new("/proc/sys").join(path))
}

/// Mounts what the table says beside the root. A start goes on without what fails. Swap is left alone: an overlay takes no
/// swap file, and there is no partition for one.
pub fn mount_table() {
    if !read(Path::new("/etc/fstab")).is_some_and(|table| has_mounts(&table)) {
        return;
    }
    // mount(8) is the tenant's program: it and what it starts count as such.
    let script = format!("echo $$ >{}; exec mount -a -t noproc,sysfs,devtmpfs,devpts", cgroup::TENANT_PROCESSES);
    if let Err(error) = run_shell(&script) {
        println!("microterm-agent: /etc/fstab: mount -a: {error}");
    }
}

fn has_mounts(table: &str) -> bool {
    table
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().nth(2))
        .any(|kind| kind != "swap")
}

fn run_shell(script: &str) -> io::Result<()> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + MOUNT_PATIENCE;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(io::Error::other(status.to_string())),
            None if Instant::now() > deadline => {
                // One that hangs in the kernel does not go; it is reaped when it does.
                let _ = child.kill();
                return Err(io::ErrorKind::TimedOut.into());
            }
            None => thread::sleep(MOUNT_INTERVAL),
        }
    }
}

/// The variables of `/etc/environment`.
pub fn environment() -> Vec<(String, String)> {
    read(Path::new("/etc/environment")).map(|text| variables(&text)).unwrap_or_default()
}

/// As pam_env(8) reads them: `NAME=value`, perhaps behind `export`, perhaps in quotes.
fn variables(text: &str) -> Vec<(String, String)> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).trim_start().split_once('='))
        .filter(|(name, value)| is_name(name) && !value.contains('\0'))
        .map(|(name, value)| {
            let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            (name.to_owned(), quoted.unwrap_or(value).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Assignment, MAX_FILE, assignments, has_mounts, parameter, read, variables};
    use std::path::Path;

    #[test]
    fn a_parameter_is_named_with_dots_or_slashes_and_lies_below_proc_sys() {
        for (name, path) in [
            ("vm.swappiness", "vm/swappiness"),
            ("vm/swappiness", "vm/swappiness"),
            ("net.ipv4.conf.eth0/1.rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
            ("net/ipv4/conf/eth0.1/rp_filter", "net/ipv4/conf/eth0.1/rp_filter"),
        ] {
            assert_eq!(parameter(name), Some(Path::new("/proc/sys").join(path)), "{name}");
        }
        for name in ["", "..", "../../etc/passwd", "/etc/passwd", "kernel//x", "net.*.x", "./x"] {
            assert_eq!(parameter(name), None, "{name}");
        }
    }

    #[test]
    fn assignments_are_lines_that_are_no_comment() {
        let text = "# no\n; no\n  vm.a = 1 2 \n-vm.b=3\nnonsense\n\nvm.c =\n";
        let expected = [("vm.a", "1 2", false), ("vm.b", "3", true), ("vm.c", "", false)];
        let expected = expected.map(|(name, value, may_fail)| Assignment { name, value, may_fail });
        assert_eq!(assignments(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_environment_is_read_as_pam_does() {
        let text = "# no\nA=1\nexport B=\"two words\"\nC='x'\n D=e=f\n1-2=x\n=y\nE=\"open\nF=\"\nnothing\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "x"), ("D", "e=f"), ("E", "\"open"), ("F", "\"")];
        assert_eq!(variables(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_table_without_mounts_starts_no_program() {
        assert!(!has_mounts(""));
        assert!(!has_mounts("# UNCONFIGURED FSTAB FOR BASE SYSTEM\n#tmpfs /mnt tmpfs size=1m 0 0\nhalf /a\n"));
        assert!(!has_mounts("/dev/loop0 none swap sw 0 0\n"));
        assert!(has_mounts("\ttmpfs /mnt tmpfs\n"));
    }

    #[test]
    fn what_is_no_file_is_not_read_and_no_more_than_a_part_of_a_large_one() {
        let folder = std::env::temp_dir().join(format!("microterm-settings-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let (pipe, large) = (folder.join("pipe"), folder.join("large"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::write(&large, vec![b'x'; MAX_FILE as usize + 1]).unwrap();
        let found = [&pipe, &folder, &folder.join("missing")].map(|path| read(path));
        let length = read(&large).map(|text| text.len() as u64);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [None, None, None]);
        assert_eq!(read(Path::new("/dev/zero")), None);
        assert_eq!(length, Some(MAX_FILE));
    }
}
