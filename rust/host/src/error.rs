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
    /// The host has no networks for machines.
    NoNetwork,
    ImageCorrupt,
    SnapshotCorrupt,
    SnapshotFailed,
    Unsupported,
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

/// Most characters of a note.
const LONGEST_NOTE: usize = 2048;

/// A VMM's own words are in some errors, and one that was taken over chooses them: they must be no line of their own, and no
/// sequence that a terminal obeys.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(LONGEST_NOTE) {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Writes a line to standard error, and does not mind when nobody reads it.
pub fn note(text: impl fmt::Display) {
    use io::Write;
    let _ = writeln!(io::stderr(), "microterm-host: {}", one_line(&text.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_that_commands_no_terminal() {
        assert_eq!(one_line("it said: a\nb\x1b[2J\r\u{9b}1mü"), "it said: a\\nb\\u{1b}[2J\\r\\u{9b}1mü");
        assert_eq!(one_line(&"x".repeat(5000)).len(), LONGEST_NOTE);
    }
}
