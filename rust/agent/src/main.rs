//! The microterm guest agent: PID 1 of a guest, or with `--listen` an ordinary process that offers the same calls.

mod agent;
mod channel;
mod descriptor;
mod dispatch;
mod error;
mod exec;
mod files;
mod guest;
mod limits;
mod names;
mod network;
mod ports;
mod process;
mod run;
mod terminal;

use std::process::exit;

use nix::sys::signal::Signal;

use crate::guest::{pod, power};

const USAGE: &str =
    "usage: microterm-agent --listen unix:PATH [--home DIR [--network]] | --pod PORT KEYS | --poweroff | --reboot | --version
With --network it sets up the network of the namespaces that it runs in, and /etc/resolv.conf and /etc/hosts there.
With --pod it is PID 1 of a container, and serves with TLS at that TCP port with the keys of a folder, which it removes.
As PID 1 of a guest it takes no arguments.";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let ["--pod", port, keys] = rest(&arguments)[..] {
        pod::run(port, keys.as_ref());
    }
    if std::process::id() == 1 {
        run::as_init();
    }
    if let Some(signal) = arguments.first().and_then(|name| power::link_name(name)) {
        exit(power::request(signal));
    }
    match rest(&arguments)[..] {
        ["--listen", address] => run::as_process(address, None, false),
        ["--listen", address, "--home", home] => run::as_process(address, Some(home.into()), false),
        ["--listen", address, "--home", home, "--network"] => run::as_process(address, Some(home.into()), true),
        ["--poweroff"] => exit(power::request(Signal::SIGUSR2)),
        ["--reboot"] => exit(power::request(Signal::SIGTERM)),
        ["--version"] => println!("microterm-agent {}", env!("CARGO_PKG_VERSION")),
        _ => {
            eprintln!("{USAGE}");
            exit(2);
        }
    }
}

fn rest(arguments: &[String]) -> Vec<&str> {
    arguments.iter().skip(1).map(String::as_str).collect()
}
