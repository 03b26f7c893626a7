//! Jails: what a VMM runs in, and the proof that it holds.

pub mod cgroup;
pub mod layout;
pub mod probe;
mod probe_report;
pub mod sandbox;
mod seccomp;
pub mod shim;
pub mod steps;
pub mod uids;
pub mod vmm_process;
