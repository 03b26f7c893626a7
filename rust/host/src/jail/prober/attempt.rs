//! What is tried, and what came of it.

use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Error};

/// What was tried, and whether it was possible.
pub type Attempt = (String, io::Result<()>);
pub type Attempts = Vec<Attempt>;

#[derive(Serialize)]
pub struct Check {
    name: &'static str,
    refused: bool,
    detail: String,
}

/// Makes a check of attempts that must all fail.
pub fn check(name: &'static str, attempts: Attempts) -> Check {
    let refused = attempts.iter().all(|(_, outcome)| outcome.is_err());
    let details = attempts.into_iter().map(|(what, outcome)| match outcome {
        Ok(()) => format!("{what}: POSSIBLE"),
        Err(error) => format!("{what}: {error}"),
    });
    Check { name, refused, detail: details.collect::<Vec<_>>().join("; ") }
}

/// The outcome of a system call that answers below zero when it is refused.
pub fn outcome(returned: impl Into<i64>) -> io::Result<()> {
    if returned.into() < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Whether something is as it should be, in the form of a refusal.
pub fn holds(condition: bool, why: &str) -> io::Result<()> {
    if condition { Err(Error::other(why)) } else { Ok(()) }
}

pub fn read(path: &str) -> Attempt {
    let opened = if path.ends_with('/') { fs::read_dir(path).map(|_| ()) } else { File::open(path).map(|_| ()) };
    (format!("read {path}"), opened)
}

pub fn write(path: &str) -> Attempt {
    (format!("write {path}"), OpenOptions::new().write(true).open(path).map(|_| ()))
}

pub fn create(path: &str) -> Attempt {
    (format!("create {path}"), OpenOptions::new().write(true).create_new(true).open(path).map(|_| ()))
}
