//! Frames out of a request's body, and how their fault reaches the answer's stream.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use hyper::body::{Body, Incoming};
use microterm_wire::{Decoder, HostFrame};

use crate::answer::is_whole;

pub struct FramesIn {
    body: Incoming,
    decoder: Decoder<HostFrame>,
}

/// The stream broke off, or carried no frames.
#[derive(Debug)]
pub struct Broken(pub String);

/// Carries a fault from the task that reads the host's frames to the body that answers them.
#[derive(Clone, Default)]
pub struct Fault(Rc<RefCell<(Option<String>, Option<Waker>)>>);

impl Fault {
    pub fn set(&self, message: impl Into<String>) {
        let mut fault = self.0.borrow_mut();
        fault.0 = Some(message.into());
        if let Some(waker) = fault.1.take() {
            waker.wake();
        }
    }

    /// The fault, if there is one; else the body's task is woken when it comes.
    pub fn poll(&self, context: &Context<'_>) -> Option<String> {
        let mut fault = self.0.borrow_mut();
        fault.1 = Some(context.waker().clone());
        fault.0.take()
    }
}

impl FramesIn {
    pub fn new(body: Incoming) -> Self {
        FramesIn { body, decoder: Decoder::default() }
    }

    /// The next frame; `None` when the host has closed its side between frames.
    pub async fn next(&mut self) -> Result<Option<HostFrame>, Broken> {
        loop {
            match self.decoder.next_frame() {
                Some(Ok(frame)) => return Ok(Some(frame)),
                Some(Err(error)) => return Err(Broken(error.to_string())),
                None => {}
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(&data);
                    }
                }
                Some(Err(error)) => return Err(Broken(error.to_string())),
                None if !is_whole(&self.body) => return Err(Broken("the request was cancelled".into())),
                None if self.decoder.buffered() > 0 => return Err(Broken("the last frame is cut".into())),
                None => return Ok(None),
            }
        }
    }
}
