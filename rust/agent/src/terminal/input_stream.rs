//! A terminal's input with acknowledgements: the host keeps what the terminal has not taken, and sends it again after a
//! connection broke. It has a stream of its own, so that output which nobody reads holds no acknowledgement back.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Frame, HostFrame};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::channel::answer_body::{BodyError, Pieces};
use crate::channel::frames::{Fault, FramesIn};
use crate::channel::request_body::RequestBody;
use crate::terminal::terminal::Terminal;

/// Behind a key comes its echo, which nothing should be in the way of: the acknowledgement comes this much later.
const ACK_DELAY: Duration = Duration::from_millis(10);

/// The answering side: one acknowledgement at the beginning, and one whenever more was taken.
pub struct Typing {
    terminal: Rc<Terminal>,
    turn: u64,
    acknowledged: Option<u64>,
    finished: bool,
    fault: Fault,
}

impl Typing {
    /// From here on nothing of an earlier stream is typed any more, so that the first acknowledgement says exactly
    /// what was.
    pub fn new(terminal: Rc<Terminal>, input: RequestBody) -> Typing {
        let fault = Fault::default();
        let typing = spawn_local(follow(terminal.clone(), input, fault.clone()));
        let turn = terminal.typed.hand_over(typing.abort_handle());
        Typing { terminal, turn, acknowledged: None, finished: false, fault }
    }
}

impl Pieces for Typing {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if let Some(fault) = self.fault.poll(context) {
            self.finished = true;
            return Poll::Ready(Some(Err(fault.into())));
        }
        let Some(count) = self.terminal.typed.poll(self.turn, self.acknowledged, context) else {
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

impl Drop for Typing {
    fn drop(&mut self) {
        self.terminal.typed.leave(self.turn);
    }
}

/// Types what arrives, until the host closes its side.
async fn follow(terminal: Rc<Terminal>, body: RequestBody, fault: Fault) {
    let mut frames = FramesIn::new(body);
    let mut due: Option<Instant> = None;
    let broken = loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                terminal.typed.tell();
                continue;
            }
        };
        match frame {
            Ok(Some(HostFrame::Input(bytes))) => {
                terminal.type_bytes(&bytes).await;
                due.get_or_insert_with(|| Instant::now() + ACK_DELAY);
            }
            Ok(Some(_)) => break "a frame that has no place among input".to_owned(),
            Ok(None) => break "the host has closed its side".to_owned(),
            Err(broken) => break broken.0,
        }
    };
    fault.set(broken);
}
