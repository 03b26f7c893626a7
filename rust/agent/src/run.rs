//! The two ways in which the agent runs: as PID 1 of a guest, or as an ordinary process that offers the same calls.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::rc::Rc;
use std::thread;

use nix::sys::signal::Signal;
use tokio::runtime;
use tokio::task::LocalSet;

use crate::agent::{Agent, Place};
use crate::channel::listener::Listener;
use crate::channel::port::{self, Port};
use crate::channel::serve_listener::serve_listener;
use crate::channel::session::Sessions;
use crate::channel::{request_body, serve};
use crate::guest::init::{self, Booted};
use crate::guest::{devices, power};
use crate::names::listen::listen;
use crate::network::configure;
use crate::process::reaper::{self, Reaper};
use crate::process::user::User;

/// File calls at once; a stalled upload keeps no thread.
const FILE_THREADS: usize = 8;

/// Makes the guest a system, then serves its channel for ever. Never returns: PID 1 must not end.
pub fn as_init() -> ! {
    let error = match init::boot_up() {
        Ok(booted) => serve_guest(booted),
        Err(error) => error,
    };
    println!("microterm-agent: {error}");
    // The host reads the console and kills the machine at its deadline; orphans no longer matter.
    loop {
        thread::park();
    }
}

/// Serves; answers the error that ended it.
fn serve_guest(Booted { words, user, cgroup }: Booted) -> io::Error {
    power::end_by(words.off);
    let signals = reaper::block(&[Signal::SIGCHLD, Signal::SIGUSR2, Signal::SIGTERM, Signal::SIGINT]);
    let runtime = runtime(&user);
    LocalSet::new().block_on(&runtime, async {
        let reaper = Reaper::default();
        tokio::task::spawn_local(reaper.clone().run(signals, |_| power::begin()));
        let channel = match GuestChannel::open(words.vsock_port) {
            Ok(channel) => channel,
            Err(error) => return error,
        };
        println!("microterm-agent: ready");
        let agent = agent(user, reaper, Some(cgroup), Place::Guest).await;
        match channel {
            GuestChannel::Port(port) => Sessions::new(port, words.channel_key).serve(agent).await,
            GuestChannel::Vsock(listener) => serve_listener(&listener, words.channel_key, agent).await,
        }
    })
}

/// Where a guest's sessions come from.
enum GuestChannel {
    Port(Port),
    Vsock(Listener),
}

impl GuestChannel {
    fn open(vsock_port: Option<u32>) -> io::Result<GuestChannel> {
        if let Some(port) = vsock_port {
            let failed = |error| io::Error::other(format!("vsock port {port}: {error}"));
            return Listener::on_vsock(port).map(GuestChannel::Vsock).map_err(failed);
        }
        let device = devices::wait_for(port::find).ok_or_else(|| io::Error::other("no port microterm.agent"))?;
        Port::open(&device).map(GuestChannel::Port)
    }
}

/// Serves at a unix socket as the calling user until killed.
pub fn as_process(address: &str, home: Option<PathBuf>, has_own_network: bool) -> ! {
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
        let place = if has_own_network { Place::OwnNetwork } else { Place::Shared };
        serve::listen(Path::new(path), agent(user, reaper, None, place).await).await
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
            // A file thread must never act as root.
            user.adopt_files().expect("a file thread takes the user's ids");
        })
        .build()
        .expect("a runtime needs an epoll and an eventfd")
}

/// The agent, and the tasks that both ways need. Call within the local set.
pub async fn agent(user: User, reaper: Reaper, cgroup: Option<OwnedFd>, place: Place) -> Rc<Agent> {
    tokio::task::spawn_local(request_body::discard_dropped());
    let agent = Agent::new(user, reaper, cgroup, place);
    if agent.network.is_own()
        && let Err(error) = serve_names(&agent).await
    {
        // A guest without names is one that can say so.
        println!("microterm-agent: names: {error}");
    }
    agent
}

async fn serve_names(agent: &Rc<Agent>) -> io::Result<()> {
    configure::set_up_loopback()?;
    listen(agent.names.clone(), configure::NAMES_ADDRESS).await
}
