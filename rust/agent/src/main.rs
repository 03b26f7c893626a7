//! The microterm guest agent: PID 1 of a guest, or with `--listen` an ordinary process that offers the same calls.

mod agent;
mod channel;
mod error;
mod exec;
mod files;
mod guest;
mod process;
mod terminal;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::rc::Rc;

use nix::sys::signal::Signal;
use tokio::runtime;
use tokio::task::LocalSet;

use crate::agent::Agent;
use crate::channel::{request_body, serve};
use crate::guest::{init, power};
use crate::process::reaper::{self, Reaper};
use crate::process::user::User;

const USAGE: &str = "usage: microterm-agent --listen unix:PATH [--home DIR] | --poweroff | --reboot | --version
As PID 1 it takes no arguments.";

/// File calls at once; a stalled upload holds no thread.
const FILE_THREADS: usize = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if std::process::id() == 1 {
        init::run();
    }
    if let Some(signal) = arguments.first().and_then(|name| power::link_name(name)) {
        exit(power::ask(signal));
    }
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match rest[..] {
        ["--listen", address] => process_mode(address, None),
        ["--listen", address, "--home", home] => process_mode(address, Some(home.into())),
        ["--poweroff"] => exit(power::ask(Signal::SIGUSR2)),
        ["--reboot"] => exit(power::ask(Signal::SIGTERM)),
        ["--version"] => println!("microterm-agent {}", env!("CARGO_PKG_VERSION")),
        _ => {
            eprintln!("{USAGE}");
            exit(2);
        }
    }
}

/// Serves at a unix socket as the calling user until killed.
fn process_mode(address: &str, home: Option<PathBuf>) -> ! {
    let Some(path) = address.strip_prefix("unix:") else {
        eprintln!("microterm-agent: not unix:PATH: {address}");
        exit(2);
    };
    let user = User::own(home);
    let signals = reaper::block(&[Signal::SIGCHLD]);
    let runtime = runtime(&user);
    let error = LocalSet::new().block_on(&runtime, async {
        let reaper = Reaper::default();
        tokio::task::spawn_local(reaper.clone().run(signals, |_| {}));
        serve::listen(Path::new(path), agent(user, reaper, None, false)).await
    });
    eprintln!("microterm-agent: {path}: {}", error.expect_err("it serves until it fails"));
    exit(1);
}

/// One thread for the channel; a few for files, which act as the user.
pub fn runtime(user: &User) -> runtime::Runtime {
    let user = user.clone();
    runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .on_thread_start(move || {
            // A file thread with root's rights would be worse than no agent.
            user.adopt_files().expect("a file thread takes the user's ids");
        })
        .build()
        .expect("a runtime needs an epoll and an eventfd")
}

/// The agent, and the tasks every mode needs. On the one thread's local set.
pub fn agent(user: User, reaper: Reaper, cgroup: Option<OwnedFd>, is_guest: bool) -> Rc<Agent> {
    tokio::task::spawn_local(request_body::read_unwanted());
    Agent::new(user, reaper, cgroup, is_guest)
}
