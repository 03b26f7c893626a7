//! Threads that read or write a tar, each for one stream, acting as the user.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::{CallError, CallResult, Code};
use crate::process::user::User;

/// Tars at once; a stalled one keeps its thread.
const MAX_TARS: usize = 32;
/// A tree is walked without recursion, so little is needed.
const STACK_BYTES: usize = 256 << 10;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Starts a thread; `TooMany` when [`MAX_TARS`] run.
pub fn start(user: &User, work: impl FnOnce() + Send + 'static) -> CallResult<()> {
    let running = RUNNING.fetch_add(1, Ordering::AcqRel);
    let guard = Running;
    if running >= MAX_TARS {
        return Err(CallError::new(Code::TooMany, format!("{MAX_TARS} tars are being read or written")));
    }
    let user = user.clone();
    let body = move || {
        let _guard = guard;
        // Without the user's ids it must not touch a file; the stream ends as the closure is dropped.
        if user.adopt_files().is_ok() {
            work();
        }
    };
    let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(body);
    started.map(drop).map_err(|error| CallError::io("no thread for a tar", &error))
}
