//! Machines of Firecracker. Where MICROTERM_FIRECRACKER and MICROTERM_JAILER are not set, or where the host has no /dev/kvm,
//! tests that need them say that they skip.

mod failures;
mod jails;
mod saves;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
