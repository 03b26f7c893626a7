//! Tap devices (Documentation/networking/tuntap.rst).

pub mod offloads;
pub mod segments;

use crate::error::{Code, During, Outcome, failure};
use crate::network::netlink::{Netlink, Protocol, links};
use nix::errno::Errno;
use std::ffi::{c_int, c_short};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Bytes of a guest's frames that may wait in the host, of a tap that is handed in open. A VMM could set more by itself, were
/// its filter of system calls to let it. For one that a VMM opens itself, what waits is bounded by the rules' rates and the
/// kernel's own queue for each processor (net.core.netdev_max_backlog) alone.
static SEND_BUFFER: c_int = 4 << 20;

/// How long a program that is being started may take to close a tap that it inherited, and how often that is looked at.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(1);

/// IFF_TAP and IFF_NO_PI (linux/if_tun.h), and no IFF_VNET_HDR: by that header a guest could have the kernel write a
/// checksum of its choice anywhere into a packet, and cut one frame into thousands, after the rules have looked at it.
/// The VMM that opens a tap which was handed over may say otherwise: what comes from there goes by the hop.
const FLAGS: c_short = 0x0002 | 0x1000;

nix::ioctl_write_ptr_bad!(set_interface, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_int_bad!(set_persistent, libc::TUNSETPERSIST);
nix::ioctl_write_int_bad!(set_owner, libc::TUNSETOWNER);
nix::ioctl_write_ptr_bad!(set_send_buffer, libc::TUNSETSNDBUF, c_int);

/// Opens the tap of that name in the thread's network namespace, and makes it where there is none. It is one program's at a
/// time.
///
/// # Errors
/// `busy` as long as somebody has it open, `internal` without `/dev/net/tun`.
pub fn open(name: &str) -> Outcome<File> {
    let what = || format!("open the tap device {name}");
    let file = File::options().read(true).write(true).open("/dev/net/tun").during(|| "open /dev/net/tun".to_owned())?;
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = FLAGS;
    // SAFETY: the requests are for an ifreq and an int, which live through the calls.
    unsafe {
        match set_interface(file.as_raw_fd(), &raw const request) {
            Err(Errno::EBUSY) => return Err(failure(Code::Busy, format!("the tap device {name} is in use"))),
            outcome => outcome.during(what)?,
        };
        set_send_buffer(file.as_raw_fd(), &raw const SEND_BUFFER).during(what)?;
    }
    Ok(file)
}

/// Has the device outlive its file.
///
/// # Errors
/// What the kernel refused.
pub fn keep(file: &File) -> Outcome<()> {
    // SAFETY: the argument is a plain number.
    unsafe { set_persistent(file.as_raw_fd(), 1) }.during(|| "keep a tap device".to_owned()).map(|_| ())
}

/// Has a user be allowed to open the device, who needs no capability for it.
///
/// # Errors
/// What the kernel refused.
pub fn give(file: &File, uid: u32) -> Outcome<()> {
    // SAFETY: the argument is a plain number.
    unsafe { set_owner(file.as_raw_fd(), uid.cast_signed()) }.during(|| "give a tap device away".to_owned()).map(|_| ())
}

/// Waits until nobody has a device of the thread's namespace open any more: who was being started as it was closed here has it until
/// that one's exec(2).
///
/// # Errors
/// `busy` where somebody keeps it.
pub fn wait_until_closed(name: &str) -> Outcome<()> {
    let what = || format!("look at the tap device {name}");
    let socket = Netlink::open(Protocol::Route).during(what)?;
    let start = Instant::now();
    while links::has_carrier(&socket, name).during(what)? {
        if start.elapsed() > CLOSING_TIMEOUT {
            return Err(failure(Code::Busy, format!("the tap device {name} is in use")));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
