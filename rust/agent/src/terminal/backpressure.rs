//! Backpressure from readers to programs: how much of a PTY may be read before the ring would overwrite what a reader
//! still needs.
//! The rules are those of `docs/reference/agent-protocol.md`, "The ring, and who waits for whom".

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

use crate::limits::{IN_FLIGHT_BYTES, LEFT_TOGETHER_TIME, NO_READER_TIMEOUT, RING_BYTES, STALLED_READER_TIMEOUT};

pub struct Reader {
    /// The offset of the next byte to hand to the stream.
    pub position: u64,
    /// When it last moved, or when new output came after it had read everything.
    moved: Instant,
    pub waker: Option<Waker>,
}

/// The readers of one terminal.
pub struct Readers {
    readers: BTreeMap<u64, Reader>,
    next_id: u64,
    left_at: Instant,
    /// Nothing has been read from this offset on.
    unread_from: u64,
}

/// What may be read from the PTY now.
#[derive(Debug, PartialEq, Eq)]
pub enum Room {
    Bytes(u64),
    /// Nothing, unless a reader moves, before this instant.
    NoneUntil(Instant),
}

impl Readers {
    pub fn new(now: Instant) -> Self {
        Readers { readers: BTreeMap::new(), next_id: 0, left_at: now, unread_from: 0 }
    }

    pub fn join(&mut self, position: u64, now: Instant) -> u64 {
        self.next_id += 1;
        self.readers.insert(self.next_id, Reader { position, moved: now, waker: None });
        self.next_id
    }

    pub fn leave(&mut self, id: u64, now: Instant) {
        let Some(reader) = self.readers.remove(&id) else { return };
        let together = now.saturating_duration_since(self.left_at) < LEFT_TOGETHER_TIME && self.next_id > 1;
        self.unread_from = if together { self.unread_from.min(reader.position) } else { reader.position };
        self.left_at = now;
    }

    pub fn get(&mut self, id: u64) -> Option<&mut Reader> {
        self.readers.get_mut(&id)
    }

    /// Records that a reader has taken everything before `position`.
    pub fn advance(&mut self, id: u64, position: u64, now: Instant) {
        if let Some(reader) = self.readers.get_mut(&id)
            && reader.position != position
        {
            reader.position = position;
            reader.moved = now;
        }
    }

    /// Records new output behind `end`: a reader that had read everything is behind from now on.
    pub fn fell_behind(&mut self, end: u64, now: Instant) {
        for reader in self.readers.values_mut().filter(|reader| reader.position >= end) {
            reader.moved = now;
        }
    }

    pub fn wake(&mut self) {
        for reader in self.readers.values_mut() {
            if let Some(waker) = reader.waker.take() {
                waker.wake();
            }
        }
    }

    /// How much may be read when the ring has `start..end`.
    pub fn room(&self, start: u64, end: u64, now: Instant) -> Room {
        let needed = |position: u64| position.saturating_sub(IN_FLIGHT_BYTES).max(start);
        let needed_until = if self.readers.is_empty() {
            Some((needed(self.unread_from), self.left_at + NO_READER_TIMEOUT)).filter(|(_, until)| *until > now)
        } else {
            let waits =
                self.readers.values().map(|reader| (needed(reader.position), reader.moved + STALLED_READER_TIMEOUT));
            waits.filter(|(_, until)| *until > now).min()
        };
        match needed_until {
            Some((from, until)) if end - from >= RING_BYTES => Room::NoneUntil(until),
            Some((from, _)) => Room::Bytes(RING_BYTES - (end - from)),
            None => Room::Bytes(RING_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// What may be read at a time when everything up to `end` has been written.
    fn room(readers: &Readers, end: u64, now: Instant) -> Room {
        readers.room(end.saturating_sub(RING_BYTES), end, now)
    }

    #[test]
    fn a_program_waits_for_a_reader_to_come_and_then_goes_on() {
        let start = Instant::now();
        let readers = Readers::new(start);
        assert_eq!(room(&readers, 0, start), Room::Bytes(RING_BYTES));
        assert_eq!(room(&readers, RING_BYTES - 1, start), Room::Bytes(1));
        assert_eq!(room(&readers, RING_BYTES, start), Room::NoneUntil(start + 30 * SECOND));
        assert_eq!(room(&readers, RING_BYTES, start + 30 * SECOND), Room::Bytes(RING_BYTES));
    }

    #[test]
    fn a_program_waits_for_five_seconds_since_a_reader_moved() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let id = readers.join(0, start);
        assert_eq!(room(&readers, RING_BYTES, start + SECOND), Room::NoneUntil(start + 5 * SECOND));
        readers.advance(id, 1, start + 2 * SECOND);
        assert_eq!(room(&readers, RING_BYTES, start + 3 * SECOND), Room::NoneUntil(start + 7 * SECOND));
        assert_eq!(room(&readers, RING_BYTES, start + 7 * SECOND), Room::Bytes(RING_BYTES));
    }

    #[test]
    fn a_reader_with_everything_begins_to_lag_at_the_next_output() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let id = readers.join(1000, start);
        readers.fell_behind(1000, start + 100 * SECOND);
        let full = RING_BYTES;
        assert_eq!(room(&readers, full, start + 101 * SECOND), Room::NoneUntil(start + 105 * SECOND));
        readers.fell_behind(2000, start + 104 * SECOND);
        assert_eq!(room(&readers, full, start + 104 * SECOND), Room::NoneUntil(start + 105 * SECOND), "behind already");
        readers.leave(id, start);
    }

    #[test]
    fn what_may_be_lost_in_flight_is_kept_behind_a_reader() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let id = readers.join(0, start);
        let position = 10 * RING_BYTES;
        readers.advance(id, position, start);
        assert_eq!(room(&readers, position, start), Room::Bytes(RING_BYTES - IN_FLIGHT_BYTES));
        readers.leave(id, start + SECOND);
        assert_eq!(room(&readers, position, start + SECOND), Room::Bytes(RING_BYTES - IN_FLIGHT_BYTES));
        let end = position + RING_BYTES - IN_FLIGHT_BYTES;
        assert_eq!(room(&readers, end, start + 2 * SECOND), Room::NoneUntil(start + 31 * SECOND));
    }

    #[test]
    fn the_slowest_reader_that_is_waited_for_counts() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let slow = readers.join(0, start);
        let fast = readers.join(0, start);
        readers.advance(slow, 2_000_000, start + SECOND);
        readers.advance(fast, 4_000_000, start + 4 * SECOND);
        let end = 2_000_000 - IN_FLIGHT_BYTES + RING_BYTES;
        assert_eq!(room(&readers, end, start + 4 * SECOND), Room::NoneUntil(start + 6 * SECOND));
        assert_eq!(room(&readers, end, start + 6 * SECOND), Room::Bytes(2_000_000), "the other has room");
    }

    #[test]
    fn readers_that_leave_together_count_as_the_slowest_of_them() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let (slow, fast) = (readers.join(0, start), readers.join(0, start));
        readers.advance(slow, 1_000_000, start);
        readers.advance(fast, 3_000_000, start);
        readers.leave(slow, start + 9 * SECOND);
        readers.leave(fast, start + 9 * SECOND);
        let end = 1_000_000 - IN_FLIGHT_BYTES + RING_BYTES;
        assert!(matches!(room(&readers, end, start + 10 * SECOND), Room::NoneUntil(_)));
    }
}
