//! HTTP/2 on any byte stream, and the unix socket of the process mode.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::channel::answer::Answer;
use crate::channel::epochs::SessionEpoch;
use crate::limits::{MAX_STREAMS, STREAM_WINDOW_BYTES};

const HEADER_LIST_BYTES: u32 = 16 << 10;
const FRAME_BYTES: u32 = 16 << 10;

/// The tasks of one session; dropped with it.
#[derive(Clone, Default)]
struct SessionTasks(Rc<RefCell<JoinSet<()>>>);

impl<F: Future<Output = ()> + 'static> Executor<F> for SessionTasks {
    fn execute(&self, future: F) {
        let mut tasks = self.0.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(future);
    }
}

/// What answers the requests of sessions. The channel knows no call.
pub trait Dispatch: Clone + 'static {
    fn dispatch(self, session: SessionEpoch, request: Request<Incoming>) -> impl Future<Output = Answer> + 'static;
    /// Resolves when a session is to end, as another server's has taken its place.
    fn superseded(&self, session: &SessionEpoch) -> impl Future<Output = ()>;
}

/// Serves one session until its stream ends or breaks. Everything that the session started for itself ends with it.
pub async fn serve_session<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, dispatch: impl Dispatch) {
    let tasks = SessionTasks::default();
    let session = SessionEpoch::default();
    let (calls, epoch) = (dispatch.clone(), session.clone());
    let service = service_fn(move |request| {
        let answer = calls.clone().dispatch(epoch.clone(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http2::Builder::new(tasks.clone())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        // Below streams × window, stalled streams would take the whole window and freeze the others.
        .initial_connection_window_size(MAX_STREAMS * STREAM_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_send_buf_size(STREAM_WINDOW_BYTES as usize)
        .auto_date_header(false)
        .serve_connection(HyperStream(stream), service);
    // However a session ended, the next one takes nothing over from it.
    tokio::select! {
        _ = connection => {}
        () = dispatch.superseded(&session) => {}
    }
    let left = tasks.0.take();
    drop(left);
}

/// Listens at `path`, for its owner only, and serves every connection. Replaces a socket without a listener.
pub async fn listen(path: &Path, dispatch: impl Dispatch) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        fs::remove_file(path)?;
    }
    let listener = {
        // The socket's mode comes from the mask; between bind and a chmod anybody could connect.
        let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path);
        nix::sys::stat::umask(before);
        listener?
    };
    println!("microterm-agent: ready");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(serve_session(stream, dispatch.clone()))),
            // Out of descriptors: others will be closed.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// tokio's streams as hyper wants them.
struct HyperStream<S>(S);

impl<S: AsyncRead + Unpin> Read for HyperStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: the bytes are handed to a ReadBuf, which reads none that it has not filled and un-initialises none.
        let mut buffer = ReadBuf::uninit(unsafe { cursor.as_mut() });
        ready!(Pin::new(&mut self.get_mut().0).poll_read(context, &mut buffer))?;
        let filled = buffer.filled().len();
        // SAFETY: that many bytes were just filled.
        unsafe { cursor.advance(filled) };
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for HyperStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}
