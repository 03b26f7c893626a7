//! Saves of guests that run.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use support::snapshots::{build, counts_on, dies_during, file, pause, restore, resume, start, with_memory};
use support::{Host, until};

#[test]
fn a_paused_machine_goes_on_where_it_was() {
    let host = start();
    host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
    host.launch("machine1~", Some("diskdisk1~"));
    host.letters("machine1~", 40);
    pause(&host);
    let first = resume(&host, "machine2~");
    counts_on(&first);
    let memory = file(&host, "saves/savesave1~/memory");
    assert_ne!(fs::metadata(&memory).unwrap().uid(), 0, "QEMU needs it while it runs");
    host.kill("machine2~");
    assert_eq!(fs::metadata(&memory).unwrap().uid(), 0);
    // The disk is another's now.
    assert_used(&host, "machine3~");
    assert!(host.scan(&["savesave1~"]).to_string().contains("saves/savesave1~"));
    assert_eq!(host.call("save.remove", json!({ "saveId": "savesave1~" }))["removed"]["files"], 4);
    assert_eq!(
        host.call("save.remove", json!({ "saveId": "savesave1~" }))["removed"],
        json!({ "files": 0, "bytes": 0 })
    );
    assert_eq!(host.scan(&["savesave1~", "machine1~", "machine2~", "machine3~"]), json!([]));
}

/// A save cannot be gone on from, and says so in the list.
fn assert_used(host: &Host, machine: &str) {
    let args = with_memory(machine, "diskdisk1~", json!({ "save": "savesave1~" }));
    let answer = host.try_call("machine.launch", &args).unwrap();
    assert_eq!(answer["error"]["code"], "snapshot-corrupt", "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("gone on from the save"), "{answer}");
    assert_eq!(host.scan(&[machine]), json!([]));
    assert_eq!(host.call("save.list", json!({}))["saves"][0]["isWhole"], false);
}

#[test]
fn a_resumed_machine_is_paused_in_turn() {
    let host = start();
    host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
    host.launch("machine1~", Some("diskdisk1~"));
    host.letters("machine1~", 40);
    pause(&host);
    counts_on(&resume(&host, "machine1~"));
    host.call("save.remove", json!({ "saveId": "savesave1~" }));
    // Under the same name: that the former one was used is not said of this one.
    pause(&host);
    counts_on(&resume(&host, "machine1~"));
}

#[test]
fn dies_around_the_moment_from_which_on_a_save_is_used() {
    for point in ["restore.loaded", "restore.marked"] {
        let mut host = start();
        host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
        host.launch("machine1~", Some("diskdisk1~"));
        host.letters("machine1~", 40);
        pause(&host);
        host.end(Signal::SIGTERM);
        host.run(Some(point));
        let args = with_memory("machine1~", "diskdisk1~", json!({ "save": "savesave1~" }));
        assert!(host.try_call("machine.launch", &args).is_none(), "{point} was not reached");
        until("the daemon is back", || host.try_call("hello", &json!({})));
        host.kill("machine1~");
        if point == "restore.loaded" {
            // The guest has not gone on yet.
            counts_on(&resume(&host, "machine2~"));
            host.kill("machine2~");
        }
        assert_used(&host, "machine3~");
    }
}

#[test]
fn a_launch_that_fails_before_the_guest_goes_on_leaves_its_save_whole() {
    let host = start();
    host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
    host.launch("machine1~", Some("diskdisk1~"));
    host.letters("machine1~", 40);
    pause(&host);
    let memory = File::options().read(true).write(true).open(file(&host, "saves/savesave1~/memory")).unwrap();
    let mut byte = [0];
    memory.read_exact_at(&mut byte, 0x9_0269).unwrap();
    memory.write_all_at(&[!byte[0]], 0x9_0269).unwrap();
    let args = with_memory("machine2~", "diskdisk1~", json!({ "save": "savesave1~" }));
    assert_eq!(host.refused("machine.launch", args), "snapshot-corrupt");
    memory.write_all_at(&byte, 0x9_0269).unwrap();
    counts_on(&resume(&host, "machine2~"));
}

#[test]
fn a_restored_machine_is_paused_and_resumed() {
    let host = start();
    let key = build(&host);
    restore(&host, 1, &key);
    pause(&host);
    host.call("template.remove", json!({ "template": key }));
    counts_on(&resume(&host, "machine1~"));
}

#[test]
fn a_damaged_save_is_refused_and_leaves_nothing() {
    for (name, at) in [("memory", 0x9_0269), ("memory", 50 << 20), ("state", 1000), ("manifest.json", 3)] {
        let host = start();
        host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
        host.launch("machine1~", Some("diskdisk1~"));
        host.letters("machine1~", 40);
        pause(&host);
        let damaged = File::options().write(true).open(file(&host, "saves/savesave1~").join(name)).unwrap();
        damaged.write_all_at(b"!", at).unwrap();
        let args = || with_memory("machine2~", "diskdisk1~", json!({ "save": "savesave1~" }));
        assert_eq!(host.refused("machine.launch", args()), "snapshot-corrupt", "{name}");
        assert_eq!(host.refused("machine.launch", args()), "snapshot-corrupt", "{name}, again");
        damaged.set_len(10).unwrap();
        assert_eq!(host.refused("machine.launch", args()), "snapshot-corrupt", "{name}, cut short");
        assert_eq!(host.scan(&["machine2~"]), json!([]));
        // The disk is there to boot from.
        host.launch("machine2~", Some("diskdisk1~"));
    }
}

/// Has a save wait for a VMM that does not answer. The save's connection, which gets its answer.
fn stuck_save(host: &Host, pid: i64) -> UnixStream {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGSTOP).unwrap();
    let daemon = host.call("hello", json!({}))["pid"].as_i64().unwrap();
    let sockets = || {
        let open = fs::read_dir(format!("/proc/{daemon}/fd")).unwrap().flatten();
        open.filter(|one| fs::read_link(one.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))).count()
    };
    let mut stream = host.connect().unwrap();
    writeln!(stream, "{}", json!({ "id": 1, "verb": "hello", "args": {} })).unwrap();
    BufReader::new(&stream).read_line(&mut String::new()).unwrap();
    // Those of the calls above are closed a little after their answers.
    let steady = until("no other connection is open", || {
        let before = sockets();
        std::thread::sleep(Duration::from_millis(100));
        (before == sockets()).then_some(before)
    });
    let save = json!({ "id": 2, "verb": "machine.save", "args": { "machineId": "machine1~", "saveId": "savesave1~" } });
    writeln!(stream, "{}", host.named(&save.to_string())).unwrap();
    until("the save has connected to QEMU", || (sockets() > steady).then_some(()));
    stream
}

#[test]
fn a_machine_that_hangs_while_it_is_paused_is_killed() {
    let host = start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    host.letters("machine1~", 40);
    let saving = stuck_save(&host, pid);
    let removed = host.kill("machine1~");
    assert!(removed["processes"].as_u64().unwrap() >= 1, "{removed}");
    let mut answer = String::new();
    BufReader::new(saving).read_line(&mut answer).unwrap();
    assert!(answer.contains("snapshot-failed"), "{answer}");
    // It was not waited for the save's patience to end.
    assert!(!answer.contains("in time"), "{answer}");
    assert_eq!(host.scan(&["machine1~", "savesave1~"]), json!([]));
}

#[test]
fn what_a_client_leaves_under_way_is_waited_for() {
    let host = start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    host.letters("machine1~", 40);
    let saving = stuck_save(&host, pid);
    // It is not waited for what a client that is there has asked for.
    host.call("settle", json!({}));
    saving.set_nonblocking(true).unwrap();
    let unanswered = (&saving).read(&mut [0]).unwrap_err();
    assert_eq!(unanswered.kind(), std::io::ErrorKind::WouldBlock);
    drop(saving);
    let mut stream = host.connect().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    for (id, verb) in [(1, "settle"), (2, "list"), (3, "list")] {
        writeln!(stream, "{}", json!({ "id": id, "verb": verb, "args": {} })).unwrap();
    }
    // Others are answered meanwhile.
    for _ in 0..2 {
        let answer: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        assert_ne!(answer["id"], 1, "{answer}");
    }
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGCONT).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap(), json!({ "id": 1, "ok": {} }));
    assert_eq!(host.call("save.list", json!({}))["saves"][0]["isWhole"], true);
    assert_eq!(host.machines()[0]["alive"], false);
}

/// A file system of its own for the daemon's folder, which goes with it.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_guest_goes_on_when_the_disk_is_too_full_to_pause_it() {
    let mut host = Host::prepare_counting();
    let size = Some("size=300m,mode=0755");
    nix::mount::mount(Some("tmpfs"), host.data.path(), Some("tmpfs"), nix::mount::MsFlags::empty(), size).unwrap();
    let _small = Small(host.data.path().to_owned());
    host.run(None);
    host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
    host.launch("machine1~", Some("diskdisk1~"));
    host.letters("machine1~", 40);
    let filler = host.data.path().join("filler");
    fs::write(&filler, vec![1; 40 << 20]).unwrap();
    let save = || json!({ "machineId": "machine1~", "saveId": "savesave1~" });
    assert_eq!(host.refused("machine.save", save()), "no-space");
    counts_on(&host.letters("machine1~", 30));
    assert_eq!(host.call("save.list", json!({}))["saves"], json!([]));
    fs::remove_file(&filler).unwrap();
    host.kill("machine1~");
    host.end(Signal::SIGTERM);
}

#[test]
fn dies_before_a_pause_is_complete() {
    let args = |_: &Host| json!({ "machineId": "machine1~", "saveId": "savesave1~" });
    for point in ["save.stopped", "save.written"] {
        dies_during(point, "machine.save", args, |host| {
            until("the guest goes on", || {
                let marked = file(host, "machines/machine1~/saving").exists();
                (!marked).then_some(())
            });
            host.letters("machine1~", 1000);
            assert_eq!(host.call("save.list", json!({}))["saves"], json!([]));
            // And can be paused.
            host.call("machine.save", args(host));
            host.kill("machine1~");
            counts_on(&resume(host, "machine1~"));
        });
    }
}
