//! The call `names`: queries to the host, answers back, on one stream for as long as the host keeps it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use microterm_wire::{Frame, HostFrame};
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{Sleep, sleep_until};

use crate::channel::answer_body::{BodyError, Pieces};
use crate::channel::frames::{Fault, FramesIn};
use crate::channel::request_body::RequestBody;
use crate::names::table::{Names, Next};

pub struct NameStream {
    names: Rc<Names>,
    number: u64,
    /// Until the next query may go.
    pause: Option<Pin<Box<Sleep>>>,
    finished: bool,
    fault: Fault,
}

impl NameStream {
    /// From here on queries go to this stream.
    pub fn new(names: Rc<Names>, answers: RequestBody) -> NameStream {
        let fault = Fault::default();
        let (sender, number) = oneshot::channel();
        let task = spawn_local(follow(names.clone(), number, answers, fault.clone()));
        let number = names.replace_stream(task.abort_handle());
        let _ = sender.send(number);
        NameStream { names, number, pause: None, finished: false, fault }
    }

    fn finish(&mut self, error: Option<String>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.finished = true;
        self.names.close_stream(self.number);
        Poll::Ready(error.map(|message| Err(message.into())))
    }
}

impl Pieces for NameStream {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if let Some(fault) = self.fault.poll(context) {
            return self.finish(Some(fault));
        }
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.names.next(self.number, context) {
                Next::Frame(frame) => {
                    let mut out = BytesMut::new();
                    frame.encode(&mut out);
                    return Poll::Ready(Some(Ok(out.freeze())));
                }
                Next::Later(time) => self.pause = Some(Box::pin(sleep_until(time))),
                Next::Nothing => return Poll::Pending,
                Next::Replaced => return self.finish(None),
            }
        }
    }
}

impl Drop for NameStream {
    fn drop(&mut self) {
        self.names.close_stream(self.number);
    }
}

/// Takes answers, until the host closes its side.
async fn follow(names: Rc<Names>, number: oneshot::Receiver<u64>, body: RequestBody, fault: Fault) {
    let Ok(number) = number.await else { return };
    let mut frames = FramesIn::new(body);
    let broken = loop {
        match frames.next().await {
            Ok(Some(HostFrame::Answer { id, message })) => {
                if !names.answer(number, id, message) {
                    break format!("an answer to {id}, which is no query");
                }
            }
            Ok(Some(_)) => break "a frame that has no place among answers".to_owned(),
            Ok(None) => break "the host has closed its side".to_owned(),
            Err(broken) => break broken.0,
        }
    };
    fault.set(broken);
}
