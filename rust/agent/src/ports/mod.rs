//! The ports that the guest's programs listen on, and connections to them.

pub mod connection;
pub mod listening;
pub mod places;
pub mod watch;
