//! Sessions on a byte stream to the host, one after the other: the resync of `docs/reference/agent-protocol.md`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use microterm_wire::{MARKER_LEN, MarkerScanner};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::channel::host_stream::HostStream;
use crate::channel::serve::{Dispatch, serve_session};

const READ_BYTES: usize = 32 << 10;
/// Small frames leave the guest together: each write is an exit to the VMM. The kernel splits what is larger.
const WRITE_BYTES: usize = 32 << 10;

/// What outlives a session: input that was read and not used yet, and the scanner that sees every byte.
struct Input<S> {
    stream: Rc<S>,
    scanner: MarkerScanner,
    /// Read, and not scanned yet: what followed a marker in one piece.
    unscanned: VecDeque<u8>,
    /// A marker that ended the session; its echo is due.
    marker: Option<[u8; 16]>,
}

/// The sessions of one stream.
pub struct Sessions<S> {
    stream: Rc<S>,
    input: Rc<RefCell<Input<S>>>,
}

impl<S: HostStream> Sessions<S> {
    pub fn new(stream: S, key: [u8; 16]) -> Sessions<S> {
        let stream = Rc::new(stream);
        let scanner = MarkerScanner::new(key);
        let input = Input { stream: stream.clone(), scanner, unscanned: VecDeque::new(), marker: None };
        Sessions { stream, input: Rc::new(RefCell::new(input)) }
    }

    /// Serves sessions until the stream breaks.
    pub async fn serve(self, dispatch: impl Dispatch) -> io::Error {
        loop {
            if let Err(error) = self.open_session().await {
                return error;
            }
            let stream = SessionStream { input: self.input.clone(), output: Vec::new() };
            tokio::select! {
                () = serve_session(stream, dispatch.clone()) => {}
                // Its readers leave with it, so that programs wait for the server's return, not for a stalled reader.
                departed = self.stream.departed() => if let Err(error) = departed {
                    return error;
                },
            }
        }
    }

    /// Waits for a marker, which only who has the key can send, and reads nothing once there is one. Writes nothing.
    pub async fn until_marker(&self) -> io::Result<()> {
        let mut discarded = vec![0; READ_BYTES];
        while self.input.borrow().marker.is_none() {
            poll_fn(|context| self.input.borrow_mut().poll_read(context, &mut discarded)).await?;
        }
        Ok(())
    }

    /// Waits for a marker, echoes it, and waits for the first byte after it: nothing follows an echo until the host speaks.
    async fn open_session(&self) -> io::Result<()> {
        self.until_marker().await?;
        let echo = {
            let mut input = self.input.borrow_mut();
            let session = input.marker.take().unwrap_or_default();
            input.scanner.echo(&session)
        };
        self.write_echo(&echo).await?;
        poll_fn(|context| self.input.borrow_mut().poll_spoken(context)).await
    }

    async fn write_echo(&self, echo: &[u8; MARKER_LEN]) -> io::Result<()> {
        let mut written = 0;
        while written < echo.len() {
            written += poll_fn(|context| self.stream.poll_write(context, &echo[written..])).await?;
        }
        Ok(())
    }
}

impl<S: HostStream> Input<S> {
    /// Reads and scans. Up to and with a marker, which is left in `marker`; what follows it waits for the next read.
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = if self.unscanned.is_empty() {
            ready!(self.stream.poll_read(context, buffer))?
        } else {
            let count = buffer.len().min(self.unscanned.len());
            for (to, from) in buffer.iter_mut().zip(self.unscanned.drain(..count)) {
                *to = from;
            }
            count
        };
        let Some(marker) = self.scanner.scan(&buffer[..count]) else { return Poll::Ready(Ok(count)) };
        self.marker = Some(marker.session);
        // Before what is left of an earlier piece, which came later.
        for &byte in buffer[marker.end..count].iter().rev() {
            self.unscanned.push_front(byte);
        }
        Poll::Ready(Ok(marker.end))
    }

    /// Waits for a byte without using it.
    fn poll_spoken(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unscanned.is_empty() {
            let mut piece = vec![0; READ_BYTES];
            let count = ready!(self.stream.poll_read(context, &mut piece))?;
            self.unscanned.extend(&piece[..count]);
        }
        Poll::Ready(Ok(()))
    }
}

/// One session's view of the stream: ends at the next marker.
struct SessionStream<S> {
    input: Rc<RefCell<Input<S>>>,
    output: Vec<u8>,
}

impl<S: HostStream> SessionStream<S> {
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        let result = loop {
            if written == self.output.len() {
                break Poll::Ready(Ok(()));
            }
            match self.input.borrow().stream.poll_write(context, &self.output[written..]) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.output.drain(..written);
        result
    }
}

impl<S: HostStream> AsyncRead for SessionStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut input = self.input.borrow_mut();
        if input.marker.is_none() {
            let count = ready!(input.poll_read(context, buffer.initialize_unfilled()))?;
            buffer.advance(count);
        }
        // Neither a marker nor what precedes it in this piece is of use to the session's HTTP/2.
        match input.marker {
            Some(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<S: HostStream> AsyncWrite for SessionStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.output.len() >= WRITE_BYTES {
            ready!(this.poll_drain(context))?;
        }
        let taken = bytes.len().min(WRITE_BYTES - this.output.len());
        this.output.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_drain(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_drain(context)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
