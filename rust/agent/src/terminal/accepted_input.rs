//! How much input a terminal has taken, and whose turn it is to type.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;

/// Counts bytes from the terminal's beginning. One stream at a time types with acknowledgements: the latest.
#[derive(Default)]
pub struct Typed {
    count: Cell<u64>,
    turn: Cell<u64>,
    typing: RefCell<Option<AbortHandle>>,
    waker: RefCell<Option<Waker>>,
}

impl Typed {
    /// The PTY has taken this many more bytes, or will never take them.
    pub fn add(&self, count: usize) {
        self.count.set(self.count.get() + count as u64);
    }

    /// Gives the turn to a new task. The one before is never polled again: what it had is not typed.
    pub fn hand_over(&self, typing: AbortHandle) -> u64 {
        if let Some(before) = self.typing.replace(Some(typing)) {
            before.abort();
        }
        self.turn.set(self.turn.get() + 1);
        self.tell();
        self.turn.get()
    }

    /// The stream of this turn is gone, and what it brought with it.
    pub fn leave(&self, turn: u64) {
        if turn == self.turn.get()
            && let Some(typing) = self.typing.take()
        {
            typing.abort();
        }
    }

    /// The count, once it is another than `acknowledged`; `None` when it is somebody else's turn.
    pub fn poll(&self, turn: u64, acknowledged: Option<u64>, context: &Context<'_>) -> Option<Poll<u64>> {
        if turn != self.turn.get() {
            return None;
        }
        if acknowledged != Some(self.count.get()) {
            return Some(Poll::Ready(self.count.get()));
        }
        self.waker.replace(Some(context.waker().clone()));
        Some(Poll::Pending)
    }

    /// Wakes the tasks that wait in [`Typed::poll`].
    pub fn tell(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
