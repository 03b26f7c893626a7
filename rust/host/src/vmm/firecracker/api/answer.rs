//! One answer of HTTP/1.1 (RFC 9112), as strictly as it can be read: its length is said in a header and nowhere else.

use crate::vmm::firecracker::api::error::ApiError;

/// More than all headers of an answer, in bytes.
pub const LONGEST_HEAD: usize = 8 * 1024;
/// More than any answer to our calls, in bytes.
pub const LONGEST_BODY: usize = 64 * 1024;
/// Firecracker sends four.
const MOST_HEADERS: usize = 32;
/// The status of an answer without a body (RFC 9110, 15.3.5).
pub const NO_CONTENT: u16 = 204;

#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether another request may follow on the connection.
    pub keeps_alive: bool,
}

/// What an answer's headers say.
#[derive(Debug)]
struct Head {
    status: u16,
    /// Of the head itself, in bytes.
    length: usize,
    body_length: usize,
    keeps_alive: bool,
}

/// Reads an answer from all that was received. `None`: more is needed.
///
/// # Errors
/// `Broken` when it is malformed, too long, or followed by what was not asked for.
pub fn parse(received: &[u8]) -> Result<Option<Answer>, ApiError> {
    let Some(head) = parse_head(received)? else { return Ok(None) };
    let body = &received[head.length..];
    if body.len() > head.body_length {
        return Err(ApiError::broken("Firecracker said more than it was asked"));
    }
    let is_whole = body.len() == head.body_length;
    Ok(is_whole.then(|| Answer { status: head.status, body: body.to_vec(), keeps_alive: head.keeps_alive }))
}

fn parse_head(received: &[u8]) -> Result<Option<Head>, ApiError> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let within = &received[..received.len().min(LONGEST_HEAD)];
    let parsed = response.parse(within).map_err(|why| ApiError::broken(format!("Firecracker's answer: {why}")))?;
    let length = match parsed {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if received.len() > LONGEST_HEAD => {
            return Err(ApiError::broken("the headers of Firecracker's answer are too long"));
        }
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    if response.version != Some(1) || !(200..600).contains(&status) {
        return Err(ApiError::broken(format!("Firecracker answered with status {status}")));
    }
    let values = |name: &'static str| {
        let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    };
    if values("transfer-encoding").next().is_some() {
        return Err(ApiError::broken("Firecracker's answer has a transfer encoding"));
    }
    let mut lengths = values("content-length");
    let body_length = match (lengths.next(), lengths.next()) {
        (Some(digits), None) => body_length(digits)?,
        (None, None) if status == NO_CONTENT => 0,
        _ => return Err(ApiError::broken("Firecracker's answer has no length, or two")),
    };
    if status == NO_CONTENT && body_length > 0 {
        return Err(ApiError::broken("an answer without content has some"));
    }
    let keeps_alive = values("connection").all(|value| value.eq_ignore_ascii_case(b"keep-alive"));
    Ok(Some(Head { status, length, body_length, keeps_alive }))
}

fn body_length(digits: &[u8]) -> Result<usize, ApiError> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    match number {
        Some(length) if length <= LONGEST_BODY => Ok(length),
        Some(length) => Err(ApiError::broken(format!("an answer of {length} bytes is too long"))),
        None => Err(ApiError::broken("the length of Firecracker's answer is no number")),
    }
}
