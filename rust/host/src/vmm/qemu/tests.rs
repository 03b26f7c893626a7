use super::*;
use crate::snapshot::compatibility;
use crate::spec::{Shape, VmmKind};
use crate::store::ids::ImageKey;
use crate::vmm::qemu::firmware::Firmware;

/// What earlier releases called these snapshots: as long as this holds, theirs can still be loaded.
#[test]
fn snapshots_of_earlier_releases_keep_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("qboot.rom"), "qboot").unwrap();
    let firmware = Firmware::find_in(&[folder.path()]).unwrap();
    for (accelerator, disk_mib, key, template) in [
        (
            Accelerator::Tcg,
            1024,
            "a1372af50fef602aa7da3dd89c720b2a956fdfca2f15153671104244a4ec7bf7",
            "c83a1c3a6b6253251b6c5ac438598287",
        ),
        (
            Accelerator::Kvm,
            0,
            "40863583e9d7ee6105cf39985ec23ebeded5bdbd350f921a92104142e8d44aa2",
            "17739825756524c12b50faaf58070aa9",
        ),
    ] {
        let image = ImageKey::parse("testimage").unwrap();
        let shape =
            Shape { image, memory_mib: 512, cpus: 2, disk_mib, accelerator, vmm: VmmKind::Qemu, network: false };
        let build = Build { version: (7, 2, 22), firmware: &firmware };
        let machine = machine_text(&compatibility::typical(&shape).unwrap(), &build).unwrap();
        let found_machine = machine.clone();
        let found = Compatibility { build: "identity".to_owned(), machine };
        let found = compatibility::digest(&shape, &found, "processor");
        assert_eq!(found, key);
        assert_eq!(compatibility::template_key_of(&shape, &found).unwrap().as_str(), template);
        let networked = Shape { network: true, ..shape };
        let machine = machine_text(&compatibility::typical(&networked).unwrap(), &build).unwrap();
        assert_ne!(machine, found_machine, "a network device is not in the key");
    }
}

/// The release of 23 November 2026 had no word for the firmware.
#[test]
fn pauses_of_the_first_release_are_known_by_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("qboot.rom"), "qboot").unwrap();
    let firmware = Firmware::find_in(&[folder.path()]).unwrap();
    let build = Build { version: (7, 2, 22), firmware: &firmware };
    let shape = Shape {
        image: ImageKey::parse("testimage").unwrap(),
        memory_mib: 512,
        cpus: 2,
        disk_mib: 1024,
        accelerator: Accelerator::Tcg,
        vmm: VmmKind::Qemu,
        network: false,
    };
    let spec = compatibility::typical(&shape).unwrap();
    let current = machine_text(&spec, &build).unwrap();
    let machine = earlier::machine_text(&current, &build).unwrap();
    let found = Compatibility { build: "identity".to_owned(), machine };
    let key = compatibility::digest(&shape, &found, "processor");
    assert_eq!(key, "d32e2031d2c804ed0af8ad8c1547bf931306174551f31d176a2ec6c88aed8849");
    assert_ne!(current, found.machine);
}
