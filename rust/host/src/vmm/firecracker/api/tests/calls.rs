//! What is sent, to a peer that records it.

use crate::spec::Mac;
use crate::vmm::firecracker::api::bodies::{
    BootSource, DeviceId, Drive, MachineConfig, NetworkInterface, NetworkOverride, SnapshotFiles, SnapshotSource,
    SnapshotType, Vsock,
};
use crate::vmm::firecracker::api::client::{Api, Attached, NotStarted, Paused};
use crate::vmm::firecracker::api::error::{ApiError, Failed};
use crate::vmm::firecracker::api::rate_limiter::{Rate, RateLimiter};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LONG: Duration = Duration::from_mins(1);
const DISK: DeviceId = DeviceId::new("disk");
const LIMITS: RateLimiter =
    RateLimiter { bytes: Rate { per_second: 1000, burst: 5000 }, operations: Rate { per_second: 0, burst: 0 } };
const DONE: &str = "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n";

/// The next request: method and path, and the body. `None` at the end.
fn request(from: &mut impl BufRead) -> Option<(String, Value)> {
    let (mut first, mut length) = (String::new(), 0);
    from.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(said) = line.strip_prefix("Content-Length: ") {
            length = said.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).unwrap();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some((first.strip_suffix(" HTTP/1.1\r\n").unwrap().to_owned(), body))
}

/// A Firecracker in that state, and what it will have been asked after that. It does everything, but for what `refuses` names.
fn firecracker(version: &str, state: &str, refuses: &'static str) -> (Attached, JoinHandle<Vec<(String, Value)>>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let about = json!({ "id": "a", "state": state, "vmm_version": version, "app_name": "Firecracker", "new": 1 });
    let peer = thread::spawn(move || {
        let mut from = BufReader::new(theirs.try_clone().unwrap());
        let mut asked = Vec::new();
        while let Some(next) = request(&mut from) {
            let (status, body) = match next.0.as_str() {
                "GET /" => ("200 ", about.to_string()),
                path if path == refuses => ("400 ", r#"{"fault_message":"not now"}"#.to_owned()),
                _ => ("", String::new()),
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            theirs.write_all(if status.is_empty() { DONE.as_bytes() } else { answer.as_bytes() }).unwrap();
            asked.push(next);
        }
        asked.split_off(1)
    });
    (Attached::attach(ours, LONG).unwrap(), peer)
}

fn fresh(version: &str, refuses: &'static str) -> (Api<NotStarted>, JoinHandle<Vec<(String, Value)>>) {
    match firecracker(version, "Not started", refuses) {
        (Attached::NotStarted(api), peer) => (api, peer),
        (other, _) => panic!("{other:?}"),
    }
}

fn paused(refuses: &'static str) -> (Api<Paused>, JoinHandle<Vec<(String, Value)>>) {
    match firecracker("1.12.1", "Paused", refuses) {
        (Attached::Paused(api), peer) => (api, peer),
        (other, _) => panic!("{other:?}"),
    }
}

fn refused() -> ApiError {
    ApiError::Refused { status: 400, message: "not now".to_owned() }
}

#[test]
fn a_boot() {
    let (api, peer) = fresh("1.12.1", "");
    let mut api = api.configure();
    api.machine_config(&MachineConfig { cpus: 2, memory_mib: 512, track_dirty_pages: true }).unwrap();
    api.boot_source(&BootSource { kernel: "/vmlinux", initrd: Some("/initrd"), command_line: "quiet" }).unwrap();
    let drive = |id, path, limits| Drive { id, path, is_read_only: true, limits };
    api.drive(&drive(DeviceId::new("base"), "/base", None)).unwrap();
    api.drive(&Drive { is_read_only: false, ..drive(DISK, "/disk", Some(LIMITS)) }).unwrap();
    let eth0 = NetworkInterface { id: DeviceId::new("eth0"), tap: "tap0", guest_mac: Mac([2, 0, 0, 0, 0, 255]) };
    api.network_interface(&eth0).unwrap();
    api.vsock(&Vsock { guest_cid: 3, path: "v.sock" }).unwrap();
    api.entropy().unwrap();
    drop(api.start().unwrap());
    let limiter = json!({ "bandwidth": { "size": 5000, "refill_time": 5000 }, "ops": { "size": 0, "refill_time": 0 } });
    let expected = [
        (
            "PUT /machine-config",
            json!({ "vcpu_count": 2, "mem_size_mib": 512, "smt": false, "track_dirty_pages": true }),
        ),
        (
            "PUT /boot-source",
            json!({ "kernel_image_path": "/vmlinux", "initrd_path": "/initrd", "boot_args": "quiet" }),
        ),
        (
            "PUT /drives/base",
            json!({ "drive_id": "base", "path_on_host": "/base", "is_root_device": false, "is_read_only": true,
                    "cache_type": "Writeback" }),
        ),
        (
            "PUT /drives/disk",
            json!({ "drive_id": "disk", "path_on_host": "/disk", "is_root_device": false, "is_read_only": false,
                    "cache_type": "Writeback", "rate_limiter": limiter }),
        ),
        (
            "PUT /network-interfaces/eth0",
            json!({ "iface_id": "eth0", "host_dev_name": "tap0", "guest_mac": "02:00:00:00:00:ff" }),
        ),
        ("PUT /vsock", json!({ "guest_cid": 3, "uds_path": "v.sock" })),
        ("PUT /entropy", json!({})),
        ("PUT /actions", json!({ "action_type": "InstanceStart" })),
    ];
    assert_eq!(peer.join().unwrap(), expected.map(|(path, body)| (path.to_owned(), body)));
}

#[test]
fn a_load_says_what_the_version_knows() {
    let source = |network| SnapshotSource { state: "/state", memory: "/memory", track_dirty_pages: true, network };
    let other = [NetworkOverride { id: DeviceId::new("eth0"), tap: "tap7" }];
    for (version, network, tracks) in [
        ("1.10.0", &[][..], "enable_diff_snapshots"),
        ("1.12.1", &other[..], "enable_diff_snapshots"),
        ("1.13.0", &other[..], "track_dirty_pages"),
    ] {
        let (api, peer) = fresh(version, "");
        drop(api.load_snapshot(&source(network)).unwrap());
        let backend = json!({ "backend_type": "File", "backend_path": "/memory" });
        let mut body = json!({ "snapshot_path": "/state", "mem_backend": backend, "resume_vm": false, tracks: true });
        if !network.is_empty() {
            body["network_overrides"] = json!([{ "iface_id": "eth0", "host_dev_name": "tap7" }]);
        }
        assert_eq!(peer.join().unwrap(), [("PUT /snapshot/load".to_owned(), body)]);
    }
    let (api, peer) = fresh("1.11.0", "");
    let failed = api.load_snapshot(&source(&other)).unwrap_err();
    assert!(matches!(&failed, Failed::Unchanged(_, ApiError::Unsupported(why)) if why.contains("1.12")), "{failed}");
    drop(failed);
    assert_eq!(peer.join().unwrap(), []);
}

#[test]
fn a_pause_a_snapshot_and_the_way_back() {
    let (attached, peer) = firecracker("1.12.1", "Running", "");
    let Attached::Running(mut api) = attached else { panic!("{attached:?}") };
    api.limit_drive(DISK, &LIMITS).unwrap();
    let mut api = api.pause().unwrap();
    api.create_snapshot(SnapshotType::Diff, &SnapshotFiles { state: "s", memory: "m" }, LONG).unwrap();
    api.limit_drive(DISK, &LIMITS).unwrap();
    drop(api.resume().unwrap());
    let asked = peer.join().unwrap();
    let paths: Vec<_> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["PATCH /drives/disk", "PATCH /vm", "PUT /snapshot/create", "PATCH /drives/disk", "PATCH /vm"]);
    assert_eq!(asked[0].1["rate_limiter"]["bandwidth"]["size"], 5000);
    assert_eq!(asked[1].1, json!({ "state": "Paused" }));
    assert_eq!(asked[2].1, json!({ "snapshot_type": "Diff", "snapshot_path": "s", "mem_file_path": "m" }));
    assert_eq!(asked[4].1, json!({ "state": "Resumed" }));
}

#[test]
fn what_was_refused_leaves_the_state_but_a_load_leaves_none() {
    let (api, peer) = paused("PATCH /vm");
    let Err(Failed::Unchanged(mut api, error)) = api.resume() else { panic!("it is as it was") };
    assert_eq!(error, refused());
    api.limit_drive(DISK, &LIMITS).unwrap();
    drop(api);
    assert_eq!(peer.join().unwrap().len(), 2);

    let (api, peer) = fresh("1.12.1", "PUT /snapshot/load");
    let source = SnapshotSource { state: "s", memory: "m", track_dirty_pages: false, network: &[] };
    let failed = api.load_snapshot(&source).unwrap_err();
    assert!(matches!(&failed, Failed::Lost(error) if *error == refused()), "{failed}");
    peer.join().unwrap();
}

#[test]
fn a_connection_that_failed_is_not_used_again() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let about = json!({ "state": "Paused", "vmm_version": "1.12.1" }).to_string();
    write!(theirs, "HTTP/1.1 200 \r\nContent-Length: {}\r\n\r\n{about}", about.len()).unwrap();
    let Attached::Paused(mut api) = Attached::attach(ours, LONG).unwrap() else { panic!("it is paused") };
    let files = SnapshotFiles { state: "s", memory: "m" };
    let late = api.create_snapshot(SnapshotType::Full, &files, Duration::from_millis(50));
    assert_eq!(late, Err(ApiError::TimedOut));
    // The answer to the former call would pass for that to the next.
    theirs.write_all(DONE.as_bytes()).unwrap();
    assert!(matches!(api.resume(), Err(Failed::Lost(ApiError::Broken(why))) if why.contains("of no use")));

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let closing = format!("HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: {}\r\n\r\n{about}", about.len());
    theirs.write_all(closing.as_bytes()).unwrap();
    let Attached::Paused(api) = Attached::attach(ours, LONG).unwrap() else { panic!("it is paused") };
    assert!(matches!(api.resume(), Err(Failed::Lost(ApiError::Broken(_)))));
}
