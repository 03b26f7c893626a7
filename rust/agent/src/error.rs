//! Errors a call answers with: a code of the protocol's list and a message for a person.

use std::io;

use http::Method;

/// A code of `docs/reference/agent-protocol.md`, "Errors".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadRequest,
    NotFound,
    Exists,
    NotAFile,
    NotADirectory,
    TooMany,
    OffsetOutOfRange,
    Permission,
    NoSpace,
    Sealed,
    Unsupported,
    Refused,
    Superseded,
    Internal,
}

impl Code {
    pub fn name(self) -> &'static str {
        match self {
            Code::BadRequest => "bad-request",
            Code::NotFound => "not-found",
            Code::Exists => "exists",
            Code::NotAFile => "not-a-file",
            Code::NotADirectory => "not-a-directory",
            Code::TooMany => "too-many",
            Code::OffsetOutOfRange => "offset-out-of-range",
            Code::Permission => "permission",
            Code::NoSpace => "no-space",
            Code::Sealed => "sealed",
            Code::Unsupported => "unsupported",
            Code::Refused => "refused",
            Code::Superseded => "superseded",
            Code::Internal => "internal",
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Code::BadRequest => 400,
            Code::NotFound => 404,
            Code::Exists | Code::NotAFile | Code::NotADirectory | Code::Superseded => 409,
            Code::TooMany => 429,
            Code::OffsetOutOfRange => 416,
            Code::Permission | Code::Sealed => 403,
            Code::NoSpace => 507,
            Code::Internal => 500,
            Code::Unsupported => 501,
            Code::Refused => 502,
        }
    }
}

#[derive(Debug)]
pub struct CallError {
    pub code: Code,
    pub message: String,
}

pub type CallResult<T> = Result<T, CallError>;

impl CallError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        CallError { code, message: message.into() }
    }

    /// A failed file operation, by its errno.
    pub fn io(what: &str, error: &io::Error) -> Self {
        let code = match error.raw_os_error() {
            Some(libc::ENOENT) => Code::NotFound,
            Some(libc::EEXIST | libc::ENOTEMPTY) => Code::Exists,
            Some(libc::ENOTDIR) => Code::NotADirectory,
            Some(libc::EISDIR) => Code::NotAFile,
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Code::Permission,
            Some(libc::ENOSPC | libc::EDQUOT) => Code::NoSpace,
            Some(libc::ENAMETOOLONG | libc::ELOOP | libc::EINVAL) => Code::BadRequest,
            Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM) => Code::TooMany,
            None if error.kind() == io::ErrorKind::IsADirectory => Code::NotAFile,
            _ => Code::Internal,
        };
        CallError::new(code, format!("{what}: {error}"))
    }
}

pub fn bad_request(message: impl Into<String>) -> CallError {
    CallError::new(Code::BadRequest, message)
}

pub fn internal(message: impl Into<String>) -> CallError {
    CallError::new(Code::Internal, message)
}

pub fn no_such_call(method: &Method, path: &str) -> CallError {
    CallError::new(Code::NotFound, format!("no call {method} {path}"))
}
