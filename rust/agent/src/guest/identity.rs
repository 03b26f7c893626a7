//! The identity of a guest: names, boot id, randomness, clock. A restored guest shares all of it with its twins until the
//! host sends it one of its own.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::agent::Agent;
use crate::channel::answer::{self, Answer};
use crate::error::{CallError, CallResult, bad_request};
use crate::guest::host_keys;
use crate::guest::randomness::{Seed, reseed, set_clock};
use crate::network::files;
use crate::network::interface::{Host, Interface, Wish};
use crate::process::own_files;

const MACHINE_ID: &str = "/etc/machine-id";
/// So that the answer, and the start of a shell, come first.
const FILES_AFTER: Duration = Duration::from_millis(300);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    hostname: String,
    machine_id: String,
    time_unix_ms: u64,
    seed: String,
    environment: String,
    #[serde(default)]
    network: Wish,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wake {
    time_unix_ms: u64,
    seed: String,
    #[serde(default)]
    network: Wish,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    environment: String,
    #[serde(default)]
    network: Wish,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkChange {
    network: Option<Interface>,
}

/// Takes an identity. A sealed guest serves from then on; after a failed step it never does.
/// In process mode only the environment's name is taken: the machine is not the agent's to change. In a pod its machine-id as well.
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
    agent.network.check(&identity.network)?;
    if agent.is_guest {
        let unsealing = agent.seal().begin_identity()?;
        let result = apply(&agent, &identity, &seed, unsealing.is_some());
        let result = match result {
            Ok(()) if agent.seal().take_had_host_keys() => host_keys::make(&agent.programs).await,
            result => result,
        };
        let result = match result {
            Ok(()) => agent.network.set(identity.network).await,
            result => result,
        };
        if let Some(unsealing) = unsealing {
            unsealing.finish(result.as_ref().err());
            agent.restart_uptime();
        }
        result?;
    } else {
        if agent.has_power {
            // A pod's file is the image's, the same in all of them.
            own_files::write(MACHINE_ID, &format!("{}\n", identity.machine_id))
                .map_err(|error| CallError::io("machine-id", &error))?;
        }
        agent.network.set(identity.network).await?;
    }
    agent.programs.environment_name.replace(identity.environment);
    Ok(answer::json(StatusCode::OK, &json!({ "bootId": own_files::boot_id()? })))
}

/// After a pause, in which the clock stood still. A saved random pool may be used twice.
pub async fn wake(agent: Rc<Agent>, wake: Wake) -> CallResult<Answer> {
    let seed = Seed::parse(&wake.seed)?;
    agent.network.check(&wake.network)?;
    if agent.is_guest {
        reseed(&seed).map_err(|error| CallError::io("random pool", &error))?;
        set_clock(wake.time_unix_ms).map_err(|error| CallError::io("clock", &error))?;
    }
    agent.network.set(wake.network).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// The guest becomes an environment's, whose name the host and later shells get.
pub async fn claim(agent: Rc<Agent>, claim: Claim) -> CallResult<Answer> {
    check_environment(&claim.environment)?;
    agent.network.check(&claim.network)?;
    if agent.is_guest && is_hostname(&claim.environment) {
        rename_host(&agent, &claim.environment).map_err(|error| CallError::io("hostname", &error))?;
    }
    agent.network.set(claim.network).await?;
    agent.programs.environment_name.replace(claim.environment);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// A running guest gets another network.
pub async fn change_network(agent: Rc<Agent>, NetworkChange { network }: NetworkChange) -> CallResult<Answer> {
    let wish = Wish::Is(network);
    agent.network.check(&wish)?;
    agent.network.set(wish).await?;
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

/// Sets all that makes two guests different. Randomness comes first: the boot id is made from it.
fn apply(agent: &Rc<Agent>, identity: &Identity, seed: &Seed, is_restored: bool) -> CallResult<()> {
    let failed = |what: &'static str| move |error: io::Error| CallError::io(what, &error);
    reseed(seed).map_err(failed("random pool"))?;
    set_clock(identity.time_unix_ms).map_err(failed("clock"))?;
    own_files::write(MACHINE_ID, &format!("{}\n", identity.machine_id)).map_err(failed("machine-id"))?;
    own_files::renew_boot_id().map_err(failed("boot id"))?;
    let named = if is_restored {
        rename_host(agent, &identity.hostname)
    } else {
        set_hostname(&identity.hostname, &agent.network.hosts())
    };
    named.map_err(failed("hostname"))
}

/// For a restored guest, whose host waits for the answer: sets the kernel's host name at once, and the files soon after.
/// Their first write takes an emulated guest 30 ms and more.
fn rename_host(agent: &Rc<Agent>, name: &str) -> io::Result<()> {
    if nix::unistd::gethostname().is_ok_and(|found| found == *name) {
        return Ok(());
    }
    nix::unistd::sethostname(name)?;
    let (agent, name) = (agent.clone(), name.to_owned());
    tokio::task::spawn_local(async move {
        tokio::time::sleep(FILES_AFTER).await;
        // The next claim, or the owner, may have set another name meanwhile.
        if nix::unistd::gethostname().is_ok_and(|found| found == *name)
            && let Err(error) = write_hostname(&name, &agent.network.hosts())
        {
            eprintln!("microterm-agent: the host's name could not be written: {error}");
        }
    });
    Ok(())
}

/// Puts the files that each restored guest writes into memory: a first write to the disk takes an emulated guest 30 ms and
/// more. The machine-id is empty until then, as it is on the disk.
pub fn prepare_to_restore() -> io::Result<()> {
    own_files::renew_boot_id()?;
    own_files::write(MACHINE_ID, "")?;
    own_files::cover(Path::new(MACHINE_ID), "")
}

/// Sets the kernel's host name, `/etc/hostname` and `/etc/hosts`.
pub fn set_hostname(name: &str, hosts: &[Host]) -> io::Result<()> {
    nix::unistd::sethostname(name)?;
    write_hostname(name, hosts)
}

fn write_hostname(name: &str, hosts: &[Host]) -> io::Result<()> {
    own_files::write("/etc/hostname", &format!("{name}\n"))?;
    own_files::write("/etc/hosts", &files::hosts(name, hosts))
}
