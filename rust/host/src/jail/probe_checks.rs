//! `jail-probe PID SOCKET MEMORY UNUSED KIND:PATH…`: in the VMM's place, tries what a VMM must not be able to do. PID is the daemon's
//! on the host, SOCKET an abstract unix socket that listens there, each PATH exists there.

use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Error};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixStream};

#[derive(Serialize)]
struct Check {
    name: &'static str,
    refused: bool,
    detail: String,
}

/// Makes a check of attempts that must all fail.
fn check(name: &'static str, attempts: Vec<(String, io::Result<()>)>) -> Check {
    let refused = attempts.iter().all(|(_, outcome)| outcome.is_err());
    let details = attempts.into_iter().map(|(what, outcome)| match outcome {
        Ok(()) => format!("{what}: POSSIBLE"),
        Err(error) => format!("{what}: {error}"),
    });
    Check { name, refused, detail: details.collect::<Vec<_>>().join("; ") }
}

/// The outcome of a system call that answers below zero when it is refused.
fn outcome(returned: impl Into<i64>) -> io::Result<()> {
    if returned.into() < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

fn holds(condition: bool, why: &str) -> io::Result<()> {
    if condition { Err(Error::other(why)) } else { Ok(()) }
}

fn read(path: &str) -> (String, io::Result<()>) {
    let opened = if path.ends_with('/') { fs::read_dir(path).map(|_| ()) } else { File::open(path).map(|_| ()) };
    (format!("read {path}"), opened)
}

fn write(path: &str) -> (String, io::Result<()>) {
    (format!("write {path}"), OpenOptions::new().write(true).open(path).map(|_| ()))
}

fn create(path: &str) -> (String, io::Result<()>) {
    (format!("create {path}"), OpenOptions::new().write(true).create_new(true).open(path).map(|_| ()))
}

/// Runs all checks and prints them as JSON.
pub fn run(arguments: &[String]) -> i32 {
    let [pid, socket, memory, unused, paths @ ..] = arguments else { return 2 };
    let (Ok(pid), Ok(memory), Ok(unused)) = (pid.parse(), memory.parse(), unused.parse()) else { return 2 };
    let of = |kind: &str| -> Vec<_> { paths.iter().filter_map(|path| path.strip_prefix(kind)).map(read).collect() };
    let checks = vec![
        check("read-database", of("database:")),
        check("read-other-disk", of("disk:")),
        check(
            "read-host-files",
            ["/etc/passwd", "/etc/shadow", "/root/", "/home/", "/var/", "/run/", "/sys/"].map(read).into(),
        ),
        check("see-host-processes", see_processes(pid)),
        check("signal-others", signal_others(pid)),
        check("trace-others", trace(pid)),
        check(
            "write-outside",
            ["/probe", "/tmp/probe", "/usr/probe", "/dev/probe", "/image/probe", "/etc/probe"].map(create).into(),
        ),
        check(
            "write-image",
            ["/image/vmlinuz", "/image/initrd.cpio", "/image/root.erofs", crate::jail::layout::PROGRAM]
                .map(write)
                .into(),
        ),
        check("write-template", write_template(memory)),
        check("gain-capability", gain_capability()),
        check("make-namespace", make_namespace()),
        check(
            "use-devices",
            ["/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/vda", "/dev/sda", "/dev/net/tun", "/dev/fuse"].map(read).into(),
        ),
        check("use-network", use_network(socket)),
        check("exceed-processes", exceed_processes()),
        check("exceed-disk", exceed_disk()),
        check("raise-limits", raise_limits()),
        check(
            "read-environment",
            vec![("environment".to_owned(), holds(std::env::vars_os().next().is_none(), "empty"))],
        ),
        check("use-descriptors", use_descriptors(unused)),
    ];
    match serde_json::to_string(&checks) {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(_) => 1,
    }
}

fn see_processes(pid: i32) -> Vec<(String, io::Result<()>)> {
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

fn others_in_proc() -> Vec<String> {
    let own = std::process::id().to_string();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own).collect()
}

/// A template's memory is open to QEMU for writing, since it insists, and yet must not change.
fn write_template(memory: i32) -> Vec<(String, io::Result<()>)> {
    let path = format!("/proc/self/fd/{memory}");
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        // Then QEMU could not open it either, and the probe proves nothing.
        Err(error) => return vec![(format!("open it as QEMU does: {error}"), Ok(()))],
    };
    let number = file.as_raw_fd();
    // SAFETY: mmap is given no address, and what it might map is never touched; the other calls take plain numbers.
    unsafe {
        let shared = libc::PROT_READ | libc::PROT_WRITE;
        let mapped = libc::mmap(std::ptr::null_mut(), 4096, shared, libc::MAP_SHARED, number, 0);
        let mapped = if mapped == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(()) };
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        vec![
            ("write".to_owned(), file.write_at(b"x", 0).map(|_| ())),
            ("map for writing".to_owned(), mapped),
            ("grow".to_owned(), file.set_len(2 << 20)),
            ("shrink".to_owned(), file.set_len(4096)),
            ("punch a hole".to_owned(), outcome(libc::fallocate(number, punch, 0, 4096))),
            ("seal".to_owned(), outcome(libc::fcntl(number, libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE))),
            ("change its mode".to_owned(), outcome(libc::fchmod(number, 0o666))),
        ]
    }
}

fn signal_others(pid: i32) -> Vec<(String, io::Result<()>)> {
    let targets = [(format!("SIGTERM to {pid}"), pid), ("SIGTERM to all".to_owned(), -1)];
    // SAFETY: were a signal delivered, that would be what the probe reports; it is process 1 and ignores its own.
    targets.map(|(what, target)| (what, outcome(unsafe { libc::kill(target, libc::SIGTERM) }))).into()
}

fn trace(pid: i32) -> Vec<(String, io::Result<()>)> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_ATTACH and PTRACE_TRACEME use neither address nor data.
    unsafe {
        vec![
            (format!("trace {pid}"), outcome(libc::ptrace(libc::PTRACE_ATTACH, pid, nothing, nothing))),
            ("be traced".to_owned(), outcome(libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing))),
        ]
    }
}

fn gain_capability() -> Vec<(String, io::Result<()>)> {
    // struct __user_cap_header_struct and two of __user_cap_data_struct, version 3 (capget(2)).
    let mut header = [0x2008_0522_u32, 0];
    let mut data = [0_u32; 6];
    let all = [u32::MAX; 6];
    // SAFETY: the buffers have the sizes that version 3 lays down; the set*id calls take plain numbers.
    unsafe {
        let got = libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr());
        vec![
            ("hold any".to_owned(), holds(got == 0 && data == [0; 6], "none held")),
            (
                "bounding set".to_owned(),
                holds((0..41).all(|number| libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) != 1), "empty"),
            ),
            ("take all".to_owned(), outcome(libc::syscall(libc::SYS_capset, header.as_mut_ptr(), all.as_ptr()))),
            ("setuid 0".to_owned(), outcome(libc::setresuid(0, 0, 0))),
            ("setgid 0".to_owned(), outcome(libc::setresgid(0, 0, 0))),
            ("setgroups".to_owned(), outcome(libc::setgroups(1, [0].as_ptr()))),
            (
                "new privileges by exec".to_owned(),
                holds(libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "forbidden"),
            ),
        ]
    }
}

fn make_namespace() -> Vec<(String, io::Result<()>)> {
    let target = c"/";
    // SAFETY: unshare takes a number, mount and chroot nul-terminated strings that live through the call.
    unsafe {
        vec![
            ("user namespace".to_owned(), outcome(libc::unshare(libc::CLONE_NEWUSER))),
            ("network namespace".to_owned(), outcome(libc::unshare(libc::CLONE_NEWNET))),
            (
                "mount".to_owned(),
                outcome(libc::mount(
                    target.as_ptr(),
                    target.as_ptr(),
                    std::ptr::null(),
                    libc::MS_BIND,
                    std::ptr::null(),
                )),
            ),
            ("chroot".to_owned(), outcome(libc::chroot(target.as_ptr()))),
        ]
    }
}

fn use_network(socket: &str) -> Vec<(String, io::Result<()>)> {
    let address = SocketAddr::from_abstract_name(socket);
    let open = |family: i32, kind: i32| {
        // SAFETY: socket takes plain numbers.
        outcome(unsafe { libc::socket(family, kind, 0) })
    };
    // A ring makes sockets that no filter of system calls sees (IORING_OP_SOCKET).
    let mut ring = [0_u64; 15];
    // SAFETY: struct io_uring_params has 120 bytes (io_uring_setup(2)).
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, ring.as_mut_ptr()) };
    vec![
        ("io_uring".to_owned(), outcome(ring)),
        ("connect to 127.0.0.1".to_owned(), std::net::TcpStream::connect("127.0.0.1:22").map(|_| ())),
        ("connect to 1.1.1.1".to_owned(), std::net::TcpStream::connect("1.1.1.1:53").map(|_| ())),
        ("a socket of the host".to_owned(), address.and_then(|address| UnixStream::connect_addr(&address)).map(|_| ())),
        ("AF_INET6".to_owned(), open(libc::AF_INET6, libc::SOCK_DGRAM)),
        ("AF_VSOCK".to_owned(), open(libc::AF_VSOCK, libc::SOCK_STREAM)),
        ("AF_NETLINK".to_owned(), open(libc::AF_NETLINK, libc::SOCK_RAW)),
        ("AF_PACKET".to_owned(), open(libc::AF_PACKET, libc::SOCK_RAW)),
    ]
}

fn exceed_processes() -> Vec<(String, io::Result<()>)> {
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

fn exceed_disk() -> Vec<(String, io::Result<()>)> {
    // SAFETY: ignoring a signal has no handler that could misbehave.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let grown = OpenOptions::new().write(true).open(crate::jail::layout::DISK).and_then(|disk| {
        let end = disk.metadata()?.len();
        disk.write_at(b"x", end).map(|_| ())
    });
    vec![("write past the disk's end".to_owned(), grown)]
}

fn raise_limits() -> Vec<(String, io::Result<()>)> {
    use nix::sys::resource::{Resource, setrlimit};
    let raise = |what| setrlimit(what, 1 << 40, 1 << 40).map_err(Error::from);
    vec![
        ("RLIMIT_FSIZE".to_owned(), raise(Resource::RLIMIT_FSIZE)),
        ("RLIMIT_NPROC".to_owned(), raise(Resource::RLIMIT_NPROC)),
        ("RLIMIT_CORE".to_owned(), raise(Resource::RLIMIT_CORE)),
    ]
}

fn use_descriptors(unused: i32) -> Vec<(String, io::Result<()>)> {
    // Below are 0 to 2 and what the VMM is handed.
    (unused..256)
        .map(|number| (number, is_open(number)))
        .filter(|(_, open)| *open)
        .map(|(number, _)| (format!("descriptor {number}"), Ok(())))
        .collect()
}

fn is_open(number: i32) -> bool {
    // SAFETY: F_GETFD on a plain number reads one flag.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}
