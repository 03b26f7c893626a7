//! `microterm-jail-probe PID SOCKET MEMORY TAP UNUSED KIND:PATH…`: in a VMM's place, tries what one must not be able to do.
//!
//! PID is the daemon's on the host, SOCKET an abstract unix socket that listens there, and each PATH exists there. MEMORY
//! is the descriptor of a template's memory, TAP that of a network device (-1: none), UNUSED the first that the VMM is not handed. The daemon puts it into a jail
//! (`jail::probe`); it is no part of the daemon, which is root's.
#![warn(clippy::pedantic)]

mod attempt;
mod files;
mod network;
mod privileges;
mod processes;

use crate::attempt::{check, create, holds, read, write};
use microterm_host::jail_layout;

fn main() {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    std::process::exit(run(&arguments));
}

/// Runs all checks and prints them as JSON.
fn run(arguments: &[String]) -> i32 {
    let [pid, socket, memory, tap, unused, paths @ ..] = arguments else { return 2 };
    let (Ok(pid), Ok(memory), Ok(tap), Ok(unused)) = (pid.parse(), memory.parse(), tap.parse(), unused.parse()) else {
        return 2;
    };
    let of = |kind: &str| -> Vec<_> { paths.iter().filter_map(|path| path.strip_prefix(kind)).map(read).collect() };
    let checks = vec![
        check("read-database", of("database:")),
        check("read-other-disk", of("disk:")),
        check(
            "read-host-files",
            ["/etc/passwd", "/etc/shadow", "/root/", "/home/", "/var/", "/run/", "/sys/"].map(read).into(),
        ),
        check("see-host-processes", processes::see_processes(pid)),
        check("signal-others", processes::signal_others(pid)),
        check("trace-others", processes::trace(pid)),
        check(
            "write-outside",
            ["/probe", "/tmp/probe", "/usr/probe", "/dev/probe", "/image/probe", "/etc/probe"].map(create).into(),
        ),
        check(
            "write-image",
            ["/image/vmlinuz", "/image/initrd.cpio", "/image/root.erofs", jail_layout::PROGRAM].map(write).into(),
        ),
        check("write-template", files::write_template(memory)),
        check("gain-capability", privileges::gain_capability()),
        check("make-namespace", privileges::make_namespace()),
        check(
            "use-devices",
            ["/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/vda", "/dev/sda", "/dev/net/tun", "/dev/fuse"].map(read).into(),
        ),
        check("use-network", network::use_network(socket)),
        check("change-tap", network::change_tap(tap)),
        check("exceed-processes", processes::exceed_processes()),
        check("exceed-disk", files::exceed_disk()),
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
