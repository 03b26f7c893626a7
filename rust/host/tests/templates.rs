//! Templates of guests that run.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use support::snapshots::{build, counts_on, dies_during, file, key, pause, restore, shape, source, start, with_memory};
use support::{Host, MAGIC, is_running, until};

/// The file behind a machine's memory: device, inode and name.
fn memory_of(host: &Host, machine: &str) -> String {
    let machines = host.machines();
    let pid = machines.iter().find(|one| one["machineId"] == machine).unwrap()["pid"].as_i64().unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let line = maps.lines().find(|line| line.contains("microterm-memory")).unwrap();
    assert!(line.contains("rw-p"), "mapped other than privately: {line}");
    line.split_whitespace().skip(3).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_template_is_restored_again_and_again() {
    let host = start();
    let key = build(&host);
    let first = restore(&host, 1, &key);
    counts_on(&first);
    assert_eq!(restore(&host, 2, &key), first, "both go on where the template was saved");
    assert_eq!(memory_of(&host, "machine1~"), memory_of(&host, "machine2~"));
    let mut mark = [0; 6];
    File::open(file(&host, "disks/diskdisk2~.ext4")).unwrap().read_exact_at(&mut mark, 40 << 20).unwrap();
    assert_eq!(&mark, b"a mark");
    let listed = host.machines();
    assert!(listed.iter().all(|one| one["magic"] == MAGIC && one["alive"] == true), "{listed:?}");

    // Removed, it stays as long as they run.
    let removed = host.call("template.remove", json!({ "template": key }))["removed"].clone();
    assert_eq!(removed["files"], 4);
    counts_on(&host.letters("machine1~", 30));
    assert_eq!(host.refused("disk.create", json!({ "diskId": "diskdisk3~", "template": key })), "snapshot-corrupt");
    let args = with_memory("machine3~", "diskdisk1~", json!({ "template": key }));
    assert_eq!(host.refused("machine.launch", args), "busy");
    host.kill("machine1~");
    let args = with_memory("machine3~", "diskdisk1~", json!({ "template": key }));
    assert_eq!(host.refused("machine.launch", args), "snapshot-corrupt");
    assert_eq!(host.scan(&["machine1~", "machine3~", "diskdisk3~"]), json!([]));
    counts_on(&host.letters("machine2~", 30));
    assert_eq!(host.call("template.remove", json!({ "template": key }))["removed"], json!({ "files": 0, "bytes": 0 }));
}

#[test]
fn nobody_writes_to_a_templates_memory() {
    let host = start();
    let key = build(&host);
    restore(&host, 1, &key);
    let pid = host.machines()[0]["pid"].as_i64().unwrap();
    // Even root, by the VMM's own descriptor.
    let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/fd/6")).unwrap();
    assert_eq!(memory.write_at(b"x", 0).unwrap_err().raw_os_error(), Some(libc::EPERM));
    // SAFETY: fcntl on a descriptor that is open reads a number.
    let seals = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&memory), libc::F_GET_SEALS) };
    assert_eq!(seals, libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL);
    let control = fs::metadata(file(&host, "machines/machine1~/control.sock")).unwrap();
    assert_eq!((control.uid(), control.mode() & 0o777), (0, 0o600));
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let proc = mounts.lines().find(|line| line.contains(" /proc ")).unwrap();
    assert!(proc.contains("ro,") && proc.contains("subset=pid"), "{proc}");
}

#[test]
fn a_daemon_that_dies_leaves_the_memory_to_its_machines_and_fills_it_again() {
    let host = start();
    let key = build(&host);
    let first = restore(&host, 1, &key);
    let before = memory_of(&host, "machine1~");
    let daemon = host.call("hello", json!({}))["pid"].as_i64().unwrap();
    kill(Pid::from_raw(daemon.try_into().unwrap()), Signal::SIGKILL).unwrap();
    until("another daemon", || (host.try_call("hello", &json!({}))?["ok"]["pid"] != daemon).then_some(()));
    assert_eq!(restore(&host, 2, &key), first);
    assert_ne!(memory_of(&host, "machine2~"), before, "it was filled again");
    counts_on(&host.letters("machine1~", 30));
}

#[test]
fn a_damaged_template_is_told_until_it_is_built_again() {
    for (name, at) in [("memory", None), ("state", Some(1000)), ("disk", Some(40 << 20)), ("manifest.json", Some(3))] {
        let mut host = start();
        let key = build(&host);
        let path = file(&host, "templates").join(&key).join(name);
        let damaged = File::options().read(true).write(true).open(&path).unwrap();
        // Somewhere in the guest's program, or where it has nothing.
        damaged.write_all_at(b"!", at.unwrap_or(0x9_0269)).unwrap();
        let create = json!({ "diskId": "diskdisk1~", "template": key });
        assert_eq!(host.refused("disk.create", create), "snapshot-corrupt", "{name}");
        assert_eq!(host.call("template.find", shape())["isBuilt"], false, "{name}");
        host.end(Signal::SIGTERM);
        host.run(None);
        assert_eq!(host.call("template.find", shape())["isBuilt"], false, "{name}: the next daemon believes in it");
        assert_eq!(host.call("template.list", json!({}))["templates"][0]["isBuilt"], false, "{name}");
        host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
        let launch = with_memory("machine1~", "diskdisk1~", json!({ "template": key }));
        assert_eq!(host.refused("machine.launch", launch), "snapshot-corrupt", "{name}");
        assert_eq!(host.scan(&["machine1~"]), json!([]));
        host.call("disk.remove", json!({ "diskId": "diskdisk1~" }));
        assert_eq!(build(&host), key);
        counts_on(&restore(&host, 1, &key));
    }
}

#[test]
fn a_template_that_is_damaged_while_it_is_used_is_found_out() {
    let host = start();
    let key = build(&host);
    restore(&host, 1, &key);
    let path = file(&host, "templates").join(&key).join("disk");
    File::options().write(true).open(&path).unwrap().write_all_at(b"!", 40 << 20).unwrap();
    assert_eq!(host.refused("disk.create", json!({ "diskId": "diskdisk2~", "template": key })), "snapshot-corrupt");
    counts_on(&host.letters("machine1~", 30));
}

#[test]
fn only_what_fits_is_saved_and_restored() {
    let host = start();
    let key = build(&host);
    source(&host, "machine1~", "diskdisk1~");
    let other = "0123456789abcdef0123456789abcdef";
    let save =
        |machine: &str, key: &str| host.refused("template.save", json!({ "machineId": machine, "template": key }));
    assert_eq!(save("machine1~", other), "bad-request");
    assert_eq!(save("machine9~", other), "not-found");
    counts_on(&host.letters("machine1~", 30));
    host.kill("machine1~");
    host.launch("machine1~", Some("diskdisk1~"));
    assert_eq!(save("machine1~", &key), "bad-request");
    host.kill("machine1~");
    for (name, value) in [("memoryMib", json!(96)), ("cpus", json!(2)), ("diskId", Value::Null)] {
        let mut args = with_memory("machine2~", "diskdisk1~", json!({ "template": key }));
        args[name] = value;
        assert_eq!(host.refused("machine.launch", args), "bad-request", "{name}");
    }
    let args = with_memory("machine2~", "diskdisk1~", json!({ "template": other }));
    assert_eq!(host.refused("machine.launch", args), "snapshot-corrupt");
    let args = with_memory("machine2~", "diskdisk1~", json!({ "save": "nosuchsave" }));
    assert_eq!(host.refused("machine.launch", args), "snapshot-corrupt");
    assert_eq!(host.refused("machine.save", json!({ "machineId": "machine2~", "saveId": "savesave1" })), "not-found");
    assert_eq!(host.scan(&["machine2~"]), json!([]));
}

#[test]
fn what_another_qemu_saved_is_not_loaded() {
    let host = start();
    let key = build(&host);
    restore(&host, 1, &key);
    pause(&host);
    for folder in ["templates/".to_owned() + &key, "saves/savesave1~".to_owned()] {
        let path = file(&host, &folder).join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["kind"] = json!("0".repeat(64));
        fs::write(&path, manifest.to_string()).unwrap();
    }
    assert_eq!(host.call("template.find", shape()), json!({ "key": key, "isBuilt": false }));
    for memory in [json!({ "save": "savesave1~" }), json!({ "template": key })] {
        let answer = host.try_call("machine.launch", &with_memory("machine2~", "diskdisk1~", memory)).unwrap();
        assert_eq!(answer["error"]["code"], "snapshot-corrupt");
        assert!(answer["error"]["message"].as_str().unwrap().contains("another QEMU"), "{answer}");
    }
}

#[test]
fn dies_before_a_template_has_its_name() {
    let args = |host: &Host| json!({ "machineId": "machine1~", "template": key(host) });
    for point in ["save.stopped", "template.saved"] {
        dies_during(point, "template.save", args, |host| {
            until("its machine has ended", || (host.machines()[0]["alive"] == false).then_some(()));
            build(host);
        });
    }
}

#[test]
fn dies_when_a_template_has_its_name() {
    let args = |host: &Host| json!({ "machineId": "machine1~", "template": key(host) });
    dies_during("template.renamed", "template.save", args, |host| {
        assert_eq!(host.call("template.find", shape())["isBuilt"], true);
        counts_on(&restore(host, 2, &key(host)));
        host.kill("machine2~");
    });
}

#[test]
fn dies_when_a_template_is_loaded() {
    let mut host = start();
    let key = build(&host);
    host.end(Signal::SIGTERM);
    host.run(Some("restore.loaded"));
    host.call("disk.create", json!({ "diskId": "diskdisk1~", "template": key }));
    let launch = with_memory("machine1~", "diskdisk1~", json!({ "template": key }));
    assert!(host.try_call("machine.launch", &launch).is_none());
    until("the daemon is back", || host.try_call("hello", &json!({})));
    let listed = host.machines();
    assert_eq!((listed.len(), &listed[0]["alive"]), (1, &json!(true)));
    let pid = listed[0]["pid"].as_i64().unwrap();
    host.kill("machine1~");
    assert!(!is_running(pid));
    assert_eq!(host.scan(&["machine1~"]), json!([]));
    host.call("machine.launch", launch);
    counts_on(&host.letters("machine1~", 30));
}
