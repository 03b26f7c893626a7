//! The call `connect`: a TCP connection to a port of the guest's loopback as the two bodies of a request.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

use crate::channel::answer::{self, Answer};
use crate::channel::answer_body::{BodyError, Pieces};
use crate::channel::frames::Fault;
use crate::channel::request_body::RequestBody;
use crate::error::{CallError, CallResult, Code};
use crate::ports::places::{Place, Places};

/// A program that listens and accepts nothing lets its backlog fill up: the kernel then drops what comes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What one HTTP/2 frame holds.
const PIECE_BYTES: usize = 16 << 10;

/// Answers once the connection is there. A program that listens on one of the two addresses is found.
pub async fn call(places: &Rc<Places>, port: u16, body: RequestBody) -> CallResult<Answer> {
    let place = Rc::new(Place::take(places)?);
    let (reader, writer) = open(port).await?.into_split();
    let fault = Fault::default();
    let sending = spawn_local(send(body, Sender(Some(writer)), fault.clone(), place.clone())).abort_handle();
    Ok(answer::stream(Received { reader, sending, fault, finished: false, _place: place }))
}

async fn open(port: u16) -> CallResult<TcpStream> {
    let mut refusal = String::new();
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        match timeout(CONNECT_TIMEOUT, connect(address, port)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if refusal.is_empty() => refusal = format!("port {port}: {error}"),
            Ok(Err(_)) => {}
            Err(_) => refusal = format!("port {port}: what listens there takes no connection"),
        }
    }
    Err(CallError::new(Code::Refused, refusal))
}

async fn connect(address: IpAddr, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address, port)).await?;
    // From a port to itself: where nothing listens, the kernel may choose just this one for the near end.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes what the host sends. The end of that closes the program's reading side.
async fn send(mut body: RequestBody, mut sender: Sender, fault: Fault, _place: Rc<Place>) {
    loop {
        match body.next().await {
            // A program that reads no further may still have something to say.
            Ok(Some(bytes)) => {
                if sender.write(&bytes).await.is_err() {
                    return;
                }
            }
            Ok(None) => return sender.end(),
            Err(error) => return fault.set(error.message),
        }
    }
}

/// The program's reading side. Dropped before its end the connection is reset: half an upload must not pass for a whole one.
struct Sender(Option<OwnedWriteHalf>);

impl Sender {
    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(writer) = &self.0 else { return Ok(()) };
        while !bytes.is_empty() {
            writer.writable().await?;
            match writer.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            reset(writer.as_ref());
            writer.forget();
        }
    }
}

/// The last of its two halves that is dropped closes it with a RST.
fn reset(stream: &TcpStream) {
    // Of a socket that has ended already nothing is left to reset.
    let _ = stream.set_zero_linger();
}

/// What the program sends, read when the stream has room for it.
struct Received {
    reader: OwnedReadHalf,
    sending: AbortHandle,
    /// The request broke off.
    fault: Fault,
    finished: bool,
    _place: Rc<Place>,
}

impl Pieces for Received {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if let Some(fault) = self.fault.poll(context) {
            return Poll::Ready(Some(Err(fault.into())));
        }
        loop {
            if let Err(error) = ready!(self.reader.as_ref().poll_read_ready(context)) {
                return Poll::Ready(Some(Err(error.into())));
            }
            let mut piece = BytesMut::zeroed(PIECE_BYTES);
            match self.reader.try_read(&mut piece) {
                Ok(0) => {
                    self.finished = true;
                    return Poll::Ready(None);
                }
                // A short piece does not hold on to a whole buffer while it waits.
                Ok(count) if count < PIECE_BYTES / 4 => {
                    return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&piece[..count]))));
                }
                Ok(count) => {
                    piece.truncate(count);
                    return Poll::Ready(Some(Ok(piece.freeze())));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // The host wants no more of it, or is gone.
        if !self.finished {
            reset(self.reader.as_ref());
            self.sending.abort();
        }
    }
}
