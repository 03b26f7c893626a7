//! Who this guest is: randomness, clock, names. A restored guest shares all of it with its twins until it is told.

use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use nix::mount::{MsFlags, mount};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use serde::Deserialize;
use serde_json::json;

use crate::agent::Agent;
use crate::answer::{self, Answer};
use crate::error::{CallError, CallResult, bad_request};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Files of this boot: the boot id, mounted over the kernel's, which in a restored guest is the template's.
const OWN_FILES: &str = "/run/microterm";
const SEED_BYTES: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    hostname: String,
    machine_id: String,
    time_unix_ms: u64,
    seed: String,
    environment: String,
}

/// The boot id as the guest's programs see it.
pub fn boot_id() -> CallResult<String> {
    let id = fs::read_to_string(BOOT_ID).map_err(|error| CallError::io(BOOT_ID, &error))?;
    Ok(id.trim_end().to_owned())
}

/// Takes an identity. In process mode only the environment's name is taken: the machine is not ours to change.
pub fn set(agent: &Rc<Agent>, identity: Identity) -> CallResult<Answer> {
    let seed = STANDARD.decode(&identity.seed).ok().filter(|seed| seed.len() == SEED_BYTES);
    let seed = seed.ok_or_else(|| bad_request("seed is the base64 of 64 bytes"))?;
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if identity.hostname.is_empty() || identity.hostname.len() > 64 || !identity.hostname.bytes().all(is_label) {
        return Err(bad_request("hostname is 1 to 64 letters, digits, hyphens and dots"));
    }
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if identity.machine_id.len() != 32 || !identity.machine_id.bytes().all(is_hex) {
        return Err(bad_request("machineId is 32 lower-case hex digits"));
    }
    if identity.environment.len() > 255 || identity.environment.contains(['\0', '\n']) {
        return Err(bad_request("environment is at most 255 bytes, one line"));
    }
    if agent.is_guest {
        become_it(&identity, &seed).map_err(|(what, error)| CallError::io(what, &error))?;
    }
    agent.programs.environment_name.replace(identity.environment);
    Ok(answer::json(StatusCode::OK, &json!({ "bootId": boot_id()? })))
}

type Step = (&'static str, io::Error);

fn become_it(identity: &Identity, seed: &[u8]) -> Result<(), Step> {
    reseed(seed).map_err(|error| ("random pool", error))?;
    let time = TimeSpec::from_duration(Duration::from_millis(identity.time_unix_ms));
    clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|error| ("clock", error.into()))?;
    set_hostname(&identity.hostname).map_err(|error| ("hostname", error))?;
    set_file("/etc/machine-id", &format!("{}\n", identity.machine_id)).map_err(|error| ("machine-id", error))?;
    renew_boot_id().map_err(|error| ("boot id", error))
}

/// Adds the host's seed to the kernel's pool and makes the generator start from it at once (random(4)).
fn reseed(seed: &[u8]) -> io::Result<()> {
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
    pool.buffer.copy_from_slice(seed);
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

/// Sets the kernel's host name, `/etc/hostname` and `/etc/hosts`.
pub fn set_hostname(name: &str) -> io::Result<()> {
    nix::unistd::sethostname(name)?;
    set_file("/etc/hostname", &format!("{name}\n"))?;
    set_file("/etc/hosts", &format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost ip6-localhost\n"))
}

/// Makes a small file say this. On a full disk, which must not keep a guest from starting, by a mount over it.
fn set_file(path: &str, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    match fs::write(path, text) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)) => {
            // One mount per change; a guest's identity changes when it is restored, not more often.
            let aside = Path::new(OWN_FILES).join(path.replace('/', "-"));
            let _ = fs::remove_file(&aside);
            fs::write(&aside, text)?;
            Ok(mount(Some(&aside), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
        }
        result => result,
    }
}

fn renew_boot_id() -> io::Result<()> {
    static MOUNTED: OnceLock<()> = OnceLock::new();
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let own = Path::new(OWN_FILES).join("boot_id");
    // The file keeps its inode, so that the mount made before shows the new id.
    fs::write(&own, id)?;
    if MOUNTED.get().is_none() {
        mount(Some(&own), BOOT_ID, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        let _ = MOUNTED.set(());
    }
    Ok(())
}
