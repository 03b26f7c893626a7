//! How many packets the kernel makes of one frame (generic segmentation offload). The sender says how long each is to be, down to one
//! byte, and the kernel cuts without a pause: 65,000 packets keep a processor for 340 ms. A program of eBPF drops such frames
//! before they are cut; no rule of nftables sees that length.

use crate::error::{During, Outcome};
use crate::network::netlink::{Netlink, Protocol, filters};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

/// As a power of two. 64 KiB in packets of 256 bytes and more pass, which are shorter than those of any usual connection.
const MOST: i32 = 8;

/// `struct bpf_insn`: what, destination with its source in the upper half, how far to go or where to read, and a number.
#[repr(C)]
struct Step(u8, u8, i16, i32);

/// A word of the frame's `struct __sk_buff`.
const LOAD: u8 = 0x61;
const LENGTH: i16 = 0;
const SEGMENT: i16 = 176;
const SET: u8 = 0xb7;
const SHIFT_LEFT: u8 = 0x67;
const GO_IF_NUMBER: u8 = 0x15;
const GO_IF_NOT_ABOVE: u8 = 0xbd;
const END: u8 = 0x95;
/// TC_ACT_OK and TC_ACT_SHOT.
const PASS: i32 = 0;
const DROP: i32 = 2;

const PROGRAM: [Step; 9] = [
    Step(LOAD, 0x12, SEGMENT, 0),
    Step(SET, 0, 0, PASS),
    Step(GO_IF_NUMBER, 2, 5, 0),
    Step(SHIFT_LEFT, 2, 0, MOST),
    Step(LOAD, 0x13, LENGTH, 0),
    Step(GO_IF_NOT_ABOVE, 0x23, 2, 0),
    Step(SET, 0, 0, DROP),
    Step(END, 0, 0, 0),
    Step(END, 0, 0, 0),
];

/// The head of `union bpf_attr`, for a program; what is left out is 0.
#[repr(C)]
struct Load {
    kind: u32,
    steps: u32,
    program: u64,
    license: u64,
}

/// BPF_PROG_LOAD and BPF_PROG_TYPE_SCHED_CLS.
const LOAD_PROGRAM: libc::c_int = 5;
const CLASSIFIER: u32 = 3;

fn load() -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let steps = u32::try_from(PROGRAM.len()).unwrap_or(0);
    let (program, license) = (PROGRAM.as_ptr() as u64, license.as_ptr() as u64);
    let load = Load { kind: CLASSIFIER, steps, program, license };
    // SAFETY: the program and its license's name live for ever, the rest through the call; the descriptor is nobody else's.
    unsafe {
        let file = libc::syscall(libc::SYS_bpf, LOAD_PROGRAM, &raw const load, size_of::<Load>());
        let file = i32::try_from(file).map_err(io::Error::other)?;
        if file < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(file)) }
    }
}

/// Has a link of the calling thread's namespace drop what comes in and is to be cut into more packets than that.
///
/// # Errors
/// What the kernel refused.
pub fn limit(link: &str) -> Outcome<()> {
    let what = || format!("limit the packets of a frame of {link}");
    let index = nix::net::if_::if_nametoindex(link).during(what)?;
    let program = load().during(what)?;
    let socket = Netlink::open(Protocol::Route).during(what)?;
    filters::incoming(&socket, index, program.as_fd(), "segments").during(what)
}
