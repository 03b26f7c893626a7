//! Who may start a daemon, and who may speak to it.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use support::{Host, IMAGE, SERVER_UID, write_image};

/// The first line that a client of this uid gets in answer to `hello`.
fn hello_as(uid: u32, socket: PathBuf) -> Value {
    let asked = std::thread::spawn(move || {
        // SAFETY: the raw call, unlike libc's, changes the uid of this one thread alone, and the thread ends after it.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }, 0);
        let mut stream = UnixStream::connect(socket).unwrap();
        // Long enough for a refusal to come first.
        std::thread::sleep(std::time::Duration::from_millis(200));
        // One that is turned away can say so much, and hears why.
        stream.write_all(b"{\"id\":1,\"verb\":\"hello\",\"args\":{}}\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    });
    asked.join().unwrap()
}

#[test]
fn only_the_server_and_root_may_speak() {
    let host = Host::start();
    let socket = fs::metadata(host.socket()).unwrap();
    assert_eq!(
        (std::os::unix::fs::MetadataExt::uid(&socket), socket.permissions().mode() & 0o777),
        (SERVER_UID, 0o660)
    );
    assert!(hello_as(SERVER_UID, host.socket())["ok"].is_object());
    assert!(hello_as(0, host.socket())["ok"].is_object());
    // Even one who gets past the file's mode.
    fs::set_permissions(host.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(hello_as(SERVER_UID + 1, host.socket())["error"]["code"], "denied");
}

#[test]
fn a_second_daemon_on_the_same_folder_refuses() {
    let host = Host::start();
    let mut second = host.command(None).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(3));
    let mut said = String::new();
    second.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("serves") && said.contains("already"), "{said}");
    host.call("hello", json!({}));
}

#[test]
fn a_host_folder_that_is_not_roots_is_refused() {
    for make in [
        (|host: &Host| symlink("/tmp", host.folder()).unwrap()) as fn(&Host),
        |host| {
            fs::create_dir(host.folder()).unwrap();
            std::os::unix::fs::chown(host.folder(), Some(SERVER_UID), None).unwrap();
        },
        |host| {
            fs::create_dir(host.folder()).unwrap();
            fs::set_permissions(host.folder(), fs::Permissions::from_mode(0o777)).unwrap();
        },
    ] {
        let host = Host::prepare();
        make(&host);
        let status = host.command(None).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(1));
        let _ = fs::remove_file(host.folder());
        let _ = fs::remove_dir(host.folder());
    }
}

#[test]
fn faults_need_to_be_allowed() {
    let host = Host::prepare();
    let status = host.command(None).env("MICROTERM_FAULT", "launch.intent").stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn renaming_the_folder_above_changes_nothing() {
    let host = Host::start();
    let (away, here) = (host.data.path().join("away"), host.folder());
    fs::rename(&here, &away).unwrap();
    fs::create_dir_all(here.join("disks")).unwrap();
    let mut stream = UnixStream::connect(away.join("run/host.sock")).unwrap();
    let request = json!({ "id": 1, "verb": "disk.create", "args": { "diskId": "disk0001~", "sizeMib": 64 } });
    writeln!(stream, "{}", host.named(&request.to_string())).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("\"ok\""), "{line}");
    let disk = host.named("disks/disk0001~.ext4");
    assert!(away.join(&disk).exists() && !here.join(&disk).exists());
    fs::remove_dir_all(&here).unwrap();
    fs::rename(&away, &here).unwrap();
}

#[test]
fn connections_and_lines_are_bounded() {
    let host = Host::start();
    let mut open: Vec<_> = (0..32).map(|_| host.connect().unwrap()).collect();
    let hello = b"{\"id\":1,\"verb\":\"hello\",\"args\":{}}\n";
    for stream in &mut open {
        stream.write_all(hello).unwrap();
        assert!(BufReader::new(stream).lines().next().unwrap().unwrap().contains("\"ok\""));
    }
    assert_eq!(host.refused("hello", json!({})), "busy");
    drop(open);
    support::until("connections are free again", || host.try_call("hello", &json!({}))?.get("ok").map(|_| ()));

    let mut stream = host.connect().unwrap();
    let _ = stream.write_all(&[b'x'; 70_000]);
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.next().unwrap().unwrap().contains("bad-request"));
    assert!(lines.next().is_none_or(|line| line.is_err()));
}

#[test]
fn requests_of_one_connection_answer_each_with_its_id() {
    let host = Host::start();
    let mut stream = host.connect().unwrap();
    for id in 0..40 {
        let verb = ["list", "hello", "nonsense", "host.resources"][id % 4];
        writeln!(stream, "{}", json!({ "id": id, "verb": verb, "args": {} })).unwrap();
    }
    let lines = BufReader::new(stream).lines().take(40);
    let answers: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let mut ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..40).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer["error"].is_object() == (answer["id"].as_u64().unwrap() % 4 == 2)));
}

#[test]
fn a_corrupt_image_is_told_refused_and_replaced() {
    let host = Host::start();
    assert_eq!(host.call("image.verify", json!({ "image": IMAGE })), json!({ "ok": true, "bad": [] }));
    let file = host.folder().join("images").join(IMAGE).join("root.erofs");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    assert_eq!(host.call("image.verify", json!({ "image": IMAGE })), json!({ "ok": false, "bad": ["root.erofs"] }));
    assert_eq!(host.refused("machine.launch", support::launch_args("machine1~", None)), "image-corrupt");
    assert_eq!(host.call("image.import", json!({}))["imported"], json!([IMAGE]));
    assert_eq!(host.call("image.verify", json!({ "image": IMAGE })), json!({ "ok": true, "bad": [] }));
    fs::write(&file, b"short").unwrap();
    assert_eq!(host.refused("machine.launch", support::launch_args("machine1~", None)), "image-corrupt");
}

#[test]
fn an_image_that_is_not_what_its_manifest_says_is_not_imported() {
    let host = Host::start();
    let image = host.import.path();
    write_image(image, "otherimage");
    fs::write(image.join("vmlinuz"), vec![1; 4096]).unwrap();
    assert_eq!(host.refused("image.import", json!({})), "image-corrupt");
    write_image(image, "otherimage");
    fs::remove_file(image.join("root.erofs")).unwrap();
    symlink("/etc/shadow", image.join("root.erofs")).unwrap();
    assert_eq!(host.refused("image.import", json!({})), "internal");
    assert_eq!(host.call("hello", json!({}))["images"], json!([IMAGE]));
    assert!(!host.folder().join("images/otherimage.new").exists());
}

#[test]
fn an_image_stays_until_it_is_said_to_go_and_nothing_needs_it() {
    let mut host = Host::start();
    host.launch("machine1~", None);
    host.end(nix::sys::signal::Signal::SIGTERM);
    write_image(host.import.path(), "otherimage");
    host.run(None);
    let listed = |host: &Host| -> Vec<Value> {
        let all = host.call("image.list", json!({}))["images"].clone();
        let all = all.as_array().unwrap().iter();
        all.map(|one| json!([one["image"], one["isOffered"], one["isUsed"]])).collect()
    };
    assert_eq!(listed(&host), [json!([IMAGE, false, true]), json!(["otherimage", true, false])]);
    assert_eq!(host.refused("image.remove", json!({ "image": IMAGE })), "busy");
    assert_eq!(host.refused("image.remove", json!({ "image": "otherimage" })), "busy");
    host.kill("machine1~");
    // An environment that is stopped needs it, which the daemon cannot know.
    host.end(nix::sys::signal::Signal::SIGTERM);
    host.run(None);
    assert_eq!(listed(&host), [json!([IMAGE, false, false]), json!(["otherimage", true, false])]);
    let removed = host.call("image.remove", json!({ "image": IMAGE }))["removed"].clone();
    assert!(removed["files"].as_u64().unwrap() >= 4, "{removed}");
    assert_eq!(host.call("image.remove", json!({ "image": IMAGE }))["removed"], json!({ "files": 0, "bytes": 0 }));
    assert_eq!(host.call("hello", json!({}))["images"], json!(["otherimage"]));
}

#[test]
fn a_disk_is_an_empty_sparse_ext4() {
    let host = Host::start();
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 2048 }));
    let path = host.folder().join(host.named("disks/disk0001~.ext4"));
    let checked = std::process::Command::new("e2fsck").args(["-fn"]).arg(&path).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let dumped = std::process::Command::new("dumpe2fs").arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&dumped.stdout);
    assert!(text.contains("Filesystem volume name:   disk"), "{text}");
    let groups: Vec<_> = text.lines().filter(|line| line.contains("(Blocks ")).collect();
    assert!(
        !groups.is_empty() && groups.iter().all(|line| line.contains("ITABLE_ZEROED")),
        "guests would zero inode tables"
    );
    let disks = host.call("list", json!({}))["disks"].clone();
    assert_eq!((&disks[0]["diskId"], &disks[0]["sizeMib"]), (&json!("disk0001~"), &json!(2048)));
    assert!(disks[0]["allocatedBytes"].as_u64().unwrap() < 4 << 20, "{disks}");
}
