//! The call `ports`: what is listened on, a line of JSON now and one at each change.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::channel::answer::{self, Answer};
use crate::channel::answer_body::{BodyError, Pieces};
use crate::error::CallResult;
use crate::ports::listening::{self, Listening};
use crate::ports::places::{Place, Places};

/// The kernel does not report that a socket begins to listen, so it is asked, as long as somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub fn call(places: &Rc<Places>) -> CallResult<Answer> {
    let place = Place::take(places)?;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(answer::stream(Watch { looks, sent: None, _place: place }))
}

struct Watch {
    looks: Interval,
    sent: Option<Listening>,
    _place: Place,
}

impl Pieces for Watch {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            ready!(self.looks.poll_tick(context));
            let now = match listening::read() {
                Ok(now) => now,
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            };
            if self.sent.as_ref() == Some(&now) {
                continue;
            }
            let mut line = serde_json::to_vec(&now).expect("numbers are JSON");
            line.push(b'\n');
            self.sent = Some(now);
            return Poll::Ready(Some(Ok(line.into())));
        }
    }
}
