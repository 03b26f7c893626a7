//! Which server a machine is held by, of several that have a session: those of the highest epoch. `docs/reference/agent-protocol.md`, "Holders".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::error::{CallError, CallResult, Code};

/// One session's epoch: that of a machine's first holder, until it says another.
#[derive(Clone, Default)]
pub struct SessionEpoch(Arc<AtomicU64>);

impl SessionEpoch {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The highest epoch that any session has said.
pub struct Epochs(watch::Sender<u64>);

impl Epochs {
    pub fn new() -> Epochs {
        Epochs(watch::Sender::new(0))
    }

    /// The session is a holder's of this epoch; sessions of lower ones end.
    pub fn hold(&self, session: &SessionEpoch, epoch: u64) -> CallResult<()> {
        let highest = *self.0.borrow();
        if epoch < highest {
            return Err(superseded(epoch, highest));
        }
        session.0.store(epoch, Ordering::Relaxed);
        self.0.send_if_modified(|highest| std::mem::replace(highest, epoch) != epoch);
        Ok(())
    }

    /// Refuses a session that another holder has superseded.
    pub fn check(&self, session: &SessionEpoch) -> CallResult<()> {
        let (epoch, highest) = (session.get(), *self.0.borrow());
        if epoch < highest { Err(superseded(epoch, highest)) } else { Ok(()) }
    }

    /// Resolves once a session of a higher epoch has come after this one. One that begins under a higher epoch may still say its own.
    pub async fn superseded(&self, session: &SessionEpoch) {
        let mut epochs = self.0.subscribe();
        // The sender is the agent's own, which outlives its sessions.
        while epochs.changed().await.is_ok() {
            if *epochs.borrow_and_update() > session.get() {
                return;
            }
        }
    }
}

fn superseded(epoch: u64, highest: u64) -> CallError {
    CallError::new(Code::Superseded, format!("a server of epoch {highest} holds this machine, not one of {epoch}"))
}
