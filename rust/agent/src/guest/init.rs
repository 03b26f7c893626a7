//! The boot of a guest, by PID 1. The steps are those of `docs/reference/guest-boot.md`.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::Mode;

use crate::guest::kernel_words::KernelWords;
use crate::guest::{boot, devices, fstab, identity, sysctl};
use crate::network::configure;
use crate::process::cgroup;
use crate::process::user::{DEV_UID, User};
use crate::terminal::ring_budget;

/// Descriptors a program may have: the soft limit that old programs expect, and room to raise it.
const OPEN_FILES: (u64, u64) = (1024, 524_288);

/// What a booted guest serves with.
pub struct Booted {
    pub words: KernelWords,
    pub user: User,
    /// `cgroup.procs` of the tenant's cgroup.
    pub cgroup: OwnedFd,
}

/// Makes the guest a system.
pub fn boot_up() -> io::Result<Booted> {
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    boot::mount_kernel_files().map_err(named("mounting /proc, /sys, /dev"))?;
    let words = KernelWords::parse(&std::fs::read_to_string("/proc/cmdline")?).map_err(io::Error::other)?;
    boot::load_modules().map_err(named("loading modules"))?;
    boot::mount_root(&words.drives).map_err(named("mounting the root"))?;
    boot::enter_root().map_err(named("entering the root"))?;
    boot::mount_rest().map_err(named("mounting /dev/pts, /run, /tmp, cgroups"))?;
    devices::make().map_err(named("device nodes"))?;
    configure::set_up_loopback().map_err(named("lo"))?;
    let cgroup = cgroup::create(ring_budget::of_this_guest()).map_err(named("the tenant's cgroup"))?;
    // Before the kernel can choose PID 1 when memory runs out: its end is the machine's.
    std::fs::write("/proc/self/oom_score_adj", "-1000").map_err(named("oom_score_adj"))?;
    sysctl::apply();
    let user = User::by_uid(DEV_UID, true).ok_or_else(|| io::Error::other("the image has no user of uid 1000"))?;
    fstab::mount_all();
    identity::set_hostname("microterm", &[]).map_err(named("first files"))?;
    boot::create_home(&user).map_err(named("first files"))?;
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.0, OPEN_FILES.1)?;
    // The cgroup limits processes; a limit for each user would also refuse a new shell beside a fork bomb.
    setrlimit(Resource::RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY)?;
    Ok(Booted { words, user, cgroup })
}

fn named(step: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::other(format!("{step}: {error}"))
}
