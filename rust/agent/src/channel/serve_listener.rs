//! Sessions over connections: the newest connection that has shown the channel key is served, and no other.
//!
//! After a snapshot's restore the connection before it is dead, and nothing may have said so. So a key that is shown ends
//! whatever was served at once, as a marker does on one stream; what has not shown it disturbs nothing.

use std::collections::VecDeque;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::channel::connection::Connection;
use crate::channel::listener::Listener;
use crate::channel::serve::Dispatch;
use crate::channel::session::Sessions;

/// Connections that may be without the key at a time. The host makes one, and another where that one dies.
const MAX_UNPROVEN: usize = 4;

/// Serves for ever: a connection's end is not the listener's.
pub async fn serve_listener(listener: &Listener, key: [u8; 16], dispatch: impl Dispatch) -> ! {
    let mut unproven = Unproven::default();
    let mut served = None;
    loop {
        tokio::select! {
            connection = listener.accept() => unproven.add(listener, Sessions::new(connection, key)),
            Some(proven) = unproven.next() => if let Some(sessions) = proven {
                // The former one is dropped, with its readers and its socket, before the echo is written.
                served = Some(Box::pin(sessions.serve(dispatch.clone())));
            },
            _ = async { served.as_mut().expect("there is one").await }, if served.is_some() => served = None,
        }
    }
}

/// Connections whose key is awaited.
#[derive(Default)]
struct Unproven {
    tasks: JoinSet<Option<Sessions<Connection>>>,
    /// The oldest first.
    handles: VecDeque<AbortHandle>,
}

impl Unproven {
    /// Of too many the oldest is closed: those of before a restore are dead, and the host waits for the newest.
    fn add(&mut self, listener: &Listener, sessions: Sessions<Connection>) {
        self.handles.retain(|handle| !handle.is_finished());
        if self.handles.len() >= MAX_UNPROVEN
            && let Some(oldest) = self.handles.pop_front()
        {
            oldest.abort();
        }
        let deadline = listener.proof_timeout;
        let proof = async move {
            // However few bytes come at a time, the deadline stays.
            let proven = timeout(deadline, sessions.until_marker()).await;
            matches!(proven, Ok(Ok(()))).then_some(sessions)
        };
        self.handles.push_back(self.tasks.spawn_local(proof));
    }

    /// The next one that has shown the key (`Some(Some(_))`) or ended without; `None` when there is none to wait for.
    async fn next(&mut self) -> Option<Option<Sessions<Connection>>> {
        Some(self.tasks.join_next().await?.ok().flatten())
    }
}

#[cfg(test)]
#[path = "serve_listener_tests.rs"]
mod tests;
