//! What a link may leave to who comes after it: checksums that are still to be written, packets that are still to be cut up
//! (linux/ethtool.h, Documentation/networking/netdev-features.rst).

use crate::error::{Code, During, Outcome, failure};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

const GET: u32 = 0x3a;
const SET: u32 = 0x3b;
/// Of 32 features each. Kernels have two.
const MOST_BLOCKS: u32 = 16;
/// Words of a block of what is there: what can be changed, what was asked for, what is on, and what never changes.
const GET_WORDS: usize = 4;
/// Words before the blocks: the command, and the number of blocks.
const HEAD: usize = 2;

nix::ioctl_readwrite_bad!(ethtool, libc::SIOCETHTOOL, libc::ifreq);

fn call(socket: &UdpSocket, link: &str, words: &mut [u32]) -> nix::Result<()> {
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(link.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: the words are as many as their second one says, and live through the call as the ifreq does.
    unsafe { ethtool(socket.as_raw_fd(), &raw mut request) }.map(|_| ())
}

/// Of each block, what can be changed and what is on.
fn read(socket: &UdpSocket, link: &str) -> nix::Result<Vec<(u32, u32)>> {
    // Asked for none, the kernel says how many there are.
    let mut head = [GET, 0];
    call(socket, link, &mut head)?;
    let blocks = head[1].min(MOST_BLOCKS);
    let mut words = vec![0; HEAD + blocks as usize * GET_WORDS];
    (words[0], words[1]) = (GET, blocks);
    call(socket, link, &mut words)?;
    Ok(words[HEAD..].chunks_exact(GET_WORDS).map(|block| (block[0], block[2])).collect())
}

/// Has a link of the calling thread's namespace send whole packets alone, their checksums written.
///
/// # Errors
/// What the kernel refused, or `internal` where something stayed on.
pub fn disable(link: &str) -> Outcome<()> {
    let what = || format!("turn off the offloads of {link}");
    let socket = UdpSocket::bind("0.0.0.0:0").during(what)?;
    let before = read(&socket, link).during(what)?;
    let mut words = vec![SET, u32::try_from(before.len()).unwrap_or(MOST_BLOCKS)];
    // Of each block, which features, and what they are to be.
    words.extend(before.iter().flat_map(|(changeable, _)| [*changeable, 0]));
    call(&socket, link, &mut words).during(what)?;
    let after = read(&socket, link).during(what)?;
    if after.is_empty() || after.iter().any(|(changeable, on)| changeable & on != 0) {
        return Err(failure(Code::Internal, format!("offloads of {link} stay on: {after:x?}")));
    }
    Ok(())
}
