//! A terminal's input with acknowledgements: the host keeps what the terminal has not accepted, and sends it again after
//! a connection broke. It has a stream of its own, so that output that is not read delays no acknowledgement.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Frame, HostFrame};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::channel::answer_body::{BodyError, Pieces};
use crate::channel::frames::{Fault, FramesIn};
use crate::channel::request_body::RequestBody;
use crate::limits::INPUT_ACK_DELAY;
use crate::terminal::terminal::Terminal;

/// The answering side: one acknowledgement at the beginning, and one whenever more was accepted.
pub struct InputStream {
    terminal: Rc<Terminal>,
    number: u64,
    acknowledged: Option<u64>,
    finished: bool,
    fault: Fault,
}

impl InputStream {
    /// From here on nothing of an earlier stream is written any more, so that the first acknowledgement is exact.
    pub fn new(terminal: Rc<Terminal>, input: RequestBody) -> InputStream {
        let fault = Fault::default();
        let task = spawn_local(follow(terminal.clone(), input, fault.clone()));
        let number = terminal.accepted.replace_stream(task.abort_handle());
        InputStream { terminal, number, acknowledged: None, finished: false, fault }
    }
}

impl Pieces for InputStream {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if let Some(fault) = self.fault.poll(context) {
            self.finished = true;
            return Poll::Ready(Some(Err(fault.into())));
        }
        let Some(count) = self.terminal.accepted.poll(self.number, self.acknowledged, context) else {
            self.finished = true;
            return Poll::Ready(None);
        };
        let Poll::Ready(offset) = count else { return Poll::Pending };
        self.acknowledged = Some(offset);
        let mut out = BytesMut::new();
        AgentFrame::InputAck { offset }.encode(&mut out);
        Poll::Ready(Some(Ok(out.freeze())))
    }
}

impl Drop for InputStream {
    fn drop(&mut self) {
        self.terminal.accepted.close_stream(self.number);
    }
}

/// Writes what arrives to the PTY, until the host closes its side.
async fn follow(terminal: Rc<Terminal>, body: RequestBody, fault: Fault) {
    let mut frames = FramesIn::new(body);
    let mut due: Option<Instant> = None;
    let broken = loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                terminal.accepted.notify();
                continue;
            }
        };
        match frame {
            Ok(Some(HostFrame::Input(bytes))) => {
                terminal.write_input(&bytes).await;
                due.get_or_insert_with(|| Instant::now() + INPUT_ACK_DELAY);
            }
            Ok(Some(_)) => break "a frame that has no place among input".to_owned(),
            Ok(None) => break "the host has closed its side".to_owned(),
            Err(broken) => break broken.0,
        }
    };
    fault.set(broken);
}
