//! The daemon's start, below its supervisor.

use crate::context::options::Options;
use crate::context::{Context, Vmms};
use crate::deadline;
use crate::descriptors;
use crate::error::note;
use crate::fault;
use crate::network::Network;
use crate::server::connections;
use crate::server::daemon::Daemon;
use crate::server::supervisor::{LISTENER_FD, LOCK_FD, MOUNTS_FD};
use crate::vmm::firecracker::Firecracker;
use crate::vmm::qemu::Qemu;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks for memory that is not used.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);

/// Runs the daemon under its supervisor, for ever.
#[must_use]
pub fn run(arguments: &[String]) -> i32 {
    let options = Options::parse_or_exit(arguments);
    match deadline::read().and_then(|()| fault::asked(options.test_faults)) {
        Ok(Some(point)) => {
            descriptors::keep_private(fault::STRUCK_FD);
            fault::arm(point);
        }
        Ok(None) => {}
        Err(why) => {
            note(why);
            return 2;
        }
    }
    descriptors::keep_private(LISTENER_FD);
    descriptors::keep_private(LOCK_FD);
    descriptors::keep_private(MOUNTS_FD);
    // SAFETY: the supervisor handed over the listening socket under this number, and nothing else owns it here.
    let listener = unsafe { UnixListener::from_raw_fd(LISTENER_FD) };
    // SAFETY: so it did with the host's mount namespace.
    let mounts = unsafe { OwnedFd::from_raw_fd(MOUNTS_FD) };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let vmms = Vmms {
        qemu: Box::new(Qemu::new(options.qemu.clone(), options.data.clone())),
        firecracker: Box::new(Firecracker::new(options.firecracker.clone())),
    };
    let daemon = match Context::new(options, vmms) {
        Ok(context) => {
            let Options { instance, network, .. } = &context.options;
            let network = Network::new(mounts, instance, &context.boot_id, network.clone());
            Arc::new(Daemon::new(context, network))
        }
        Err(failure) => {
            note(failure);
            return 1;
        }
    };
    daemon.recover();
    daemon.network.start();
    let early = Arc::clone(&daemon);
    std::thread::spawn(move || {
        if let Err(failure) = early.find_vmms() {
            note(failure);
        }
    });
    let idle = Arc::clone(&daemon);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(BETWEEN_LOOKS);
            idle.templates.evict_unused();
        }
    });
    connections::accept(&daemon, &listener)
}
