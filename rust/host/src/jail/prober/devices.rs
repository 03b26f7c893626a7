//! Devices.

use crate::attempt::{Attempts, outcome, read};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

/// `USERFAULTFD_IOC_NEW` (linux/userfaultfd.h).
const NEW_USERFAULTFD: libc::Ioctl = 0xaa00;

/// The jailer makes nodes of /dev/kvm, of /dev/net/tun and, where the host has one, of /dev/userfaultfd. A QEMU that emulates,
/// whose place the probe takes, has none of them.
pub fn use_devices(is_jailers: bool) -> Attempts {
    let made = ["/dev/kvm", "/dev/net/tun"];
    let never = ["/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/fuse", "/dev/vsock", "/dev/loop-control"];
    let mut attempts: Attempts = made.iter().filter(|_| !is_jailers).chain(&never).map(|path| read(path)).collect();
    let name = c"/node";
    // SAFETY: the name is a nul-terminated string; 1, 1 is /dev/mem (Documentation/admin-guide/devices.txt).
    let made = unsafe { libc::mknod(name.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 1)) };
    attempts.push(("make a node of /dev/mem".to_owned(), outcome(made)));
    let faults = OpenOptions::new().read(true).write(true).open("/dev/userfaultfd");
    // SAFETY: the request takes a plain number.
    let faults = faults.and_then(|device| outcome(unsafe { libc::ioctl(device.as_raw_fd(), NEW_USERFAULTFD, 0) }));
    attempts.push(("handle the kernel's page faults".to_owned(), faults));
    attempts
}

/// What may be done with a node by which Firecracker opens the tap that is its own: make another, or change one. That the node
/// says of a request that it has no tap yet is no refusal.
pub fn make_tap() -> Attempts {
    let device = match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(device) => device,
        // Then Firecracker could not open it either, and the probe proves nothing.
        Err(error) => return vec![(format!("open it as Firecracker does: {error}"), Ok(()))],
    };
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).unwrap_or(0);
    // SAFETY: the request lives through the call.
    let made = outcome(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw const request) });
    let is_refusal = |error: &io::Error| error.raw_os_error() == Some(libc::EPERM);
    let changes = change_tap(device.as_raw_fd());
    [("make a tap".to_owned(), made)]
        .into_iter()
        .chain(changes)
        .map(|(what, outcome)| (what, outcome.or_else(|error| if is_refusal(&error) { Err(error) } else { Ok(()) })))
        .collect()
}

/// What the kernel lets the holder of a tap do without any capability.
pub fn change_tap(tap: i32) -> Attempts {
    if tap < 0 {
        return Vec::new();
    }
    let (carrier, buffer) = (0_i32, 1_i32 << 30);
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: writing to a union's field is no read of another.
    unsafe {
        request.ifr_ifru.ifru_hwaddr.sa_family = libc::ARPHRD_ETHER;
        request.ifr_ifru.ifru_hwaddr.sa_data[0] = 2;
    }
    // SAFETY: each request takes a plain number, or a pointer to what is given, which lives through the call.
    unsafe {
        vec![
            ("have it outlive the machine".to_owned(), outcome(libc::ioctl(tap, libc::TUNSETPERSIST, 1))),
            ("give it to others".to_owned(), outcome(libc::ioctl(tap, libc::TUNSETOWNER, 1))),
            ("change its address".to_owned(), outcome(libc::ioctl(tap, libc::SIOCSIFHWADDR, &raw const request))),
            ("have the host keep more".to_owned(), outcome(libc::ioctl(tap, libc::TUNSETSNDBUF, &raw const buffer))),
            ("take its carrier".to_owned(), outcome(libc::ioctl(tap, libc::TUNSETCARRIER, &raw const carrier))),
        ]
    }
}
