//! `microterm-host`: the privileged daemon. See docs/reference/host-protocol.md.
#![warn(clippy::pedantic)]

use microterm_host::{commands, note};

fn main() {
    let arguments: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let rest = arguments.get(2..).unwrap_or_default();
    let status = match arguments.get(1).map(String::as_str) {
        Some("serve") => commands::serve(rest),
        Some("daemon") => commands::daemon(rest),
        Some("jail-enter") => commands::jail_enter(rest),
        Some("jail-exec") => commands::jail_exec(rest),
        Some("jail-shim") => commands::jail_shim(rest),
        Some("--version") => {
            println!("microterm-host {}", env!("CARGO_PKG_VERSION"));
            0
        }
        _ => {
            note("usage: microterm-host serve --data DIR --server-uid UID --instance NAME … | --version");
            2
        }
    };
    std::process::exit(status);
}
