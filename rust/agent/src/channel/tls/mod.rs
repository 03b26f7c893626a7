//! The channel of a pod: a TCP port, and TLS with both sides pinned.

pub mod keys;
pub mod listener;
