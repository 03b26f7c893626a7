//! A connection of the host's as a byte stream: it ends with the host's end.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::host_stream::HostStream;
use crate::descriptor;

/// Closed when it is dropped.
pub struct Connection(AsyncFd<OwnedFd>);

impl Connection {
    /// Takes a connected stream socket that does not block.
    pub fn new(socket: OwnedFd) -> io::Result<Connection> {
        Ok(Connection(descriptor::watch(socket)?))
    }
}

impl HostStream for Connection {
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            match ready.try_io(|socket| descriptor::read(socket, buffer)) {
                Ok(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result),
                // Nothing is there any more; the next turn of the loop waits.
                Err(_) => {}
            }
        }
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(context))?;
            match ready.try_io(|socket| descriptor::write(socket, bytes)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result),
                // Nothing fits any more; the next turn of the loop waits.
                Err(_) => {}
            }
        }
    }

    /// A restored guest's driver resets its connections with an error alone: none of them becomes readable.
    async fn departed(&self) -> io::Result<()> {
        self.0.ready(Interest::ERROR).await?.retain_ready();
        Err(io::ErrorKind::ConnectionReset.into())
    }
}
