//! Launching, finding and removing machines.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use support::{Host, IMAGE, MAGIC, SERVER_UID, launch_args, until};

#[test]
fn a_machine_runs_in_its_jail_and_leaves_nothing() {
    let host = Host::start();
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    let launched = host.launch("machine1~", Some("disk0001~"));
    let (pid, uid) = (launched["pid"].as_i64().unwrap(), launched["uid"].as_u64().unwrap());

    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("Uid:"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
    assert_eq!(field("Groups:"), "");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    for name in ["pid", "ipc", "mnt", "uts", "net", "cgroup"] {
        let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        assert_ne!(of(&pid.to_string()), of("self"), "the {name} namespace is shared");
    }
    assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");

    let disk = fs::metadata(host.folder().join(host.named("disks/disk0001~.ext4"))).unwrap();
    assert_eq!((u64::from(disk.uid()), disk.mode() & 0o777), (uid, 0o600));
    let socket = fs::metadata(host.folder().join(host.named("machines/machine1~/agent.sock"))).unwrap();
    assert_eq!((socket.uid(), socket.mode() & 0o777), (SERVER_UID, 0o600));

    // Version 2 has its own tests, since few hosts offer both.
    if host.call("hello", json!({}))["cgroup"] == "v1" {
        let group = |controller: &str, file: &str| {
            let path = host.named(&format!("/sys/fs/cgroup/{controller}/microterm-~/machine1~/{file}"));
            fs::read_to_string(path).unwrap().trim().to_owned()
        };
        assert_eq!(group("memory", "memory.limit_in_bytes"), ((64 + 160 + 96 + 64 / 16 + 8) << 20).to_string());
        assert_eq!(group("pids", "pids.max"), "65");
        assert_eq!(group("cpu", "cpu.shares"), "1024");
        // bubblewrap's outer process is in it, too.
        assert_eq!(group("freezer", "cgroup.procs").lines().count(), 2);
    }
    let usage = host.call("machine.usage", json!({ "machineId": "machine1~" }));
    assert!(usage["memoryBytes"].as_u64().unwrap() > 1 << 20 && usage["pids"].as_u64().unwrap() >= 2, "{usage}");
    let found = host.scan(&["machine1~"]).to_string();
    for kind in ["process", "cgroup", "socket", "file", "uid"] {
        assert!(found.contains(&format!("\"kind\":\"{kind}\"")), "scan sees no {kind}: {found}");
    }
    assert!(host.scan(&["disk0001~"]).to_string().contains("\"mount\""));
    assert_eq!(host.scan(&["machine2~", "machine10~"]), json!([]));
    // What others on the host have is none of the server's business.
    let others = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(others.path().join("otherssocket")).unwrap();
    let shared = host.named("/dev/shm/othersfile~");
    fs::write(&shared, b"").unwrap();
    let found = host.scan(&["otherssocket", "othersfile~"]);
    fs::remove_file(&shared).unwrap();
    assert_eq!(found, json!([]));

    let removed = host.kill("machine1~");
    assert!(removed["processes"].as_u64().unwrap() >= 2 && removed["cgroups"].as_u64().unwrap() >= 1, "{removed}");
    assert_eq!((&removed["sockets"], &removed["uids"]), (&json!(3), &json!(1)));
    assert_eq!(host.scan(&["machine1~"]), json!([]));
    assert_eq!(host.kill("machine1~"), json!({ "processes": 0, "cgroups": 0, "sockets": 0, "files": 0, "uids": 0 }));
    assert_eq!(fs::metadata(host.folder().join(host.named("disks/disk0001~.ext4"))).unwrap().uid(), 0);
    let removed = host.call("disk.remove", json!({ "diskId": "disk0001~" }));
    assert_eq!(removed["removed"]["files"], 1);
    assert_eq!(host.scan(&["machine1~", "disk0001~"]), json!([]));
}

#[test]
fn its_sockets_reach_qemu() {
    let host = Host::start();
    host.launch("machine1~", None);
    let folder = host.folder().join(host.named("machines/machine1~"));
    UnixStream::connect(folder.join("agent.sock")).unwrap();
    let mut qmp = UnixStream::connect(folder.join("qmp.sock")).unwrap();
    let mut lines = BufReader::new(qmp.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"QMP\""));
    writeln!(qmp, r#"{{"execute":"qmp_capabilities"}}{{"execute":"query-block"}}"#).unwrap();
    let blocks = lines.map(Result::unwrap).find(|line| line.contains("root.erofs")).unwrap();
    assert!(blocks.contains(r#""ro": true"#), "{blocks}");
}

#[test]
fn refusals_leave_nothing_behind() {
    let host = Host::start();
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    assert_eq!(host.refused("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 })), "exists");
    host.launch("machine1~", Some("disk0001~"));
    assert_eq!(host.refused("machine.launch", launch_args("machine1~", None)), "exists");
    assert_eq!(host.refused("machine.launch", launch_args("machine2~", Some("disk0001~"))), "busy");
    assert_eq!(host.refused("disk.remove", json!({ "diskId": "disk0001~" })), "busy");
    assert_eq!(host.refused("machine.launch", launch_args("machine2~", Some("disk0002~"))), "not-found");
    assert_eq!(host.refused("machine.usage", json!({ "machineId": "machine2~" })), "not-found");
    let with = |name: &str, value: serde_json::Value| {
        let mut args = launch_args("machine2~", None);
        args[name] = value;
        args
    };
    assert_eq!(host.refused("machine.launch", with("image", json!("otherimage"))), "not-found");
    assert_eq!(host.refused("machine.launch", with("memoryMib", json!(1_048_576))), "no-memory");
    assert_eq!(host.refused("machine.launch", with("cpus", json!(0))), "bad-request");
    assert_eq!(host.scan(&["machine2~"]), json!([]));
    assert_eq!(host.machines().len(), 1);
    host.kill("machine1~");
    assert_eq!(
        host.call("disk.remove", json!({ "diskId": "disk0002~" }))["removed"],
        json!({ "files": 0, "bytes": 0 })
    );
}

#[test]
fn a_qemu_that_cannot_start_says_why_and_leaves_nothing() {
    let host = Host::start();
    let image = host.folder().join("images").join(IMAGE);
    // Right in size, so that only QEMU finds out.
    fs::remove_file(image.join("vmlinuz")).unwrap();
    fs::write(image.join("vmlinuz"), vec![0; 4096]).unwrap();
    let answer = host.try_call("machine.launch", &launch_args("machine1~", None)).unwrap();
    assert_eq!(answer["error"]["code"], "internal");
    assert!(answer["error"]["message"].as_str().unwrap().contains("qemu"), "{answer}");
    assert_eq!(host.scan(&["machine1~"]), json!([]));
    assert_eq!(host.machines(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_killed_vmm_is_listed_dead_until_it_is_removed() {
    let host = Host::start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    let listed = &host.machines()[0];
    assert_eq!((&listed["alive"], &listed["pid"]), (&json!(true), &json!(pid)));
    assert_eq!((&listed["environment"], &listed["magic"]), (&json!("environ1"), &json!(MAGIC)));
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    until("the machine is listed dead", || (host.machines()[0]["alive"] == false).then_some(()));
    assert_eq!(host.refused("machine.launch", launch_args("machine1~", None)), "exists");
    host.kill("machine1~");
    host.launch("machine1~", None);
}

#[test]
fn a_disk_is_kept_from_removal_where_only_its_owner_tells_who_uses_it() {
    let host = Host::start();
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    host.launch("machine1~", Some("disk0001~"));
    fs::write(host.folder().join(host.named("machines/machine1~/machine.json")), "{").unwrap();
    assert_eq!(host.refused("disk.remove", json!({ "diskId": "disk0001~" })), "busy");
    host.kill("machine1~");
    assert_eq!(host.call("disk.remove", json!({ "diskId": "disk0001~" }))["removed"]["files"], 1);
}

#[test]
fn qemus_files_are_gathered_where_links_can_be_made() {
    let host = Host::start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let gathered: Vec<_> = fs::read_dir(host.folder().join("runtime")).unwrap().flatten().collect();
    // Other mounts may be of one device, too; the links are tried as the daemon does.
    let link = host.data.path().join("link");
    let expected = usize::from(fs::hard_link("/usr/bin/qemu-system-x86_64", &link).is_ok());
    assert_eq!(gathered.len(), expected);
    assert_eq!(mounts.contains("libc.so.6"), expected == 0, "{mounts}");
    for folder in gathered {
        let mode = fs::metadata(folder.path().join("usr/bin")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

#[test]
fn blanks_of_few_sizes_are_kept() {
    let host = Host::start();
    for number in 0..12 {
        host.call("disk.create", json!({ "diskId": format!("diskdisk{number}~"), "sizeMib": 64 + number }));
    }
    assert_eq!(fs::read_dir(host.folder().join("blanks")).unwrap().count(), 8);
}

#[test]
fn machines_are_made_and_removed_at_the_same_time() {
    let host = Host::start();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let host = &host;
            scope.spawn(move || {
                let (machine, disk) = (format!("machine{number}~"), format!("diskdisk{number}~"));
                for _ in 0..3 {
                    host.call("disk.create", json!({ "diskId": disk, "sizeMib": 64 }));
                    host.launch(&machine, Some(&disk));
                    host.kill(&machine);
                    host.call("disk.remove", json!({ "diskId": disk }));
                    assert_eq!(host.scan(&[&machine, &disk]), json!([]));
                }
            });
        }
    });
    assert_eq!(host.machines(), Vec::<serde_json::Value>::new());
}

#[test]
fn two_launches_and_two_kills_of_one_machine_agree() {
    let host = Host::start();
    std::thread::scope(|scope| {
        let launches: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| host.try_call("machine.launch", &launch_args("machine1~", None)).unwrap()))
            .collect();
        let answers: Vec<_> = launches.into_iter().map(|launch| launch.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|answer| answer["ok"].is_object()).count(), 1, "{answers:?}");
        let kills: Vec<_> = (0..2).map(|_| scope.spawn(|| host.kill("machine1~"))).collect();
        let uids: u64 = kills.into_iter().map(|kill| kill.join().unwrap()["uids"].as_u64().unwrap()).sum();
        assert_eq!(uids, 1);
    });
    assert_eq!(host.scan(&["machine1~"]), json!([]));
}

#[test]
fn the_probe_is_refused_everything() {
    let host = Host::start();
    fs::write(host.data.path().join("microterm.db"), b"secret").unwrap();
    let checks = host.call("jail.probe", json!({}))["checks"].as_array().unwrap().clone();
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in [
        "read-database",
        "read-other-disk",
        "see-host-processes",
        "write-outside",
        "gain-capability",
        "use-network",
        "write-template",
        "change-tap",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    for check in &checks {
        assert_eq!(check["refused"], true, "{check}");
    }
    // What was not tried was not refused.
    let tap = checks.iter().find(|check| check["name"] == "change-tap").unwrap();
    assert!(tap["detail"].as_str().unwrap().contains("change its address"), "{tap}");
    let database = checks.iter().find(|check| check["name"] == "read-database").unwrap();
    assert!(database["detail"].as_str().unwrap().contains("microterm.db"));
    assert_eq!(host.call("list", json!({})), json!({ "machines": [], "disks": [] }));
}

#[test]
fn a_kvm_machine_gets_a_node_of_its_own() {
    if !std::path::Path::new("/dev/kvm").exists() {
        let host = Host::start();
        let mut args = launch_args("machine1~", None);
        args["accelerator"] = json!("kvm");
        assert_eq!(host.refused("machine.launch", args), "not-found");
        return;
    }
    let host = Host::start();
    let mut args = launch_args("machine1~", None);
    args["accelerator"] = json!("kvm");
    // Whether QEMU can use the device is the host's affair; it was not refused the file.
    let answer = host.try_call("machine.launch", &args).unwrap();
    if let Some(why) = answer["error"]["message"].as_str() {
        assert!(!why.contains("Permission denied") && !why.contains("No such file"), "{why}");
    }
    host.kill("machine1~");
    assert_eq!(host.scan(&["machine1~"]), json!([]));
}
