//! A network of the test's own, without a daemon, and what a VMM does that opens its tap by itself.

use super::network::{Guest, World, attach, within};
use super::until;
use microterm_host::networks::{Id, Network, Policy, Settings, SlotName, TapPlace};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Of the VMM.
pub const USER: u32 = 54_400;

/// Does something as a user without capabilities, in a namespace.
pub fn within_as<T: Send>(namespace: &OwnedFd, user: u32, work: impl FnOnce() -> T + Send) -> T {
    within(namespace, || {
        // SAFETY: plain numbers; the system call, unlike the C library's, changes the calling thread alone.
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()), 0);
            assert_eq!(libc::syscall(libc::SYS_setresgid, user, user, user), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, user, user, user), 0);
        }
        work()
    })
}

/// Has a user open a tap. The device's node is the VMM's in its jail.
pub fn open_as(namespace: &OwnedFd, user: u32, name: &str) -> io::Result<File> {
    let file = within(namespace, || File::options().read(true).write(true).open("/dev/net/tun")).unwrap();
    within_as(namespace, user, || attach(&file, name, true))?;
    Ok(file)
}

pub struct Networked {
    pub network: Network,
    pub world: World,
}

impl Networked {
    /// A host and an internet as for a daemon's.
    pub fn start(slots: u32) -> Self {
        let mut world = World::prepare(slots, &[]);
        world.host.network = None;
        fs::create_dir_all("/run/microterm-host/uplinks").unwrap();
        let mounts = File::open("/proc/self/ns/mnt").unwrap().into();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let settings = Settings { slots, ..Settings::default() };
        let network = Network::new(mounts, &world.host.instance, boot_id.trim(), Some(settings));
        // Its threads are in the namespace of the one that starts it.
        within(&world.root, || network.start());
        Self { network, world }
    }

    pub fn attach(&self, machine: &Id) -> (SlotName, Value) {
        let attached = json!(self.network.attach(machine).unwrap());
        (serde_json::from_value(attached["slot"].clone()).unwrap(), attached)
    }

    pub fn policy(&self, machine: &Id, policy: &Value) {
        self.attach(machine);
        let policy: Policy = serde_json::from_value(policy.clone()).unwrap();
        self.network.set_policy(machine, &policy).unwrap();
    }

    pub fn hand_over(&self, machine: &Id) -> TapPlace {
        let (slot, _) = self.attach(machine);
        self.network.hand_over_tap(machine, slot, USER).unwrap()
    }

    /// A guest whose VMM has opened its tap, and offers it offloads.
    pub fn guest(&self, machine: &Id) -> Guest {
        let place = self.hand_over(machine);
        let tap = open_as(&place.namespace, USER, place.device).unwrap();
        Guest::plug(tap, &self.attach(machine).1, true)
    }

    pub fn usage(&self, machine: &Id, what: &str) -> u64 {
        let traffic = json!(self.network.traffic(machine).unwrap());
        traffic.pointer(what).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {what} in {traffic}"))
    }
}

impl Drop for Networked {
    fn drop(&mut self) {
        let removed = within(&self.world.root, || self.network.remove());
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// Has a link write checksums, as most network cards do for a packet that asks for it.
pub fn write_checksums(namespace: &OwnedFd, link: &str) {
    // ETHTOOL_STXCSUM.
    let mut words = [0x17_u32, 0];
    let socket = within(namespace, || std::net::UdpSocket::bind("0.0.0.0:0")).unwrap();
    // SAFETY: all zeros is a valid ifreq; it and the words live through the call.
    let outcome = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(link.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request)
    };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

/// What arrives of IPv4 at the links of a namespace.
pub struct Capture(OwnedFd);

impl Capture {
    pub fn new(namespace: &OwnedFd) -> Self {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket takes plain numbers, and what it answers with is nobody else's.
        let socket = within(namespace, || unsafe { libc::socket(libc::AF_PACKET, kind, 0x0800_u16.to_be().into()) });
        assert!(socket >= 0, "{}", io::Error::last_os_error());
        // SAFETY: as above.
        Self(unsafe { OwnedFd::from_raw_fd(socket) })
    }

    fn next(&self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 1 << 17];
        // SAFETY: the buffer has as many bytes as it says.
        let read = unsafe { libc::recv(self.0.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), 0) };
        packet.truncate(usize::try_from(read).ok()?);
        Some(packet)
    }

    /// All packets of a protocol, until none has come for a while after the first.
    pub fn packets(&self, protocol: u8) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        until("packets", || {
            let last = Instant::now();
            while last.elapsed() < Duration::from_millis(300) {
                match self.next() {
                    Some(packet) if packet.get(9) == Some(&protocol) => found.push(packet),
                    Some(_) => {}
                    None => std::thread::sleep(Duration::from_millis(10)),
                }
            }
            (!found.is_empty()).then_some(())
        });
        found
    }
}

/// A header of virtio-net (struct virtio_net_hdr).
#[derive(Clone, Copy, Default)]
pub struct Header {
    pub flags: u8,
    pub kind: u8,
    pub header: u16,
    pub segment: u16,
    pub start: u16,
    pub offset: u16,
}

impl Header {
    /// Has a checksum written at `start + offset` of the frame, over all from `start` on.
    pub fn checksum(start: u16, offset: u16) -> Self {
        Self { flags: 1, start, offset, ..Self::default() }
    }

    /// Before a frame of the guest's, from Ethernet's header on.
    pub fn before(self, frame: &[u8]) -> Vec<u8> {
        let words = [self.header, self.segment, self.start, self.offset];
        [[self.flags, self.kind].as_slice(), &words.map(u16::to_le_bytes).concat(), frame].concat()
    }
}

/// A frame of the guest's to its gateway, with an IPv4 packet.
pub fn packet(protocol: u8, to: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).unwrap();
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 0, 2];
    ip[2..4].copy_from_slice(&length.to_be_bytes());
    ip.extend(to);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [[2, 0x6d, 0x74, 0, 0, 1, 2, 0x6d, 0x74, 0, 0, 2, 8, 0].as_slice(), &ip, body].concat()
}

/// The same as a guest makes it that leaves the checksum at this place of the body to the kernel: with the sum of what is not
/// in the body, its addresses, protocol and length.
pub fn unfinished(protocol: u8, to: [u8; 4], mut body: Vec<u8>, checksum: usize) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    let words = [192, 0, 0, 2].chunks(2).chain(to.chunks(2)).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum = words.sum::<u32>() + u32::from(protocol) + length;
    body[checksum..checksum + 2].copy_from_slice(&((sum & 0xffff) + (sum >> 16)).to_be_bytes()[2..]);
    packet(protocol, to, &body)
}

/// The sum of a packet's transport with its pseudo header, which is 0xffff when its checksum is right.
pub fn sum(packet: &[u8]) -> u32 {
    let body = &packet[20..usize::from(u16::from_be_bytes([packet[2], packet[3]]))];
    let words = |bytes: &[u8]| -> u32 {
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
    };
    let mut sum = words(&packet[12..20]) + u32::from(packet[9]) + u32::try_from(body.len()).unwrap() + words(body);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
