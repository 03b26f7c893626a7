//! What the daemon tells a shim, as its one argument.

use crate::store::ids::Id;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Descriptors that a shim is started with: the listening sockets of the machine's folder.
pub const AGENT_FD: i32 = 3;
pub const WATCH_FD: i32 = 4;
pub const CONTROL_FD: i32 = 5;
/// The network namespace of the machine's slot, where it has one.
pub const NETWORK_FD: i32 = 6;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub machine: Id,
    pub uid: u32,
    /// The longest file that the program may write, in bytes.
    pub largest_file: u64,
    /// Most processes and threads of the machine's uid.
    pub threads: u64,
    /// The number of the first descriptor that is not the shim's.
    pub first_unused: u32,
    pub jailer: PathBuf,
    /// What the jailer runs, and its arguments.
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub network: Option<i32>,
    pub binds: Vec<Bind>,
}

/// A file of the host in a jail.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    pub from: PathBuf,
    /// As seen in the jail.
    pub to: PathBuf,
    pub is_writable: bool,
}
