//! QEMU's command line.

use crate::server::request::{Accelerator, LaunchArgs, Magic, Memory};
use crate::snapshot::restore::Origin;
use crate::vmm::qemu::runtime::Runtime;
use crate::vmm::qemu::tsc;

/// Descriptors in the jail.
pub const AGENT_FD: i32 = 3;
pub const QMP_FD: i32 = 4;
pub const CONTROL_FD: i32 = 5;
/// Of a restored machine alone.
pub const MEMORY_FD: i32 = 6;

/// Size of TCG's buffer of translated code. QEMU would take up to a gigabyte.
const TB_SIZE_MIB: u64 = 96;
/// What QEMU itself needs besides the guest's memory, with room for the page cache of its disk.
const OWN_MIB: u64 = 160;
/// Threads besides the vCPUs': main, RCU, workers of block I/O, and some to spare.
const OWN_THREADS: u64 = 64;

pub const IMAGE_FOLDER: &str = "/image";
pub const DISK: &str = "/disk.ext4";

/// What a machine may need of the host's memory.
pub fn memory_limit_mib(launch: &LaunchArgs) -> u64 {
    let emulation = match launch.accelerator {
        // Translated code, and software TLBs that grow with what the guest touches.
        Accelerator::Tcg => TB_SIZE_MIB + launch.memory_mib / 16 + 8 * u64::from(launch.cpus),
        Accelerator::Kvm => 0,
    };
    launch.memory_mib + OWN_MIB + emulation
}

/// What a machine's cgroup must admit besides. The first machine that touches a page of its template's memory, be it
/// only to change its own copy, has that page charged to it as well, though all of them share it.
pub fn shared_limit_mib(launch: &LaunchArgs) -> u64 {
    if matches!(launch.memory, Memory::Template(_)) { launch.memory_mib } else { 0 }
}

/// The limit of processes and threads.
pub fn pids_limit(launch: &LaunchArgs) -> u64 {
    OWN_THREADS + u64::from(launch.cpus)
}

/// All arguments after the program's name.
pub fn arguments(launch: &LaunchArgs, runtime: &Runtime, origin: &Origin) -> Vec<String> {
    let mut line: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-name", launch.machine_id.as_str(), "-nodefaults", "-no-user-config", "-nographic"]);
    add(&["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]);
    let size = launch.memory_mib;
    match origin {
        Origin::Boot(magic) => {
            add(&["-object", &format!("memory-backend-ram,id=ram,size={size}M")]);
            add(&["-kernel", &format!("{IMAGE_FOLDER}/vmlinuz"), "-initrd", &format!("{IMAGE_FOLDER}/initrd.cpio")]);
            add(&["-append", &kernel_line(launch, magic, tsc::khz())]);
        }
        Origin::Saved(_) => {
            // QEMU opens the path for writing whatever it is told, and so can only be given what no write changes.
            let path = format!("/proc/self/fd/{MEMORY_FD}");
            add(&["-object", &format!("memory-backend-file,id=ram,size={size}M,mem-path={path},share=off")]);
            add(&["-incoming", "defer"]);
        }
    }
    line.extend(devices(launch, runtime));
    line
}

/// The arguments that what is saved depends on: machine, processor, memory, devices in their order.
pub fn devices(launch: &LaunchArgs, runtime: &Runtime) -> Vec<String> {
    let (accelerator, cpu) = match launch.accelerator {
        Accelerator::Tcg => (format!("tcg,thread=multi,tb-size={TB_SIZE_MIB}"), "max"),
        Accelerator::Kvm => ("kvm".to_owned(), "host"),
    };
    let mut line: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
    let roms = runtime.firmware.option_roms();
    add(&["-M", &format!("microvm,x-option-roms={roms},rtc=on,memory-backend=ram"), "-bios", runtime.firmware.name()]);
    add(&["-accel", &accelerator, "-cpu", cpu]);
    add(&["-smp", &launch.cpus.to_string(), "-m", &format!("{}M", launch.memory_mib)]);
    if runtime.version >= (7, 1, 0) {
        // The default is 64 workers, which alone would reach the limit of threads.
        add(&["-object", "main-loop,id=main-loop,thread-pool-max=16"]);
    }
    let base = format!(
        "driver=raw,node-name=base,read-only=on,file.driver=file,file.filename={IMAGE_FOLDER}/root.erofs,file.locking=off"
    );
    add(&["-blockdev", &base, "-device", "virtio-blk-device,drive=base,serial=base"]);
    if launch.disk_id.is_some() {
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
    add(&["-chardev", "ringbuf,id=con,size=65536", "-serial", "chardev:con"]);
    add(&["-chardev", &format!("socket,id=qmp,fd={QMP_FD},server=on,wait=off"), "-mon", "chardev=qmp,mode=control"]);
    add(&["-chardev", &format!("socket,id=control,fd={CONTROL_FD},server=on,wait=off")]);
    add(&["-mon", "chardev=control,mode=control"]);
    add(&["-action", "reboot=shutdown,shutdown=pause", "-msg", "timestamp=on"]);
    line
}

/// The guest kernel's command line.
pub fn kernel_line(launch: &LaunchArgs, magic: &Magic, khz: u64) -> String {
    let clock = match launch.accelerator {
        // `reliable`: with several processors Linux would else distrust the counter, and its clock would drift with
        // the timer interrupts that a loaded host delays. All of a guest's processors read the host's one counter.
        Accelerator::Tcg => format!(" tsc_early_khz={khz} tsc=reliable"),
        Accelerator::Kvm => String::new(),
    };
    // `reboot=t`: a triple fault is the one way to restart that every machine's VMM hears of. Left to itself the kernel
    // jumps into the BIOS, which in a restored machine finds nothing to boot and halts without a word.
    format!("console=ttyS0 quiet panic=-1 reboot=t{clock} microterm.magic={}", magic.as_str())
}
