//! Tars of trees that cannot be carried whole: what can be is, and the rest is named.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use support::{Agent, run};

fn shell(directory: &Path, script: &str) {
    let ran = Command::new("sh").args(["-ec", script]).current_dir(directory).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Makes paths the agent's own, where it is nobody and the test is root.
fn give(agent: &Agent, paths: &str) {
    if nix::unistd::getuid().is_root() {
        shell(&agent.home(), &format!("chown -R 65534 {paths}"));
    }
}

async fn put(agent: &Agent, directory: &str, tar: Vec<u8>) -> Value {
    let path = format!("/v1/files/tar?path={directory}");
    let (status, answer) = agent.bytes(Method::PUT, &path, Some(tar.into())).await;
    assert_eq!(status, 200, "{answer:?}");
    serde_json::from_slice(&answer).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn directories_get_their_modes_and_times_last() {
    run(async {
        let agent = Agent::start_unprivileged().await;
        let from = tempfile::tempdir().unwrap();
        let make = "mkdir -p t/a/b; echo x >t/a/b/file; touch -d @1500000000 t/a/b/file
            chmod 555 t/a/b t/a; chmod 500 t; touch -d @1500000001 t/a/b t/a t; tar cf t.tar t; chmod -R u+w t";
        shell(from.path(), make);
        agent.call(Method::POST, "/v1/files/mkdir?path=in", None).await;
        let answer = put(&agent, "in", fs::read(from.path().join("t.tar")).unwrap()).await;
        assert_eq!((&answer["entries"], &answer["leftOutCount"]), (&json!(4), &json!(0)));
        let tree = agent.home().join("in/t");
        for (path, expected, time) in [
            ("", 0o500, 1_500_000_001),
            ("a", 0o555, 1_500_000_001),
            ("a/b", 0o555, 1_500_000_001),
            ("a/b/file", 0o644, 1_500_000_000),
        ] {
            let path = tree.join(path);
            assert_eq!((mode(&path), fs::metadata(&path).unwrap().mtime()), (expected, time), "{path:?}");
        }
        // What was there before stays as it is.
        for path in ["", "a", "a/b"] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o711)).unwrap();
        }
        put(&agent, "in", fs::read(from.path().join("t.tar")).unwrap()).await;
        assert_eq!([mode(&tree), mode(&tree.join("a")), mode(&tree.join("a/b"))], [0o711; 3]);
    });
}

#[test]
fn a_member_that_cannot_be_written_is_named_and_the_others_follow() {
    run(async {
        let agent = Agent::start_unprivileged().await;
        shell(&agent.home(), "mkdir -p in/t/closed in/t/folder; chmod 555 in/t/closed; echo old >in/t/file");
        give(&agent, "in");
        let from = tempfile::tempdir().unwrap();
        let make = "mkdir -p t/closed t/file; echo x >t/closed/new; echo x >t/folder; echo x >t/last; touch t/file/in; tar cf t.tar t";
        shell(from.path(), make);
        let answer = put(&agent, "in", fs::read(from.path().join("t.tar")).unwrap()).await;
        let mut names: Vec<&str> =
            answer["leftOut"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["t/closed/new", "t/file/", "t/file/in", "t/folder"], "{answer}");
        assert_eq!(fs::read_to_string(agent.home().join("in/t/last")).unwrap(), "x\n");
        assert_eq!(fs::read_to_string(agent.home().join("in/t/file")).unwrap(), "old\n");
        fs::set_permissions(agent.home().join("in"), fs::Permissions::from_mode(0o555)).unwrap();
        shell(from.path(), "mkdir u; tar cf u.tar u");
        let tar = fs::read(from.path().join("u.tar")).unwrap();
        let (status, _) = agent.bytes(Method::PUT, "/v1/files/tar?path=in", Some(tar.into())).await;
        assert_eq!(status, 403, "nothing could be written");
    });
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_sent() {
    run(async {
        let agent = Agent::start_unprivileged().await;
        let tree = agent.home().join("t");
        shell(
            &agent.home(),
            "mkdir -p t/closed t/open; echo x >t/secret; echo x >t/closed/in; echo x >t/open/last; mkfifo t/pipe",
        );
        let socket = UnixListener::bind(tree.join("socket")).unwrap();
        for path in ["secret", "closed"] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o000)).unwrap();
        }
        give(&agent, "t/secret t/closed");
        let (status, tar) = agent.bytes(Method::GET, "/v1/files/tar?path=t", None).await;
        assert_eq!(status, 200);
        let mut archive = tar::Archive::new(&tar[..]);
        let mut names = Vec::new();
        let mut named = Vec::new();
        for member in archive.entries().unwrap() {
            let mut member = member.unwrap();
            names.push(member.path().unwrap().display().to_string());
            for record in member.pax_extensions().unwrap().into_iter().flatten() {
                let record = record.unwrap();
                if record.key().unwrap().starts_with("MICROTERM.left-out.") && !record.key().unwrap().ends_with("more")
                {
                    let left_out: Value = serde_json::from_slice(record.value_bytes()).unwrap();
                    named.push(left_out["path"].as_str().unwrap().to_owned());
                }
            }
        }
        named.sort_unstable();
        assert_eq!(named, ["t/closed", "t/secret", "t/socket"]);
        assert_eq!(names, ["t", "t/closed", "t/open", "t/open/last", "t/pipe", "t"]);
        drop(socket);
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("t.tar"), &tar).unwrap();
        shell(other.path(), "tar xf t.tar && test -p t/pipe && test -f t/open/last");
        let (status, error) = agent.get("/v1/files/tar?path=t%2Fsecret").await;
        assert_eq!((status, &error["code"]), (403, &json!("permission")));
    });
}

#[test]
fn names_are_the_bytes_they_are() {
    run(async {
        let agent = Agent::start().await;
        let tree = agent.home().join("t");
        fs::create_dir(&tree).unwrap();
        let long = [vec![0xe9; 120], b"end".to_vec()].concat();
        let names: [&[u8]; 4] = [b"caf\xe9", b"caf\xe8", b"two\nlines", &long];
        for name in names {
            fs::write(tree.join(OsStr::from_bytes(name)), name).unwrap();
        }
        let (_, tar) = agent.bytes(Method::GET, "/v1/files/tar?path=t", None).await;
        agent.call(Method::POST, "/v1/files/mkdir?path=back", None).await;
        let answer = put(&agent, "back", tar.to_vec()).await;
        assert_eq!(answer["leftOutCount"], json!(0), "{answer}");
        for name in names {
            assert_eq!(fs::read(agent.home().join("back/t").join(OsStr::from_bytes(name))).unwrap(), name);
        }
        let (_, listing) = agent.get("/v1/files/list?path=t").await;
        for entry in listing["entries"].as_array().unwrap() {
            let path = entry["path"].as_str().unwrap();
            let can_be_opened = Path::new(path).exists();
            assert_eq!(entry["isUnopenable"] == json!(true), !can_be_opened, "{entry}");
        }
        assert_eq!(listing["entries"].as_array().unwrap().len(), 4);
    });
}

#[test]
fn a_file_that_is_received_keeps_its_time_and_its_holes() {
    run(async {
        let agent = Agent::start().await;
        let mut bytes = vec![0; 20 << 20];
        bytes[10 << 20] = 1;
        let (status, _) = agent
            .bytes(Method::PUT, "/v1/files/content?path=f&mtime=1500000000250", Some(Bytes::from(bytes.clone())))
            .await;
        assert_eq!(status, 201);
        let metadata = fs::metadata(agent.home().join("f")).unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_500_000_000, 250_000_000));
        assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
        assert!(fs::read(agent.home().join("f")).unwrap() == bytes);
    });
}

#[test]
fn a_link_that_leads_nowhere_is_not_replaced() {
    run(async {
        let agent = Agent::start().await;
        symlink("nowhere", agent.home().join("link")).unwrap();
        let (status, _) = agent.bytes(Method::PUT, "/v1/files/content?path=link", Some("x".into())).await;
        assert_eq!(status, 409);
        assert!(fs::symlink_metadata(agent.home().join("link")).unwrap().is_symlink());
        assert!(!agent.home().join("nowhere").exists());
    });
}

#[test]
fn special_members_are_made_or_named() {
    run(async {
        let agent = Agent::start().await;
        fs::create_dir(agent.home().join("in")).unwrap();
        let mut tar = Vec::new();
        for kind in [b'3', b'4', b'6', b'7', b'V', b'M', b'Z'] {
            let mut header = tar::Header::new_ustar();
            header.set_path(format!("kind-{}", char::from(kind))).unwrap();
            header.set_entry_type(tar::EntryType::new(kind));
            header.set_mode(0o640);
            header.set_size(0);
            header.set_cksum();
            tar.extend(header.as_bytes());
        }
        tar.extend([0; 1024]);
        let answer = put(&agent, "in", tar).await;
        let named: Vec<&str> =
            answer["leftOut"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        assert_eq!(named, ["kind-3", "kind-4", "kind-M", "kind-Z"]);
        let kind = |name: &str| fs::symlink_metadata(agent.home().join("in").join(name)).unwrap().file_type();
        assert!(kind("kind-6").is_fifo() && kind("kind-7").is_file());
        assert_eq!(fs::read_dir(agent.home().join("in")).unwrap().count(), 2);
    });
}
