//! Kernel parameters: the agent's defaults, then those of sysctl.d(5) and sysctl.conf(5).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::tenant_child::{self, printable};
use crate::process::tenant_file::read;

/// In the order of sysctl.d(5): a file's name in an earlier folder hides the same name in a later one.
const FOLDERS: [&str; 4] = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];
/// The kernel's own choice follows the memory, and is 8,192 in a small guest: too few for an editor's or a bundler's
/// tree. A watch costs its owner's cgroup about 1 KiB. ping(8) asks for a socket that the kernel gives no group by itself.
const DEFAULTS: &str = "fs.inotify.max_user_watches = 524288
fs.inotify.max_user_instances = 1024
net.ipv4.ping_group_range = 0 2147483647
";
/// Limits: files, bytes of a file, parameters in all, and lines about them on the console.
const MAX_FILES: usize = 64;
const MAX_FILE: u64 = 64 << 10;
const MAX_PARAMETERS: usize = 1024;
const MAX_LINES: usize = 16;

/// Sets the kernel's parameters. One that it refuses is reported on the console and does not prevent the others. Those of
/// files are set by a child: some make the kernel work for long, or without end when there are many.
pub fn apply() {
    Application::default().apply("the defaults", DEFAULTS);
    let of_files = || {
        let mut application = Application::default();
        let folders = FOLDERS.map(PathBuf::from);
        for path in files(&folders).into_iter().chain([PathBuf::from("/etc/sysctl.conf")]) {
            if let Some(text) = read(&path, MAX_FILE) {
                application.apply(&path.to_string_lossy(), &text);
            }
        }
    };
    if let Err(error) = tenant_child::run(of_files) {
        println!("microterm-agent: kernel parameters: {error}");
    }
}

/// The first files by name.
fn files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            if entry.path().extension().is_some_and(|extension| extension == "conf") {
                files.entry(entry.file_name()).or_insert_with(|| entry.path());
            }
            if files.len() > MAX_FILES {
                files.pop_last();
            }
        }
    }
    files.into_values().collect()
}

#[derive(Default)]
struct Application {
    parameters: usize,
    lines: usize,
}

impl Application {
    fn apply(&mut self, file: &str, text: &str) {
        for assignment in assignments(text) {
            if self.parameters == MAX_PARAMETERS {
                return self.report(file, &format!("more than {MAX_PARAMETERS} parameters; the rest is left out"));
            }
            self.parameters += 1;
            let name = assignment.name;
            let Some(path) = parameter(name) else {
                self.report(file, &format!("not a parameter: {}", printable(name)));
                continue;
            };
            if let Err(error) = fs::write(path, assignment.value)
                && !assignment.may_fail
            {
                self.report(file, &format!("{}: {error}", printable(name)));
            }
        }
    }

    fn report(&mut self, file: &str, line: &str) {
        if self.lines < MAX_LINES {
            self.lines += 1;
            println!("microterm-agent: {}: {line}", printable(file));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Assignment<'a> {
    name: &'a str,
    value: &'a str,
    /// Its name is behind a hyphen: a failure is not reported.
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

/// The file of a parameter. Of the two possible separators the first in the name is one, the other is a character.
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

#[cfg(test)]
mod tests {
    use super::{Application, Assignment, MAX_FILES, MAX_LINES, MAX_PARAMETERS, assignments, files, parameter};
    use std::fs;
    use std::path::{Path, PathBuf};

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
    fn the_first_files_by_name_are_taken_and_an_earlier_folder_hides_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["a", "b", "missing"].map(|name| folder.path().join(name));
        for (index, folder) in folders.iter().take(2).enumerate() {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("00.conf"), "").unwrap();
            fs::write(folder.join("readme"), "").unwrap();
            for number in 0..MAX_FILES * 2 {
                fs::write(folder.join(format!("{:04}.conf", number * 2 + index + 1000)), "").unwrap();
            }
        }
        let names = (1000..1000 + MAX_FILES - 1).map(|number| folders[number % 2].join(format!("{number:04}.conf")));
        let expected: Vec<PathBuf> = [folders[0].join("00.conf")].into_iter().chain(names).collect();
        assert_eq!(files(&folders), expected);
    }

    #[test]
    fn parameters_and_lines_about_them_have_an_end() {
        let mut application = Application::default();
        for _ in 0..3 {
            application.apply("a test", &"..=1\n".repeat(MAX_PARAMETERS));
        }
        assert_eq!((application.parameters, application.lines), (MAX_PARAMETERS, MAX_LINES));
    }
}
