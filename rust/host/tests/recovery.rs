//! `kill -9` of anything at any step.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use support::{Host, is_running, launch_args, until};

/// Runs a whole life of a machine with a daemon that dies at the point, and removes what is left.
fn survives(point: &str) {
    let host = Host::with_fault(point);
    let before = host.call("hello", json!({}));
    let mut deaths = 0;
    let mut step = |verb: &str, args: Value| {
        if host.try_call(verb, &args).is_none() {
            deaths += 1;
            until("the daemon is back", || host.try_call("hello", &json!({})));
        }
    };
    step("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    step("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    step("machine.launch", launch_args("machine1~", Some("disk0001~")));
    if point.starts_with("launch.") {
        let listed = host.machines();
        assert_eq!(listed.len(), 1, "{point}: a machine with traces is not listed");
        if point == "launch.spawned" || point == "launch.ready" {
            // Bubblewrap may still be on its way to QEMU when the daemon is back.
            until("QEMU runs", || (host.machines()[0]["alive"] == true).then_some(()));
        } else {
            assert_eq!(listed[0]["alive"], false, "{point}: {listed:?}");
        }
    }
    step("machine.kill", json!({ "machineId": "machine1~" }));
    step("machine.kill", json!({ "machineId": "machine1~" }));
    step("disk.remove", json!({ "diskId": "disk0001~" }));
    step("disk.remove", json!({ "diskId": "disk0001~" }));
    assert_eq!(deaths, 1, "{point}: the fault must strike once");
    let after = host.call("hello", json!({}));
    assert_ne!(before["pid"], after["pid"]);
    assert_eq!(before["supervisorPid"], after["supervisorPid"]);
    assert_eq!(host.scan(&["machine1~", "disk0001~"]), json!([]), "{point}");
    assert_eq!(host.call("list", json!({})), json!({ "machines": [], "disks": [] }), "{point}");
    // And the ids can be had again.
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    host.launch("machine1~", Some("disk0001~"));
}

macro_rules! points {
    ($($name:ident: $point:literal)*) => { $(#[test] fn $name() { survives($point); })* };
}

points! {
    dies_after_the_intent: "launch.intent"
    dies_after_the_cgroups: "launch.cgroup"
    dies_after_the_spawn: "launch.spawned"
    dies_when_ready: "launch.ready"
    dies_after_the_signal: "kill.signalled"
    dies_after_the_cgroups_are_gone: "kill.cgroup"
    dies_after_the_files_are_gone: "kill.files"
    dies_after_the_copy: "disk.copied"
    dies_after_the_removal: "disk.removed"
}

#[test]
fn machines_outlive_the_daemon_and_its_supervisor() {
    let mut host = Host::start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    let daemon = host.call("hello", json!({}))["pid"].as_i64().unwrap();

    kill(Pid::from_raw(daemon.try_into().unwrap()), Signal::SIGKILL).unwrap();
    let next = until("another daemon", || {
        let found = host.try_call("hello", &json!({}))?["ok"]["pid"].as_i64()?;
        (found != daemon).then_some(found)
    });
    assert_eq!((&host.machines()[0]["alive"], &host.machines()[0]["pid"]), (&json!(true), &json!(pid)));

    host.end(Signal::SIGKILL);
    until("the daemon ends with its supervisor", || (!is_running(next)).then_some(()));
    assert!(is_running(pid), "the VMM died with the supervisor");
    host.run(None);
    assert_eq!(host.machines()[0]["alive"], true);
    host.kill("machine1~");
    assert!(!is_running(pid));
    assert_eq!(host.scan(&["machine1~"]), json!([]));
}

#[test]
fn a_client_that_connects_while_the_daemon_is_down_is_served_by_the_next() {
    let host = Host::start();
    let daemon = host.call("hello", json!({}))["pid"].as_i64().unwrap();
    kill(Pid::from_raw(daemon.try_into().unwrap()), Signal::SIGKILL).unwrap();
    until("it is dead", || (!is_running(daemon)).then_some(()));
    assert_ne!(host.call("hello", json!({}))["pid"], daemon);
}

#[test]
fn a_supervisor_that_is_asked_to_end_takes_its_daemon_and_socket_along() {
    let mut host = Host::start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    let daemon = host.call("hello", json!({}))["pid"].as_i64().unwrap();
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
    assert!(status.contains("SigBlk:\t0000000000000000"), "the daemon cannot hear SIGTERM");
    host.end(Signal::SIGTERM);
    assert!(!is_running(daemon) && !host.socket().exists());
    assert!(is_running(pid), "the VMM ended with the daemon");
}

#[test]
fn dead_vmms_are_reaped() {
    let host = Host::start();
    let pid = host.launch("machine1~", None)["pid"].as_i64().unwrap();
    host.kill("machine1~");
    let children = format!("/proc/{0}/task/{0}/children", host.supervisor_pid());
    until("the supervisor has no child but the daemon", || {
        (fs::read_to_string(&children).unwrap().split_whitespace().count() == 1).then_some(())
    });
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn claims_of_machines_that_are_no_more_are_freed_at_the_start() {
    let mut host = Host::start();
    host.launch("machine1~", None);
    host.end(Signal::SIGTERM);
    let claims = || fs::read_dir("/run/microterm-host/uids").unwrap().flatten().map(|entry| entry.path());
    let mine = |path: &std::path::PathBuf| fs::read_to_string(path).unwrap_or_default().starts_with(&host.instance);
    let claim = claims().find(mine).unwrap();
    let stale = claim.with_file_name("2065535");
    fs::write(&stale, format!("{} machine9 some-boot\n", host.instance)).unwrap();
    let foreign = claim.with_file_name("2065534");
    fs::write(&foreign, "otherone machine9 some-boot\n").unwrap();
    host.run(None);
    assert!(claim.exists(), "the claim of a living machine is gone");
    assert!(!stale.exists(), "a stale claim stays");
    assert!(foreign.exists(), "another instance's claim is gone");
    fs::remove_file(foreign).unwrap();
}
