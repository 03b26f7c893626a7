//! Output pipes of execs that have ended, read and discarded until they are closed: a process that outlives its exec, as
//! after `nohup … &`, must not get SIGPIPE.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;

use crate::descriptor;

/// Pipes at once: descriptors are few. Past it the oldest is closed.
const MAX_DRAINS: usize = 256;
/// Read in one turn: the capacity of a pipe (pipe(7)).
const TURN_BYTES: usize = 64 << 10;
/// Between two turns: a program that prints without end is limited to some MB/s, and takes little of the agent's time.
const PAUSE: Duration = Duration::from_millis(20);

/// The pipes that are drained now.
#[derive(Default)]
pub struct Drains(RefCell<VecDeque<AbortHandle>>);

impl Drains {
    /// Reads a non-blocking pipe to its end.
    pub fn add(&self, pipe: Rc<AsyncFd<OwnedFd>>) {
        let mut drains = self.0.borrow_mut();
        drains.retain(|drain| !drain.is_finished());
        if drains.len() == MAX_DRAINS
            && let Some(oldest) = drains.pop_front()
        {
            oldest.abort();
        }
        drains.push_back(spawn_local(drain(pipe)).abort_handle());
    }
}

async fn drain(pipe: Rc<AsyncFd<OwnedFd>>) {
    loop {
        let Ok(mut ready) = pipe.readable().await else { return };
        // Not kept while waiting: there would be one for every pipe.
        let mut buffer = vec![0; TURN_BYTES];
        match ready.try_io(|pipe| descriptor::read(pipe.get_ref(), &mut buffer)) {
            Ok(Ok(0)) => return,
            Ok(Err(error)) if error.kind() != ErrorKind::Interrupted => return,
            // A read that finds nothing clears the readiness.
            Err(_) => continue,
            Ok(_) => {}
        }
        drop(buffer);
        sleep(PAUSE).await;
    }
}
