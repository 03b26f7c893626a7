//! A sealed guest: no program runs in it, and it serves no call until it has an identity of its own. From its memory a
//! template is saved, so nothing in it may be secret, and nothing that a twin could guess may be used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::channel::answer::{self, Answer};
use crate::error::{CallError, CallResult, Code, internal};
use crate::guest::{host_keys, identity};
use crate::process::cgroup;
use crate::process::user::User;

/// How long killed programs and calls under way may take to end. A program in uninterruptible sleep may never.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often to look whether they have.
const INTERVAL: Duration = Duration::from_millis(2);

/// Where systems keep randomness for their next boot.
const SEED_FILES: [&str; 3] =
    ["/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/misc/random-seed"];
/// Histories of what was typed.
const HISTORIES: [&str; 5] = [".bash_history", ".python_history", ".lesshst", ".viminfo", ".wget-hsts"];

/// Seals the guest. After a failure it refuses service: a template must not be made of it.
pub async fn call(agent: Rc<Agent>) -> CallResult<Answer> {
    if !agent.is_guest {
        return Err(CallError::new(Code::Permission, "this agent is not a guest's PID 1"));
    }
    agent.seal().begin()?;
    let result = seal(&agent).await;
    agent.seal().finish(&result);
    result.map(|_| answer::empty(StatusCode::NO_CONTENT))
}

/// Answers whether there were SSH host keys.
async fn seal(agent: &Rc<Agent>) -> CallResult<bool> {
    end_programs(agent).await?;
    agent.terminals.remove_all();
    agent.programs.environment_name.take();
    let failed = |what: &'static str| move |error: io::Error| CallError::io(what, &error);
    agent.network.take_all_down().map_err(failed("network"))?;
    let had_keys = remove_secrets(&agent.programs.user).map_err(failed("secrets"))?;
    // On a thread: a slow disk must not block the channel.
    tokio::task::spawn_blocking(nix::unistd::sync).await.map_err(|_| internal("sync broke"))?;
    Ok(had_keys)
}

/// Kills every process but this one, until none is left and no other call is under way.
async fn end_programs(agent: &Rc<Agent>) -> CallResult<()> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        cgroup::kill_all();
        // A program that left its cgroup, which root may do; it fails when no process is left.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        // Everything that runs in user space descends from this process, and orphans come back to it.
        let childless = matches!(
            waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT),
            Err(nix::Error::ECHILD)
        );
        if childless && agent.calls_under_way() <= 1 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(internal("programs or calls did not end"));
        }
        sleep(INTERVAL).await;
    }
}

/// Removes what a template must not carry, the machine-id included; answers whether there were SSH host keys.
fn remove_secrets(user: &User) -> io::Result<bool> {
    let mut files: Vec<PathBuf> = SEED_FILES.iter().map(PathBuf::from).collect();
    for home in [Path::new("/root"), &user.home] {
        files.extend(HISTORIES.iter().map(|name| home.join(name)));
    }
    let keys = host_keys::list();
    for file in files.iter().chain(&keys) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir_all("/run/sudo/ts") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    identity::prepare_to_restore()?;
    Ok(!keys.is_empty())
}
