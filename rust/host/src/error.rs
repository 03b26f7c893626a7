//! What a verb answers when it does not do as asked.

use serde::Serialize;
use std::fmt;
use std::io;

/// The codes of the protocol, as they stand on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    BadRequest,
    Denied,
    NotFound,
    Exists,
    Busy,
    NoSpace,
    NoMemory,
    ImageCorrupt,
    SnapshotCorrupt,
    SnapshotFailed,
    Internal,
}

/// An answer of refusal or failure.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

/// Makes a `Failure` with the given code.
pub fn failure(code: Code, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when the system refused.
pub trait During<T> {
    /// # Errors
    /// The same error with `what` before it; a full disk becomes `no-space`, all others `internal`.
    fn during(self, what: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, what: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| {
            let error: io::Error = error.into();
            let code = match error.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT) => Code::NoSpace,
                _ => Code::Internal,
            };
            failure(code, format!("{}: {error}", what()))
        })
    }
}

/// Writes a line to standard error, and does not mind when nobody reads it.
pub fn note(text: impl fmt::Display) {
    use io::Write;
    let _ = writeln!(io::stderr(), "microterm-host: {text}");
}
