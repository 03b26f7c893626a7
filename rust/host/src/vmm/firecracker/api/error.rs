//! Why a call was not done.

use std::fmt;

/// Most characters of Firecracker's own words.
const LONGEST: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// Firecracker refused, and is in the state that it was in.
    Refused {
        /// Of HTTP, 400 to 599.
        status: u16,
        /// Its own words, made plain.
        message: String,
    },
    /// This version of Firecracker has no such thing. Nothing was sent.
    Unsupported(String),
    /// The deadline has passed. Whether the call was done is not known, and the connection is not used again.
    TimedOut,
    /// Firecracker is gone, or talks nonsense. As `TimedOut` otherwise.
    Broken(String),
}

impl ApiError {
    pub(super) fn broken(why: impl fmt::Display) -> Self {
        Self::Broken(plain(&why.to_string()))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, message } => write!(f, "Firecracker refused ({status}): {message}"),
            Self::TimedOut => f.write_str("Firecracker did not answer in time"),
            Self::Unsupported(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

/// Why a call that leads to another state did not.
#[derive(Debug)]
pub enum Failed<A> {
    /// The API in the state that it was in, and `Refused` or `Unsupported`.
    Unchanged(A, ApiError),
    /// The state is unknown. After a load the process is to be treated as dead. After any other call it may be attached to by
    /// a new connection, which may fail as this one did.
    Lost(ApiError),
}

impl<A> Failed<A> {
    pub fn error(&self) -> &ApiError {
        match self {
            Self::Unchanged(_, error) | Self::Lost(error) => error,
        }
    }
}

impl<A> fmt::Display for Failed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

/// The VMM's words as part of a line, without what a terminal obeys.
pub(super) fn plain(text: &str) -> String {
    let is_plain = |character: &char| !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}');
    text.chars().filter(is_plain).take(LONGEST).collect()
}
