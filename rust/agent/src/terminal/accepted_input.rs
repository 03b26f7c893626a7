//! How much input a terminal has accepted, and which stream may send it input with acknowledgements: the latest one.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;

/// Counts bytes from the terminal's beginning.
#[derive(Default)]
pub struct AcceptedInput {
    count: Cell<u64>,
    /// The number of the latest stream.
    stream: Cell<u64>,
    task: RefCell<Option<AbortHandle>>,
    waker: RefCell<Option<Waker>>,
}

impl AcceptedInput {
    /// The PTY has taken this many more bytes, or will never take them.
    pub fn add(&self, count: usize) {
        self.count.set(self.count.get() + count as u64);
    }

    /// Makes a new stream, read by `task`, the latest; answers its number. The task of the one before is never polled
    /// again: what it had not written is not written.
    pub fn replace_stream(&self, task: AbortHandle) -> u64 {
        if let Some(before) = self.task.replace(Some(task)) {
            before.abort();
        }
        self.stream.set(self.stream.get() + 1);
        self.notify();
        self.stream.get()
    }

    /// Ends a stream's task with it.
    pub fn close_stream(&self, stream: u64) {
        if stream == self.stream.get()
            && let Some(task) = self.task.take()
        {
            task.abort();
        }
    }

    /// The count, once it differs from `acknowledged`; `None` when a later stream has replaced this one.
    pub fn poll(&self, stream: u64, acknowledged: Option<u64>, context: &Context<'_>) -> Option<Poll<u64>> {
        if stream != self.stream.get() {
            return None;
        }
        if acknowledged != Some(self.count.get()) {
            return Some(Poll::Ready(self.count.get()));
        }
        self.waker.replace(Some(context.waker().clone()));
        Some(Poll::Pending)
    }

    /// Wakes the task that waits in [`AcceptedInput::poll`].
    pub fn notify(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
