//! Processes of a guest: how they are started, limited, watched and ended.

pub mod cgroup;
pub mod hang_up;
pub mod memory;
pub mod metrics;
pub mod own_files;
pub mod programs;
pub mod reaper;
pub mod seal;
pub mod spawn;
pub mod tenant_child;
pub mod tenant_file;
pub mod user;
pub mod variables;
