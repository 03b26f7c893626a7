//! Pausing machines of a Firecracker that may do anything: an impostor below the real jailer, for which no KVM is needed.

use crate::support::firecracker::{args, ask, is_gone, machine_that};
use crate::support::{Host, until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

fn save(host: &Host, name: &str) -> Value {
    let start = Instant::now();
    let answer =
        host.try_call("machine.save", &json!({ "machineId": "machine1~", "saveId": name })).expect("an answer");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}: {answer}", start.elapsed());
    answer
}

#[test]
fn what_no_vmm_writes_is_no_save() {
    for word in ["saves nothing", "saves too little", "ends at a save"] {
        let Some((host, _)) = machine_that(word) else { return };
        let answer = save(&host, "savesave1~");
        assert_eq!(answer["error"]["code"], "snapshot-failed", "{word}: {answer}");
        assert_eq!(host.call("save.list", json!({}))["saves"], json!([]), "{word}");
        is_gone(&host, "machine1~");
        host.call("save.remove", json!({ "saveId": "savesave1~" }));
        assert_eq!(host.scan(&["savesave1~"]), json!([]), "{word}");
    }
}

#[test]
fn a_save_has_the_size_of_its_memory_at_most() {
    let Some((host, _)) = machine_that("saves too much") else { return };
    let answer = save(&host, "savesave1~");
    // To process 1 of a pid namespace SIGXFSZ is none; but the impostor writes no state then, and a state has bytes.
    assert_eq!(answer["error"]["code"], "snapshot-failed", "{answer}");
    let memory = host.folder().join(host.named("machines/machine1~/vmm/saved.memory"));
    assert_eq!(fs::metadata(memory).unwrap().len(), 64 << 20);
    is_gone(&host, "machine1~");
    assert_eq!(host.call("save.list", json!({}))["saves"], json!([]));
}

#[test]
fn a_second_pause_adds_what_has_changed() {
    let Some((host, _)) = machine_that("echoes") else { return };
    for (round, expected) in [("savesave1~", "first\n\0\0\0\0\0\n"), ("savesave2~", "first\nlater\n")] {
        let answer = save(&host, round);
        assert!(answer["ok"]["allocatedBytes"].as_u64().unwrap() < 1 << 20, "{answer}");
        host.kill("machine1~");
        let mut args = args("machine1~", Some("disk0001~"));
        args["memory"] = json!({ "save": round });
        host.call("machine.launch", args);
        // The impostor prints what it finds.
        let said = until("it has said it", || {
            let said = ask(&host, "machine1~", "watch.sock", b"c");
            (said.len() >= 12).then_some(said)
        });
        assert_eq!(String::from_utf8_lossy(&said), expected);
        let memory = host.folder().join(host.named(&format!("saves/{round}/memory")));
        let found = fs::metadata(&memory).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o022), (0, 0), "others may write to it");
        let mut word = [0; 5];
        fs::File::open(memory).unwrap().read_exact_at(&mut word, 4096).unwrap();
        assert_eq!(&word, b"first");
    }
    is_gone(&host, "machine1~");
    for id in ["savesave1~", "savesave2~"] {
        host.call("save.remove", json!({ "saveId": id }));
    }
    host.call("disk.remove", json!({ "diskId": "disk0001~" }));
    assert_eq!(host.scan(&["savesave1~", "savesave2~", "disk0001~", "machine1~"]), json!([]));
}
