//! Firecracker's HTTP API over its Unix socket (src/firecracker/swagger/firecracker.yaml of its source), typed by the state
//! of the process: a call that is not legal in a state does not compile.
//!
//! ```text
//! NotStarted ── configure ──> Configuring ── start ──> Running ── pause ──> Paused
//!      └──────────────────── load_snapshot ──────────────────────────────────┘ │
//!                                                 Running <── resume ──────────┘
//! ```
//!
//! One request at a time goes over one connection. The VMM is hostile once its guest has run: every answer is bounded, each
//! call has one deadline however the answer drips in, and a connection whose answer was late or malformed is not used again.

pub mod answer;
pub mod bodies;
pub mod capabilities;
pub mod client;
mod connection;
pub mod error;
pub mod rate_limiter;

#[cfg(test)]
mod tests;
