//! Who this guest is: names, boot id, randomness, clock. A restored guest shares all of it with its twins until it is told.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use http::StatusCode;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde::Deserialize;
use serde_json::json;

use crate::agent::Agent;
use crate::channel::answer::{self, Answer};
use crate::error::{CallError, CallResult, bad_request};
use crate::guest::host_keys;
use crate::guest::randomness::{Seed, reseed, set_clock};
use crate::process::tenant_file;

const MACHINE_ID: &str = "/etc/machine-id";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Files of this boot: the boot id, mounted over the kernel's, which in a restored guest is the template's.
const OWN_FILES: &str = "/run/microterm";
/// Holds a /proc that nothing covers. In a user namespace a program may mount a /proc of its own only where such a one is
/// among its mounts (mount_too_revealing in the kernel's fs/namespace.c); the boot id covers a file of the guest's.
const UNCOVERED: &str = "/run/microterm/uncovered";

/// Files that one in memory is mounted over.
static COVERED: Mutex<BTreeSet<&Path>> = Mutex::new(BTreeSet::new());
/// An identity's answer, and a shell's start, come first.
const FILES_AFTER: Duration = Duration::from_millis(300);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    hostname: String,
    machine_id: String,
    time_unix_ms: u64,
    seed: String,
    environment: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wake {
    time_unix_ms: u64,
    seed: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    environment: String,
}

/// The boot id as the guest's programs see it.
pub fn boot_id() -> CallResult<String> {
    let id = fs::read_to_string(BOOT_ID).map_err(|error| CallError::io(BOOT_ID, &error))?;
    Ok(id.trim_end().to_owned())
}

/// Takes an identity. A sealed guest serves from then on; after a failed step it never does.
/// In process mode only the environment's name is taken: the machine is not ours to change.
pub async fn set(agent: Rc<Agent>, identity: Identity) -> CallResult<Answer> {
    let seed = Seed::parse(&identity.seed)?;
    if !is_hostname(&identity.hostname) {
        return Err(bad_request("hostname is 1 to 64 letters, digits, hyphens and dots"));
    }
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if identity.machine_id.len() != 32 || !identity.machine_id.bytes().all(is_hex) {
        return Err(bad_request("machineId is 32 lower-case hex digits"));
    }
    check_environment(&identity.environment)?;
    if agent.is_guest {
        let unsealing = agent.seal().begin_identity()?;
        let result = become_it(&identity, &seed, unsealing.is_some());
        let result = match result {
            Ok(()) if agent.seal().take_had_host_keys() => host_keys::make(&agent.programs).await,
            result => result,
        };
        if let Some(unsealing) = unsealing {
            unsealing.finish(result.as_ref().err());
            agent.renewed();
        }
        result?;
    }
    agent.programs.environment_name.replace(identity.environment);
    Ok(answer::json(StatusCode::OK, &json!({ "bootId": boot_id()? })))
}

/// After a pause: the clock stood still, and the random pool may have been saved twice.
pub fn wake(agent: &Agent, wake: &Wake) -> CallResult<Answer> {
    let seed = Seed::parse(&wake.seed)?;
    if agent.is_guest {
        reseed(&seed).map_err(|error| CallError::io("random pool", &error))?;
        set_clock(wake.time_unix_ms).map_err(|error| CallError::io("clock", &error))?;
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// The guest becomes an environment's: later shells know its name, which is the host's too.
pub fn claim(agent: &Agent, claim: Claim) -> CallResult<Answer> {
    check_environment(&claim.environment)?;
    if agent.is_guest && is_hostname(&claim.environment) {
        rename_host(&claim.environment).map_err(|error| CallError::io("hostname", &error))?;
    }
    agent.programs.environment_name.replace(claim.environment);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// As long as the kernel takes one (hostname(7)).
fn is_hostname(name: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_label)
}

fn check_environment(name: &str) -> CallResult<()> {
    if name.len() > 255 || name.contains(['\0', '\n']) {
        return Err(bad_request("environment is at most 255 bytes, one line"));
    }
    Ok(())
}

/// All that makes two guests different. Randomness comes first: the boot id is made from it.
fn become_it(identity: &Identity, seed: &Seed, is_restored: bool) -> CallResult<()> {
    let failed = |what: &'static str| move |error: io::Error| CallError::io(what, &error);
    reseed(seed).map_err(failed("random pool"))?;
    set_clock(identity.time_unix_ms).map_err(failed("clock"))?;
    set_file(MACHINE_ID, &format!("{}\n", identity.machine_id)).map_err(failed("machine-id"))?;
    renew_boot_id().map_err(failed("boot id"))?;
    if is_restored { rename_host(&identity.hostname) } else { set_hostname(&identity.hostname) }
        .map_err(failed("hostname"))
}

/// Of a restored guest, for which somebody waits: the kernel's host name at once, the files soon after. Their first write takes
/// an emulated guest 30 ms and more.
fn rename_host(name: &str) -> io::Result<()> {
    if nix::unistd::gethostname().is_ok_and(|found| found == *name) {
        return Ok(());
    }
    nix::unistd::sethostname(name)?;
    let name = name.to_owned();
    tokio::task::spawn_local(async move {
        tokio::time::sleep(FILES_AFTER).await;
        // Another name may have been given meanwhile, by the next claim or by the owner.
        if nix::unistd::gethostname().is_ok_and(|found| found == *name)
            && let Err(error) = write_hostname(&name)
        {
            eprintln!("microterm-agent: the host's name could not be written: {error}");
        }
    });
    Ok(())
}

/// Makes room in memory for what each restored guest writes: a first write to the disk takes an emulated guest 30 ms and
/// more. The machine-id is empty until then, as it is on the disk.
pub fn prepare_to_restore() -> io::Result<()> {
    renew_boot_id()?;
    set_file(MACHINE_ID, "")?;
    cover(Path::new(MACHINE_ID), "")
}

/// Sets the kernel's host name, `/etc/hostname` and `/etc/hosts`.
pub fn set_hostname(name: &str) -> io::Result<()> {
    nix::unistd::sethostname(name)?;
    write_hostname(name)
}

fn write_hostname(name: &str) -> io::Result<()> {
    set_file("/etc/hostname", &format!("{name}\n"))?;
    set_file("/etc/hosts", &format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost ip6-localhost\n"))
}

/// Makes a small file say this. Where it cannot be written (a full disk, an immutable file), which must not keep a guest from
/// starting, by a mount over it.
fn set_file(path: &'static str, text: &str) -> io::Result<()> {
    let path = Path::new(path);
    if tenant_file::read(path, text.len() as u64 + 1).is_some_and(|found| found == text) {
        return Ok(());
    }
    if COVERED.lock().is_ok_and(|covered| covered.contains(path)) {
        return cover(path, text);
    }
    match tenant_file::replace(path, text) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) => cover(path, text),
        result => result,
    }
}

/// Mounts a file in memory that says this over another, in place of an earlier one.
fn cover(path: &'static Path, text: &str) -> io::Result<()> {
    let aside = Path::new(OWN_FILES).join(path.to_string_lossy().replace('/', "-"));
    let mut covered = COVERED.lock().map_err(|_| io::Error::other("a thread panicked"))?;
    if covered.remove(path) {
        umount2(path, MntFlags::MNT_DETACH)?;
    }
    tenant_file::replace(&aside, text)?;
    mount(Some(&aside), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    covered.insert(path);
    Ok(())
}

fn renew_boot_id() -> io::Result<()> {
    static MOUNTED: OnceLock<()> = OnceLock::new();
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let own = Path::new(OWN_FILES).join("boot_id");
    // The file keeps its inode, so that the mount made before shows the new id.
    fs::write(&own, id)?;
    if MOUNTED.get().is_none() {
        mount_uncovered_proc()?;
        mount(Some(&own), BOOT_ID, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        let _ = MOUNTED.set(());
    }
    Ok(())
}

fn mount_uncovered_proc() -> io::Result<()> {
    // The kernel asks for the mount alone; ordinary programs have no business in it.
    fs::create_dir_all(UNCOVERED)?;
    fs::set_permissions(UNCOVERED, PermissionsExt::from_mode(0o700))?;
    let target = Path::new(UNCOVERED).join("proc");
    fs::create_dir_all(&target)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("proc"), &target, Some("proc"), flags, None::<&str>)?)
}
