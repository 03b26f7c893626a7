//! A connection to the API's socket: one request, one answer, and the next.

use crate::deadline;
use crate::vmm::firecracker::api::answer::{self, Answer, NO_CONTENT};
use crate::vmm::firecracker::api::error::{ApiError, plain};
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes of one read.
const CHUNK: usize = 4096;
/// The status of an answer with a body (RFC 9110, 15.3.1).
const OK: u16 = 200;

#[derive(Clone, Copy, Debug)]
pub enum Method {
    Get,
    Put,
    Patch,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Fault {
    fault_message: String,
}

#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    /// Whether the next bytes answer the next request.
    is_usable: bool,
}

impl Connection {
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, is_usable: true }
    }

    /// Asks for a resource. Answers with its body.
    ///
    /// # Errors
    /// As `send`.
    pub fn get(&mut self, path: &str, timeout: Duration) -> Result<Vec<u8>, ApiError> {
        let answer = self.exchange(Method::Get, path, None, timeout)?;
        if answer.status == OK { Ok(answer.body) } else { Err(self.refusal(&answer)) }
    }

    /// Has something changed.
    ///
    /// # Errors
    /// `Refused`, `TimedOut` or `Broken`.
    pub fn send(&mut self, method: Method, path: &str, body: &Value, timeout: Duration) -> Result<(), ApiError> {
        let answer = self.exchange(method, path, Some(body), timeout)?;
        if answer.status == NO_CONTENT { Ok(()) } else { Err(self.refusal(&answer)) }
    }

    fn refusal(&mut self, answer: &Answer) -> ApiError {
        let status = answer.status;
        if status < 400 {
            self.is_usable = false;
            return ApiError::broken(format!("Firecracker answered with status {status}"));
        }
        let fault = serde_json::from_slice(&answer.body).map(|fault: Fault| plain(&fault.fault_message));
        ApiError::Refused { status, message: fault.unwrap_or_else(|_| "no reason".to_owned()) }
    }

    fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Answer, ApiError> {
        if !std::mem::replace(&mut self.is_usable, false) {
            return Err(ApiError::broken("the connection to Firecracker is of no use any more"));
        }
        let until = Instant::now() + deadline::of(timeout);
        self.write(&request(method, path, body), until)?;
        let answer = self.read(until)?;
        self.is_usable = answer.keeps_alive;
        Ok(answer)
    }

    fn write(&mut self, mut request: &[u8], until: Instant) -> Result<(), ApiError> {
        while !request.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?)).map_err(ApiError::broken)?;
            match self.stream.write(request) {
                Ok(written) => request = &request[written..],
                Err(error) => check(&error)?,
            }
        }
        Ok(())
    }

    fn read(&mut self, until: Instant) -> Result<Answer, ApiError> {
        let mut received = Vec::new();
        let mut chunk = [0; CHUNK];
        loop {
            self.stream.set_read_timeout(Some(left(until)?)).map_err(ApiError::broken)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ApiError::broken("Firecracker ended, or closed its API")),
                Ok(read) => received.extend_from_slice(&chunk[..read]),
                Err(error) => check(&error)?,
            }
            if let Some(answer) = answer::parse(&received)? {
                return Ok(answer);
            }
        }
    }
}

fn request(method: Method, path: &str, body: Option<&Value>) -> Vec<u8> {
    let head = format!("{} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n", method.name());
    let rest = body.map_or("\r\n".to_owned(), |body| {
        let body = body.to_string();
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    (head + &rest).into_bytes()
}

fn left(until: Instant) -> Result<Duration, ApiError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ApiError::TimedOut) } else { Ok(left) }
}

/// Whether to try once more.
fn check(error: &io::Error) -> Result<(), ApiError> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(ApiError::TimedOut),
        _ => Err(ApiError::broken(format!("Firecracker's API: {error}"))),
    }
}
