//! What sessions need of the way to the host.

use std::io;
use std::task::{Context, Poll};

/// A byte stream to the host. One reader and one writer at a time.
pub trait HostStream: 'static {
    /// Reads what is there, at least one byte; waits while nothing is. Its end is an error.
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes what fits, at least one byte; waits while nothing does.
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Ends when the host has left a stream that outlives it; an error when the stream itself broke, which not every kernel
    /// also tells a reader that waits.
    fn departed(&self) -> impl Future<Output = io::Result<()>>;
}
