//! Machines: launching, listing and killing them, and looking for what may be left.

pub mod disk_use;
pub mod kill;
pub mod launch;
pub mod limits;
pub mod list;
mod prepare;
pub mod probe;
pub mod resources;
pub mod scan;
pub mod stderr_log;
