//! The TCP port of a pod's agent. Each connection that has proven itself is served, as several servers may have one.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::channel::serve::{Dispatch, serve_session};
use crate::channel::tls::keys::Keys;

/// How long a connection may take to prove itself.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at once: whoever reaches the port can begin one.
const MAX_HANDSHAKES: usize = 32;
/// Connections served at once: one for each server, and those that a dead one has left.
const MAX_SESSIONS: usize = 32;
/// How long to wait after a failed accept: out of descriptors, of which others will be closed.
const PAUSE: Duration = Duration::from_millis(50);
/// A server that vanished with its node is noticed within these seconds: programs are held while it seems to read.
const KEEP_ALIVE: (u32, u32, u32) = (10, 5, 3);

pub struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// Listens at all addresses of both families, or of IPv4 where there is no other.
    pub async fn bind(port: u16, Keys(config): Keys) -> io::Result<TlsListener> {
        let listener = match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await?,
        };
        Ok(TlsListener { listener, acceptor: TlsAcceptor::from(config) })
    }

    /// Serves for ever.
    pub async fn serve(self, dispatch: impl Dispatch) -> ! {
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let sessions = Rc::new(Semaphore::new(MAX_SESSIONS));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            // One too many is closed: who may come in tries again.
            let Ok(handshake) = handshakes.clone().try_acquire_owned() else { continue };
            if prepare(&stream).is_err() {
                continue;
            }
            let (acceptor, dispatch, sessions) = (self.acceptor.clone(), dispatch.clone(), sessions.clone());
            spawn_local(async move {
                let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else { return };
                drop(handshake);
                let Ok(_session) = sessions.try_acquire() else { return };
                serve_session(stream, dispatch).await;
            });
        }
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (idle, interval, probes) = KEEP_ALIVE;
    let socket = stream.as_fd();
    setsockopt(&socket, sockopt::KeepAlive, &true)?;
    setsockopt(&socket, sockopt::TcpKeepIdle, &idle)?;
    setsockopt(&socket, sockopt::TcpKeepInterval, &interval)?;
    setsockopt(&socket, sockopt::TcpKeepCount, &probes)?;
    // What was sent and is not acknowledged counts as well.
    setsockopt(&socket, sockopt::TcpUserTimeout, &((idle + interval * probes) * 1000))?;
    Ok(())
}
