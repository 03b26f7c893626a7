//! How many execs run, and what those that have ended left behind.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::{CallError, CallResult, Code};
use crate::exec::drains::Drains;

const MAX_EXECS: usize = 64;

#[derive(Default)]
pub struct Execs {
    running: Cell<usize>,
    pub drains: Rc<Drains>,
}

/// One exec's place among [`MAX_EXECS`], until it is dropped.
pub struct Slot(Rc<Execs>);

impl Slot {
    pub fn take(execs: &Rc<Execs>) -> CallResult<Slot> {
        if execs.running.get() >= MAX_EXECS {
            return Err(CallError::new(Code::TooMany, format!("{MAX_EXECS} programs run")));
        }
        execs.running.set(execs.running.get() + 1);
        Ok(Slot(execs.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}
