//! Terminals: programs on PTYs, rings of their output, and the streams that attach to them.

pub mod accepted_input;
pub mod attach;
pub mod backpressure;
pub mod input_stream;
pub mod pty;
pub mod ring;
pub mod ring_budget;
pub mod table;
// A type is found in the file of its name.
pub mod output;
pub mod pty_reader;
#[allow(clippy::module_inception)]
pub mod terminal;
