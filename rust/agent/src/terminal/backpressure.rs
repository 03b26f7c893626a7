//! Who waits for whom: how much a terminal may be read before it would overwrite what a reader still needs.
//! The rules are those of `docs/reference/agent-protocol.md`, "The ring, and who waits for whom".

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::terminal::ring::RING_BYTES;

/// How long a program is held for a reader that does not move.
pub const READER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a program is held while nobody reads: a server's restart fits.
pub const ABSENCE_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes taken by a reader's stream that may still be lost on their way to the person, when the server dies: kept in
/// the ring behind its position. A server keeps less than 500 KB unacknowledged by a client, and a stream's window is 64 KiB.
pub const IN_FLIGHT_BYTES: u64 = 640 << 10;
/// Readers that leave within this time left together, with the session they shared.
const TOGETHER: Duration = Duration::from_secs(1);

pub struct Reader {
    /// The offset of the next byte to hand to the stream.
    pub position: u64,
    /// When it last moved, or fell behind after it had everything.
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
    HeldUntil(Instant),
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
        let together = now.saturating_duration_since(self.left_at) < TOGETHER && self.next_id > 1;
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

    /// Records output that ended at `end` before it: who had everything starts to be behind now.
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

    /// How much may be read when the ring holds `start..end`.
    pub fn room(&self, start: u64, end: u64, now: Instant) -> Room {
        let needed = |position: u64| position.saturating_sub(IN_FLIGHT_BYTES).max(start);
        let hold = if self.readers.is_empty() {
            Some((needed(self.unread_from), self.left_at + ABSENCE_PATIENCE)).filter(|(_, until)| *until > now)
        } else {
            let held = self.readers.values().map(|reader| (needed(reader.position), reader.moved + READER_PATIENCE));
            held.filter(|(_, until)| *until > now).min()
        };
        match hold {
            Some((from, until)) if end - from >= RING_BYTES => Room::HeldUntil(until),
            Some((from, _)) => Room::Bytes(RING_BYTES - (end - from)),
            None => Room::Bytes(RING_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What may be read at a time when everything up to `end` has been written.
    fn room(readers: &Readers, end: u64, now: Instant) -> Room {
        readers.room(end.saturating_sub(RING_BYTES), end, now)
    }

    #[test]
    fn unread_output_is_held_for_a_reader_to_come_and_then_given_up() {
        let start = Instant::now();
        let readers = Readers::new(start);
        assert_eq!(room(&readers, 0, start), Room::Bytes(RING_BYTES));
        assert_eq!(room(&readers, RING_BYTES - 1, start), Room::Bytes(1));
        assert_eq!(room(&readers, RING_BYTES, start), Room::HeldUntil(start + 30 * SECOND));
        assert_eq!(room(&readers, RING_BYTES, start + 30 * SECOND), Room::Bytes(RING_BYTES));
    }

    #[test]
    fn a_reader_holds_the_program_for_five_seconds_since_it_moved() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let id = readers.join(0, start);
        assert_eq!(room(&readers, RING_BYTES, start + SECOND), Room::HeldUntil(start + 5 * SECOND));
        readers.advance(id, 1, start + 2 * SECOND);
        assert_eq!(room(&readers, RING_BYTES, start + 3 * SECOND), Room::HeldUntil(start + 7 * SECOND));
        assert_eq!(room(&readers, RING_BYTES, start + 7 * SECOND), Room::Bytes(RING_BYTES));
    }

    #[test]
    fn a_reader_with_everything_begins_to_lag_at_the_next_output() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let id = readers.join(1000, start);
        readers.fell_behind(1000, start + 100 * SECOND);
        let full = RING_BYTES;
        assert_eq!(room(&readers, full, start + 101 * SECOND), Room::HeldUntil(start + 105 * SECOND));
        readers.fell_behind(2000, start + 104 * SECOND);
        assert_eq!(room(&readers, full, start + 104 * SECOND), Room::HeldUntil(start + 105 * SECOND), "behind already");
        readers.leave(id, start);
    }

    #[test]
    fn what_may_be_lost_on_its_way_is_kept_behind_a_reader() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let id = readers.join(0, start);
        let position = 10 * RING_BYTES;
        readers.advance(id, position, start);
        assert_eq!(room(&readers, position, start), Room::Bytes(RING_BYTES - IN_FLIGHT_BYTES));
        readers.leave(id, start + SECOND);
        assert_eq!(room(&readers, position, start + SECOND), Room::Bytes(RING_BYTES - IN_FLIGHT_BYTES));
        let end = position + RING_BYTES - IN_FLIGHT_BYTES;
        assert_eq!(room(&readers, end, start + 2 * SECOND), Room::HeldUntil(start + 31 * SECOND));
    }

    #[test]
    fn the_slowest_patient_reader_counts() {
        let start = Instant::now();
        let mut readers = Readers::new(start);
        let slow = readers.join(0, start);
        let fast = readers.join(0, start);
        readers.advance(slow, 2_000_000, start + SECOND);
        readers.advance(fast, 4_000_000, start + 4 * SECOND);
        let end = 2_000_000 - IN_FLIGHT_BYTES + RING_BYTES;
        assert_eq!(room(&readers, end, start + 4 * SECOND), Room::HeldUntil(start + 6 * SECOND));
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
        assert!(matches!(room(&readers, end, start + 10 * SECOND), Room::HeldUntil(_)));
    }
}
