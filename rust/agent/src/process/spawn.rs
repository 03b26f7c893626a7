//! Starts programs: own session, controlling terminal, user, cgroup, clean signals and descriptors.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use tokio::net::unix::pipe;

use crate::process::user::User;

/// What to start.
pub struct Launch<'a> {
    /// Searched in the PATH of `env` when it has no slash.
    pub program: &'a OsStr,
    /// With argv[0].
    pub arguments: Vec<CString>,
    /// `NAME=value` each.
    pub env: Vec<CString>,
    pub path: String,
    pub cwd: &'a Path,
    /// Whether `/` replaces a `cwd` that cannot be entered. The child finds that out: its file system may never answer.
    pub cwd_or_root: bool,
    pub user: &'a User,
    pub stdin: RawFd,
    pub stdout: RawFd,
    pub stderr: RawFd,
    /// Whether stdin is a PTY's slave that becomes the controlling terminal.
    pub tty: bool,
    /// `cgroup.procs` of the tenant's cgroup; only in a guest.
    pub cgroup: Option<RawFd>,
}

/// Why the program does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    Prepare = 0,
    Cwd = 1,
    Exec = 2,
}

#[derive(Debug)]
pub struct LaunchError {
    pub stage: Stage,
    pub error: io::Error,
}

/// A forked child that has not reported yet whether its program runs.
pub struct Launching {
    pub pid: Pid,
    report: OwnedFd,
}

impl Launching {
    /// Waits for the exec. On an error the child has ended, or is about to.
    pub async fn started(self) -> Result<(), LaunchError> {
        let prepare = |error| LaunchError { stage: Stage::Prepare, error };
        let report = pipe::Receiver::from_owned_fd(self.report).map_err(prepare)?;
        let mut bytes = [0u8; 5];
        loop {
            report.readable().await.map_err(prepare)?;
            match report.try_read(&mut bytes) {
                // The descriptor closed on exec.
                Ok(0) => return Ok(()),
                // A pipe keeps a write of 5 bytes in one piece.
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(prepare(error)),
            }
        }
        let stage = match bytes[0] {
            1 => Stage::Cwd,
            2 => Stage::Exec,
            _ => Stage::Prepare,
        };
        let errno = i32::from_ne_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        Err(LaunchError { stage, error: io::Error::from_raw_os_error(errno) })
    }
}

/// Everything the child needs, made before the fork: between fork and exec only async-signal-safe calls are allowed.
struct Prepared<'a> {
    candidates: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    cwd: CString,
    launch: &'a Launch<'a>,
    report: RawFd,
}

/// Forks. The caller must register the child with the reaper before it awaits anything.
pub fn launch(launch: &Launch<'_>) -> io::Result<Launching> {
    let (report, report_end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let prepared = Prepared {
        candidates: candidates(launch.program, &launch.path)?,
        argv: pointers(&launch.arguments),
        envp: pointers(&launch.env),
        cwd: c_string(launch.cwd.as_os_str())?,
        launch,
        report: report_end.as_raw_fd(),
    };
    // SAFETY: the child runs `become_program` alone, which neither allocates nor locks.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Launching { pid: child, report }),
        // SAFETY: as above; it is the forked child.
        ForkResult::Child => unsafe { become_program(&prepared) },
    }
}

/// Refuses a NUL, which no argument or path can carry.
pub fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn candidates(program: &OsStr, path: &str) -> io::Result<Vec<CString>> {
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(program)?]);
    }
    let directories = path.split(':').map(|directory| if directory.is_empty() { "." } else { directory });
    directories.map(|directory| c_string(Path::new(directory).join(program).as_os_str())).collect()
}

/// # Safety
/// Only in a freshly forked child; `prepared` must be whole.
unsafe fn become_program(prepared: &Prepared<'_>) -> ! {
    // SAFETY: async-signal-safe system calls on memory prepared before the fork, which nothing else touches.
    unsafe {
        let launch = prepared.launch;
        check(prepared, Stage::Prepare, libc::setsid());
        if launch.tty {
            check(prepared, Stage::Prepare, libc::ioctl(launch.stdin, libc::TIOCSCTTY, 0));
        }
        for (from, to) in [(launch.stdin, 0), (launch.stdout, 1), (launch.stderr, 2)] {
            check(prepared, Stage::Prepare, libc::dup2(from, to));
        }
        if let Some(procs) = launch.cgroup {
            // A refusal would leave a tenant's program without limits.
            check(prepared, Stage::Prepare, libc::write(procs, c"0".as_ptr().cast(), 1) as i32);
            let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            check(prepared, Stage::Prepare, libc::write(score, c"0".as_ptr().cast(), 1) as i32);
        }
        // No descriptor of the agent's stays open; an older kernel leaves that to O_CLOEXEC.
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        reset_signals();
        libc::umask(0o022);
        if launch.user.switch {
            let user = launch.user;
            let groups = libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr());
            check(prepared, Stage::Prepare, groups as i32);
            check(prepared, Stage::Prepare, libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid) as i32);
            check(prepared, Stage::Prepare, libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid) as i32);
        }
        if libc::chdir(prepared.cwd.as_ptr()) < 0 {
            check(prepared, Stage::Cwd, if launch.cwd_or_root { libc::chdir(c"/".as_ptr()) } else { -1 });
        }
        exec_first(prepared)
    }
}

/// By the raw call: glibc's refuses 32 and 33, which may have been inherited as ignored.
unsafe fn reset_signals() {
    /// The kernel's sigaction on x86-64: handler (0 is SIG_DFL), flags, restorer, mask.
    static DEFAULT: [u64; 4] = [0; 4];
    const MASK_BYTES: usize = 8;
    // SAFETY: the kernel reads 32 bytes of a live constant; SIGKILL and SIGSTOP, which it refuses, need no reset.
    unsafe {
        for number in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, number, &raw const DEFAULT, 0usize, MASK_BYTES);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// As execvp(3): a directory without the file is skipped; EACCES is reported when no later one has the file.
unsafe fn exec_first(prepared: &Prepared<'_>) -> ! {
    let mut remembered = libc::ENOENT;
    for candidate in &prepared.candidates {
        // SAFETY: both arrays end with a null pointer and point to strings that live on.
        unsafe { libc::execve(candidate.as_ptr(), prepared.argv.as_ptr(), prepared.envp.as_ptr()) };
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => remembered = libc::EACCES,
            other => {
                remembered = other;
                break;
            }
        }
    }
    // SAFETY: in the child.
    unsafe { report_failure(prepared.report, Stage::Exec, remembered) }
}

unsafe fn check(prepared: &Prepared<'_>, stage: Stage, result: i32) {
    if result < 0 {
        // SAFETY: in the child.
        unsafe { report_failure(prepared.report, stage, errno()) }
    }
}

unsafe fn report_failure(report: RawFd, stage: Stage, errno: i32) -> ! {
    let number = errno.to_ne_bytes();
    let bytes = [stage as u8, number[0], number[1], number[2], number[3]];
    // SAFETY: write and _exit are async-signal-safe; the array lives.
    unsafe {
        libc::write(report, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(127)
    }
}

fn errno() -> i32 {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() }
}
