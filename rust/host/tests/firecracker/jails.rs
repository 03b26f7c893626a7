//! Machines of Firecracker: their jails, their sockets, and what is left of them.

use crate::support::firecracker::{args, folder, has_kvm, is_gone, launched, start, status};
use crate::support::{Host, is_running, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;

/// Firecracker's parent, once the jailer between them has ended.
fn shim_of(pid: i64) -> i64 {
    let parent = || status(format!("/proc/{pid}"), "PPid:").parse().ok();
    let name = |pid: &i64| status(format!("/proc/{pid}"), "Name:") == "microterm-host";
    until("the jailer has ended", || parent().filter(name))
}

#[test]
fn the_probe_is_refused_everything_in_the_jailers_jail() {
    let Some(host) = start() else { return };
    fs::write(host.data.path().join("microterm.db"), b"secret").unwrap();
    let probe = |host: &Host, args| host.call("jail.probe", args)["checks"].as_array().unwrap().clone();
    let checks = probe(&host, json!({ "vmm": "firecracker" }));
    for check in &checks {
        assert_eq!(check["refused"], true, "{check}");
    }
    let names = |checks: &[Value]| checks.iter().map(|check| check["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&checks), names(&probe(&host, json!({}))), "the lists differ");
    let detail = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["detail"].as_str().unwrap();
    // What was not tried was not refused.
    for (name, tried) in [
        ("read-database", "microterm.db"),
        ("change-tap", "make a tap"),
        ("use-devices", "page faults"),
        ("write-template", "/restored/state"),
        ("exceed-disk", "by files"),
    ] {
        assert!(detail(name).contains(tried), "{}", detail(name));
    }
    assert_eq!(host.call("list", json!({})), json!({ "machines": [], "disks": [] }));
}

#[test]
fn a_machine_runs_in_the_jailers_jail_and_leaves_nothing() {
    let Some((host, pid)) = launched(Some("disk0001~")) else { return };
    let shim = shim_of(pid);
    let of = |pid: i64, name: &str| status(format!("/proc/{pid}"), name);
    assert_eq!(of(pid, "Name:"), "firecracker");
    let uid = host.machines()[0]["uid"].as_u64().unwrap();
    for pid in [pid, shim] {
        assert_eq!(of(pid, "Uid:"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
        assert_eq!(of(pid, "Gid:"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
        assert_eq!(of(pid, "Groups:"), "");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(of(pid, set), "0000000000000000", "{set}");
        }
        for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            assert_eq!(status(thread.path(), "Seccomp:"), "2");
            assert_eq!(status(thread.path(), "NoNewPrivs:"), "1");
        }
        for name in ["ipc", "mnt", "uts", "net", "cgroup"] {
            let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
            assert_ne!(of(&pid.to_string()), of("self"), "the {name} namespace is shared");
        }
        assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert!(groups.contains(&host.named("microterm-~/machine1~")), "{groups}");
        let devices = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
        assert_eq!(
            devices.lines().skip(2).map(|line| line.trim().split(':').next().unwrap()).collect::<Vec<_>>(),
            ["lo"]
        );
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let limit = |name| limits.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next();
        assert_eq!(limit("Max file size"), Some((64 << 20).to_string().as_str()));
        assert_eq!((limit("Max open files"), limit("Max core file size")), (Some("256"), Some("0")));
        assert_eq!(limit("Max processes"), Some("17"));
    }
    // What the jailer needs: chown, dac_override, setgid, setuid, sys_admin, mknod.
    assert_eq!((of(pid, "CapBnd:").as_str(), of(shim, "CapBnd:").as_str()), ("00000000082000c3", "0000000000000000"));
    // Its own layer and ours: two filters, and one of Firecracker's for each kind of thread.
    assert_eq!(of(pid, "Seccomp_filters:"), "3");
    assert_eq!(of(pid, "NSpid:").split_whitespace().nth(1), Some("1"), "it is not alone in its pid namespace");

    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let mounts: BTreeSet<_> = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .map(|words| (words[4].to_owned(), words[5].split(',').take(4).collect::<Vec<_>>().join(",")))
        .collect();
    let mount = |at: &str, options: &str| (at.to_owned(), options.to_owned());
    let expected = [
        mount("/", "rw,nosuid,relatime"),
        mount("/disk.ext4", "rw,nosuid,nodev,noexec"),
        mount("/image/initrd.cpio", "ro,nosuid,nodev,noexec"),
        mount("/image/root.erofs", "ro,nosuid,nodev,noexec"),
        mount("/image/vmlinuz", "ro,nosuid,nodev,noexec"),
        mount("/saved/memory", "rw,nosuid,nodev,noexec"),
        mount("/saved/state", "rw,nosuid,nodev,noexec"),
    ];
    assert_eq!(mounts, BTreeSet::from(expected));
    let names = |folder: &str| {
        let entries = fs::read_dir(format!("/proc/{pid}/root{folder}")).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let mut root = names("/");
    // Versions of the jailer differ in whether they write it.
    root.remove("firecracker.pid");
    let expected = ["api.sock", "dev", "disk.ext4", "firecracker", "image", "log", "run", "saved", "v.sock"];
    assert_eq!(root, expected.map(str::to_owned).into());
    let mut devices = names("/dev");
    devices.remove("userfaultfd");
    assert_eq!(devices, ["kvm", "net", "urandom"].map(str::to_owned).into());
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let target = fs::read_link(descriptor.path()).unwrap();
        let text = target.to_string_lossy();
        let is_known = ["anon_inode:", "socket:", "pipe:", "/image/", "/dev/null", "/dev/kvm", "/log", "/disk.ext4"]
            .iter()
            .any(|known| text.starts_with(known));
        assert!(is_known || text.ends_with("/stderr.fifo"), "{text}");
    }

    is_gone(&host, "machine1~");
    assert!(!is_running(pid) && !is_running(shim));
    host.call("disk.remove", json!({ "diskId": "disk0001~" }));
    let launched = host.try_call("machine.launch", &args("machine1~", None)).unwrap();
    assert!(launched["ok"]["pid"].is_number(), "the id cannot be had again: {launched}");
}

#[test]
fn a_machine_without_its_shim_is_removed() {
    let Some((host, pid)) = launched(None) else { return };
    let shim = shim_of(pid);
    kill(Pid::from_raw(shim.try_into().unwrap()), Signal::SIGKILL).unwrap();
    until("the shim has ended", || (!is_running(shim)).then_some(()));
    assert!(UnixStream::connect(folder(&host, "machine1~").join("watch.sock")).is_err());
    is_gone(&host, "machine1~");
    assert!(!is_running(pid));
}

#[test]
fn machines_stand_side_by_side() {
    let Some(host) = start() else { return };
    if !has_kvm() {
        return;
    }
    let answers: Vec<_> = std::thread::scope(|scope| {
        let launch = |name: &'static str| scope.spawn(|| host.call("machine.launch", args(name, None)));
        ["machine1~", "machine2~"].map(launch).into_iter().map(|launch| launch.join().unwrap()).collect()
    });
    assert_ne!(answers[0]["uid"], answers[1]["uid"]);
    let namespaces =
        |pid: &Value| ["pid", "net", "mnt"].map(|name| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap());
    let (first, second) = (namespaces(&answers[0]["pid"]), namespaces(&answers[1]["pid"]));
    assert!(first.iter().zip(&second).all(|(one, other)| one != other));
    host.launch("machine3~", None);
    let vmms: BTreeSet<_> = host.machines().iter().map(|machine| machine["vmm"].to_string()).collect();
    assert_eq!(vmms.len(), 2, "{vmms:?}");
    for machine in ["machine1~", "machine2~", "machine3~"] {
        host.kill(machine);
    }
    assert_eq!(host.scan(&["machine1~", "machine2~", "machine3~"]), json!([]));
}
