//! Guests that count, their templates and their saves.

use super::{Host, IMAGE, MAGIC, launch_args, until};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const OTHER_MAGIC: &str = "ffffffffffffffffffffffffffffffff";

pub fn shape() -> Value {
    json!({ "image": IMAGE, "memoryMib": 64, "cpus": 1, "diskMib": 64, "accelerator": "tcg" })
}

pub fn with_memory(machine: &str, disk: &str, memory: Value) -> Value {
    let mut args = launch_args(machine, Some(disk));
    args["memory"] = memory;
    args["magic"] = json!(OTHER_MAGIC);
    args
}

pub fn start() -> Host {
    let mut host = Host::prepare_counting();
    host.run(None);
    host
}

/// A machine that can become a template, counting.
pub fn source(host: &Host, machine: &str, disk: &str) {
    host.call("disk.create", json!({ "diskId": disk, "sizeMib": 64 }));
    let mut args = with_memory(machine, disk, json!("template-source"));
    args["magic"] = json!(MAGIC);
    host.call("machine.launch", args);
    host.letters(machine, 40);
}

/// Builds the template of the shape and answers with its key.
pub fn build(host: &Host) -> String {
    let found = host.call("template.find", shape());
    assert_eq!(found["isBuilt"], false);
    let key = found["key"].as_str().unwrap().to_owned();
    source(host, "machine0~", "diskdisk0~");
    let disk = host.folder().join(host.named("disks/diskdisk0~.ext4"));
    File::options().write(true).open(disk).unwrap().write_all_at(b"a mark", 40 << 20).unwrap();
    let saved = host.call("template.save", json!({ "machineId": "machine0~", "template": key }));
    assert!(saved["allocatedBytes"].as_u64().unwrap() > 0);
    assert_eq!(host.machines()[0]["alive"], false);
    host.kill("machine0~");
    host.call("disk.remove", json!({ "diskId": "diskdisk0~" }));
    assert_eq!(host.call("template.find", shape()), json!({ "key": key, "isBuilt": true }));
    key
}

/// Restores a machine and answers with what it says first.
pub fn restore(host: &Host, number: u32, key: &str) -> String {
    let (machine, disk) = (format!("machine{number}~"), format!("diskdisk{number}~"));
    host.call("disk.create", json!({ "diskId": disk, "template": key }));
    let launched = host.call("machine.launch", with_memory(&machine, &disk, json!({ "template": key })));
    assert_eq!(launched["magic"], MAGIC, "a restored guest keeps its magic");
    host.letters(&machine, 30)[..30].to_owned()
}

pub fn counts_on(said: &str) {
    let next = |letter: u8| if letter == b'Z' { b'A' } else { letter + 1 };
    assert!(said.as_bytes().windows(2).all(|two| next(two[0]) == two[1]), "{said}");
}

pub fn file(host: &Host, name: &str) -> PathBuf {
    host.folder().join(host.named(name))
}

/// Saves machine 1 and removes what is left of it.
pub fn pause(host: &Host) {
    let saved = host.call("machine.save", json!({ "machineId": "machine1~", "saveId": "savesave1~" }));
    assert!(saved["allocatedBytes"].as_u64().unwrap() > 0);
    assert_eq!(host.machines()[0]["alive"], false);
    host.kill("machine1~");
    let listed = host.call("save.list", json!({}))["saves"].clone();
    assert_eq!((&listed[0]["saveId"], &listed[0]["isWhole"]), (&json!("savesave1~"), &json!(true)));
}

pub fn resume(host: &Host, machine: &str) -> String {
    let args = with_memory(machine, "diskdisk1~", json!({ "save": "savesave1~" }));
    assert_eq!(host.call("machine.launch", args)["magic"], MAGIC);
    host.letters(machine, 30)[..30].to_owned()
}

/// Has the daemon die at a point of a save, and looks at what is left.
pub fn dies_during(point: &str, verb: &str, args: impl Fn(&Host) -> Value, look: impl Fn(&Host)) {
    let mut host = Host::prepare_counting();
    host.run(Some(point));
    source(&host, "machine1~", "diskdisk1~");
    assert!(host.try_call(verb, &args(&host)).is_none(), "{point} was not reached");
    until("the daemon is back", || host.try_call("hello", &json!({})));
    look(&host);
    host.kill("machine1~");
    host.call("save.remove", json!({ "saveId": "savesave1~" }));
    assert_eq!(host.scan(&["machine1~", "savesave1~"]), json!([]), "{point}");
    assert!(fs::read_dir(file(&host, "templates")).unwrap().flatten().all(|one| one.path().extension().is_none()));
}

pub fn key(host: &Host) -> String {
    host.call("template.find", shape())["key"].as_str().unwrap().to_owned()
}
