//! Jails: what a VMM runs in, and the proof that it holds.

pub mod cgroup;
pub mod layout;
pub mod probe;
pub mod sandbox;
mod seccomp;
pub mod steps;
pub mod uids;
pub mod vmm_process;
