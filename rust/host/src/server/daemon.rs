//! The daemon: what all its verbs share, and its start.

use crate::descriptors;
use crate::error::{Outcome, note};
use crate::fault;
use crate::jail::cgroup::Cgroups;
use crate::jail::uids::Claims;
use crate::machine::list;
use crate::machine::stderr_log;
use crate::server::clients::Clients;
use crate::server::connections;
use crate::server::locks::Locks;
use crate::server::options::Options;
use crate::server::supervisor;
use crate::snapshot::pauses;
use crate::snapshot::templates::{SAVING, Templates};
use crate::store::ids::ImageKey;
use crate::store::paths;
use crate::store::records;
use crate::vmm::qemu::runtime::Runtime;
use crate::vmm::qemu::tsc;
use std::collections::HashSet;
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between two looks for memory that is not used.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);

pub struct Daemon {
    pub options: Options,
    pub boot_id: String,
    pub cgroups: Cgroups,
    pub claims: Claims,
    pub clients: Clients,
    pub locks: Locks,
    /// Images that a verification found corrupt; no machine starts from them.
    pub corrupt: Mutex<HashSet<ImageKey>>,
    pub templates: Templates,
    runtime: Mutex<Option<Arc<Runtime>>>,
}

impl Daemon {
    fn new(options: Options) -> Outcome<Self> {
        let boot_id = records::boot_id()?;
        Ok(Self {
            cgroups: Cgroups::detect(&options.instance),
            claims: Claims::new(&options.instance, &boot_id),
            boot_id,
            clients: Clients::default(),
            locks: Locks::default(),
            corrupt: Mutex::default(),
            templates: Templates::default(),
            runtime: Mutex::default(),
            options,
        })
    }

    /// QEMU's files; looked for again as long as something is missing.
    ///
    /// # Errors
    /// What is missing.
    pub fn runtime(&self) -> Outcome<Arc<Runtime>> {
        let mut known = self.runtime.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = known.as_ref().filter(|runtime| runtime.is_current()) {
            return Ok(Arc::clone(runtime));
        }
        let found = Arc::new(Runtime::find(&self.options.qemu, &self.options.data)?);
        *known = Some(Arc::clone(&found));
        Ok(found)
    }

    /// Frees what earlier daemons left half-made, and takes up what they left running.
    fn recover(self: &Arc<Self>) {
        paths::sweep();
        let _ = std::fs::read_dir(paths::NODES).map(|nodes| {
            nodes.flatten().for_each(|node| {
                let _ = std::fs::remove_file(node.path());
            });
        });
        let reclaimed = self.claims.reclaim(|id| paths::machine(id).exists());
        if reclaimed > 0 {
            note(format_args!("{reclaimed} uids of machines that are no more are free again"));
        }
        for id in list::folders() {
            let _ = stderr_log::pour(&paths::machine(&id));
            if paths::machine(&id).join(SAVING).exists() {
                // No other request gets at the machine before this is settled; its VMM may take long to answer.
                let (daemon, held) = (Arc::clone(self), self.hold_machine(&id));
                let gone = self.clients.enter(None);
                std::thread::spawn(move || {
                    let (_held, _gone) = (held, gone);
                    pauses::recover(&daemon, &id);
                });
            }
        }
    }
}

/// Runs the daemon under its supervisor, for ever.
#[must_use]
pub fn run(arguments: &[String]) -> i32 {
    let options = Options::parse_or_exit(arguments);
    match fault::asked(options.test_faults) {
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
    descriptors::keep_private(supervisor::LISTENER_FD);
    descriptors::keep_private(supervisor::LOCK_FD);
    // SAFETY: the supervisor handed over the listening socket under this number, and nothing else owns it here.
    let listener = unsafe { UnixListener::from_raw_fd(supervisor::LISTENER_FD) };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let daemon = match Daemon::new(options) {
        Ok(daemon) => Arc::new(daemon),
        Err(failure) => {
            note(failure);
            return 1;
        }
    };
    tsc::begin();
    daemon.recover();
    let early = Arc::clone(&daemon);
    std::thread::spawn(move || {
        if let Err(failure) = early.runtime() {
            note(failure);
        }
    });
    let idle = Arc::clone(&daemon);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(BETWEEN_LOOKS);
            idle.templates.let_go();
        }
    });
    connections::accept(&daemon, &listener)
}
