//! Files and tars.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use support::{Agent, run};

#[test]
fn a_file_comes_back_as_it_was_sent() {
    run(async {
        let agent = Agent::start().await;
        for size in [0usize, 1, 65_535, 65_536, 65_537, 3_000_001] {
            let sent: Bytes = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            let (status, entry) =
                agent.bytes(Method::PUT, "/v1/files/content?path=some%20file&mode=0640", Some(sent.clone())).await;
            assert_eq!(status, 201, "{entry:?}");
            let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
            assert_eq!((&entry["size"], &entry["mode"]), (&json!(size), &json!(0o640)));
            let (status, got) = agent.bytes(Method::GET, "/v1/files/content?path=some%20file", None).await;
            assert_eq!(status, 200);
            assert!(got == sent, "{size} bytes");
        }
    });
}

#[test]
fn a_broken_upload_changes_nothing() {
    run(async {
        let agent = Agent::start().await;
        let target = agent.home().join("file");
        fs::write(&target, "old").unwrap();
        let (response, mut sender) = agent.request(Method::PUT, "/v1/files/content?path=file", false).await;
        support::send(&mut sender, Bytes::from(vec![1; 200_000])).await;
        while fs::read_dir(agent.home()).unwrap().count() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // hyper takes a cancelled request for an ended one; the agent must not.
        sender.send_reset(h2::Reason::CANCEL);
        drop(response);
        while fs::read_dir(agent.home()).unwrap().count() > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    });
}

#[test]
fn an_upload_through_a_link_writes_its_target_and_keeps_the_mode() {
    run(async {
        let agent = Agent::start().await;
        fs::write(agent.home().join("real"), "old").unwrap();
        fs::set_permissions(agent.home().join("real"), fs::Permissions::from_mode(0o751)).unwrap();
        symlink("real", agent.home().join("link")).unwrap();
        agent.bytes(Method::PUT, "/v1/files/content?path=link", Some("new".into())).await;
        assert_eq!(fs::read_to_string(agent.home().join("real")).unwrap(), "new");
        assert_eq!(fs::metadata(agent.home().join("real")).unwrap().permissions().mode() & 0o7777, 0o751);
        let (_, entry) = agent.get("/v1/files/stat?path=link").await;
        assert_eq!((&entry["type"], &entry["target"]), (&json!("symlink"), &json!("real")));
    });
}

#[test]
fn errors_say_what_was_wrong() {
    run(async {
        let agent = Agent::start().await;
        fs::write(agent.home().join("file"), "x").unwrap();
        fs::create_dir_all(agent.home().join("full/inner")).unwrap();
        assert!(Command::new("mkfifo").arg(agent.home().join("fifo")).status().unwrap().success());
        let long = format!("/v1/files/stat?path={}", "x".repeat(5000));
        let name = format!("/v1/files/stat?path={}", "x".repeat(300));
        for (method, path, status, code) in [
            (Method::GET, "/v1/files/stat?path=none", 404, "not-found"),
            (Method::GET, long.as_str(), 400, "bad-request"),
            (Method::GET, name.as_str(), 400, "bad-request"),
            (Method::GET, "/v1/files/stat?path=a%00b", 400, "bad-request"),
            (Method::GET, "/v1/files/stat?path=%ff", 400, "bad-request"),
            (Method::GET, "/v1/files/stat", 400, "bad-request"),
            (Method::GET, "/v1/files/stat?path=file&more=1", 400, "bad-request"),
            (Method::GET, "/v1/files/list?path=file", 409, "not-a-directory"),
            (Method::GET, "/v1/files/content?path=full", 409, "not-a-file"),
            (Method::GET, "/v1/files/content?path=fifo", 409, "not-a-file"),
            (Method::GET, "/v1/files/content?path=file%2Fx", 409, "not-a-directory"),
            (Method::GET, "/v1/files/tar?path=none", 404, "not-found"),
            (Method::POST, "/v1/files/mkdir?path=file", 409, "exists"),
            (Method::DELETE, "/v1/files?path=none", 404, "not-found"),
            (Method::DELETE, "/v1/files?path=full", 409, "exists"),
            (Method::DELETE, "/v1/files?path=%2F&recursive=1", 400, "bad-request"),
        ] {
            let (got, error) = agent.call(method, path, None).await;
            assert_eq!((got, error["code"].as_str()), (status, Some(code)), "{path}: {error}");
        }
        let (status, error) = agent.bytes(Method::PUT, "/v1/files/content?path=full", Some("x".into())).await;
        assert_eq!(status, 409, "{error:?}");
        let (status, _) = agent.call(Method::DELETE, "/v1/files?path=full&recursive=1", None).await;
        assert_eq!(status, 204);
        assert!(!agent.home().join("full").exists());
    });
}

#[test]
fn a_listing_is_sorted_and_bounded() {
    run(async {
        let agent = Agent::start().await;
        fs::create_dir(agent.home().join("many")).unwrap();
        for number in 0..10_001 {
            fs::write(agent.home().join(format!("many/{number:05}")), "").unwrap();
        }
        let (_, listing) = agent.get("/v1/files/list?path=many").await;
        assert_eq!(listing["entries"].as_array().unwrap().len(), 10_000);
        assert_eq!(listing["truncated"], json!(true));
        fs::remove_file(agent.home().join("many/05000")).unwrap();
        let (_, listing) = agent.get("/v1/files/list?path=.%2Fmany").await;
        assert_eq!(listing["truncated"], json!(false));
        let first = agent.home().join("many/00000").display().to_string();
        assert_eq!(listing["entries"][0]["path"], json!(first));
    });
}

#[test]
fn a_tree_survives_the_way_out_and_back() {
    run(async {
        let agent = Agent::start().await;
        let tree = agent.home().join("tree");
        let deep = tree.join("d".repeat(100)).join("e".repeat(100)).join("é".repeat(60));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "deep").unwrap();
        fs::write(tree.join("large"), vec![5; 1_000_000]).unwrap();
        fs::set_permissions(tree.join("large"), fs::Permissions::from_mode(0o754)).unwrap();
        symlink("/".repeat(150), tree.join("link")).unwrap();
        fs::write(tree.join("empty"), "").unwrap();
        let (status, tar) = agent.bytes(Method::GET, "/v1/files/tar?path=tree", None).await;
        assert_eq!(status, 200);

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("t.tar"), &tar).unwrap();
        let ran = Command::new("tar").args(["-xf", "t.tar"]).current_dir(other.path()).status().unwrap();
        assert!(ran.success(), "tar(1) reads it");
        same(&tree, &other.path().join("tree"));

        agent.call(Method::POST, "/v1/files/mkdir?path=back", None).await;
        let (status, answer) = agent.bytes(Method::PUT, "/v1/files/tar?path=back", Some(tar.clone())).await;
        assert_eq!(status, 200, "{answer:?}");
        same(&tree, &agent.home().join("back/tree"));
        let mode = fs::metadata(agent.home().join("back/tree/large")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o754);

        let (status, _) = agent.bytes(Method::PUT, "/v1/files/tar?path=back", Some(tar.slice(..tar.len() / 2))).await;
        assert_eq!(status, 400, "half a tar is refused");
        assert_eq!(agent.bytes(Method::PUT, "/v1/files/tar?path=none", Some(tar)).await.0, 404);
    });
}

fn same(one: &std::path::Path, other: &std::path::Path) {
    let ran = Command::new("diff").args(["-r", "--no-dereference"]).arg(one).arg(other).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn members_that_would_leave_the_directory_are_refused() {
    run(async {
        let agent = Agent::start().await;
        fs::create_dir(agent.home().join("in")).unwrap();
        let outside = agent.home().display().to_string();
        let file = |name: &str| member(name, tar::EntryType::Regular, "");
        let absolute = format!("{outside}/evil");
        for members in [
            vec![file("../evil")],
            vec![file("fine"), file("a/../../evil")],
            vec![file(&absolute)],
            vec![member("link", tar::EntryType::Symlink, &outside), file("link/evil")],
            vec![member("hard", tar::EntryType::Link, "../secret")],
        ] {
            fs::write(agent.home().join("secret"), "s").unwrap();
            let mut tar = members.concat();
            tar.extend([0; 1024]);
            let (status, answer) = agent.bytes(Method::PUT, "/v1/files/tar?path=in", Some(tar.into())).await;
            assert_eq!(status, 400, "{answer:?}");
            assert!(!agent.home().join("evil").exists());
            assert!(!agent.home().join("in/hard").exists());
            let _ = fs::remove_file(agent.home().join("in/link"));
        }
    });
}

#[test]
fn members_are_written_under_the_name_they_were_given_or_not_at_all() {
    run(async {
        let agent = Agent::start().await;
        fs::create_dir(agent.home().join("in")).unwrap();
        for (name, left_out) in [("two\nlines", 1), ("a\0b", 1), ("plain", 0)] {
            let length = (1..).find(|length: &usize| format!("{length} path={name}\n").len() == *length).unwrap();
            let record = format!("{length} path={name}\n");
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_size(record.len() as u64);
            header.set_cksum();
            let mut tar = header.as_bytes().to_vec();
            tar.extend(record.bytes().chain(std::iter::repeat(0)).take(512));
            tar.extend(member("shortened", tar::EntryType::Regular, ""));
            tar.extend([0; 1024]);
            let answer = agent.bytes(Method::PUT, "/v1/files/tar?path=in", Some(tar.into())).await;
            assert_eq!(answer.0, 200, "{name:?}: {answer:?}");
            let extracted: serde_json::Value = serde_json::from_slice(&answer.1).unwrap();
            assert_eq!(extracted["leftOutCount"], json!(left_out), "{name:?}: {extracted}");
        }
        let names = fs::read_dir(agent.home().join("in")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["plain"]);
    });
}

/// A member with a name that no honest writer makes.
fn member(name: &str, kind: tar::EntryType, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}
