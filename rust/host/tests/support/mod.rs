//! A daemon of its own for each test: its folder, its instance name, an image that needs no building, and the proof at
//! the end that nothing is left. These tests need root, QEMU and bubblewrap.
#![allow(dead_code, reason = "each test program uses its part of this")]

pub mod firecracker;
pub mod network;
pub mod snapshots;
pub mod vmm;

use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const SERVER_UID: u32 = 54_321;
pub const IMAGE: &str = "testimage";
pub const MAGIC: &str = "00112233445566778899aabbccddeeff";
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until the closure answers with something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A kernel in the boot protocol's format (Documentation/arch/x86/boot.rst) whose real-mode entry halts for ever: QEMU
/// runs with it as with any guest, on any machine, in no time.
fn halting_kernel() -> Vec<u8> {
    kernel(&[0xfa, 0xf4, 0xeb, 0xfc]) // cli; hlt; jmp back
}

/// The same, but it writes A to Z to its console for ever: what comes next tells whether memory and processor are as
/// they were.
fn counting_kernel() -> Vec<u8> {
    let program = [
        0xfa, // cli
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xb0, 0x41, // mov al, 'A'
        0xee, // again: out dx, al
        0xfe, 0xc0, // inc al
        0x3c, 0x5b, // cmp al, 'Z' + 1
        0x75, 0x02, // jne wait
        0xb0, 0x41, // mov al, 'A'
        0xb9, 0xff, 0xff, // wait: mov cx, 0xffff
        0xe2, 0xfe, // loop here
        0xeb, 0xf0, // jmp again
    ];
    kernel(&program)
}

fn kernel(program: &[u8]) -> Vec<u8> {
    let mut kernel = vec![0; 4096];
    kernel[0x1f1] = 1; // setup_sects
    kernel[0x1fe..0x200].copy_from_slice(&0xaa55_u16.to_le_bytes());
    kernel[0x200..0x202].copy_from_slice(&[0xeb, 0x66]); // jmp 0x268
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    kernel[0x211] = 1; // loadflags: LOADED_HIGH
    kernel[0x214..0x218].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    kernel[0x22c..0x230].copy_from_slice(&0x37ff_ffff_u32.to_le_bytes());
    kernel[0x238..0x23c].copy_from_slice(&2047_u32.to_le_bytes());
    kernel[0x268..][..program.len()].copy_from_slice(program);
    kernel
}

/// Writes an image with this key into a folder.
pub fn write_image(folder: &Path, key: &str) {
    write_image_of(folder, key, halting_kernel());
}

pub fn write_image_of(folder: &Path, key: &str, kernel: Vec<u8>) {
    fs::create_dir_all(folder).unwrap();
    let files = [("vmlinuz", kernel), ("initrd.cpio", b"no initrd".repeat(100)), ("root.erofs", vec![0; 1 << 20])];
    let mut listed = serde_json::Map::new();
    for (name, bytes) in files {
        fs::write(folder.join(name), &bytes).unwrap();
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        listed.insert(name.to_owned(), json!({ "size": bytes.len(), "sha256": hash }));
    }
    let manifest = json!({ "version": 1, "key": key, "kernel": "none", "files": listed });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
}

pub struct Host {
    pub data: tempfile::TempDir,
    pub import: tempfile::TempDir,
    pub instance: String,
    supervisor: Option<Child>,
    /// The network namespace that is the host's to the daemon, and what else it is told.
    pub network: Option<(Arc<OwnedFd>, Vec<String>)>,
    /// What else it is told, and what its process does first.
    pub arguments: Vec<String>,
    pub first: Option<fn() -> std::io::Result<()>>,
}

impl Host {
    pub fn command(&self, fault: Option<&str>) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_microterm-host").expect("run by cargo test"));
        command.arg("serve").arg("--data").arg(self.data.path()).args(["--server-uid", &SERVER_UID.to_string()]);
        command.args(["--instance", &self.instance]).arg("--image-import").arg(self.import.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.args(&self.arguments);
        if let Some(first) = self.first {
            // SAFETY: it makes system calls and nothing else.
            unsafe { command.pre_exec(first) };
        }
        if let Some((namespace, arguments)) = &self.network {
            let namespace = Arc::clone(namespace);
            command.args(arguments);
            // SAFETY: setns is one system call, on a descriptor that lives as long as the command.
            unsafe { command.pre_exec(move || Ok(setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?)) };
        }
        if let Some(point) = fault {
            command.arg("--test-faults").env("MICROTERM_FAULT", point);
        }
        command
    }

    /// A folder and a name, but no daemon yet.
    pub fn prepare() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root");
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = u64::from(std::process::id()) * 64 + u64::from(NEXT.fetch_add(1, Ordering::SeqCst));
        let data = tempfile::tempdir().unwrap();
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let import = tempfile::tempdir().unwrap();
        write_image(import.path(), IMAGE);
        let instance = format!("t{:07}", number % 10_000_000);
        Self { data, import, instance, supervisor: None, network: None, arguments: Vec::new(), first: None }
    }

    /// Its guests count, `letters` reads what they say.
    pub fn prepare_counting() -> Self {
        let host = Self::prepare();
        write_image_of(host.import.path(), IMAGE, counting_kernel());
        host
    }

    /// Waits until a guest has said as much, and answers with what it has said since it was last asked.
    pub fn letters(&self, machine: &str, at_least: usize) -> String {
        let folder = self.folder().join(self.named(&format!("machines/{machine}")));
        let mut qmp = UnixStream::connect(folder.join("qmp.sock")).unwrap();
        qmp.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut lines = BufReader::new(qmp.try_clone().unwrap()).lines().map(Result::unwrap);
        let mut ask = |command: &Value| {
            writeln!(qmp, "{command}").unwrap();
            lines.find(|line| line.contains("\"return\"")).unwrap()
        };
        ask(&json!({ "execute": "qmp_capabilities" }));
        let mut all = String::new();
        until("the guest counts", || {
            let read = json!({ "execute": "ringbuf-read", "arguments": { "device": "con", "size": 60_000 } });
            let answer: Value = serde_json::from_str(&ask(&read)).unwrap();
            // The firmware says something, too.
            let said = answer["return"].as_str().unwrap();
            all.extend(said.chars().filter(char::is_ascii_uppercase));
            (all.len() >= at_least).then_some(())
        });
        all
    }

    pub fn start() -> Self {
        let mut host = Self::prepare();
        host.run(None);
        host
    }

    pub fn with_fault(point: &str) -> Self {
        let mut host = Self::prepare();
        host.run(Some(point));
        host
    }

    /// Starts the supervisor and waits for its daemon.
    pub fn run(&mut self, fault: Option<&str>) {
        self.supervisor = Some(self.command(fault).spawn().unwrap());
        until("the daemon answers", || self.try_call("hello", &json!({})));
    }

    pub fn supervisor_pid(&self) -> i32 {
        self.supervisor.as_ref().unwrap().id().cast_signed()
    }

    pub fn folder(&self) -> PathBuf {
        self.data.path().join("host")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder().join("run/host.sock")
    }

    pub fn connect(&self) -> Option<UnixStream> {
        let stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Some(stream)
    }

    /// `~` in an id stands for the instance's name: tests run side by side, and `scan` looks at the whole host.
    pub fn named(&self, text: &str) -> String {
        text.replace('~', &self.instance)
    }

    /// One request on a connection of its own; `None` when the daemon dies over it.
    pub fn try_call(&self, verb: &str, args: &Value) -> Option<Value> {
        let mut stream = self.connect()?;
        let request = json!({ "id": 1, "verb": verb, "args": args }).to_string();
        // One that is turned away may find the connection closed here, and yet an answer in it.
        let _ = writeln!(stream, "{}", self.named(&request));
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line.replace(&self.instance, "~")).ok()
    }

    pub fn call(&self, verb: &str, args: Value) -> Value {
        let answer = self.try_call(verb, &args).unwrap_or_else(|| panic!("{verb}: no answer"));
        assert!(answer.get("error").is_none(), "{verb} {args}: {answer}");
        answer["ok"].clone()
    }

    /// The code with which a request is refused.
    pub fn refused(&self, verb: &str, args: Value) -> String {
        let answer = self.try_call(verb, &args).unwrap_or_else(|| panic!("{verb}: no answer"));
        answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{verb} {args}: {answer}")).to_owned()
    }

    pub fn launch(&self, machine: &str, disk: Option<&str>) -> Value {
        self.call("machine.launch", launch_args(machine, disk))
    }

    pub fn kill(&self, machine: &str) -> Value {
        self.call("machine.kill", json!({ "machineId": machine }))["removed"].clone()
    }

    pub fn scan(&self, ids: &[&str]) -> Value {
        self.call("scan", json!({ "ids": ids }))["found"].clone()
    }

    pub fn machines(&self) -> Vec<Value> {
        self.call("list", json!({}))["machines"].as_array().unwrap().clone()
    }

    /// Sends the supervisor a signal and waits for its end.
    pub fn end(&mut self, signal: nix::sys::signal::Signal) {
        if let Some(mut supervisor) = self.supervisor.take() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor.id().cast_signed()), signal);
            supervisor.wait().unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Whatever has failed, no VMM of a test outlives it.
        if self.supervisor.is_none() && self.folder().join("lock").exists() {
            self.supervisor = self.command(None).spawn().ok();
            until("a daemon to clean up with", || self.try_call("hello", &json!({})));
        }
        if self.supervisor.is_some()
            && let Some(list) = self.try_call("list", &json!({}))
        {
            for machine in list["ok"]["machines"].as_array().into_iter().flatten() {
                self.try_call("machine.kill", &json!({ "machineId": machine["machineId"] }));
            }
        }
        if self.network.is_some() {
            self.try_call("network.remove", &json!({}));
        }
        self.end(nix::sys::signal::Signal::SIGTERM);
        if !std::thread::panicking() {
            assert_eq!(leftovers(&self.instance, self.data.path()), Vec::<String>::new());
        }
    }
}

/// Groups and uid claims of an instance, and mounts of its folder or of the daemon's own. Tests run side by side: what is
/// another's does not count.
pub fn leftovers(instance: &str, data: &Path) -> Vec<String> {
    let data = data.to_str().expect("a path of this test");
    let mut found = Vec::new();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let group = hierarchy.path().join(format!("microterm-{instance}"));
        found.extend(group.exists().then(|| group.display().to_string()));
    }
    for claim in fs::read_dir("/run/microterm-host/uids").into_iter().flatten().flatten() {
        let text = fs::read_to_string(claim.path()).unwrap_or_default();
        found.extend(text.starts_with(instance).then(|| claim.path().display().to_string()));
    }
    let names = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    found.extend(names("/run/netns").map(|path| path.display().to_string()).filter(|name| name.contains(instance)));
    let uplinks = names("/run/microterm-host/uplinks").map(|path| path.join(instance));
    found.extend(uplinks.filter(|path| path.exists()).map(|path| path.display().to_string()));
    found.extend(
        fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .lines()
            .filter(|line| line.contains(data) || line.contains("/run/microterm-host"))
            .map(str::to_owned),
    );
    found
}

pub fn launch_args(machine: &str, disk: Option<&str>) -> Value {
    json!({ "machineId": machine, "image": IMAGE, "diskId": disk, "memoryMib": 64, "cpus": 1,
        "accelerator": "tcg", "magic": MAGIC, "labels": { "environment": "environ1" } })
}

pub fn is_running(pid: i64) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("State:") && !status.contains("State:\tZ")
}
