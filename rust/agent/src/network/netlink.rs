//! rtnetlink(7): links, addresses and routes, one request at a time. The kernel answers within the call that asks.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `struct nlmsghdr`, and of an attribute.
const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// The kernel fills at most 32 KiB at once (net/netlink/af_netlink.c, netlink_recvmsg).
const ANSWER_BYTES: usize = 32 << 10;
/// `struct ifinfomsg`, `struct ifaddrmsg`.
const LINK_BYTES: usize = 16;
const ADDRESS_BYTES: usize = 8;

/// RTNH_F_ONLINK of linux/rtnetlink.h.
const ONLINK: u32 = 4;

const IPV4: u8 = libc::AF_INET as u8;

/// A network device.
#[derive(Clone, Debug)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub mac: Option<[u8; 6]>,
}

/// An address of a device with the length of its subnet's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub address: Ipv4Addr,
    pub prefix: u8,
}

pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: libc::c_int, fixed: &[u8]) -> Request {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        bytes.extend(fixed);
        Request(bytes)
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Request {
        self.0.extend(((ATTRIBUTE_HEADER + value.len()) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

impl Netlink {
    pub fn open() -> io::Result<Netlink> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: socket(2) takes numbers, and its descriptor is owned by nobody else.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Netlink { socket, sequence: 0 })
    }

    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        let request = Request::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; LINK_BYTES]);
        self.ask(request, |answer| {
            let Some((fixed, rest)) = answer.split_at_checked(LINK_BYTES) else { return };
            let mut link = Link { index: number(&fixed[4..8]), name: String::new(), mac: None };
            for (kind, value) in attributes(rest) {
                match kind {
                    libc::IFLA_IFNAME => {
                        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
                        link.name = String::from_utf8_lossy(name).into_owned();
                    }
                    libc::IFLA_ADDRESS => link.mac = value.try_into().ok(),
                    _ => {}
                }
            }
            links.push(link);
        })?;
        Ok(links)
    }

    pub fn set_up(&mut self, index: u32, is_up: bool) -> io::Result<()> {
        let up = libc::IFF_UP as u32;
        self.change(Request::new(libc::RTM_NEWLINK, 0, &link(index, if is_up { up } else { 0 }, up)))
    }

    pub fn set_mac(&mut self, index: u32, mac: [u8; 6]) -> io::Result<()> {
        self.change(Request::new(libc::RTM_NEWLINK, 0, &link(index, 0, 0)).attribute(libc::IFLA_ADDRESS, &mac))
    }

    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, 0, &link(index, 0, 0));
        self.change(request.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes()))
    }

    /// The IPv4 addresses of a device.
    pub fn addresses(&mut self, index: u32) -> io::Result<Vec<Address>> {
        let mut addresses = Vec::new();
        let mut fixed = [0; ADDRESS_BYTES];
        fixed[0] = IPV4;
        self.ask(Request::new(libc::RTM_GETADDR, libc::NLM_F_DUMP, &fixed), |answer| {
            let Some((fixed, rest)) = answer.split_at_checked(ADDRESS_BYTES) else { return };
            // The kernel leaves the choice of a device to who asks, unless a socket option is set.
            if fixed[0] != IPV4 || number(&fixed[4..8]) != index {
                return;
            }
            let local = attributes(rest).find(|(kind, _)| *kind == libc::IFA_LOCAL);
            if let Some(octets) = local.and_then(|(_, value)| <[u8; 4]>::try_from(value).ok()) {
                addresses.push(Address { address: octets.into(), prefix: fixed[1] });
            }
        })?;
        Ok(addresses)
    }

    /// One that is there already stays. A `scope` is one of rtnetlink(7).
    pub fn add_address(&mut self, index: u32, given: Address, scope: u8) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        let octets = given.address.octets();
        let mut request = Request::new(libc::RTM_NEWADDR, flags, &address(index, given.prefix, scope))
            .attribute(libc::IFA_LOCAL, &octets)
            .attribute(libc::IFA_ADDRESS, &octets);
        if given.prefix < 31 {
            let broadcast = u32::from(given.address) | (u32::MAX >> given.prefix);
            request = request.attribute(libc::IFA_BROADCAST, &broadcast.to_be_bytes());
        }
        self.change(request)
    }

    pub fn remove_address(&mut self, index: u32, given: Address) -> io::Result<()> {
        let request = Request::new(libc::RTM_DELADDR, 0, &address(index, given.prefix, 0));
        self.change(request.attribute(libc::IFA_LOCAL, &given.address.octets()))
    }

    /// Makes this the default route, in place of another of the same metric. The gateway need not be in the device's subnet.
    pub fn set_default_route(&mut self, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        let request = Request::new(libc::RTM_NEWROUTE, flags, &default_route(ONLINK));
        let request = request.attribute(libc::RTA_GATEWAY, &gateway.octets());
        self.change(request.attribute(libc::RTA_OIF, &index.to_ne_bytes()))
    }

    /// Where there is one over this device.
    pub fn remove_default_route(&mut self, index: u32) -> io::Result<()> {
        let request = Request::new(libc::RTM_DELROUTE, 0, &default_route(0));
        match self.change(request.attribute(libc::RTA_OIF, &index.to_ne_bytes())) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }

    fn change(&mut self, mut request: Request) -> io::Result<()> {
        request.0[6] |= libc::NLM_F_ACK as u8;
        self.ask(request, |_| {})
    }

    /// Sends a request and reads all of its answer.
    fn ask(&mut self, Request(mut bytes): Request, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence += 1;
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        // SAFETY: the pointer and length describe a live buffer.
        if unsafe { libc::send(self.socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut answer = vec![0; ANSWER_BYTES];
        loop {
            // SAFETY: the pointer and length describe a live, writable buffer.
            let count = unsafe { libc::recv(self.socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
            let Ok(count) = usize::try_from(count) else {
                match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => continue,
                    error => return Err(error),
                }
            };
            let mut rest = &answer[..count];
            while let Some((header, _)) = rest.split_at_checked(HEADER) {
                let length = (number(&header[..4]) as usize).clamp(HEADER, rest.len());
                let payload = &rest[HEADER..length];
                let is_ours = number(&header[8..12]) == self.sequence;
                match libc::c_int::from(u16::from_ne_bytes([header[4], header[5]])) {
                    _ if !is_ours => {}
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return status(payload),
                    _ => each(payload),
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

/// What an acknowledgement says: 0, or an errno below 0.
fn status(payload: &[u8]) -> io::Result<()> {
    match payload.get(..4).map(|bytes| number(bytes).cast_signed()) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = rest.get(..ATTRIBUTE_HEADER)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = rest.get(ATTRIBUTE_HEADER..length)?;
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// `struct ifinfomsg`: family, padding, type, index, flags, and which flags change.
fn link(index: u32, flags: u32, change: u32) -> [u8; LINK_BYTES] {
    let mut fixed = [0; LINK_BYTES];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..].copy_from_slice(&change.to_ne_bytes());
    fixed
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
fn address(index: u32, prefix: u8, scope: u8) -> [u8; ADDRESS_BYTES] {
    let [a, b, c, d] = index.to_ne_bytes();
    [IPV4, prefix, 0, scope, a, b, c, d]
}

/// `struct rtmsg`: family, lengths of destination and source, TOS, table, protocol, scope, type, flags.
fn default_route(flags: u32) -> [u8; 12] {
    let [a, b, c, d] = flags.to_ne_bytes();
    let (table, protocol) = (libc::RT_TABLE_MAIN, libc::RTPROT_STATIC);
    [IPV4, 0, 0, 0, table, protocol, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST, a, b, c, d]
}
