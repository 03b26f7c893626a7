//! Names: programs ask the agent, by DNS, and the host answers over one stream of the channel.

pub mod listen;
pub mod message;
pub mod pace;
pub mod stream;
pub mod table;
