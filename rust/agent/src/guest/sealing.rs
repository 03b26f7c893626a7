//! A sealed guest: no program runs in it, and it serves no call until it has an identity of its own. From its memory a
//! template is saved, so nothing in it may be secret, and nothing that a twin could guess may be used.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use microterm_wire::Ended;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::channel::answer::{self, Answer};
use crate::error::{CallError, CallResult, Code};
use crate::guest::{identity, interfaces};
use crate::process::cgroup;
use crate::process::programs::{Program, Programs, Streams, start_error};
use crate::process::user::User;

/// How long killed programs and calls under way may take to go. A program in uninterruptible sleep may never.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether they have.
const INTERVAL: Duration = Duration::from_millis(2);

const HOST_KEYS: &str = "/etc/ssh";
/// Where systems keep randomness for their next boot.
const SEED_FILES: [&str; 3] =
    ["/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/misc/random-seed"];
/// What programs remember of what was typed.
const HISTORIES: [&str; 5] = [".bash_history", ".python_history", ".lesshst", ".viminfo", ".wget-hsts"];

#[derive(Clone)]
enum State {
    Open,
    Sealing,
    Sealed,
    /// A step failed halfway: what this guest shares with others cannot be known any more.
    Refused(String),
}

pub struct Seal {
    state: RefCell<State>,
    /// The template had SSH host keys: so has each of its guests, its own.
    had_host_keys: Cell<bool>,
}

impl Default for Seal {
    fn default() -> Self {
        Seal { state: RefCell::new(State::Open), had_host_keys: Cell::new(false) }
    }
}

/// An identity that is being taken by a sealed guest. Dropped before it is finished, the guest refuses service.
pub struct Unsealing<'a>(&'a Seal);

impl Unsealing<'_> {
    pub fn finish(self, error: Option<&CallError>) {
        self.0.state.replace(match error {
            None => State::Open,
            Some(error) => State::Refused(error.message.clone()),
        });
    }
}

impl Seal {
    /// For `hello`: it waits for an identity, or waited in vain.
    pub fn is_sealed(&self) -> bool {
        !matches!(*self.state.borrow(), State::Open)
    }

    /// Whether programs may start and calls be served.
    pub fn check_open(&self) -> CallResult<()> {
        match &*self.state.borrow() {
            State::Open => Ok(()),
            State::Sealing | State::Sealed => Err(sealed("the guest is sealed: it waits for its identity")),
            State::Refused(why) => Err(refused(why)),
        }
    }

    /// Whether an identity may be taken; for a sealed guest, what unseals it.
    pub fn begin_identity(&self) -> CallResult<Option<Unsealing<'_>>> {
        let state = self.state.borrow().clone();
        match state {
            State::Open => Ok(None),
            State::Sealing => Err(sealed("the guest is being sealed, or made itself")),
            State::Refused(why) => Err(refused(&why)),
            State::Sealed => {
                self.state.replace(State::Refused("its identity was not taken to the end".into()));
                Ok(Some(Unsealing(self)))
            }
        }
    }

    /// Makes new SSH host keys in place of those that the template had.
    pub async fn renew_host_keys(&self, programs: &Programs) -> CallResult<()> {
        if !self.had_host_keys.take() {
            return Ok(());
        }
        let root = User::root().await;
        let command = ["ssh-keygen".to_owned(), "-A".to_owned()];
        let program =
            Program { command: &command, machine_env: &[], env: &BTreeMap::new(), cwd: Some("/"), user: &root };
        let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        let null = null.map_err(|error| CallError::io("/dev/null", &error))?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&null);
        let launching = programs.start(&program, &Streams { stdin: fd, stdout: fd, stderr: fd, tty: false })?;
        let exit = programs.reaper.watch(launching.pid);
        launching.started().await.map_err(|failure| start_error(&failure, &program))?;
        match exit.await {
            Ok(Ended::Code(0)) => Ok(()),
            _ => Err(internal("ssh-keygen made no host keys")),
        }
    }
}

fn sealed(message: &str) -> CallError {
    CallError::new(Code::Sealed, message)
}

fn refused(why: &str) -> CallError {
    sealed(&format!("the guest refuses service, because it could not become itself: {why}"))
}

fn internal(message: &str) -> CallError {
    CallError::new(Code::Internal, message)
}

/// Seals the guest. After a failure it refuses service: a template must not be made of it.
pub async fn call(agent: Rc<Agent>) -> CallResult<Answer> {
    if !agent.is_guest {
        return Err(CallError::new(Code::Permission, "this agent is not a guest's PID 1"));
    }
    agent.seal.check_open()?;
    agent.seal.state.replace(State::Sealing);
    let result = seal(&agent).await;
    agent.seal.state.replace(match &result {
        Ok(()) => State::Sealed,
        Err(error) => State::Refused(error.message.clone()),
    });
    result.map(|()| answer::empty(StatusCode::NO_CONTENT))
}

async fn seal(agent: &Rc<Agent>) -> CallResult<()> {
    end_programs(agent).await?;
    agent.terminals.forget();
    agent.programs.environment_name.take();
    let failed = |what: &'static str| move |error: io::Error| CallError::io(what, &error);
    interfaces::all_down().map_err(failed("interfaces"))?;
    let keys = remove_secrets(&agent.programs.user).map_err(failed("secrets"))?;
    agent.seal.had_host_keys.set(keys);
    // By a thread: a disk that is slow must not silence the channel.
    tokio::task::spawn_blocking(nix::unistd::sync).await.map_err(|_| internal("sync broke"))
}

/// Kills every process but this one, until none is left and no other call is under way.
async fn end_programs(agent: &Rc<Agent>) -> CallResult<()> {
    let deadline = Instant::now() + PATIENCE;
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
    let keys: Vec<PathBuf> = fs::read_dir(HOST_KEYS)
        .map(|entries| {
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_host_key(path)).collect()
        })
        .unwrap_or_default();
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

fn is_host_key(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("ssh_host_") && (name.ends_with("_key") || name.ends_with("_key.pub")))
}

#[cfg(test)]
mod tests {
    use super::{Seal, State, internal, is_host_key};
    use std::path::Path;

    #[test]
    fn a_sealed_guest_is_opened_by_an_identity_alone() {
        let seal = Seal::default();
        assert!(!seal.is_sealed() && seal.check_open().is_ok());
        assert!(seal.begin_identity().unwrap().is_none(), "an open guest takes one without more");
        seal.state.replace(State::Sealing);
        assert!(seal.is_sealed() && seal.check_open().is_err() && seal.begin_identity().is_err());
        seal.state.replace(State::Sealed);
        assert!(seal.is_sealed() && seal.check_open().is_err());
        seal.begin_identity().unwrap().unwrap().finish(None);
        assert!(!seal.is_sealed() && seal.check_open().is_ok());
    }

    #[test]
    fn an_identity_that_fails_or_breaks_off_closes_it_for_good() {
        for error in [Some(internal("clock: no")), None] {
            let seal = Seal::default();
            seal.state.replace(State::Sealed);
            {
                let unsealing = seal.begin_identity().unwrap().unwrap();
                assert!(seal.begin_identity().is_err(), "one at a time");
                if let Some(error) = &error {
                    unsealing.finish(Some(error));
                }
            }
            assert!(seal.is_sealed() && seal.begin_identity().is_err());
            let refusal = seal.check_open().unwrap_err().message;
            assert!(refusal.contains("refuses service"), "{refusal}");
            assert!(error.is_none() || refusal.contains("clock: no"), "{refusal}");
        }
    }

    #[test]
    fn host_keys_are_known_by_their_names() {
        for (name, is) in [
            ("ssh_host_rsa_key", true),
            ("ssh_host_ed25519_key.pub", true),
            ("ssh_config", false),
            ("ssh_host_key_notes", false),
        ] {
            assert_eq!(is_host_key(&Path::new("/etc/ssh").join(name)), is, "{name}");
        }
    }
}
