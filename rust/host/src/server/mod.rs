//! The daemon as a service: its supervisor, its connections, and from a request to its answer.

pub mod clients;
pub mod connections;
pub mod daemon;
mod dispatch;
pub mod request;
pub mod start;
pub mod supervisor;
