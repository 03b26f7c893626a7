//! Frames of a request's body, and how an error in them reaches the answer's stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use microterm_wire::{Decoder, HostFrame};

use crate::channel::request_body::RequestBody;

pub struct FramesIn {
    body: RequestBody,
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
    pub fn new(body: RequestBody) -> Self {
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
            match self.body.next().await {
                Ok(Some(data)) => self.decoder.push(&data),
                Err(error) => return Err(Broken(error.message)),
                Ok(None) if self.decoder.buffered() > 0 => return Err(Broken("the last frame is cut".into())),
                Ok(None) => return Ok(None),
            }
        }
    }
}
