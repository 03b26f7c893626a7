//! What an earlier release left on the disk: `fixtures/earlier-pause` is a pause that the daemon of 23 November 2026 made of
//! a guest that counts, with QEMU 7.2. Of its memory there are the pages that are not zero, each after its number.

mod support;

use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use support::snapshots::{counts_on, file, pause, resume, start};

/// The version that saved it: its device state belongs to that.
const SAVED_BY: &str = "7.2.";
const PAGE: usize = 4096;

fn write_memory(pages: &Path, to: &Path, bytes: u64) {
    let memory = File::create_new(to).unwrap();
    memory.set_len(bytes).unwrap();
    for page in fs::read(pages).unwrap().chunks_exact(size_of::<u32>() + PAGE) {
        let (number, bytes) = page.split_first_chunk().unwrap();
        memory.write_all_at(bytes, u64::from(u32::from_le_bytes(*number)) * PAGE as u64).unwrap();
    }
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_machine_that_an_earlier_release_paused_goes_on() {
    let host = start();
    let version = host.call("hello", json!({}))["qemu"].as_str().unwrap().to_owned();
    if !version.starts_with(SAVED_BY) {
        eprintln!("skipped: it was saved by QEMU {SAVED_BY}x, and this is {version}");
        return;
    }
    host.call("disk.create", json!({ "diskId": "diskdisk1~", "sizeMib": 64 }));
    host.launch("machine1~", Some("diskdisk1~"));
    host.letters("machine1~", 1);
    pause(&host);
    let folder = file(&host, "saves/savesave1~");
    // Its key is of the host that it was made on, and its disk has the name of another test.
    let (own, fixture) = (manifest(&folder), PathBuf::from("tests/fixtures/earlier-pause"));
    let mut earlier = manifest(&fixture);
    earlier["kind"] = own["kind"].clone();
    earlier["diskId"] = own["diskId"].clone();
    assert_eq!(earlier["shape"], own["shape"]);
    fs::write(folder.join("manifest.json"), earlier.to_string()).unwrap();
    fs::copy(fixture.join("state"), folder.join("state")).unwrap();
    fs::remove_file(folder.join("memory")).unwrap();
    write_memory(&fixture.join("memory.pages"), &folder.join("memory"), 64 << 20);
    counts_on(&resume(&host, "machine2~"));
}
