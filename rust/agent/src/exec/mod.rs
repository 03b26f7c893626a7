//! Exec: a program that runs for one stream.

pub mod call;
pub mod drains;
pub mod execs;
pub mod input;
pub mod running;
pub mod start;
