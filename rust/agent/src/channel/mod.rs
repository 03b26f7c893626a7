//! The channel to the host: a byte stream, the sessions on it, HTTP/2, and what requests and answers carry.

pub mod answer;
pub mod answer_body;
pub mod frames;
pub mod port;
pub mod query;
pub mod request_body;
pub mod serve;
pub mod session;
