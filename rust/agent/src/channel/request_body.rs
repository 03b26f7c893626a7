//! A request's body, whole or not.
//!
//! Dropping one that the host still sends resets the stream right behind the answer (RFC 9113, 8.1, with NO_ERROR). A
//! body that is dropped early is therefore read and discarded for a while, so that a host in the middle of sending gets
//! the answer first, and may stop by itself.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::error::{CallError, bad_request};

/// How long a dropped body is discarded before its stream is reset.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

thread_local! {
    static DISCARDED: RefCell<Option<mpsc::UnboundedSender<RequestBody>>> = const { RefCell::new(None) };
}

pub struct RequestBody {
    /// `None` once it has ended or broken off.
    body: Option<Incoming>,
    /// It is being discarded: the next drop is final.
    is_discarded: bool,
}

impl RequestBody {
    pub fn new(body: Incoming) -> Self {
        RequestBody { body: Some(body), is_discarded: false }
    }

    /// The next data; `None` when the host has closed its side. A cancelled request is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Err(bad_request(format!("the request broke off: {error}")));
                }
                None => {
                    // hyper reports a cancelled body as one that has ended.
                    let whole = body.is_end_stream();
                    self.body = None;
                    return if whole { Ok(None) } else { Err(bad_request("the request was cancelled")) };
                }
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !self.is_discarded && !body.is_end_stream()) else { return };
        DISCARDED.with_borrow(|reader| {
            if let Some(reader) = reader {
                // Without a reader, when the agent ends, it is dropped.
                let _ = reader.send(RequestBody { body: Some(body), is_discarded: true });
            }
        });
    }
}

/// Reads and discards the dropped bodies of this thread, for ever.
pub async fn discard_dropped() {
    let (sender, mut receiver) = mpsc::unbounded_channel::<RequestBody>();
    DISCARDED.replace(Some(sender));
    while let Some(mut body) = receiver.recv().await {
        spawn_local(async move {
            // Then it is dropped, and the stream reset.
            let _ = timeout(DISCARD_TIMEOUT, async { while let Ok(Some(_)) = body.next().await {} }).await;
        });
    }
}
