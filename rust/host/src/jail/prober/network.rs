//! Sockets and networks.

use crate::attempt::{Attempts, outcome};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

pub fn use_network(socket: &str) -> Attempts {
    let address = SocketAddr::from_abstract_name(socket);
    let open = |family: i32, kind: i32| {
        // SAFETY: socket takes plain numbers.
        outcome(unsafe { libc::socket(family, kind, 0) })
    };
    // A ring makes sockets that no filter of system calls sees (IORING_OP_SOCKET).
    let mut ring = [0_u64; 15];
    // SAFETY: struct io_uring_params has 120 bytes (io_uring_setup(2)).
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, ring.as_mut_ptr()) };
    vec![
        ("io_uring".to_owned(), outcome(ring)),
        ("connect to 127.0.0.1".to_owned(), std::net::TcpStream::connect("127.0.0.1:22").map(|_| ())),
        ("connect to 1.1.1.1".to_owned(), std::net::TcpStream::connect("1.1.1.1:53").map(|_| ())),
        ("a socket of the host".to_owned(), address.and_then(|address| UnixStream::connect_addr(&address)).map(|_| ())),
        ("AF_INET6".to_owned(), open(libc::AF_INET6, libc::SOCK_DGRAM)),
        ("AF_VSOCK".to_owned(), open(libc::AF_VSOCK, libc::SOCK_STREAM)),
        ("AF_NETLINK".to_owned(), open(libc::AF_NETLINK, libc::SOCK_RAW)),
        ("AF_PACKET".to_owned(), open(libc::AF_PACKET, libc::SOCK_RAW)),
    ]
}
