//! `microterm-host`: the privileged daemon. See docs/reference/host-protocol.md.
#![warn(clippy::pedantic)]
#![allow(clippy::module_name_repetitions, reason = "a name is read where it is used, without its module")]
#![allow(clippy::doc_markdown, reason = "names of constants and manual pages read well without marks")]

mod capture;
mod cgroup;
mod clients;
mod connection;
mod control;
mod copy;
mod daemon;
mod descriptors;
mod disk;
mod error;
mod fault;
mod filter;
mod firmware;
mod gathered;
mod ids;
mod image;
mod image_use;
mod jail;
mod jail_steps;
mod kind;
mod launch;
mod locks;
mod machines;
mod manifest;
mod memory_file;
mod options;
mod pages;
mod place;
mod probe;
mod probe_checks;
mod qemu;
mod record;
mod request;
mod resources;
mod restore;
mod runtime;
mod saves;
mod scan;
mod stamp;
mod stderr_log;
mod stream;
mod supervisor;
mod templates;
mod tools;
mod tsc;
mod uids;
mod verbs;

fn main() {
    let arguments: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let rest = arguments.get(2..).unwrap_or_default();
    let status = match arguments.get(1).map(String::as_str) {
        Some("serve") => supervisor::run(rest),
        Some("daemon") => daemon::run(rest),
        Some("jail-enter") => jail_steps::enter(rest),
        Some("jail-exec") => jail_steps::exec(rest),
        Some("jail-probe") => probe_checks::run(rest),
        Some("--version") => {
            println!("microterm-host {}", env!("CARGO_PKG_VERSION"));
            0
        }
        _ => {
            error::note("usage: microterm-host serve --data DIR --server-uid UID --instance NAME … | --version");
            2
        }
    };
    std::process::exit(status);
}
