//! Answers of calls: JSON, nothing, or a stream; and what requests carry.

use http::{Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::answer_body::{AnswerBody, Pieces};
use crate::channel::request_body::RequestBody;
use crate::error::{CallError, CallResult, bad_request};

/// The largest JSON request in bytes.
const MAX_JSON: usize = 64 << 10;

pub type Answer = Response<AnswerBody>;

pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).expect("answers have string keys and finite numbers");
    let mut answer = Response::new(AnswerBody::Whole(Some(text.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}

pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::empty());
    *answer.status_mut() = status;
    answer
}

pub fn stream(pieces: impl Pieces + 'static) -> Answer {
    let mut answer = Response::new(AnswerBody::Pieces(Box::new(pieces)));
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    answer
}

pub fn error(error: &CallError) -> Answer {
    #[derive(Serialize)]
    struct Problem<'a> {
        code: &'static str,
        message: &'a str,
    }
    let status = StatusCode::from_u16(error.code.status()).expect("the table holds valid statuses");
    json(status, &Problem { code: error.code.name(), message: &error.message })
}

/// A whole JSON request, of at most [`MAX_JSON`].
pub async fn read_json<T: DeserializeOwned>(mut body: RequestBody) -> CallResult<T> {
    let mut text = Vec::new();
    while let Some(data) = body.next().await? {
        if text.len() + data.len() > MAX_JSON {
            return Err(bad_request("the request is larger than 64 KiB"));
        }
        text.extend_from_slice(&data);
    }
    parse_json(&text)
}

pub fn parse_json<T: DeserializeOwned>(text: &[u8]) -> CallResult<T> {
    serde_json::from_slice(text).map_err(|error| bad_request(error.to_string()))
}
