//! `jail-shim`: the process beside a Firecracker, from the jailer's start to the machine's end.
//!
//! Firecracker makes its sockets itself, in a folder that is its own once its guest has taken it over: nobody outside the
//! jail may follow a path there. So the shim stays in the jail, as the same uid, and passes on what comes to the sockets that
//! the daemon has bound: to the guest's agent by vsock, and to Firecracker's API. It keeps the newest of the guest's serial
//! console, and that the guest powered off, until the daemon ends it with the machine's cgroup; a Firecracker that died it
//! follows.

mod console;
mod control_loop;
mod jailer;
pub mod plan;
mod relay;
mod vsock;
mod watcher;

use crate::descriptors;
use crate::error::note;
use crate::jail::shim::control_loop::ControlLoop;
use crate::jail::shim::plan::Plan;
use crate::jail::steps;
use nix::unistd::{chdir, chroot};
use std::io;

/// Firecracker's sockets and log, as it is told of them.
pub use crate::jail::shim::control_loop::{API, VSOCK};
pub use crate::jail::shim::jailer::LOG;
pub use crate::jail::shim::vsock::AGENT_PORT;

/// `jail-shim PLAN`.
#[must_use]
pub fn run(arguments: &[String]) -> i32 {
    let [text] = arguments else { return 2 };
    let Ok(plan) = serde_json::from_str::<Plan>(text) else { return 2 };
    match enter(&plan) {
        Ok(mut control_loop) => match control_loop.run() {
            Ok(()) => 0,
            Err(error) => {
                note(format_args!("the shim of machine {}: {error}", plan.machine));
                1
            }
        },
        Err(error) => {
            note(format_args!("enter the jail: {error}"));
            126
        }
    }
}

fn enter(plan: &Plan) -> io::Result<ControlLoop> {
    descriptors::close_from(plan.first_unused);
    for number in 3..plan.first_unused.cast_signed() {
        descriptors::keep_private(number);
    }
    // SAFETY: prctl with these arguments only sets an attribute of this process.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let children = control_loop::watch_children()?;
    let (outputs, root) = jailer::start(plan)?;
    chdir(&root)?;
    chroot(".")?;
    steps::give_up_root(plan.uid)?;
    ControlLoop::new(children, outputs)
}
