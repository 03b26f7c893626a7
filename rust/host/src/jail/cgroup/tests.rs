//! Version 2 on any host: its files in a plain folder for what is written, and a real hierarchy, whatever controllers
//! it has, for what kills. Version 1 is tested with real machines.

use super::*;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

fn v2(root: PathBuf, parent: &str) -> Cgroups {
    let hierarchies = vec![Hierarchy { controller: "", root }];
    Cgroups { version: Some(Version::V2), hierarchies, parent: parent.to_owned(), changing: Mutex::new(()) }
}

#[test]
fn version_2_delegates_and_limits() {
    let root = tempfile::tempdir().unwrap();
    let machine = Id::parse("machine1").unwrap();
    let (own, folder) = (root.path().join("microterm-x"), root.path().join("microterm-x/machine1"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(root.path().join("cgroup.subtree_control"), "memory pids cpu io\n").unwrap();
    fs::write(folder.join("memory.swap.max"), "max").unwrap();
    fs::write(folder.join("cpu.weight"), "100").unwrap();
    fs::write(folder.join("cpu.max"), "max 100000").unwrap();
    fs::write(root.path().join("cgroup.controllers"), "memory pids cpu io\n").unwrap();
    let groups = v2(root.path().to_owned(), "microterm-x");
    let limits = Limits { memory_bytes: 1 << 28, pids: 65, cpu_weight: 200, cpu_quota_percent: Some(250) };
    let joins = groups.create(&machine, &limits).unwrap();
    assert_eq!(joins, [folder.join("cgroup.procs")]);
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    // What is on already is left alone; in a plain file, the last word written is the one that stays.
    assert_eq!(read(root.path().join("cgroup.subtree_control")), "memory pids cpu io\n");
    assert_eq!(read(own.join("cgroup.subtree_control")), "+cpu");
    assert_eq!(read(folder.join("memory.max")), (1 << 28).to_string());
    assert_eq!(read(folder.join("memory.swap.max")), "0");
    assert_eq!(read(folder.join("pids.max")), "65");
    assert_eq!(read(folder.join("cpu.weight")), "200");
    assert_eq!(read(folder.join("cpu.max")), "50000 20000");
    assert!(groups.limits_cpu());
    groups.limit_cpu(&machine, &CpuLimits { weight: 10, quota_percent: 50 }).unwrap();
    assert_eq!((read(folder.join("cpu.weight")), read(folder.join("cpu.max"))), ("10".into(), "10000 20000".into()));
    fs::write(folder.join("memory.current"), "4096\n").unwrap();
    fs::write(folder.join("pids.current"), "3\n").unwrap();
    fs::write(folder.join("cpu.stat"), "usage_usec 77\nuser_usec 70\n").unwrap();
    let usage = groups.usage(&machine).unwrap();
    assert_eq!((usage.cpu_usec, usage.memory_bytes, usage.pids), (77, 4096, 3));
}

#[test]
fn without_the_cpu_controller_a_machine_runs_and_a_change_says_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let machine = Id::parse("machine1").unwrap();
    fs::write(root.path().join("cgroup.controllers"), "memory pids\n").unwrap();
    fs::write(root.path().join("cgroup.subtree_control"), "memory pids\n").unwrap();
    let groups = v2(root.path().to_owned(), "microterm-x");
    let limits = Limits { memory_bytes: 1 << 28, pids: 65, cpu_weight: 100, cpu_quota_percent: Some(150) };
    groups.create(&machine, &limits).unwrap();
    assert!(!groups.limits_cpu());
    let refused = groups.limit_cpu(&machine, &CpuLimits { weight: 10, quota_percent: 50 }).unwrap_err();
    assert_eq!(refused.code, Code::Unsupported);
    assert!(refused.message.contains("cpu controller"), "{refused}");
}

/// Needs root; where the host has no version 1 of the controller there is nothing to try.
#[test]
fn a_quota_of_version_1_that_an_ancestor_does_not_have_leaves_that_one_in_force() {
    let root = PathBuf::from("/sys/fs/cgroup/cpu");
    if !root.join("cpu.cfs_quota_us").exists() {
        return;
    }
    let parent = root.join(format!("microterm-unit-cpu{}", std::process::id()));
    let group = parent.join("machine1");
    fs::create_dir_all(&group).unwrap();
    fs::write(parent.join("cpu.cfs_quota_us"), "50000").unwrap();
    let quota = || fs::read_to_string(group.join("cpu.cfs_quota_us")).unwrap().trim().to_owned();
    let written: Vec<_> =
        [20, 150, 30].map(|percent| (cpu::write(Version::V1, &group, 100, Some(percent)), quota())).into();
    fs::remove_dir(&group).unwrap();
    fs::remove_dir(&parent).unwrap();
    assert!(written.iter().all(|(outcome, _)| outcome.is_ok()), "{written:?}");
    assert_eq!(written.iter().map(|(_, quota)| quota.as_str()).collect::<Vec<_>>(), ["4000", "-1", "6000"]);
}

/// Needs root and a mounted cgroup2, as every host with systemd has.
#[test]
fn version_2_kills_what_is_in_a_group_and_nothing_else() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("a mounted cgroup2");
    let root = PathBuf::from(line.split(' ').nth(4).unwrap());
    let groups = v2(root.clone(), &format!("microterm-unit{}", std::process::id()));
    let machine = Id::parse("machine1").unwrap();
    let folder = root.join(&groups.parent).join("machine1");
    fs::create_dir_all(&folder).unwrap();
    let procs = folder.join("cgroup.procs");
    let mut inside = Command::new("sh");
    // A shell that has a child: both must go.
    inside.args(["-c", "sleep 600 & wait"]).stdin(Stdio::null());
    // SAFETY: one write to a file between fork and exec; the test ends if the allocation in it should hang.
    let mut inside = unsafe { inside.pre_exec(move || fs::write(&procs, "0")) }.spawn().unwrap();
    let mut outside = Command::new("sleep").arg("600").spawn().unwrap();
    let start = Instant::now();
    while groups.pids(&machine).len() < 2 {
        assert!(start.elapsed() < DEATH_TIMEOUT, "the shell's child never came");
        std::thread::sleep(STEP);
    }
    assert_eq!(groups.kill(&machine, || ()).unwrap(), 2);
    assert!(groups.pids(&machine).is_empty());
    assert!(!inside.wait().unwrap().success());
    assert!(outside.try_wait().unwrap().is_none(), "a process outside was killed");
    outside.kill().unwrap();
    outside.wait().unwrap();
    assert!(groups.machines().iter().eq([&machine]));
    assert_eq!(groups.remove(&machine).unwrap(), 1);
    assert!(!root.join(&groups.parent).exists());
}
