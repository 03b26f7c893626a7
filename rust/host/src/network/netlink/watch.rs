//! Waiting for changes of links, routes and forwarding (rtnetlink(7), multicast groups).

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// RTMGRP_LINK, RTMGRP_IPV4_ROUTE, and RTNLGRP_IPV4_NETCONF, which is the 24th.
const GROUPS: u32 = 1 | 0x40 | 0x80_0000;
/// A link that comes up changes several things one after another.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Watch(OwnedFd);

impl Watch {
    /// Of the calling thread's network namespace.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self(socket))
    }

    /// Waits for a change, and for those that follow at once. What is lost (ENOBUFS) was a change as well.
    pub fn wait(&self) {
        let mut buffer = [0; 8192];
        let _ = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty());
        std::thread::sleep(PAUSE);
        while recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).is_ok() {}
    }
}
