//! The seal of a guest: while it is closed, no program starts and no call is served. An identity opens it.

use std::cell::{Cell, RefCell};

use crate::error::{CallError, CallResult, Code};

#[derive(Clone)]
enum State {
    Open,
    Sealing,
    Sealed,
    /// A step failed halfway: what this guest shares with others cannot be known any more.
    Refused(String),
}

pub struct Seal {
    state: RefCell<State>,
    /// The template had SSH host keys: so has each of its guests, its own.
    had_host_keys: Cell<bool>,
}

impl Default for Seal {
    fn default() -> Self {
        Seal { state: RefCell::new(State::Open), had_host_keys: Cell::new(false) }
    }
}

/// An identity that is being taken by a sealed guest. Dropped before it is finished, the guest refuses service.
pub struct Unsealing<'a>(&'a Seal);

impl Unsealing<'_> {
    pub fn finish(self, error: Option<&CallError>) {
        self.0.state.replace(match error {
            None => State::Open,
            Some(error) => State::Refused(error.message.clone()),
        });
    }
}

impl Seal {
    /// For `hello`: it waits for an identity, or waited in vain.
    pub fn is_sealed(&self) -> bool {
        !matches!(*self.state.borrow(), State::Open)
    }

    /// Whether programs may start and calls be served.
    pub fn check_open(&self) -> CallResult<()> {
        match &*self.state.borrow() {
            State::Open => Ok(()),
            State::Sealing | State::Sealed => Err(sealed("the guest is sealed: it waits for its identity")),
            State::Refused(why) => Err(refused(why)),
        }
    }

    /// Closes an open guest while it is sealed.
    pub fn begin(&self) -> CallResult<()> {
        self.check_open()?;
        self.state.replace(State::Sealing);
        Ok(())
    }

    /// Sealed, and whether SSH host keys were removed; or a step has failed.
    pub fn finish(&self, result: &CallResult<bool>) {
        self.state.replace(match result {
            Ok(had_host_keys) => {
                self.had_host_keys.set(*had_host_keys);
                State::Sealed
            }
            Err(error) => State::Refused(error.message.clone()),
        });
    }

    /// Whether the template had SSH host keys; asked once.
    pub fn take_had_host_keys(&self) -> bool {
        self.had_host_keys.take()
    }

    /// Whether an identity may be taken; for a sealed guest, what unseals it.
    pub fn begin_identity(&self) -> CallResult<Option<Unsealing<'_>>> {
        let state = self.state.borrow().clone();
        match state {
            State::Open => Ok(None),
            State::Sealing => Err(sealed("the guest is being sealed, or made itself")),
            State::Refused(why) => Err(refused(&why)),
            State::Sealed => {
                self.state.replace(State::Refused("its identity was not taken to the end".into()));
                Ok(Some(Unsealing(self)))
            }
        }
    }
}

fn sealed(message: &str) -> CallError {
    CallError::new(Code::Sealed, message)
}

fn refused(why: &str) -> CallError {
    sealed(&format!("the guest refuses service, because it could not become itself: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{Seal, State};
    use crate::error::internal;

    #[test]
    fn a_sealed_guest_is_opened_by_an_identity_alone() {
        let seal = Seal::default();
        assert!(!seal.is_sealed() && seal.check_open().is_ok());
        assert!(seal.begin_identity().unwrap().is_none(), "an open guest takes one without more");
        seal.state.replace(State::Sealing);
        assert!(seal.is_sealed() && seal.check_open().is_err() && seal.begin_identity().is_err());
        seal.state.replace(State::Sealed);
        assert!(seal.is_sealed() && seal.check_open().is_err());
        seal.begin_identity().unwrap().unwrap().finish(None);
        assert!(!seal.is_sealed() && seal.check_open().is_ok());
    }

    #[test]
    fn an_identity_that_fails_or_breaks_off_closes_it_for_good() {
        for error in [Some(internal("clock: no")), None] {
            let seal = Seal::default();
            seal.state.replace(State::Sealed);
            {
                let unsealing = seal.begin_identity().unwrap().unwrap();
                assert!(seal.begin_identity().is_err(), "one at a time");
                if let Some(error) = &error {
                    unsealing.finish(Some(error));
                }
            }
            assert!(seal.is_sealed() && seal.begin_identity().is_err());
            let refusal = seal.check_open().unwrap_err().message;
            assert!(refusal.contains("refuses service"), "{refusal}");
            assert!(error.is_none() || refusal.contains("clock: no"), "{refusal}");
        }
    }
}
