//! The agent as PID 1 of a container: a pod of Kubernetes, which has set up all that a guest's agent does in `init.rs`.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::exit;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use tokio::task::LocalSet;

use crate::agent::Place;
use crate::channel::tls::keys::Keys;
use crate::channel::tls::listener::TlsListener;
use crate::guest::kernel_words::Off;
use crate::guest::{boot, power};
use crate::names::listen::listen;
use crate::process::reaper::{self, Reaper};
use crate::process::user::{DEV_UID, User};
use crate::run::{agent, runtime};

/// Where the pod's resolv.conf leads: an address of loopback that needs no rights over the network.
const NAMES_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// Serves until the pod ends.
pub fn run(port: &str, keys: &Path) -> ! {
    let error = serve(port, keys);
    println!("microterm-agent: {error}");
    exit(1);
}

/// Answers why it cannot serve.
fn serve(port: &str, keys: &Path) -> io::Error {
    let Ok(port) = port.parse() else { return io::Error::other(format!("not a port: {port}")) };
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    // Before any program of a tenant runs: nobody else may read them.
    let keys = match Keys::take(keys) {
        Ok(keys) => keys,
        Err(error) => return io::Error::other(format!("{}: {error}", keys.display())),
    };
    let Some(user) = User::by_uid(DEV_UID, true) else { return io::Error::other("the image has no user of uid 1000") };
    if let Err(error) = boot::create_home(&user) {
        return io::Error::other(format!("{}: {error}", user.home.display()));
    }
    power::end_by(Off::Exit);
    let signals = reaper::block(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]);
    let runtime = runtime(&user);
    LocalSet::new().block_on(&runtime, async {
        let reaper = Reaper::default();
        tokio::task::spawn_local(reaper.clone().run(signals, |_| power::begin()));
        let listener = match TlsListener::bind(port, keys).await {
            Ok(listener) => listener,
            Err(error) => return io::Error::other(format!("port {port}: {error}")),
        };
        let agent = agent(user, reaper, None, Place::Pod).await;
        if let Err(error) = listen(agent.names.clone(), NAMES_ADDRESS).await {
            println!("microterm-agent: names: {error}");
        }
        println!("microterm-agent: ready");
        listener.serve(agent).await
    })
}
