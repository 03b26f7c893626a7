//! The channel to the host: a byte stream, the sessions on it, HTTP/2, and what requests and answers carry.

pub mod answer;
pub mod answer_body;
mod connection;
pub mod epochs;
pub mod frames;
mod host_stream;
pub mod listener;
pub mod port;
pub mod query;
pub mod request_body;
pub mod serve;
pub mod serve_listener;
pub mod session;
#[cfg(test)]
#[path = "tests/host.rs"]
mod test_host;
pub mod tls;
