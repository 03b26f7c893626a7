//! Tap devices (Documentation/networking/tuntap.rst).

use crate::error::{Code, During, Outcome, failure};
use nix::errno::Errno;
use std::ffi::{c_int, c_short};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Bytes of a guest's frames that may wait in the host. A VMM could set more by itself, were its filter of system calls to
/// let it.
static SEND_BUFFER: c_int = 4 << 20;

/// IFF_TAP and IFF_NO_PI (linux/if_tun.h), and no IFF_VNET_HDR: by that header a guest could have the kernel write a
/// checksum of its choice anywhere into a packet, and cut one frame into thousands, after the rules have looked at it.
const FLAGS: c_short = 0x0002 | 0x1000;

nix::ioctl_write_ptr_bad!(set_interface, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_int_bad!(set_persistent, libc::TUNSETPERSIST);
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
