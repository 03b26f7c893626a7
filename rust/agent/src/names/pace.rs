//! How fast queries go to the host.

use std::time::Duration;

use tokio::time::Instant;

/// A second's worth may go at once, such as a page's names.
pub const QUERIES_PER_SECOND: u32 = 100;

/// A bucket that fills evenly.
pub struct Pace {
    /// When it would have been empty, had nothing been taken since: full when that is a second ago.
    empty_at: Instant,
}

impl Pace {
    pub fn new(now: Instant) -> Pace {
        Pace { empty_at: now.checked_sub(Duration::from_secs(1)).unwrap_or(now) }
    }

    /// Takes one; when there is none, answers when there will be.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let one = Duration::from_secs(1) / QUERIES_PER_SECOND;
        let empty_at = self.empty_at.max(now.checked_sub(Duration::from_secs(1)).unwrap_or(self.empty_at));
        if empty_at + one > now {
            return Err(empty_at + one);
        }
        self.empty_at = empty_at + one;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, QUERIES_PER_SECOND};
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_second_s_worth_goes_at_once_and_then_one_after_the_other() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut pace = Pace::new(start);
        for _ in 0..QUERIES_PER_SECOND {
            assert_eq!(pace.take(start), Ok(()));
        }
        let next = pace.take(start).unwrap_err();
        assert_eq!(next, start + Duration::from_millis(10));
        assert_eq!(pace.take(next), Ok(()));
        assert!(pace.take(next).is_err());
        // However long nothing was asked, no more than a second's worth is saved.
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..).take_while(|_| pace.take(later).is_ok()).count(), QUERIES_PER_SECOND as usize);
    }
}
