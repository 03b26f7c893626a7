//! What programs are started with: user, directory, variables, streams.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use crate::error::{CallError, CallResult, Code, bad_request};
use crate::process::reaper::Reaper;
use crate::process::seal::Seal;
use crate::process::spawn::{Launch, LaunchError, Launching, Stage, c_string, launch};
use crate::process::user::User;

/// Debian's, with the system directories, so that `poweroff` is found without a login.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One for each agent.
pub struct Programs {
    pub user: User,
    pub reaper: Reaper,
    pub cgroup: Option<OwnedFd>,
    pub seal: Seal,
    /// The environment's name; empty until it was given.
    pub environment_name: RefCell<String>,
}

/// A program as a caller asks for it.
pub struct Program<'a> {
    /// Empty: the user's login shell.
    pub command: &'a [String],
    /// Of `/etc/environment`.
    pub machine_env: &'a [(String, String)],
    pub env: &'a BTreeMap<String, String>,
    pub cwd: Option<&'a str>,
    pub user: &'a User,
}

/// Where a program's three streams go.
pub struct Streams {
    pub stdin: RawFd,
    pub stdout: RawFd,
    pub stderr: RawFd,
    pub tty: bool,
}

impl Programs {
    /// Forks the program; the caller registers it with the reaper at once. A sealed guest refuses.
    pub fn launch(&self, program: &Program<'_>, streams: &Streams) -> CallResult<Launching> {
        // A call that was accepted before the guest was sealed may come here after it.
        self.seal.check_open()?;
        self.start(program, streams)
    }

    /// As [`Programs::launch`], in a sealed guest too.
    pub fn start(&self, program: &Program<'_>, streams: &Streams) -> CallResult<Launching> {
        let user = program.user;
        let mut arguments = Vec::with_capacity(program.command.len().max(1));
        let executable: &OsStr = match program.command.first() {
            Some(first) => {
                for argument in program.command {
                    arguments.push(text(argument)?);
                }
                OsStr::new(first)
            }
            None => {
                // A dash before the name makes it a login shell.
                let name = user.shell.file_name().unwrap_or(OsStr::new("sh"));
                arguments.push(text(&format!("-{}", name.to_string_lossy()))?);
                user.shell.as_os_str()
            }
        };
        if executable.is_empty() {
            return Err(bad_request("the command's name is empty"));
        }
        let variables = self.environment(program, streams.tty)?;
        let path = variables.get("PATH").cloned().unwrap_or_else(|| DEFAULT_PATH.to_owned());
        let env = variables.iter().map(|(name, value)| text(&format!("{name}={value}"))).collect::<CallResult<_>>()?;
        let cwd = directory(user, program.cwd)?;
        launch(&Launch {
            program: executable,
            arguments,
            env,
            path,
            cwd: &cwd,
            cwd_or_root: program.cwd.is_none(),
            user,
            stdin: streams.stdin,
            stdout: streams.stdout,
            stderr: streams.stderr,
            tty: streams.tty,
            cgroup: self.cgroup.as_ref().map(|procs| procs.as_raw_fd()),
        })
        .map_err(|error| CallError::io("cannot start a program", &error))
    }

    fn environment(&self, program: &Program<'_>, tty: bool) -> CallResult<BTreeMap<String, String>> {
        let user = program.user;
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
        if tty {
            set("TERM", "xterm-256color".into());
            set("COLORTERM", "truecolor".into());
        }
        set("LANG", "C.UTF-8".into());
        set("HOME", user.home.to_string_lossy().into_owned());
        set("USER", user.name.clone());
        set("LOGNAME", user.name.clone());
        set("SHELL", user.shell.to_string_lossy().into_owned());
        let inherited = if user.switch { None } else { std::env::var("PATH").ok() };
        set("PATH", inherited.unwrap_or_else(|| DEFAULT_PATH.to_owned()));
        variables.extend(program.machine_env.iter().cloned());
        let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
        if !self.environment_name.borrow().is_empty() {
            set("MICROTERM_NAME", self.environment_name.borrow().clone());
        }
        for (name, value) in program.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(bad_request(format!("not a variable: {name:?}")));
            }
            set(name, value.clone());
        }
        Ok(variables)
    }
}

/// The directory to start in.
fn directory(user: &User, asked: Option<&str>) -> CallResult<PathBuf> {
    match asked {
        Some(asked) if asked.len() > 4096 => Err(bad_request("cwd is longer than 4096 bytes")),
        Some(asked) if asked.contains('\0') => Err(bad_request("cwd contains a NUL")),
        Some(asked) => Ok(user.home.join(asked)),
        None => Ok(user.home.clone()),
    }
}

/// Characters of a command's name in a message: a name may be as long as an argument.
const MAX_NAME: usize = 200;

/// The code of why a program was not started, and a message.
pub fn describe(failure: &LaunchError, program: &Program<'_>) -> (&'static str, String) {
    let name = program.command.first().map_or_else(|| program.user.shell.to_string_lossy().into_owned(), Clone::clone);
    let name: String = name.chars().take(MAX_NAME).collect();
    let code = match (failure.stage, failure.error.raw_os_error()) {
        (Stage::Cwd, _) => return ("bad-cwd", format!("{}: {}", program.cwd.unwrap_or(""), failure.error)),
        (Stage::Exec, Some(libc::ENOENT | libc::ENOTDIR)) => "not-found",
        (Stage::Exec, Some(libc::EACCES | libc::ENOEXEC | libc::EISDIR | libc::EPERM)) => "not-executable",
        _ => "failed",
    };
    (code, format!("{name}: {}", failure.error))
}

/// A failed start as the answer of a call.
pub fn start_error(failure: &LaunchError, program: &Program<'_>) -> CallError {
    let (code, message) = describe(failure, program);
    let code = match code {
        "not-found" | "bad-cwd" => Code::NotFound,
        "not-executable" => Code::Permission,
        _ => CallError::io("", &failure.error).code,
    };
    CallError::new(code, message)
}

fn text(argument: &str) -> CallResult<CString> {
    c_string(OsStr::new(argument)).map_err(|_: io::Error| bad_request("an argument contains a NUL"))
}
