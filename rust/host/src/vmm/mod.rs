//! Virtual machine monitors: what the daemon asks of one (`interface`), and the one there is.

pub mod interface;
pub mod qemu;
