//! SSH host keys: a template has none, and each guest that is made of it has its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use microterm_wire::Ended;

use crate::error::{CallError, CallResult, internal};
use crate::process::programs::{Program, Programs, Streams, start_error};
use crate::process::user::User;

const FOLDER: &str = "/etc/ssh";

/// The keys that are there.
pub fn list() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| is_host_key(path)).collect()
}

/// Makes new ones, also in a guest that is still sealed.
pub async fn make(programs: &Programs) -> CallResult<()> {
    let root = User::root().await;
    let command = ["ssh-keygen".to_owned(), "-A".to_owned()];
    let program = Program { command: &command, machine_env: &[], env: &BTreeMap::new(), cwd: Some("/"), user: &root };
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| CallError::io("/dev/null", &error))?;
    let fd = null.as_raw_fd();
    let launching = programs.start(&program, &Streams { stdin: fd, stdout: fd, stderr: fd, tty: false })?;
    let exit = programs.reaper.watch(launching.pid);
    launching.started().await.map_err(|failure| start_error(&failure, &program))?;
    match exit.await {
        Ok(Ended::Code(0)) => Ok(()),
        _ => Err(internal("ssh-keygen made no host keys")),
    }
}

fn is_host_key(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("ssh_host_") && (name.ends_with("_key") || name.ends_with("_key.pub")))
}

#[cfg(test)]
mod tests {
    use super::is_host_key;
    use std::path::Path;

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
