//! The AF_VSOCK port that the host connects to. A listening socket outlives a snapshot; its connections do not: the
//! restored guest's driver resets them, and accepts new ones on the same port.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, VsockAddr, accept4, bind, getpeername, listen, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use crate::channel::connection::Connection;
use crate::descriptor;

/// Any CID of this guest's (vsock(7)): a restored guest may have another than the one that it booted with.
const ANY_CID: u32 = libc::VMADDR_CID_ANY;
/// The host's CID. A program in the guest connects with the guest's own, or with that of loopback.
const HOST_CID: u32 = libc::VMADDR_CID_HOST;
/// Connections that the kernel holds for `accept`, which does nothing that takes time.
const BACKLOG: i32 = 16;
/// How long a connection may take to show the channel key. The host sends it at once, and again each second.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after a failed accept: out of descriptors, of which others will be closed.
const PAUSE: Duration = Duration::from_millis(50);

/// Where connections of the host's arrive.
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
    is_host: fn(&OwnedFd) -> bool,
    pub proof_timeout: Duration,
}

impl Listener {
    /// Listens on a vsock port. Needs the driver of a vsock transport only for connections to arrive.
    pub fn on_vsock(port: u32) -> io::Result<Listener> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Vsock, SockType::Stream, flags, None)?;
        bind(socket.as_raw_fd(), &VsockAddr::new(ANY_CID, port))?;
        listen(&socket, Backlog::new(BACKLOG)?)?;
        Listener::watch(socket, comes_from_host, PROOF_TIMEOUT)
    }

    /// Takes a listening socket that does not block; a connection that is not the host's is closed at once.
    pub fn watch(socket: OwnedFd, is_host: fn(&OwnedFd) -> bool, proof_timeout: Duration) -> io::Result<Listener> {
        Ok(Listener { socket: descriptor::watch(socket)?, is_host, proof_timeout })
    }

    /// The host's next connection. Nothing is lost when the call is given up.
    pub async fn accept(&self) -> Connection {
        loop {
            match self.socket.async_io(Interest::READABLE, accept_one).await {
                Ok(socket) if !(self.is_host)(&socket) => {}
                Ok(socket) => {
                    if let Ok(connection) = Connection::new(socket) {
                        return connection;
                    }
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

fn accept_one(listening: &OwnedFd) -> io::Result<OwnedFd> {
    let socket = accept4(listening.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    // SAFETY: accept4 has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn comes_from_host(socket: &OwnedFd) -> bool {
    getpeername::<VsockAddr>(socket.as_raw_fd()).is_ok_and(|peer| peer.cid() == HOST_CID)
}
