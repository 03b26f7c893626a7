//! `jail-enter` and `jail-exec`: the steps of the way into the jail that are processes of their own. Both are
//! single-threaded and end by becoming something else.

use crate::descriptors;
use crate::error::note;
use crate::jail::seccomp::{Below, Filter};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{ForkResult, Gid, Uid, fork, setgroups, setresgid, setresuid, setsid};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Among processes that may die for want of memory on the host, a guest goes before the server.
const OOM_SCORE: &str = "300";
/// Descriptors that a VMM may have open.
const NOFILE: u64 = 256;

fn after_dashes(arguments: &[String]) -> Option<(&[String], &[String])> {
    let at = arguments.iter().position(|word| word == "--")?;
    Some((&arguments[..at], &arguments[at + 1..]))
}

fn become_program(line: &[String]) -> io::Error {
    let Some((program, rest)) = line.split_first() else { return io::ErrorKind::InvalidInput.into() };
    Command::new(program).args(rest).env_clear().exec()
}

/// The kernel's files about processes, for `/proc/self/fd`: of the jail's pid namespace, nothing but processes, and read
/// only.
fn mount_proc() -> io::Result<()> {
    use nix::mount::{MsFlags, mount};
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    Ok(mount(Some("proc"), "/proc", Some("proc"), flags, Some("subset=pid"))?)
}

/// `jail-enter UNUSED PROCS… -- PROGRAM ARG…`: joins the cgroups, starts a session of its own, forks, and the child
/// becomes the program while the parent ends: so the child is an orphan, and the supervisor or init reaps it. UNUSED is
/// the number of the first descriptor that nothing in the jail needs.
pub fn enter(arguments: &[String]) -> i32 {
    let Some((words, line)) = after_dashes(arguments) else { return 2 };
    let Some((unused, joins)) = words.split_first() else { return 2 };
    let Ok(unused) = unused.parse() else { return 2 };
    for join in joins {
        if let Err(error) = fs::write(join, "0") {
            note(format_args!("join {join}: {error}"));
            return 1;
        }
    }
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let _ = setsid();
    descriptors::close_from(unused);
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { .. }) => 0,
        Ok(ForkResult::Child) => {
            note(format_args!("{}: {}", line.first().map_or("", String::as_str), become_program(line)));
            127
        }
        Err(error) => {
            note(format_args!("fork: {error}"));
            1
        }
    }
}

/// `jail-exec UID FSIZE THREADS UNUSED WITH-PROC -- PROGRAM ARG…`: in the jail, gives up all that is left of root and
/// becomes the program.
pub fn exec(arguments: &[String]) -> i32 {
    let Some((numbers, line)) = after_dashes(arguments) else { return 2 };
    let numbers: Vec<u64> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
    let [uid, file_size, threads, unused, with_proc] = numbers[..] else { return 2 };
    let (Ok(uid), Ok(unused)) = (u32::try_from(uid), u32::try_from(unused)) else { return 2 };
    descriptors::close_from(unused);
    let mounted = if with_proc == 1 { mount_proc() } else { Ok(()) };
    match mounted.and_then(|()| limit(file_size, threads, NOFILE)).and_then(|()| give_up_root(uid)) {
        Ok(()) => {
            note(format_args!("{}: {}", line.first().map_or("", String::as_str), become_program(line)));
            127
        }
        Err(error) => {
            note(format_args!("enter the jail: {error}"));
            126
        }
    }
}

/// Limits this process and what it starts.
///
/// # Errors
/// What the kernel refused.
pub fn limit(file_size: u64, threads: u64, files: u64) -> io::Result<()> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, files),
        (Resource::RLIMIT_FSIZE, file_size),
        (Resource::RLIMIT_NPROC, threads),
        (Resource::RLIMIT_MEMLOCK, 1 << 20),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

/// Becomes `uid` for good, below the filter of system calls.
///
/// # Errors
/// What the kernel refused.
pub fn give_up_root(uid: u32) -> io::Result<()> {
    // While CAP_SETPCAP is still there to do it.
    bound_capabilities(&[]);
    setgroups(&[])?;
    setresgid(Gid::from_raw(uid), Gid::from_raw(uid), Gid::from_raw(uid))?;
    setresuid(Uid::from_raw(uid), Uid::from_raw(uid), Uid::from_raw(uid))?;
    // struct __user_cap_header_struct and two of __user_cap_data_struct, version 3 (capset(2)): bubblewrap leaves the
    // two capabilities inheritable, and a change of uid does not clear those.
    let mut header = [0x2008_0522_u32, 0];
    let none = [0_u32; 6];
    // SAFETY: the buffers have the sizes that version 3 lays down.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), none.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    nix::sys::prctl::set_no_new_privs()?;
    Filter::new(Below::Vmm)?.install()
}

/// Takes all capabilities but these out of the bounding set.
pub fn bound_capabilities(kept: &[i32]) {
    // Numbers that this kernel does not know are refused, and end the list.
    for capability in 0..64 {
        // SAFETY: prctl with these arguments only sets an attribute of this process.
        if !kept.contains(&capability) && unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            break;
        }
    }
}
