//! Which clients there are, and which that are gone have left something under way: the verbs of a connection go on after
//! it, and a client that comes next and looks at the host would not see what they are about to make.

use crate::error::{Code, Outcome, failure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long `settle` waits. A save or a launch takes less, unless the host is overloaded.
const QUIESCE_TIMEOUT: Duration = Duration::from_mins(2);
const STEP: Duration = Duration::from_millis(10);

/// A client, for as long as its requests are read and for as long as one of them that changes something is under way.
pub struct Client {
    number: u64,
    /// `None`: a client of the daemon before this one.
    stream: Option<UnixStream>,
}

impl Client {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The kernel knows it at once, and before what the client sent last is read.
    fn is_gone(&self) -> bool {
        let Some(stream) = &self.stream else { return true };
        let mut look = [PollFd::new(stream.as_fd(), PollFlags::empty())];
        let found = poll(&mut look, PollTimeout::ZERO);
        found.is_ok() && look[0].revents().is_some_and(|seen| seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
    }
}

#[derive(Default)]
pub struct Clients(Mutex<(u64, Vec<Weak<Client>>)>);

impl Clients {
    /// In the order in which they connected.
    pub fn enter(&self, stream: Option<UnixStream>) -> Arc<Client> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, clients) = &mut *known;
        *last += 1;
        let client = Arc::new(Client { number: *last, stream });
        clients.retain(|client| client.strong_count() > 0);
        clients.push(Arc::downgrade(&client));
        client
    }

    /// Waits until nothing is under way of clients that came before this one, and are gone.
    ///
    /// # Errors
    /// `busy` when something still is, after two minutes.
    pub fn quiesce(&self, asking: u64) -> Outcome<()> {
        self.quiesce_within(asking, QUIESCE_TIMEOUT)
    }

    fn quiesce_within(&self, asking: u64, timeout: Duration) -> Outcome<()> {
        let start = Instant::now();
        while self.leaves_something(asking) {
            if start.elapsed() > timeout {
                return Err(failure(Code::Busy, "what a client that is gone has asked for is still under way"));
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    fn leaves_something(&self, asking: u64) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.iter().filter_map(Weak::upgrade).any(|client| client.number < asking && client.is_gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_earlier_clients_that_are_gone_and_for_no_others() {
        let clients = Clients::default();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let earlier = clients.enter(Some(ours));
        let (ours, _open) = UnixStream::pair().unwrap();
        let asking = clients.enter(Some(ours)).number();
        let quiesce = || clients.quiesce_within(asking, Duration::ZERO).map_err(|failure| failure.code);
        assert_eq!(quiesce(), Ok(()), "it is there");
        drop(theirs);
        assert_eq!(quiesce(), Err(Code::Busy));
        assert_eq!(clients.quiesce_within(earlier.number(), Duration::ZERO).map_err(|failure| failure.code), Ok(()));
        drop(earlier);
        assert_eq!(quiesce(), Ok(()), "it has left nothing");
        let before = clients.enter(None);
        assert_eq!(
            clients.quiesce_within(before.number() + 1, Duration::ZERO).map_err(|failure| failure.code),
            Err(Code::Busy)
        );
    }
}
