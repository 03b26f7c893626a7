//! Network interfaces: up and down (netdevice(7)).

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Sets or clears the flag IFF_UP of an interface.
pub fn set_up(name: &str, up: bool) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: zeroed is a valid ifreq, whose last byte of the name stays 0; both ioctls read the name and use the flags
    // of a live one.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        if name.len() >= request.ifr_name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) != 0 {
            return Err(io::Error::last_os_error());
        }
        if up {
            request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        } else {
            request.ifr_ifru.ifru_flags &= !(libc::IFF_UP as libc::c_short);
        }
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Takes down every interface but `lo`.
pub fn all_down() -> io::Result<()> {
    for entry in fs::read_dir("/sys/class/net")? {
        let name = entry?.file_name();
        match name.to_str() {
            Some("lo") | None => {}
            Some(name) => set_up(name, false)?,
        }
    }
    Ok(())
}
