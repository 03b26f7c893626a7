//! Makes the kernel's side of an interface what the host says: device, address, route.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use crate::network::interface::Interface;
use crate::network::netlink::{Address, Link, Netlink};

/// Where programs find the agent's names. Not of 127.0.0.0/8: container engines replace such a resolver by one of their
/// own choice for what they run.
pub const NAMES_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 53, 53);

/// A device's IPv6 is off, until networks have it: with an address of its own link programs would try it first.
fn without_ipv6(link: &Link) {
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", link.name), "1");
}

/// Whether there is a device for it.
pub fn has_device(wish: &Interface) -> io::Result<bool> {
    Ok(find(&mut Netlink::open()?, wish)?.is_some())
}

/// The device that has the MAC address, or, as in a guest that was restored with another's, the one of the name.
fn find(kernel: &mut Netlink, wish: &Interface) -> io::Result<Option<Link>> {
    let links = kernel.links()?;
    let by_mac = links.iter().find(|link| link.mac == Some(wish.mac_address.0));
    Ok(by_mac.or_else(|| links.iter().find(|link| link.name == wish.name)).cloned())
}

/// Sets up the device that has the MAC address, or gives it to the one of that name. What is as it should be is not touched,
/// so that connections over it live on.
pub fn set_up(wish: &Interface) -> io::Result<()> {
    let mut kernel = Netlink::open()?;
    let mac = wish.mac_address.0;
    let link = find(&mut kernel, wish)?.ok_or(io::ErrorKind::NotFound)?;
    without_ipv6(&link);
    if link.mac != Some(mac) {
        kernel.set_mac(link.index, mac)?;
    }
    kernel.set_mtu(link.index, wish.mtu)?;
    kernel.set_up(link.index, true)?;
    keep_only(&mut kernel, link.index, Some(wish.address()))?;
    kernel.add_address(link.index, wish.address(), libc::RT_SCOPE_UNIVERSE)?;
    match wish.gateway {
        Some(gateway) => kernel.set_default_route(link.index, gateway),
        None => kernel.remove_default_route(link.index),
    }
}

/// Takes a device down and its addresses off, wherever it is.
pub fn take_down(wish: &Interface) -> io::Result<()> {
    let mut kernel = Netlink::open()?;
    for link in kernel.links()?.iter().filter(|link| link.mac == Some(wish.mac_address.0)) {
        take_down_link(&mut kernel, link)?;
    }
    Ok(())
}

/// Takes every device but `lo` down, and its addresses off.
pub fn take_all_down() -> io::Result<()> {
    let mut kernel = Netlink::open()?;
    for link in kernel.links()?.iter().filter(|link| link.name != "lo") {
        take_down_link(&mut kernel, link)?;
    }
    Ok(())
}

/// `lo` is up, and has the address of the agent's names.
pub fn set_up_loopback() -> io::Result<()> {
    let mut kernel = Netlink::open()?;
    let links = kernel.links()?;
    let lo = links.iter().find(|link| link.name == "lo").ok_or(io::ErrorKind::NotFound)?;
    kernel.set_up(lo.index, true)?;
    // Of the host's scope, so that nothing takes it for its own towards others.
    kernel.add_address(lo.index, Address { address: NAMES_ADDRESS, prefix: 32 }, libc::RT_SCOPE_HOST)
}

fn take_down_link(kernel: &mut Netlink, link: &Link) -> io::Result<()> {
    kernel.set_up(link.index, false)?;
    keep_only(kernel, link.index, None)
}

fn keep_only(kernel: &mut Netlink, index: u32, kept: Option<Address>) -> io::Result<()> {
    for address in kernel.addresses(index)?.into_iter().filter(|address| Some(*address) != kept) {
        match kernel.remove_address(index, address) {
            // It went with the one before, whose subnet it shared.
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {}
            result => result?,
        }
    }
    Ok(())
}
