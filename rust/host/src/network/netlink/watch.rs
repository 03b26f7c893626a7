//! Waiting for changes of links, routes, forwarding (rtnetlink(7), multicast groups) and rules (linux/netfilter/nfnetlink.h).

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// RTMGRP_LINK, RTMGRP_IPV4_ROUTE, and RTNLGRP_IPV4_NETCONF, which is the 24th.
const ROUTE_GROUPS: u32 = 1 | 0x40 | 0x80_0000;
/// NFNLGRP_NFTABLES, which is the seventh.
const RULE_GROUPS: u32 = 0x40;
/// A link that comes up changes several things one after another.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Watch([OwnedFd; 2]);

impl Watch {
    /// Of the calling thread's network namespace.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open() -> io::Result<Self> {
        let routes = open(SockProtocol::NetlinkRoute, ROUTE_GROUPS)?;
        Ok(Self([routes, open(SockProtocol::NetlinkNetFilter, RULE_GROUPS)?]))
    }

    /// Waits for a change, and for those that follow at once. What is lost (ENOBUFS) was a change as well.
    pub fn wait(&self) {
        let mut sockets = self.0.each_ref().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        let _ = poll(&mut sockets, PollTimeout::NONE);
        std::thread::sleep(PAUSE);
        let mut buffer = [0; 8192];
        for socket in &self.0 {
            while recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).is_ok() {}
        }
    }
}

fn open(protocol: SockProtocol, groups: u32) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}
