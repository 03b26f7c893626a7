//! Machines of a real Firecracker under its jailer, as far as they go without KVM: Firecracker, its sockets and its jail are
//! real, and where /dev/kvm opens but runs no guest, the guest hangs.

use super::{Host, IMAGE, launch_args, write_image_of};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Those that MICROTERM_FIRECRACKER and MICROTERM_JAILER name. Says that a test skips where they do not.
pub fn programs() -> Option<(PathBuf, PathBuf)> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let found = named("MICROTERM_FIRECRACKER").zip(named("MICROTERM_JAILER"));
    if found.is_none() {
        eprintln!("skipped: MICROTERM_FIRECRACKER and MICROTERM_JAILER are not set");
    }
    found
}

/// Whether Firecracker can make a machine here, whatever becomes of its guest. Says that a test skips where it cannot.
pub fn has_kvm() -> bool {
    let opens = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    if !opens {
        eprintln!("skipped: there is no /dev/kvm that opens");
    }
    opens
}

/// Gives this process a /dev of its own, without KVM.
///
/// # Errors
/// What the kernel refused.
pub fn hide_kvm() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("tmpfs"), "/dev", Some("tmpfs"), MsFlags::empty(), none)?;
    for (path, minor) in [("/dev/null", 3), ("/dev/urandom", 9)] {
        mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, minor))?;
    }
    Ok(())
}

/// An ELF program for x86-64 with one segment, as Firecracker loads a kernel: it halts for ever.
pub fn elf_kernel() -> Vec<u8> {
    elf(&[0xfa, 0xf4, 0xeb, 0xfd], 0x10_0000)
}

/// The file's header, those of a segment and a note, and at 4096 the program, which starts at `address`.
fn elf(program: &[u8], address: u64) -> Vec<u8> {
    let mut file = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[2, 0, 62, 0, 1, 0, 0, 0]); // ET_EXEC, EM_X86_64, EV_CURRENT
    put(24, &address.to_le_bytes());
    put(32, &64_u64.to_le_bytes()); // e_phoff
    put(52, &[64, 0, 56, 0, 2, 0]); // sizes of both headers, two segments
    put(64, &[1, 0, 0, 0, 5, 0, 0, 0]); // PT_LOAD, to be read and run
    put(72, &4096_u64.to_le_bytes());
    put(80, &address.to_le_bytes());
    put(88, &address.to_le_bytes());
    let length = (program.len() as u64).to_le_bytes();
    put(96, &length);
    put(104, &length);
    put(112, &4096_u64.to_le_bytes());
    // The address at which QEMU and, where it has one, Firecracker enter it (xen/include/public/elfnote.h, PHYS32_ENTRY).
    put(120, &[4, 0, 0, 0, 4, 0, 0, 0]); // PT_NOTE
    put(128, &512_u64.to_le_bytes());
    put(152, &24_u64.to_le_bytes());
    put(160, &24_u64.to_le_bytes());
    put(168, &4_u64.to_le_bytes());
    put(512, &[4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0]);
    put(524, b"Xen\0");
    put(528, &address.to_le_bytes());
    file.extend(program);
    file
}

/// A daemon with these programs, of which the machines' kernel halts.
pub fn prepare(firecracker: &Path, jailer: &Path) -> Host {
    let mut host = Host::prepare();
    write_image_of(host.import.path(), IMAGE, elf_kernel());
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    host.arguments = vec!["--firecracker".into(), path(firecracker), "--jailer".into(), path(jailer)];
    host
}

/// The same, started, with the real programs.
pub fn start() -> Option<Host> {
    let (firecracker, jailer) = programs()?;
    let mut host = prepare(&firecracker, &jailer);
    host.run(None);
    Some(host)
}

pub fn args(machine: &str, disk: Option<&str>) -> Value {
    let mut args = launch_args(machine, disk);
    args["vmm"] = json!("firecracker");
    args["accelerator"] = json!("kvm");
    args
}

/// Writes a program for the daemon to take in Firecracker's place.
pub fn program(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub fn folder(host: &Host, machine: &str) -> PathBuf {
    host.folder().join(host.named(&format!("machines/{machine}")))
}

/// What a shim answers on a socket of its machine, to the end.
pub fn ask(host: &Host, machine: &str, socket: &str, words: &[u8]) -> Vec<u8> {
    let mut stream = connect(host, machine, socket);
    let mut answer = Vec::new();
    // It may be closed at once, and what is closed before all was read is reset.
    let _ = stream.write_all(words);
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub fn connect(host: &Host, machine: &str, socket: &str) -> UnixStream {
    let stream = UnixStream::connect(folder(host, machine).join(socket)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Fields of /proc/PID/status, or of one of its threads (proc_pid_status(5)).
pub fn status(path: impl AsRef<Path>, name: &str) -> String {
    let text = fs::read_to_string(path.as_ref().join("status")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

/// A program that does as `word` says in Firecracker's place (`fixtures/impostor.rs`). It needs no library.
pub fn impostor(folder: &Path, word: &str) -> PathBuf {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = BYTES.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/impostor.rs");
        let built = tempfile::tempdir().unwrap();
        let program = built.path().join("impostor");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc
            .args(["--edition=2024", "-Ctarget-feature=+crt-static", "-Cstrip=symbols", "-o"])
            .arg(&program)
            .arg(source);
        assert!(rustc.status().unwrap().success());
        fs::read(program).unwrap()
    });
    let word = format!("{:>64}", format!(":{word}"));
    program(folder, "impostor", &[bytes, word.as_bytes()].concat())
}

/// A running machine, where one can run.
pub fn launched(disk: Option<&str>) -> Option<(Host, i64)> {
    let host = start()?;
    if !has_kvm() {
        return None;
    }
    if let Some(disk) = disk {
        host.call("disk.create", json!({ "diskId": disk, "sizeMib": 64 }));
    }
    let pid = host.call("machine.launch", args("machine1~", disk))["pid"].as_i64().unwrap();
    Some((host, pid))
}

/// Removes a machine, of which then nothing is left.
pub fn is_gone(host: &Host, machine: &str) {
    host.kill(machine);
    assert_eq!(host.scan(&[machine]), json!([]));
    assert_eq!(host.machines(), Vec::<Value>::new());
}

/// A daemon with the real jailer, and something else in Firecracker's place.
pub fn with_impostor(word: &str) -> Option<Host> {
    let (_, jailer) = programs()?;
    if !has_kvm() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut host = prepare(&impostor(folder.path(), word), &jailer);
    host.run(None);
    Some(host)
}

/// A machine of an impostor that does as it is told, but for its guest.
pub fn machine_that(word: &str) -> Option<(Host, i32)> {
    let host = with_impostor(word)?;
    host.call("disk.create", json!({ "diskId": "disk0001~", "sizeMib": 64 }));
    let pid = host.call("machine.launch", args("machine1~", Some("disk0001~")))["pid"].as_i64().unwrap();
    Some((host, pid.try_into().unwrap()))
}
