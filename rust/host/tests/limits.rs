//! What a machine may use: set at its launch, changed while it runs.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use support::{Host, launch_args, until};

const MIB: u64 = 1 << 20;
const DISK_MIB: u64 = 64;
/// What a disk is written full of, in MiB.
const WRITTEN_MIB: u64 = 32;

fn cpu(quota_percent: u64, weight: u64) -> Value {
    json!({ "quotaPercent": quota_percent, "weight": weight })
}

/// With bursts that last a second and are no faster than the rest.
fn disk(bytes: u64, operations: u64) -> Value {
    json!({ "bytesPerSecond": bytes, "operationsPerSecond": operations, "burstBytesPerSecond": bytes,
        "burstOperationsPerSecond": operations, "burstSeconds": 1 })
}

fn launch_limited(host: &Host, machine: &str, disk_id: Option<&str>, limits: &Value) {
    let mut args = launch_args(machine, disk_id);
    args["limits"] = limits.clone();
    host.call("machine.launch", args);
}

fn change(host: &Host, machine: &str, limits: &Value) {
    assert_eq!(host.call("machine.limit", json!({ "machineId": machine, "limits": limits })), json!({}));
}

struct Monitor {
    to: UnixStream,
    lines: std::io::Lines<BufReader<UnixStream>>,
}

impl Monitor {
    fn connect(host: &Host, machine: &str) -> Self {
        let to = UnixStream::connect(host.folder().join(host.named(&format!("machines/{machine}/qmp.sock")))).unwrap();
        let mut monitor = Self { lines: BufReader::new(to.try_clone().unwrap()).lines(), to };
        monitor.ask(&json!({ "execute": "qmp_capabilities" }));
        monitor
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.to, "{command}").unwrap();
        let answer = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains("\"return\"")).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()["return"].take()
    }

    /// What QEMU holds each of its block devices to.
    fn throttles(&mut self) -> Vec<Value> {
        let devices = self.ask(&json!({ "execute": "query-block" }));
        let names = ["bps", "iops", "bps_max", "iops_max", "bps_max_length", "group"];
        let of = |device: &Value| names.iter().map(|name| device["inserted"][name].clone()).collect();
        devices.as_array().unwrap().iter().map(of).collect()
    }

    /// Has QEMU write the beginning of the disk as its guest would, through the device, and does not wait for it.
    fn write_disk(&mut self) {
        let devices = self.ask(&json!({ "execute": "query-block" }));
        let is_disk = |device: &&Value| device["inserted"]["node-name"] == "disk";
        let path = devices.as_array().unwrap().iter().find(is_disk).unwrap()["qdev"].as_str().unwrap().to_owned();
        for mib in 0..WRITTEN_MIB {
            let line = format!("qemu-io -d {path} \"aio_write -q -P 1 {mib}M 1M\"");
            self.ask(&json!({ "execute": "human-monitor-command", "arguments": { "command-line": line } }));
        }
    }
}

fn allocated(host: &Host, disk_id: &str) -> u64 {
    fs::metadata(host.folder().join(host.named(&format!("disks/{disk_id}.ext4")))).unwrap().blocks() * 512
}

#[test]
fn a_machine_is_held_to_its_limits_which_change_while_it_runs() {
    let host = Host::start();
    for id in ["disk0001~", "disk0002~"] {
        host.call("disk.create", json!({ "diskId": id, "sizeMib": DISK_MIB }));
    }
    // As slow as there is: it would write for minutes.
    let slow = json!({ "cpu": cpu(150, 100), "disk": disk(65_536, 100) });
    launch_limited(&host, "machine1~", Some("disk0001~"), &slow);
    host.launch("machine2~", Some("disk0002~"));
    let (mut limited, mut free) = (Monitor::connect(&host, "machine1~"), Monitor::connect(&host, "machine2~"));
    let expected = json!([65_536, 100, 65_536, 100, 1, "machine"]);
    assert_eq!(limited.throttles(), [expected.clone(), expected], "the image and the disk, together");

    let (before, whole) = (allocated(&host, "disk0002~"), WRITTEN_MIB * MIB);
    limited.write_disk();
    free.write_disk();
    until("the one without a limit has written", || {
        (allocated(&host, "disk0002~") >= before + whole - MIB).then_some(())
    });
    let written = allocated(&host, "disk0001~").saturating_sub(before);
    assert!(written < whole / 2, "{written} bytes came through the limit");

    change(&host, "machine1~", &json!({ "disk": disk(1 << 40, 1_000_000) }));
    until("the other has written, too", || (allocated(&host, "disk0001~") >= before + whole - MIB).then_some(()));
    assert_eq!(limited.throttles()[1], json!([1_u64 << 40, 1_000_000, 1_u64 << 40, 1_000_000, 1, "machine"]));

    assert_eq!(host.refused("machine.limit", json!({ "machineId": "machine3~", "limits": {} })), "not-found");
    let too_little = json!({ "machineId": "machine1~", "limits": { "cpu": cpu(9, 100) } });
    assert_eq!(host.refused("machine.limit", too_little), "bad-request");
}

/// Version 2 has its own tests, since few hosts offer both.
#[test]
fn a_guest_that_computes_gets_its_quota_and_no_more() {
    let mut host = Host::prepare_counting();
    host.run(None);
    let hello = host.call("hello", json!({}));
    launch_limited(&host, "machine1~", None, &json!({ "cpu": cpu(10, 50) }));
    if hello["limitsCpu"] == false {
        let args = json!({ "machineId": "machine1~", "limits": { "cpu": cpu(20, 50) } });
        assert_eq!(host.refused("machine.limit", args), "unsupported");
        return;
    }
    if hello["cgroup"] != "v1" {
        return;
    }
    let group = |file: &str| {
        let path = host.named(&format!("/sys/fs/cgroup/cpu/microterm-~/machine1~/{file}"));
        fs::read_to_string(path).unwrap().trim().to_owned()
    };
    let files = ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"];
    assert_eq!(files.map(group), ["512", "20000", "2000"]);
    // It counts for ever: the kernel has it stand still, again and again.
    let stood_still = || -> u64 {
        let stat = group("cpu.stat");
        stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok()).unwrap()
    };
    until("it has used up its quota some times", || (stood_still() > 10).then_some(()));
    change(&host, "machine1~", &json!({ "cpu": cpu(10_000, 300) }));
    assert_eq!(files.map(group), ["3072", "20000", "2000000"]);
    // One processor's worth is less than its quota now.
    let so_far = stood_still();
    host.letters("machine1~", 1000);
    assert_eq!(stood_still(), so_far);
}

#[test]
fn what_is_saved_under_limits_is_restored_under_others() {
    let mut host = Host::prepare_counting();
    host.run(None);
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": DISK_MIB }));
    let limits = |bytes: u64| json!({ "cpu": cpu(150, 100), "disk": disk(bytes, 100) });
    launch_limited(&host, "machine1~", Some("disk0001~"), &limits(65_536));
    host.letters("machine1~", 30);
    // In the middle of writing: what waits for its turn is written before the save.
    Monitor::connect(&host, "machine1~").write_disk();
    host.call("machine.save", json!({ "machineId": "machine1~", "saveId": "save0001~" }));
    assert!(allocated(&host, "disk0001~") >= WRITTEN_MIB * MIB);
    host.kill("machine1~");
    let mut args = launch_args("machine2~", Some("disk0001~"));
    args["memory"] = json!({ "save": "save0001~" });
    args["limits"] = limits(131_072);
    host.call("machine.launch", args);
    assert!(host.letters("machine2~", 30).len() >= 30);
    let throttles = Monitor::connect(&host, "machine2~").throttles();
    assert_eq!(throttles[1], json!([131_072, 100, 131_072, 100, 1, "machine"]));
    host.kill("machine2~");
    host.call("save.remove", json!({ "saveId": "save0001~" }));
}
