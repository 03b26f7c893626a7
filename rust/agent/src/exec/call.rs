//! The call `exec`: its stream carries the program's output as frames. A stream that ends early ends the program.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Ended, Frame};

use crate::channel::answer::{self, Answer};
use crate::channel::answer_body::{BodyError, Pieces};
use crate::channel::frames::{Fault, FramesIn};
use crate::channel::request_body::RequestBody;
use crate::error::CallResult;
use crate::exec::execs::{Execs, Slot};
use crate::exec::running::Running;
use crate::exec::start::{Started, start};
use crate::process::programs::Programs;

/// Answers at once; the program starts when its first frame has come.
pub fn call(programs: &Rc<Programs>, execs: &Rc<Execs>, body: RequestBody) -> CallResult<Answer> {
    let slot = Slot::take(execs)?;
    let starting = Box::pin(start(programs.clone(), execs.drains.clone(), FramesIn::new(body)));
    Ok(answer::stream(Exec { state: State::Starting(starting), fault: Fault::default(), _slot: slot }))
}

struct Exec {
    state: State,
    fault: Fault,
    _slot: Slot,
}

type Starting = Pin<Box<dyn Future<Output = Result<Started, BodyError>>>>;

enum State {
    Starting(Starting),
    Running(Box<Running>),
    Finished,
}

impl Pieces for Exec {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(fault) = self.fault.poll(context) {
            self.state = State::Finished;
            return Poll::Ready(Some(Err(fault.into())));
        }
        let frame = match &mut self.state {
            State::Finished => return Poll::Ready(None),
            State::Starting(starting) => match ready!(starting.as_mut().poll(context)) {
                Err(error) => {
                    self.state = State::Finished;
                    return Poll::Ready(Some(Err(error)));
                }
                Ok(Started::Failed(json)) => {
                    self.state = State::Finished;
                    AgentFrame::Failed(json)
                }
                Ok(Started::Running(mut running, frames)) => {
                    running.follow_input(frames, self.fault.clone());
                    let pid = running.pid.as_raw() as u32;
                    self.state = State::Running(running);
                    AgentFrame::Started { pid }
                }
            },
            State::Running(running) => match ready!(running.poll_output(context)) {
                Some(frame) => frame,
                None => {
                    let ended = running.ended.unwrap_or(Ended::Code(0));
                    self.state = State::Finished;
                    AgentFrame::Exited(ended)
                }
            },
        };
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        Poll::Ready(Some(Ok(out.freeze())))
    }
}
