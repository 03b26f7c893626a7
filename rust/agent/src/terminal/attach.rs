//! An attachment: a terminal's output from an offset on, and its input.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use microterm_wire::{AgentFrame, Frame, HostFrame};
use tokio::task::{AbortHandle, spawn_local};

use crate::channel::answer_body::{BodyError, Pieces};
use crate::channel::frames::{Fault, FramesIn};
use crate::channel::request_body::RequestBody;
use crate::error::{CallError, CallResult, Code};
use crate::terminal::output::Output;
use crate::terminal::terminal::Terminal;

/// Output in one piece: with its frame's header it fills one HTTP/2 frame of 16 KiB.
const PIECE_BYTES: usize = (16 << 10) - 64;

pub struct Attachment {
    terminal: Rc<Terminal>,
    reader: u64,
    /// The last size that this reader was sent; `None` before the first frame.
    size_sequence: Option<u64>,
    finished: bool,
    /// Why the host's frames cannot be read on; resets the stream.
    fault: Fault,
    input: AbortHandle,
}

impl Attachment {
    /// Begins at `from`, or at the oldest byte kept.
    pub fn new(terminal: Rc<Terminal>, from: Option<u64>, input: RequestBody) -> CallResult<Attachment> {
        let reader = {
            let mut output = terminal.output.borrow_mut();
            let from = from.unwrap_or(output.ring.start());
            if from > output.ring.end() {
                let message = format!("offset {from} is past the end, {}", output.ring.end());
                return Err(CallError::new(Code::OffsetOutOfRange, message));
            }
            output.readers.join(from, Instant::now())
        };
        let fault = Fault::default();
        let input = spawn_local(follow_input(terminal.clone(), input, fault.clone())).abort_handle();
        Ok(Attachment { terminal, reader, size_sequence: None, finished: false, fault, input })
    }

    /// Appends the output that this reader has not been sent, up to a piece; answers whether none will follow.
    fn collect(&mut self, output: &mut Output, out: &mut BytesMut) -> bool {
        let Some(reader) = output.readers.get(self.reader) else { return true };
        let mut position = reader.position;
        if self.size_sequence.is_none() {
            self.send_size(output, position, out);
        }
        if position < output.ring.start() {
            let to = output.ring.start();
            AgentFrame::Gap { from: position, to }.encode(out);
            position = to;
            self.send_size(output, position, out);
        }
        while out.len() < PIECE_BYTES {
            let change = self.size_sequence.and_then(|sequence| output.ring.size_after(sequence));
            if change.is_some_and(|change| change.offset <= position) {
                self.send_size(output, position, out);
                continue;
            }
            let until_change = change.map_or(usize::MAX, |change| (change.offset - position) as usize);
            let bytes = output.ring.piece(position, until_change.min(PIECE_BYTES - out.len()));
            if bytes.is_empty() {
                break;
            }
            let bytes = Bytes::copy_from_slice(bytes);
            let taken = bytes.len() as u64;
            AgentFrame::Output { offset: position, bytes }.encode(out);
            position += taken;
        }
        output.readers.advance(self.reader, position, Instant::now());
        match output.ended {
            Some(ended) if position == output.ring.end() => {
                AgentFrame::Exit { offset: position, ended }.encode(out);
                true
            }
            _ => output.removed,
        }
    }

    /// Sends the size in force at an offset, unless the reader has it.
    fn send_size(&mut self, output: &Output, offset: u64, out: &mut BytesMut) {
        let size = output.ring.size_at(offset);
        if self.size_sequence.is_none_or(|sent| sent < size.sequence) {
            self.size_sequence = Some(size.sequence);
            AgentFrame::Resize { offset, cols: size.cols, rows: size.rows }.encode(out);
        }
    }
}

impl Pieces for Attachment {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if let Some(fault) = self.fault.poll(context) {
            self.finished = true;
            return Poll::Ready(Some(Err(fault.into())));
        }
        let terminal = self.terminal.clone();
        let mut output = terminal.output.borrow_mut();
        let mut out = BytesMut::new();
        self.finished = self.collect(&mut output, &mut out);
        if !out.is_empty() {
            terminal.reader_moved.notify_one();
            return Poll::Ready(Some(Ok(out.freeze())));
        }
        if self.finished {
            return Poll::Ready(None);
        }
        if let Some(reader) = output.readers.get(self.reader) {
            reader.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.input.abort();
        self.terminal.output.borrow_mut().readers.leave(self.reader, Instant::now());
        self.terminal.reader_moved.notify_one();
    }
}

/// Writes what arrives to the PTY, until the host closes its side.
async fn follow_input(terminal: Rc<Terminal>, body: RequestBody, fault: Fault) {
    let mut frames = FramesIn::new(body);
    let broken = loop {
        match frames.next().await {
            Ok(Some(HostFrame::Input(bytes))) => terminal.write_input(&bytes).await,
            // A terminal that has just ended has no size to set.
            Ok(Some(HostFrame::Resize { cols, rows })) => drop(terminal.resize(cols, rows)),
            Ok(Some(_)) => break "a frame that has no place in an attachment".to_owned(),
            Ok(None) => return,
            Err(broken) => break broken.0,
        }
    };
    fault.set(broken);
}
