//! Looking for leftovers: everything on the host that bears an id, found by walking the host and not by knowing what
//! `kill` removes.
//!
//! The caller may ask for any word, and must not learn what others on the host have of that name. So what lies where
//! others have things of their own counts only when it lies below something that bears our name, or is a machine's uid's.

use crate::jail::uids;
use crate::store::ids::{Id, bears};
use crate::store::paths;
use serde::Serialize;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Depth of folders that is walked. Ours lie at most four deep.
const DEEPEST: u32 = 12;
/// What is bound into jails lies in these.
const FOLDERS: [&str; 4] = ["/disks/", "/machines/", "/saves/", "/nodes/"];
/// Programs that a machine is made of, besides its VMM. Others may bear an id in their arguments because somebody asks
/// about it.
const PROGRAMS: [&str; 5] = ["bwrap", "jailer", "microterm-host", "mkfs.ext4", "mke2fs"];

#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    kind: &'static str,
    name: String,
}

fn read(path: impl AsRef<Path>) -> String {
    // Command lines and names may hold any bytes.
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn walk(folder: &Path, deep: u32, folders_only: bool, see: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = entry.path();
        if is_folder || !folders_only {
            see(&path);
        }
        if is_folder && deep > 0 {
            walk(&path, deep - 1, folders_only, see);
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Finds all that bears one of the ids, sorted. `vmms` are the names of VMMs' processes.
pub fn scan(ids: &[Id], vmms: &[&str], instance: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let hit = |text: &str| ids.iter().any(|id| bears(text, id));
    let mut add = |kind, name: String| found.push(Found { kind, name });
    processes(vmms, &hit, &mut add);
    mounts(&hit, &mut add);
    walk(Path::new("/sys/fs/cgroup"), DEEPEST, true, &mut |path| {
        if hit(&file_name(path)) && is_ours(&path.to_string_lossy()) {
            add("cgroup", path.to_string_lossy().into_owned());
        }
    });
    for line in read("/proc/net/unix").lines().filter(|line| hit(line) && is_ours(line)) {
        add("socket", line.split_whitespace().nth(7).unwrap_or(line).to_owned());
    }
    for (folder, shared) in [
        (paths::host(), false),
        (paths::NODES.into(), false),
        ("/dev/shm".into(), true),
        ("/dev/hugepages".into(), true),
    ] {
        walk(&folder, DEEPEST, false, &mut |path| {
            if hit(&file_name(path)) && (!shared || is_machines(path)) {
                add("file", path.to_string_lossy().into_owned());
            }
        });
    }
    // Nothing else of a slot is named by its machine.
    walk(&paths::slots(instance), 0, false, &mut |path| {
        if hit(&read(path)) {
            add("slot", file_name(&path.with_extension("")));
        }
    });
    for name in ids.iter().flat_map(uids::bearing) {
        add("uid", name);
    }
    walk(Path::new("/run/netns"), 0, false, &mut |path| {
        if hit(&file_name(path)) && is_ours(&file_name(path)) {
            add("netns", file_name(path));
        }
    });
    found.sort();
    found.dedup();
    found
}

/// Whether a path or a name lies below something that only this daemon makes: `microterm-NAME`, `microterm-host`.
fn is_ours(text: &str) -> bool {
    text.contains("microterm-")
}

fn is_machines(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| (uids::FIRST..uids::END).contains(&found.uid()))
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn processes(vmms: &[&str], hit: &impl Fn(&str) -> bool, add: &mut impl FnMut(&'static str, String)) {
    let own = std::process::id();
    for pid in pids().filter(|pid| *pid != own) {
        let base = PathBuf::from(format!("/proc/{pid}"));
        let status = read(base.join("status"));
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
        if field("State:").starts_with('Z') {
            continue;
        }
        let program = field("Name:").to_owned();
        let jailed = field("Uid:").split_whitespace().next().and_then(|uid| uid.parse().ok());
        let ours = vmms.contains(&program.as_str())
            || PROGRAMS.contains(&program.as_str())
            || jailed.is_some_and(|uid| (uids::FIRST..uids::END).contains(&uid));
        let bears = read(base.join("cgroup")).lines().any(|line| hit(line) && is_ours(line))
            || (ours && (hit(&read(base.join("cmdline"))) || opens(&base, hit)));
        if bears {
            add("process", format!("{pid} {program}"));
        }
    }
}

fn opens(base: &Path, hit: &impl Fn(&str) -> bool) -> bool {
    let links = fs::read_dir(base.join("fd")).into_iter().flatten().flatten();
    links.filter_map(|link| fs::read_link(link.path()).ok()).any(|target| hit(&target.to_string_lossy()))
}

/// Mounts of every mount namespace that a process lives in.
fn mounts(hit: &impl Fn(&str) -> bool, add: &mut impl FnMut(&'static str, String)) {
    let mut seen = HashSet::new();
    for pid in pids() {
        let base = PathBuf::from(format!("/proc/{pid}"));
        let Ok(namespace) = fs::read_link(base.join("ns/mnt")) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        for line in read(base.join("mountinfo")).lines().filter(|line| hit(line)) {
            let mut words = line.split(' ').skip(3);
            let (root, at) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            // What is bound into a jail comes from a folder of ours, wherever the data folder is.
            if FOLDERS.iter().all(|folder| !root.contains(folder)) && !is_ours(at) {
                continue;
            }
            add("mount", format!("{root} on {at} of {pid}"));
        }
    }
}
