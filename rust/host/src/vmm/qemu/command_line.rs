//! QEMU's command line.

use crate::jail::layout::{DISK, IMAGE_FOLDER};
use crate::spec::{Accelerator, ChannelKey, GUEST_MAC, MachineSpec};
use crate::vmm::interface::Start;
use crate::vmm::qemu::firmware::Firmware;
use crate::vmm::qemu::memory::TB_SIZE_MIB;
use crate::vmm::qemu::tsc;

/// Descriptors in the jail.
pub const AGENT_FD: i32 = 3;
pub const QMP_FD: i32 = 4;
pub const CONTROL_FD: i32 = 5;
/// Of a machine with a slot alone.
pub const TAP_FD: i32 = 6;

/// What of an installed QEMU the command line depends on.
pub struct Build<'a> {
    /// Major, minor, micro.
    pub version: (u32, u32, u32),
    pub firmware: &'a Firmware,
}

/// Of a restored machine alone: the number after the last of the others.
pub fn memory_fd(spec: &MachineSpec) -> i32 {
    TAP_FD + i32::from(spec.slot.is_some())
}

/// Of a guest's memory: where the host merges equal pages (Documentation/admin-guide/mm/ksm.rst), the time of a write would tell one
/// guest what is in another.
const PRIVATE: &str = "merge=off";

/// All arguments after the program's name.
pub fn arguments(spec: &MachineSpec, build: &Build<'_>, start: Start<'_>) -> Vec<String> {
    let mut line: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-name", spec.machine_id.as_str(), "-nodefaults", "-no-user-config", "-nographic"]);
    add(&["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]);
    let size = spec.memory_mib;
    match start {
        Start::Boot(key) => {
            add(&["-object", &format!("memory-backend-ram,id=ram,size={size}M,{PRIVATE}")]);
            add(&["-kernel", &format!("{IMAGE_FOLDER}/vmlinuz"), "-initrd", &format!("{IMAGE_FOLDER}/initrd.cpio")]);
            add(&["-append", &kernel_line(spec, key, tsc::khz())]);
        }
        Start::Restore(_) => {
            // QEMU opens the path for writing whatever it is told, and so can only be given what no write changes.
            let path = format!("/proc/self/fd/{}", memory_fd(spec));
            add(&["-object", &format!("memory-backend-file,id=ram,size={size}M,mem-path={path},share=off,{PRIVATE}")]);
            add(&["-incoming", "defer"]);
        }
    }
    line.extend(devices(spec, build));
    line
}

/// The arguments that what is saved depends on: machine, processor, memory, devices in their order.
pub fn devices(spec: &MachineSpec, build: &Build<'_>) -> Vec<String> {
    let (accelerator, cpu) = match spec.accelerator {
        Accelerator::Tcg => (format!("tcg,thread=multi,tb-size={TB_SIZE_MIB}"), "max"),
        Accelerator::Kvm => ("kvm".to_owned(), "host"),
    };
    let mut line: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
    let roms = build.firmware.option_roms();
    add(&["-M", &format!("microvm,x-option-roms={roms},rtc=on,memory-backend=ram"), "-bios", build.firmware.name()]);
    add(&["-accel", &accelerator, "-cpu", cpu]);
    add(&["-smp", &spec.cpus.to_string(), "-m", &format!("{}M", spec.memory_mib)]);
    if build.version >= (7, 1, 0) {
        // The default is 64 workers, which alone would reach the limit of threads.
        add(&["-object", "main-loop,id=main-loop,thread-pool-max=16"]);
    }
    let base = format!(
        "driver=raw,node-name=base,read-only=on,file.driver=file,file.filename={IMAGE_FOLDER}/root.erofs,file.locking=off"
    );
    add(&["-blockdev", &base, "-device", "virtio-blk-device,drive=base,serial=base"]);
    if spec.disk_id.is_some() {
        let disk =
            format!("driver=raw,node-name=disk,discard=unmap,file.driver=file,file.filename={DISK},file.discard=unmap");
        add(&["-blockdev", &disk, "-device", "virtio-blk-device,drive=disk,serial=disk"]);
    }
    add(&["-chardev", &format!("socket,id=agent,fd={AGENT_FD},server=on,wait=off")]);
    add(&[
        "-device",
        "virtio-serial-device,max_ports=2",
        "-device",
        "virtserialport,chardev=agent,name=microterm.agent",
    ]);
    add(&["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-device,rng=rng"]);
    if spec.slot.is_some() {
        // A slot's tap is its own, and no host's: the kernel's part of virtio would need a device that the jail has not.
        add(&["-netdev", &format!("tap,id=net,fd={TAP_FD},vhost=off")]);
        add(&["-device", &format!("virtio-net-device,netdev=net,mac={GUEST_MAC}")]);
    }
    add(&["-chardev", "ringbuf,id=con,size=65536", "-serial", "chardev:con"]);
    add(&["-chardev", &format!("socket,id=qmp,fd={QMP_FD},server=on,wait=off"), "-mon", "chardev=qmp,mode=control"]);
    add(&["-chardev", &format!("socket,id=control,fd={CONTROL_FD},server=on,wait=off")]);
    add(&["-mon", "chardev=control,mode=control"]);
    add(&["-action", "reboot=shutdown,shutdown=pause", "-msg", "timestamp=on"]);
    line
}

/// The guest kernel's command line.
pub fn kernel_line(spec: &MachineSpec, key: &ChannelKey, khz: u64) -> String {
    let clock = match spec.accelerator {
        // `reliable`: with several processors Linux would else distrust the counter, and its clock would drift with
        // the timer interrupts that a loaded host delays. All of a guest's processors read the host's one counter.
        Accelerator::Tcg => format!(" tsc_early_khz={khz} tsc=reliable"),
        Accelerator::Kvm => String::new(),
    };
    // `reboot=t`: a triple fault is the one way to restart that every machine's VMM hears of. Left to itself the kernel
    // jumps into the BIOS, which in a restored machine finds nothing to boot and halts without a word.
    format!("console=ttyS0 quiet panic=-1 reboot=t{clock} microterm.magic={}", key.as_str())
}
