//! `microterm-jail-probe … -- VMM PID SOCKET MEMORY TAP UNUSED KIND:PATH…`: in a VMM's place, tries what one must not be
//! able to do.
//!
//! What stands before the dashes is the jailer's. VMM is `qemu` or `firecracker`; PID is the daemon's on the host, SOCKET an
//! abstract unix socket that listens there, and each PATH exists there. MEMORY is the descriptor of a template's memory (-1:
//! it lies in the jail as a file), TAP that of a network device (-1: none), UNUSED the first that the VMM is not handed. The
//! daemon puts it into a jail (`jail::probe`); it is no part of the daemon, which is root's.
#![warn(clippy::pedantic)]

mod attempt;
mod devices;
mod files;
mod network;
mod privileges;
mod processes;

use crate::attempt::{Attempts, check, create, holds, read, write};
use microterm_host::jail_layout;

fn main() {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    std::process::exit(run(&arguments));
}

/// Runs all checks and prints them as JSON.
fn run(arguments: &[String]) -> i32 {
    let own = arguments.split(|word| word == "--").next_back().unwrap_or_default();
    let [vmm, pid, socket, memory, tap, unused, paths @ ..] = own else { return 2 };
    let is_jailers = vmm == "firecracker";
    let (Ok(pid), Ok(memory), Ok(tap), Ok(unused)) = (pid.parse(), memory.parse(), tap.parse(), unused.parse()) else {
        return 2;
    };
    let of = |kind: &str| -> Vec<_> { paths.iter().filter_map(|path| path.strip_prefix(kind)).map(read).collect() };
    let checks = vec![
        check("read-database", of("database:")),
        check("read-other-disk", of("disk:")),
        check("read-host-files", read_host_files(is_jailers)),
        check("see-host-processes", processes::see_processes(pid)),
        check("signal-others", processes::signal_others(pid)),
        check("trace-others", processes::trace(pid)),
        check("write-outside", write_outside(is_jailers)),
        check(
            "write-image",
            ["/image/vmlinuz", "/image/initrd.cpio", "/image/root.erofs", jail_layout::PROGRAM].map(write).into(),
        ),
        check("write-template", if is_jailers { files::write_restored() } else { files::write_template(memory) }),
        check("gain-capability", privileges::gain_capability(is_jailers)),
        check("make-namespace", privileges::make_namespace()),
        check("use-devices", devices::use_devices(is_jailers)),
        check("use-network", network::use_network(socket)),
        check("change-tap", if is_jailers { devices::make_tap() } else { devices::change_tap(tap) }),
        check("exceed-processes", processes::exceed_processes()),
        check("exceed-disk", files::exceed_disk(is_jailers)),
        check("raise-limits", privileges::raise_limits()),
        check(
            "read-environment",
            vec![("environment".to_owned(), holds(std::env::vars_os().next().is_none(), "empty"))],
        ),
        check("use-descriptors", files::use_descriptors(unused)),
    ];
    match serde_json::to_string(&checks) {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(_) => 1,
    }
}

/// The jailer makes a `/run` of the machine's own.
fn read_host_files(is_jailers: bool) -> Attempts {
    let run = if is_jailers { ["/run/microterm-host/", "/run/user/"] } else { ["/run/", "/run/microterm-host/"] };
    ["/etc/passwd", "/etc/shadow", "/root/", "/home/", "/var/", "/sys/"]
        .iter()
        .chain(&run)
        .map(|path| read(path))
        .collect()
}

/// The jailer's root is a small file system of the machine's own, in which Firecracker makes its sockets.
fn write_outside(is_jailers: bool) -> Attempts {
    let own = ["/probe", "/dev/probe"];
    let shared = ["/tmp/probe", "/usr/probe", "/image/probe", "/etc/probe", "/restored/probe", "/saved/probe"];
    own.iter().filter(|_| !is_jailers).chain(&shared).map(|path| create(path)).collect()
}
