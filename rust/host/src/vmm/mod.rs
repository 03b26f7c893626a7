//! Virtual machine monitors: what the daemon asks of one (`interface`), and those there are.

pub mod firecracker;
pub mod interface;
pub mod qemu;
