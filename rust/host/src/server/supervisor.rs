//! `serve`: holds the lock, the socket and the mount namespace, and keeps a daemon running.
//!
//! It stays single-threaded and does almost nothing, so it has little to die of. The listening socket is its own:
//! a client that connects while the daemon starts again waits in the queue instead of being refused. It is also the
//! subreaper of the VMMs, which are orphans by then.

use crate::context::options::Options;
use crate::deadline;
use crate::error::{Code, During, Outcome, failure, note};
use crate::fault;
use crate::store::{host_folder, image_import, paths};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, chown};
use std::collections::VecDeque;
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The descriptor of the listening socket in the daemon.
pub const LISTENER_FD: i32 = 3;
/// The descriptor of the lock in the daemon, which so holds it as well.
pub const LOCK_FD: i32 = 4;
/// The descriptor of the host's mount namespace in the daemon, which is in one of the supervisor's.
pub const MOUNTS_FD: i32 = 6;
/// More deaths than this within `WINDOW` mean that starting again does not help.
const MOST_RESTARTS: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// How long the lock may stay held by one who is going.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a daemon may take to end by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until a signal ends it. Answers with the exit status: 3 when another daemon holds the folder.
#[must_use]
pub fn run(arguments: &[String]) -> i32 {
    let options = Options::parse_or_exit(arguments);
    let fault = match deadline::read().and_then(|()| fault::asked(options.test_faults)) {
        Ok(fault) => fault,
        Err(why) => {
            note(why);
            return 2;
        }
    };
    if !nix::unistd::geteuid().is_root() {
        note("serve must be run by root");
        return 1;
    }
    match start(&options) {
        Ok(inherited) => supervise(arguments, fault, &inherited),
        Err(failure) => {
            note(&failure);
            if failure.code == Code::Busy { 3 } else { 1 }
        }
    }
}

/// What every daemon inherits.
struct Inherited {
    listener: UnixListener,
    lock: Flock<OwnedFd>,
    mounts: fs::File,
}

fn start(options: &Options) -> Outcome<Inherited> {
    let mounts = fs::File::open("/proc/self/ns/mnt").during(|| "open the host's mounts".to_owned())?;
    let host = host_folder::enter(&options.data)?;
    let lock = openat(
        &host,
        "lock",
        OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::from_bits_truncate(0o600),
    )
    .during(|| "open the lock".to_owned())?;
    let lock = take_lock(lock, &options.data)?;
    host_folder::bind(&host)?;
    if let Some(programs) = &options.firecracker {
        for (from, to) in [(&programs.firecracker, paths::FIRECRACKER), (&programs.jailer, paths::JAILER)] {
            // QEMU's machines do without them; a launch with Firecracker says so.
            if let Err(error) = host_folder::copy_program(from, to) {
                note(format_args!("{}: {error}", from.display()));
            }
        }
    }
    paths::remove_partial();
    if let Some(folder) = &options.image_import {
        for outcome in image_import::import(folder) {
            match outcome {
                Ok(key) => note(format_args!("image {key} is imported")),
                Err(failure) => note(format_args!("image import: {failure}")),
            }
        }
    }
    // SAFETY: prctl with these arguments only sets an attribute of this process.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    Ok(Inherited { listener: listen(options.server_uid)?, lock, mounts })
}

/// Takes the lock. The daemon of a supervisor that was just killed is dying too, and holds it until it has.
fn take_lock(mut file: OwnedFd, data: &Path) -> Outcome<Flock<OwnedFd>> {
    let start = Instant::now();
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, Errno::EWOULDBLOCK)) if start.elapsed() < LOCK_TIMEOUT => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(failure(Code::Busy, format!("another microterm-host serves {} already", data.display())));
            }
            Err((_, error)) => return Err(failure(Code::Internal, format!("lock the host folder: {error}"))),
        };
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listen(server_uid: u32) -> Outcome<UnixListener> {
    let path = paths::socket();
    let _ = fs::remove_file(&path);
    let before = nix::sys::stat::umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(&path);
    nix::sys::stat::umask(before);
    let listener = bound.during(|| "bind host.sock".to_owned())?;
    chown(&path, Some(server_uid.into()), None).during(|| "give host.sock to the server".to_owned())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).during(|| "open host.sock".to_owned())?;
    Ok(listener)
}

fn spawn(arguments: &[String], inherited: &Inherited, fault: Option<(&str, &OwnedFd)>) -> std::io::Result<Pid> {
    let mut command = Command::new(paths::PROGRAM);
    command.arg0("microterm-host").arg("daemon").args(arguments).env_clear().current_dir("/");
    command.env(deadline::VARIABLE, deadline::factor().to_string());
    if let Some((point, _)) = fault {
        command.env(fault::VARIABLE, point);
    }
    let mut given = vec![
        (inherited.listener.as_raw_fd(), LISTENER_FD),
        (inherited.lock.as_raw_fd(), LOCK_FD),
        (inherited.mounts.as_raw_fd(), MOUNTS_FD),
    ];
    if let Some((_, pipe)) = fault {
        given.push((pipe.as_raw_fd(), fault::STRUCK_FD));
    }
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are made, on descriptors this process holds open.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            if libc::getppid().cast_unsigned() != parent {
                return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
            }
            // The mask is inherited, and a daemon that cannot be asked to end would have to be killed.
            SigSet::empty().thread_set_mask()?;
            crate::descriptors::renumber(&given)
        });
    }
    command.spawn().map(|child| Pid::from_raw(child.id().cast_signed()))
}

fn supervise(arguments: &[String], mut fault: Option<String>, inherited: &Inherited) -> i32 {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    if let Err(error) = signals.thread_block() {
        note(format_args!("block signals: {error}"));
        return 1;
    }
    let Ok((struck, strike)) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK) else { return 1 };
    let mut struck = fs::File::from(struck);
    let mut deaths: VecDeque<Instant> = VecDeque::new();
    loop {
        let daemon = match spawn(arguments, inherited, fault.as_deref().map(|point| (point, &strike))) {
            Ok(daemon) => daemon,
            Err(error) => {
                note(format_args!("start the daemon: {error}"));
                return 1;
            }
        };
        if let Some(status) = wait_for_end(daemon, &signals) {
            return status;
        }
        if struck.read(&mut [0]).is_ok_and(|read| read > 0) {
            fault = None;
        }
        deaths.push_back(Instant::now());
        deaths.retain(|death| death.elapsed() < WINDOW);
        if deaths.len() > MOST_RESTARTS {
            note("the daemon keeps dying; giving up");
            return 1;
        }
    }
}

/// Waits until the daemon has died (`None`) or this process is to end with the given status.
fn wait_for_end(daemon: Pid, signals: &SigSet) -> Option<i32> {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(how) = reap(daemon) {
                    note(format_args!("the daemon died ({how}); starting it again"));
                    return None;
                }
            }
            Ok(_) => {
                stop(daemon);
                let _ = fs::remove_file(paths::socket());
                return Some(0);
            }
            Err(_) => {}
        }
    }
}

/// Reaps every dead child; says how the daemon died if it was among them.
fn reap(daemon: Pid) -> Option<String> {
    let mut found = None;
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
        if status.pid() == Some(daemon) {
            found = Some(match status {
                WaitStatus::Exited(_, code) => format!("status {code}"),
                WaitStatus::Signaled(_, signal, _) => signal.to_string(),
                other => format!("{other:?}"),
            });
        }
    }
    found
}

fn stop(daemon: Pid) {
    let _ = kill(daemon, Signal::SIGTERM);
    let start = Instant::now();
    while reap(daemon).is_none() {
        if start.elapsed() > STOP_TIMEOUT {
            let _ = kill(daemon, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
