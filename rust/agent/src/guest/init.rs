//! PID 1: makes the guest a system, then serves its channel for ever. The steps are those of
//! `docs/reference/guest-boot.md`.

use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use tokio::task::LocalSet;

use crate::channel::port::{self, Port};
use crate::channel::session::serve_port;
use crate::guest::{boot, devices, fstab, interfaces, power, sysctl};
use crate::process::cgroup;
use crate::process::reaper::{self, Reaper};
use crate::process::user::{DEV_UID, User};

/// How long a device may take to appear. The host's own deadline is shorter; this one only ends the waiting.
const DEVICE_PATIENCE: Duration = Duration::from_secs(60);
/// How often to look for it.
const DEVICE_INTERVAL: Duration = Duration::from_millis(1);

/// Descriptors a program may have: the soft limit that old programs expect, and room to raise it.
const OPEN_FILES: (u64, u64) = (1024, 524_288);

/// Never returns: PID 1 must not end.
pub fn run() -> ! {
    let error = match boot_up() {
        Ok((magic, user, cgroup)) => serve(magic, user, cgroup),
        Err(error) => error,
    };
    println!("microterm-agent: {error}");
    // The host reads the console and kills the machine at its deadline; orphans don't matter any more.
    loop {
        thread::park();
    }
}

fn boot_up() -> io::Result<([u8; 16], User, OwnedFd)> {
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    boot::mount_kernel_files().map_err(named("mounting /proc, /sys, /dev"))?;
    let magic = boot::magic(&std::fs::read_to_string("/proc/cmdline")?)
        .ok_or_else(|| io::Error::other("no microterm.magic of 32 hex digits on the kernel's command line"))?;
    boot::load_modules().map_err(named("loading modules"))?;
    boot::mount_root(|serial| wait_for(|| boot::block_device(serial))).map_err(named("mounting the root"))?;
    boot::enter_root().map_err(named("entering the root"))?;
    boot::mount_rest().map_err(named("mounting /dev/pts, /run, /tmp, cgroups"))?;
    devices::make().map_err(named("device nodes"))?;
    interfaces::set_up("lo", true).map_err(named("lo"))?;
    let cgroup = cgroup::create().map_err(named("the tenant's cgroup"))?;
    // Before any out-of-memory choice can fall on PID 1, whose end is the machine's.
    std::fs::write("/proc/self/oom_score_adj", "-1000").map_err(named("oom_score_adj"))?;
    sysctl::apply();
    let user = User::by_uid(DEV_UID, true).ok_or_else(|| io::Error::other("the image has no user of uid 1000"))?;
    fstab::mount_all();
    boot::settle(&user).map_err(named("first files"))?;
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.0, OPEN_FILES.1)?;
    // The cgroup limits processes; a limit for each user would also refuse a new shell beside a fork bomb.
    setrlimit(Resource::RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY)?;
    Ok((magic, user, cgroup))
}

fn named(step: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::other(format!("{step}: {error}"))
}

/// Looks until something is there. Devices come a moment after their driver.
fn wait_for<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + DEVICE_PATIENCE;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(DEVICE_INTERVAL);
    }
}

/// Serves; answers the error that ended it.
fn serve(magic: [u8; 16], user: User, cgroup: OwnedFd) -> io::Error {
    let signals = reaper::block(&[Signal::SIGCHLD, Signal::SIGUSR2, Signal::SIGTERM, Signal::SIGINT]);
    let runtime = crate::runtime(&user);
    LocalSet::new().block_on(&runtime, async {
        let reaper = Reaper::default();
        tokio::task::spawn_local(reaper.clone().run(signals, |_| power::begin()));
        let Some(device) = wait_for(port::find) else { return io::Error::other("no port microterm.agent") };
        let port = match Port::open(&device) {
            Ok(port) => port,
            Err(error) => return error,
        };
        println!("microterm-agent: ready");
        serve_port(port, magic, crate::agent(user, reaper, Some(cgroup), true)).await
    })
}
