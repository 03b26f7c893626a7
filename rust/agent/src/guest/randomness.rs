//! The kernel's random pool and the clock: what a guest that was restored or paused shares with its past.

use std::fs;
use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

use crate::error::{CallResult, bad_request};

const SEED_BYTES: usize = 64;

/// Random bytes from the host.
pub struct Seed([u8; SEED_BYTES]);

impl Seed {
    pub fn parse(base64: &str) -> CallResult<Seed> {
        let bytes = STANDARD.decode(base64).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Seed).ok_or_else(|| bad_request("seed is the base64 of 64 bytes"))
    }
}

pub fn set_clock(time_unix_ms: u64) -> io::Result<()> {
    let time = TimeSpec::from_duration(Duration::from_millis(time_unix_ms));
    Ok(clock_settime(ClockId::CLOCK_REALTIME, time)?)
}

/// Adds the host's seed to the kernel's pool and makes the generator start from it at once (random(4)).
pub fn reseed(seed: &Seed) -> io::Result<()> {
    /// `struct rand_pool_info` with its buffer.
    #[repr(C)]
    struct Pool {
        entropy_bits: libc::c_int,
        size: libc::c_int,
        buffer: [u8; SEED_BYTES],
    }
    // _IOW('R', 0x03, int[2]) and _IO('R', 0x07) of linux/random.h.
    const RNDADDENTROPY: libc::Ioctl = 0x4008_5203;
    const RNDRESEEDCRNG: libc::Ioctl = 0x5207;
    let mut pool = Pool { entropy_bits: (SEED_BYTES * 8) as i32, size: SEED_BYTES as i32, buffer: [0; SEED_BYTES] };
    pool.buffer.copy_from_slice(&seed.0);
    let random = fs::OpenOptions::new().write(true).open("/dev/urandom")?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&random);
    // SAFETY: RNDADDENTROPY reads the pool, whose size field is that of its buffer; RNDRESEEDCRNG takes nothing.
    unsafe {
        if libc::ioctl(fd, RNDADDENTROPY, &raw const pool) != 0 || libc::ioctl(fd, RNDRESEEDCRNG, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
