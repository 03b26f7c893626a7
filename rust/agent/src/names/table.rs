//! The queries of a guest's programs: those that wait for their turn, and those that the host has been sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::Bytes;
use microterm_wire::{AgentFrame, Transport};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::limits::{MAX_QUERIES_IN_FLIGHT, MAX_QUERIES_WAITING, QUERY_TIMEOUT};
use crate::names::pace::Pace;

/// Without a stream to the host every query fails at once, so that programs do not wait for a server that is not there.
pub struct Names(RefCell<Table>);

struct Table {
    /// The number of the latest stream, and the task that reads it while it is open.
    stream: u64,
    reader: Option<AbortHandle>,
    waker: Option<Waker>,
    last_id: u32,
    waiting: VecDeque<Waiting>,
    /// Until the host has answered, also when the program has given up: the host counts as well.
    in_flight: BTreeMap<u32, oneshot::Sender<Bytes>>,
    pace: Pace,
}

struct Waiting {
    transport: Transport,
    message: Bytes,
    answer: oneshot::Sender<Bytes>,
}

/// A query that was taken. Dropped, it is no longer sent.
pub struct Asked {
    answer: oneshot::Receiver<Bytes>,
    deadline: Instant,
}

impl Asked {
    /// `None` when the host has not answered in time, or its stream has ended.
    pub async fn answer(self) -> Option<Bytes> {
        timeout_at(self.deadline, self.answer).await.ok()?.ok()
    }
}

/// What a stream sends next.
pub enum Next {
    Frame(AgentFrame),
    /// Nothing before this time.
    Later(Instant),
    Nothing,
    /// A later stream has taken its place.
    Replaced,
}

impl Names {
    pub fn new() -> Rc<Names> {
        Rc::new(Names(RefCell::new(Table {
            stream: 0,
            reader: None,
            waker: None,
            last_id: 0,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            pace: Pace::new(Instant::now()),
        })))
    }

    /// Takes a query; `None` when nobody would answer it, or too many wait already.
    pub fn ask(&self, transport: Transport, message: Bytes) -> Option<Asked> {
        let mut table = self.0.borrow_mut();
        table.waiting.retain(|waiting| !waiting.answer.is_closed());
        if table.reader.is_none() || table.waiting.len() >= MAX_QUERIES_WAITING {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        table.waiting.push_back(Waiting { transport, message, answer });
        table.wake();
        Some(Asked { answer: receiver, deadline: Instant::now() + QUERY_TIMEOUT })
    }

    /// Makes a new stream, read by this task, the one that queries go to; answers its number. What the one before was sent fails.
    pub fn replace_stream(&self, reader: AbortHandle) -> u64 {
        let mut table = self.0.borrow_mut();
        table.in_flight.clear();
        if let Some(before) = table.reader.replace(reader) {
            before.abort();
        }
        table.stream += 1;
        table.wake();
        table.stream
    }

    /// After its end every query fails at once.
    pub fn close_stream(&self, stream: u64) {
        let mut table = self.0.borrow_mut();
        if stream == table.stream
            && let Some(reader) = table.reader.take()
        {
            reader.abort();
            table.in_flight.clear();
            table.waiting.clear();
        }
    }

    /// What a stream sends now. Where that is nothing, its task is woken when that may have changed.
    pub fn next(&self, stream: u64, context: &Context<'_>) -> Next {
        let mut table = self.0.borrow_mut();
        if stream != table.stream {
            return Next::Replaced;
        }
        table.waker = Some(context.waker().clone());
        table.waiting.retain(|waiting| !waiting.answer.is_closed());
        if table.waiting.is_empty() || table.in_flight.len() >= MAX_QUERIES_IN_FLIGHT {
            return Next::Nothing;
        }
        if let Err(time) = table.pace.take(Instant::now()) {
            return Next::Later(time);
        }
        let Some(Waiting { transport, message, answer }) = table.waiting.pop_front() else { return Next::Nothing };
        // After 4 billion queries ids begin again; those in flight are among the last few.
        table.last_id = table.last_id.wrapping_add(1);
        let id = table.last_id;
        table.in_flight.insert(id, answer);
        Next::Frame(AgentFrame::Query { id, transport, message })
    }

    /// Hands an answer to the program that asked. False when nobody has, or the host has answered already.
    pub fn answer(&self, stream: u64, id: u32, message: Bytes) -> bool {
        let mut table = self.0.borrow_mut();
        if stream != table.stream {
            return true;
        }
        let Some(answer) = table.in_flight.remove(&id) else { return false };
        let _ = answer.send(message);
        table.wake();
        true
    }
}

impl Table {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
