//! Other processes: seeing, signalling and tracing them, and making too many.

use crate::attempt::{Attempts, holds, outcome, read};
use std::fs;
use std::io::Error;

pub fn see_processes(pid: i32) -> Attempts {
    let own = std::process::id();
    vec![
        ("a process but this in /proc".to_owned(), holds(others_in_proc().is_empty(), "none seen")),
        read("/proc/meminfo"),
        read("/proc/sys/"),
        // SAFETY: signal 0 only asks whether there is such a process.
        (format!("find process {pid}"), outcome(unsafe { libc::kill(pid, 0) })),
        (format!("own pid is {own}"), holds(own == 1, "alone in its pid namespace")),
    ]
}

pub fn others_in_proc() -> Vec<String> {
    let own = std::process::id().to_string();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own).collect()
}

pub fn signal_others(pid: i32) -> Attempts {
    let targets = [(format!("SIGTERM to {pid}"), pid), ("SIGTERM to all".to_owned(), -1)];
    // SAFETY: were a signal delivered, that would be what the probe reports; it is process 1 and ignores its own.
    targets.map(|(what, target)| (what, outcome(unsafe { libc::kill(target, libc::SIGTERM) }))).into()
}

pub fn trace(pid: i32) -> Attempts {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_ATTACH and PTRACE_TRACEME use neither address nor data.
    unsafe {
        vec![
            (format!("trace {pid}"), outcome(libc::ptrace(libc::PTRACE_ATTACH, pid, nothing, nothing))),
            ("be traced".to_owned(), outcome(libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing))),
        ]
    }
}

pub fn exceed_processes() -> Attempts {
    let mut children = Vec::new();
    let mut refusal = Ok(());
    for _ in 0..1000 {
        // SAFETY: the prober has one thread; the child only waits for its end.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: pause touches nothing.
                unsafe { libc::pause() };
            },
            child if child > 0 => children.push(child),
            _ => {
                refusal = Err(Error::last_os_error());
                break;
            }
        }
    }
    let made = children.len();
    for child in children {
        // SAFETY: these are children of this process that it has not waited for.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
    }
    vec![(format!("more than {made} processes"), refusal)]
}
