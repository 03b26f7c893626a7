//! What a host offers of cgroups.

use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// A hierarchy that is used: its root, and on version 1 its controller.
#[derive(Debug)]
pub struct Hierarchy {
    pub controller: &'static str,
    pub root: PathBuf,
}
