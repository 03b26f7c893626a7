//! What the jailer is to find, and starting it.

use crate::jail::layout::JAILER_CAPABILITIES;
use crate::jail::seccomp::{Below, Filter};
use crate::jail::shim::plan::{Bind, Plan};
use crate::jail::steps;
use crate::store::paths::JAIL;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chown, mkfifo, pipe2};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Firecracker writes its log, in its jail.
pub const LOG: &str = "/log";
/// Most bytes of what lies in the jail itself: a copy of Firecracker, its sockets and device nodes.
const SIZE: &str = "size=16m,mode=0755";
/// Descriptors that a VMM may have open.
const NOFILE: u64 = 256;
const NONE: Option<&str> = None;

/// The guest's serial console, which is Firecracker's standard output, and the reading end of its log.
pub struct Outputs {
    pub console: File,
    pub log: File,
    pub jailer: Pid,
}

fn named<T, E: Into<io::Error>>(outcome: Result<T, E>, what: &str) -> io::Result<T> {
    outcome.map_err(|error| {
        let error: io::Error = error.into();
        io::Error::new(error.kind(), format!("{what}: {error}"))
    })
}

/// Lays out the jailer's chroot in namespaces of this process's own, and starts the jailer. Answers with the chroot as well.
///
/// # Errors
/// What was refused, with what was being done.
pub fn start(plan: &Plan) -> io::Result<(Outputs, PathBuf)> {
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    named(unshare(namespaces), "make namespaces")?;
    named(mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE), "detach the mounts")?;
    named(mount(Some("tmpfs"), JAIL, Some("tmpfs"), MsFlags::MS_NOSUID, Some(SIZE)), "mount the jail")?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    let name = plan.program.file_name().unwrap_or_default();
    let root = Path::new(JAIL).join(name).join(plan.machine.as_str()).join("root");
    fs::create_dir_all(&root)?;
    for bind in &plan.binds {
        named(bind_file(bind, &root), &format!("bind {}", bind.to.display()))?;
    }
    let log = root.join(LOG.trim_start_matches('/'));
    mkfifo(&log, Mode::from_bits_truncate(0o600))?;
    chown(&log, Some(plan.uid.into()), Some(plan.uid.into()))?;
    let log = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(log)?;
    let network = plan.network.map(bind_network).transpose()?;
    let (console, output) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    named(steps::limit(plan.largest_file, plan.threads, NOFILE), "set limits")?;
    let child = named(command(plan, network.as_deref())?.stdout(Stdio::from(output)).spawn(), "start the jailer")?;
    let jailer = Pid::from_raw(child.id().cast_signed());
    Ok((Outputs { console: File::from(console), log, jailer }, root))
}

fn bind_file(bind: &Bind, root: &Path) -> io::Result<()> {
    let to = root.join(bind.to.strip_prefix("/").map_err(io::Error::other)?);
    fs::create_dir_all(to.parent().unwrap_or(root))?;
    File::create_new(&to)?;
    mount(Some(&bind.from), &to, NONE, MsFlags::MS_BIND, NONE)?;
    let mut flags =
        MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    if !bind.is_writable {
        flags |= MsFlags::MS_RDONLY;
    }
    Ok(mount(NONE, &to, NONE, flags, NONE)?)
}

/// The jailer closes what it is handed, and so needs a name.
fn bind_network(descriptor: i32) -> io::Result<PathBuf> {
    let at = Path::new(JAIL).join("network");
    File::create_new(&at)?;
    let from = format!("/proc/self/fd/{descriptor}");
    named(mount(Some(from.as_str()), &at, NONE, MsFlags::MS_BIND, NONE), "bind the slot's namespace")?;
    Ok(at)
}

fn command(plan: &Plan, network: Option<&Path>) -> io::Result<Command> {
    let uid = plan.uid.to_string();
    let mut command = Command::new(&plan.jailer);
    command.env_clear().current_dir("/").stdin(Stdio::null());
    command.arg("--id").arg(plan.machine.as_str()).arg("--exec-file").arg(&plan.program);
    command.args(["--uid", &uid, "--gid", &uid, "--chroot-base-dir", JAIL, "--cgroup-version", "2", "--new-pid-ns"]);
    command.arg("--resource-limit").arg(format!("fsize={}", plan.largest_file));
    command.arg("--resource-limit").arg(format!("no-file={NOFILE}"));
    if let Some(network) = network {
        command.arg("--netns").arg(network);
    }
    command.arg("--").args(&plan.arguments);
    let filter = Filter::new(Below::Jailer)?;
    // SAFETY: these are plain system calls, on memory that is there already.
    unsafe {
        command.pre_exec(move || {
            // Masks are inherited, and this process waits for signals by a descriptor.
            SigSet::empty().thread_set_mask()?;
            steps::bound_capabilities(&JAILER_CAPABILITIES);
            nix::sys::prctl::set_no_new_privs()?;
            filter.install()
        });
    }
    Ok(command)
}
