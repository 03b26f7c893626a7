//! The daemon: what its requests work on.

use crate::context::Context;
use crate::error::{Outcome, note};
use crate::machine::stderr_log;
use crate::network::Network;
use crate::server::clients::Clients;
use crate::snapshot::template_cache::TemplateCache;
use crate::snapshot::{pauses, saving_mark};
use crate::spec::VmmKind;
use crate::store::{paths, records};
use std::sync::Arc;

pub struct Daemon {
    pub context: Context,
    pub templates: TemplateCache,
    pub network: Network,
    pub clients: Clients,
}

impl Daemon {
    pub fn new(context: Context, network: Network) -> Self {
        Self { context, templates: TemplateCache::default(), network, clients: Clients::default() }
    }

    /// Frees what earlier daemons left half-made, and takes up what they left running.
    pub fn recover(self: &Arc<Self>) {
        paths::remove_partial();
        let _ = std::fs::read_dir(paths::NODES).map(|nodes| {
            nodes.flatten().for_each(|node| {
                let _ = std::fs::remove_file(node.path());
            });
        });
        let reclaimed = self.context.claims.reclaim(|id| paths::machine(id).exists());
        if reclaimed > 0 {
            note(format_args!("{reclaimed} uids of machines that are no more are free again"));
        }
        for id in records::machines() {
            let _ = stderr_log::pour(&paths::machine(&id));
            if saving_mark::exists(&id) {
                // No other request gets at the machine before this is done; its VMM may take long to answer.
                let (daemon, guard) = (Arc::clone(self), self.context.lock_machine(&id));
                let earlier = self.clients.enter(None);
                std::thread::spawn(move || {
                    let (_guard, _earlier) = (guard, earlier);
                    pauses::recover(&daemon.context, &id);
                });
            }
        }
    }

    /// Looks for the VMMs, so that the first launch need not.
    ///
    /// # Errors
    /// What QEMU is missing.
    pub fn find_vmms(&self) -> Outcome<()> {
        // Where there is no Firecracker, a launch with it says so.
        let _ = self.context.vmm(VmmKind::Firecracker).version();
        self.context.vmm(VmmKind::Qemu).version().map(|_| ())
    }
}
