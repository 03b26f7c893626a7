pub mod cgroup;
pub mod probe;
pub mod probe_checks;
pub mod sandbox;
pub mod seccomp;
pub mod steps;
pub mod uids;
