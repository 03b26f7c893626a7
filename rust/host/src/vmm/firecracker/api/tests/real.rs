//! The real Firecracker, as far as it goes without KVM. Where MICROTERM_FIRECRACKER is not set, they say that they skip.

use crate::vmm::firecracker::api::bodies::{
    BootSource, DeviceId, Drive, MachineConfig, NetworkOverride, SnapshotSource, Vsock,
};
use crate::vmm::firecracker::api::client::{Api, Attached, NotStarted};
use crate::vmm::firecracker::api::error::{ApiError, Failed};
use crate::vmm::firecracker::api::rate_limiter::{Rate, RateLimiter};
use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_mins(1);
const MACHINE: MachineConfig = MachineConfig { cpus: 1, memory_mib: 64, track_dirty_pages: true };

struct Firecracker {
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Firecracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> Option<OsString> {
    let binary = std::env::var_os("MICROTERM_FIRECRACKER");
    if binary.is_none() {
        eprintln!("skipped: MICROTERM_FIRECRACKER is not set");
    }
    binary
}

impl Firecracker {
    /// In a folder of its own, which is its working directory.
    fn start(binary: OsString) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(binary)
            .args(["--api-sock", "api.sock"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, child }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn attach(&self) -> Attached {
        let until = Instant::now() + LONG;
        loop {
            match UnixStream::connect(self.path().join("api.sock")) {
                Ok(stream) => return Attached::attach(stream, LONG).unwrap(),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn fresh(&self) -> Api<NotStarted> {
        match self.attach() {
            Attached::NotStarted(api) => api,
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "Firecracker does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn words(outcome: Result<(), ApiError>) -> String {
    match outcome {
        Err(ApiError::Refused { status: 400, message }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn is_put_together_and_refuses_in_its_own_words() {
    let Some(binary) = binary() else { return };
    let firecracker = Firecracker::start(binary);
    let mut api = firecracker.fresh().configure();
    assert!(api.capabilities().network_overrides);
    api.machine_config(&MACHINE).unwrap();
    assert!(words(api.machine_config(&MachineConfig { cpus: 33, ..MACHINE })).contains("vCPUs"));

    let mut source = BootSource { kernel: "missing", initrd: None, command_line: "quiet" };
    assert!(words(api.boot_source(&source)).contains("kernel file cannot be opened"));
    let Err(Failed::Unchanged(mut api, error)) = api.start() else { panic!("there is no kernel") };
    assert!(error.to_string().contains("without kernel"), "{error}");

    std::fs::write(firecracker.path().join("file"), [0; 4096]).unwrap();
    source.kernel = "file";
    api.boot_source(&source).unwrap();
    let limits = RateLimiter {
        bytes: Rate { per_second: 1 << 20, burst: 1 << 24 },
        operations: Rate { per_second: 0, burst: 0 },
    };
    let mut drive = Drive { id: DeviceId::new("disk"), path: "missing", is_read_only: false, limits: Some(limits) };
    assert!(words(api.drive(&drive)).contains("No such file"));
    drive.path = "file";
    api.drive(&drive).unwrap();
    api.entropy().unwrap();
    api.vsock(&Vsock { guest_cid: 3, path: "v.sock" }).unwrap();
    assert!(firecracker.path().join("v.sock").exists());

    // No ELF file, or no KVM, whichever it finds first.
    let Err(Failed::Unchanged(api, _)) = api.start() else { panic!("4096 zeros are no kernel") };
    drop(api);
    assert!(matches!(firecracker.attach(), Attached::NotStarted(_)));
}

#[test]
fn a_load_that_fails_ends_it() {
    let Some(binary) = binary() else { return };
    let mut firecracker = Firecracker::start(binary);
    let api = firecracker.fresh();
    let network = [NetworkOverride { id: DeviceId::new("eth0"), tap: "tap0" }];
    let network = if api.capabilities().network_overrides { &network[..] } else { &[] };
    let source = SnapshotSource { state: "missing", memory: "missing", track_dirty_pages: true, network };
    let Err(Failed::Lost(error)) = api.load_snapshot(&source) else { panic!("there is no snapshot") };
    assert!(matches!(&error, ApiError::Refused { message, .. } if message.contains("No such file")), "{error}");
    assert!(!firecracker.end().success());
}
