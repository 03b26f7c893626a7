//! What is no Firecracker, a Firecracker that does not do as it should, and a daemon that dies over one: each with an error
//! that says so, nothing left, and a launch that works afterwards.

use crate::support::firecracker::{args, has_kvm, hide_kvm, prepare, program, programs, start, status, with_impostor};
use crate::support::{Host, IMAGE, launch_args, until, write_image};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A launch that fails well before the deadline for a VMM that only takes its time. Answers with its error.
fn fails(host: &Host) -> Value {
    let start = Instant::now();
    let answer = host.try_call("machine.launch", &args("machine1~", None)).expect("an answer");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}: {answer}", start.elapsed());
    let left = (host.scan(&["machine1~"]), host.machines());
    assert_eq!(left, (json!([]), Vec::new()), "{answer}");
    assert!(answer["error"].is_object(), "{answer}");
    answer["error"].clone()
}

fn says(error: &Value, code: &str, words: &[&str]) {
    let message = error["message"].as_str().unwrap();
    assert_eq!(error["code"], code, "{message}");
    for word in words {
        assert!(message.contains(word), "{message}");
    }
}

/// Others' machines do not suffer.
fn still_works(host: &Host) {
    write_image(host.import.path(), "otherimage");
    host.call("image.import", json!({}));
    let mut args = launch_args("machine2~", None);
    args["image"] = json!("otherimage");
    host.call("machine.launch", args);
    host.kill("machine2~");
}

/// A daemon that is told of these programs, and what it makes of them.
fn unusable(firecracker: &Path, jailer: &Path, words: &[&str]) {
    let mut host = prepare(firecracker, jailer);
    host.run(None);
    says(&fails(&host), "unsupported", words);
    let hello = host.call("hello", json!({}))["firecracker"].clone();
    assert_eq!(hello["version"], Value::Null);
    assert!(words.iter().all(|word| hello["problem"].as_str().unwrap().contains(word)), "{hello}");
    assert_eq!(host.refused("jail.probe", json!({ "vmm": "firecracker" })), "unsupported");
    still_works(&host);
}

fn script(folder: &Path, name: &str, says: &str) -> std::path::PathBuf {
    program(folder, name, format!("#!/bin/sh\necho '{says}'\n").as_bytes())
}

#[test]
fn what_is_no_firecracker_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let jailer = script(folder.path(), "jailer", "Jailer v1.12.1");
    let given = script(folder.path(), "other", "Waterwheel v1.12.1");
    let path = given.to_str().unwrap();
    unusable(&given, &jailer, &[path, "does not say that it is a Firecracker"]);
    unusable(&program(folder.path(), "text", b"no program"), &jailer, &["text", "--version"]);
    unusable(
        &script(folder.path(), "old", "Firecracker v1.9.0"),
        &jailer,
        &["old has version 1.9.0, and 1.10 is needed"],
    );
    let newer = script(folder.path(), "newer", "Firecracker v1.13.0");
    unusable(&newer, &jailer, &["Firecracker has version 1.13.0, and its jailer 1.12.1"]);
    let missing = folder.path().join("none");
    unusable(&newer, &missing, &[missing.to_str().unwrap(), "could not be read"]);
    unusable(folder.path(), &jailer, &["could not be read"]);
    unusable(&newer, &newer, &["does not say that it is a Jailer"]);
}

#[test]
fn a_daemon_that_was_told_of_none_says_so() {
    let host = Host::start();
    says(&fails(&host), "unsupported", &["--firecracker"]);
    assert_eq!(host.call("hello", json!({}))["firecracker"]["version"], Value::Null);
}

#[test]
fn a_host_without_kvm_says_so() {
    let Some((firecracker, jailer)) = programs() else { return };
    let mut host = prepare(&firecracker, &jailer);
    host.first = Some(hide_kvm);
    host.run(None);
    says(&fails(&host), "not-found", &["this host has no /dev/kvm"]);
    still_works(&host);
    // The jail is there to be tried all the same.
    let checks = host.call("jail.probe", json!({ "vmm": "firecracker" }))["checks"].clone();
    assert!(checks.as_array().unwrap().iter().all(|check| check["refused"] == true), "{checks}");
}

#[test]
fn emulation_is_no_job_for_it() {
    let Some(host) = start() else { return };
    let mut args = args("machine1~", None);
    args["accelerator"] = json!("tcg");
    assert_eq!(host.refused("machine.launch", args), "bad-request");
    assert_eq!(host.scan(&["machine1~"]), json!([]));
}

#[test]
fn one_that_ends_is_not_waited_for() {
    let Some(host) = with_impostor("ends") else { return };
    says(&fails(&host), "internal", &["Firecracker has ended (exit 7)", "this is no day for a guest"]);
    still_works(&host);
    let Some(host) = with_impostor("aborts") else { return };
    // To process 1 of a pid namespace the kernel delivers no SIGABRT of its own, so that abort(3) ends it by other means.
    says(&fails(&host), "internal", &["Firecracker has ended (signal "]);
}

#[test]
fn one_that_talks_nonsense_is_refused() {
    for word in ["garbage", "endless", "newer"] {
        let Some(host) = with_impostor(word) else { return };
        says(&fails(&host), "internal", &[]);
        still_works(&host);
    }
    let Some(host) = with_impostor("refuses") else { return };
    let error = fails(&host);
    says(&error, "internal", &["Firecracker refused (400): not", "today"]);
    assert!(!error["message"].as_str().unwrap().contains('\u{1b}'), "{error}");
}

#[test]
fn one_that_says_nothing_can_be_killed_at_any_time() {
    for word in ["silent", "mute"] {
        let Some(host) = with_impostor(word) else { return };
        let start = Instant::now();
        let answer = std::thread::scope(|scope| {
            let launch = scope.spawn(|| host.try_call("machine.launch", &args("machine1~", None)));
            until("it runs", || host.machines().iter().any(|machine| machine["alive"] == true).then_some(()));
            host.kill("machine1~");
            launch.join().unwrap().expect("an answer")
        });
        assert!(answer["error"].is_object() && start.elapsed() < Duration::from_secs(10), "{word}: {answer}");
        assert_eq!(host.scan(&["machine1~"]), json!([]), "{word}");
    }
}

#[test]
fn a_jailer_that_refuses_is_quoted() {
    let Some((firecracker, _)) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let text =
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo Jailer v1.12.1; exit; }\necho 'nobody gets in here' >&2\nexit 3\n";
    let jailer = program(folder.path(), "jailer", text.as_bytes());
    let mut host = prepare(&firecracker, &jailer);
    host.run(None);
    let error = fails(&host);
    if has_kvm() {
        says(&error, "internal", &["exit 3", "nobody gets in here"]);
    }
    still_works(&host);
}

#[test]
fn a_kernel_that_is_none_is_its_own_words() {
    let Some((firecracker, jailer)) = programs() else { return };
    if !has_kvm() {
        return;
    }
    let mut host = prepare(&firecracker, &jailer);
    // As it is for QEMU, in a format that Firecracker does not know.
    write_image(host.import.path(), IMAGE);
    host.run(None);
    says(&fails(&host), "internal", &["Firecracker refused (400)", "kernel"]);
    still_works(&host);
}

#[test]
fn an_image_without_its_root_is_said_to_be_corrupt() {
    let Some(host) = start() else { return };
    fs::remove_file(host.folder().join(format!("images/{IMAGE}/root.erofs"))).unwrap();
    says(&fails(&host), "image-corrupt", &["root.erofs"]);
    still_works(&host);
}

/// A daemon that dies in the middle of a launch; what is left can be found and removed, and the id is free again.
#[test]
fn dies_in_the_middle_of_a_launch() {
    for point in ["launch.intent", "launch.cgroup", "launch.spawned", "launch.ready"] {
        let Some((firecracker, jailer)) = programs() else { return };
        if !has_kvm() {
            return;
        }
        let mut host = prepare(&firecracker, &jailer);
        host.run(Some(point));
        host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
        let launch = args("machine1~", Some("disk0001~"));
        assert!(host.try_call("machine.launch", &launch).is_none(), "{point} was not reached");
        until("the daemon is back", || host.try_call("hello", &json!({})));
        let machine = host.machines()[0].clone();
        assert_eq!((&machine["machineId"], &machine["vmm"]), (&json!("machine1~"), &json!("firecracker")), "{point}");
        if point == "launch.ready" {
            let pid = machine["pid"].as_i64().unwrap();
            assert_eq!(status(format!("/proc/{pid}"), "Name:"), "firecracker");
        }
        host.kill("machine1~");
        assert_eq!(host.scan(&["machine1~"]), json!([]), "{point}");
        host.call("machine.launch", launch);
        host.kill("machine1~");
        host.call("disk.remove", json!({ "diskId": "disk0001~" }));
        assert_eq!(host.scan(&["machine1~", "disk0001~"]), json!([]), "{point}");
    }
}
