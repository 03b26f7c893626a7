//! How many streams of a kind there are at a time.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::{CallError, CallResult, Code};
use crate::limits::MAX_PORT_CONNECTIONS;

/// The server needs one.
const MAX_WATCHES: usize = 8;

pub struct Places {
    what: &'static str,
    most: usize,
    taken: Cell<usize>,
}

impl Places {
    pub fn of_connections() -> Rc<Places> {
        Rc::new(Places { what: "connections to ports are open", most: MAX_PORT_CONNECTIONS, taken: Cell::new(0) })
    }

    pub fn of_watches() -> Rc<Places> {
        Rc::new(Places { what: "streams of ports are open", most: MAX_WATCHES, taken: Cell::new(0) })
    }
}

/// One of them, until it is dropped.
pub struct Place(Rc<Places>);

impl Place {
    pub fn take(places: &Rc<Places>) -> CallResult<Place> {
        if places.taken.get() >= places.most {
            return Err(CallError::new(Code::TooMany, format!("{} {}", places.most, places.what)));
        }
        places.taken.set(places.taken.get() + 1);
        Ok(Place(places.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.set(self.0.taken.get() - 1);
    }
}
