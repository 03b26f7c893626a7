//! What can be wrong with a frame.

use std::fmt;

/// Why a stream of frames cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    UnknownType(u8),
    /// The payload's length is not one that this type can have, or above [`crate::frame::MAX_PAYLOAD`].
    BadLength,
    /// A field is outside its range.
    BadValue,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::UnknownType(kind) => write!(f, "unknown frame type {kind:#04x}"),
            FrameError::BadLength => f.write_str("wrong frame length"),
            FrameError::BadValue => f.write_str("frame field out of range"),
        }
    }
}

impl std::error::Error for FrameError {}
