//! The privileged daemon: jails, cgroups, uids and disks of machines, by a closed list of verbs. See
//! docs/reference/host-protocol.md.
//!
//! The folders are layers, and none imports one that stands after it: `store` (what lies on disk), `jail` (what a VMM
//! runs in), `vmm` (what runs in it), `network` (slots), `context` (what all of the daemon shares), `snapshot` and `machine`
//! (what the verbs do), `server` (who asks for it).
#![warn(clippy::pedantic)]
#![allow(clippy::module_name_repetitions, reason = "a name is read where it is used, without its module")]
#![allow(clippy::doc_markdown, reason = "names of constants and manual pages read well without marks")]

mod context;
mod deadline;
mod descriptors;
mod error;
mod fault;
mod jail;
mod machine;
mod network;
mod programs;
mod server;
mod snapshot;
mod spec;
mod store;
mod vmm;

pub use error::note;
pub use jail::layout as jail_layout;

/// The subcommands of `microterm-host`: each takes its arguments and answers with an exit status.
pub mod commands {
    pub use crate::jail::shim::run as jail_shim;
    pub use crate::jail::steps::{enter as jail_enter, exec as jail_exec};
    pub use crate::server::start::run as daemon;
    pub use crate::server::supervisor::run as serve;
}

/// Networks of machines, for tests that open their taps as a VMM does which opens its own.
pub mod networks {
    pub use crate::network::policy::Policy;
    pub use crate::network::{Network, Settings, TapPlace};
    pub use crate::spec::SlotName;
    pub use crate::store::ids::{Id, NetworkId};
}

/// What reads the bytes of callers and of VMMs, for the fuzz targets.
pub mod untrusted {
    pub use crate::server::request::{DiskFrom, Line, Request, parse};
    pub use crate::vmm::firecracker::api::answer;
    pub use crate::vmm::qemu::migration_stream::{BLOCK, Pages, split};
}
