//! A terminal's output: the newest bytes addressed by absolute offset, and the sizes the terminal had.

use std::collections::VecDeque;

use crate::limits::RING_BYTES;

/// The ring grows and shrinks by blocks, so that a terminal with little output takes little memory.
const BLOCK_BYTES: u64 = 32 << 10;
/// Sizes kept. Dragging a window's edge makes hundreds; past this the oldest are merged.
const MAX_SIZES: usize = 1024;

/// The terminal's size from an offset on. `sequence` orders those of one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeChange {
    pub sequence: u64,
    pub offset: u64,
    pub cols: u16,
    pub rows: u16,
}

pub struct Ring {
    /// Whole blocks; the first begins at `first_block` × [`BLOCK_BYTES`].
    blocks: VecDeque<Box<[u8]>>,
    first_block: u64,
    start: u64,
    end: u64,
    sizes: VecDeque<SizeChange>,
    next_sequence: u64,
}

impl Ring {
    pub fn new(cols: u16, rows: u16) -> Self {
        let sizes = VecDeque::from([SizeChange { sequence: 0, offset: 0, cols, rows }]);
        Ring { blocks: VecDeque::new(), first_block: 0, start: 0, end: 0, sizes, next_sequence: 1 }
    }

    /// The offset of the oldest byte kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset of the next byte that will be written.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends output, overwriting the oldest bytes where the ring is full.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let within = (self.end % BLOCK_BYTES) as usize;
            if within == 0 || self.blocks.is_empty() {
                self.grow();
            }
            let block = self.blocks.back_mut().expect("the block of `end` exists");
            let taken = bytes.len().min(block.len() - within);
            block[within..within + taken].copy_from_slice(&bytes[..taken]);
            self.end += taken as u64;
            bytes = &bytes[taken..];
        }
        self.start = self.start.max(self.end.saturating_sub(RING_BYTES));
        self.drop_old_sizes();
    }

    /// Bytes that its blocks take.
    pub fn memory(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK_BYTES
    }

    /// Evicts the oldest block, unless it is the one that is written to. Answers how many bytes that freed.
    pub fn evict_block(&mut self) -> u64 {
        if self.blocks.len() < 2 {
            return 0;
        }
        self.blocks.pop_front();
        self.first_block += 1;
        self.start = self.start.max(self.first_block * BLOCK_BYTES);
        self.drop_old_sizes();
        BLOCK_BYTES
    }

    fn grow(&mut self) {
        let oldest = (self.end + 1).saturating_sub(RING_BYTES);
        if !self.blocks.is_empty() && (self.first_block + 1) * BLOCK_BYTES <= oldest {
            self.first_block += 1;
            self.blocks.rotate_left(1);
        } else {
            self.blocks.push_back(vec![0; BLOCK_BYTES as usize].into_boxed_slice());
        }
    }

    /// A contiguous piece of at most `limit` bytes from `offset`, which must not be below `start`.
    pub fn piece(&self, offset: u64, limit: usize) -> &[u8] {
        debug_assert!(offset >= self.start);
        if offset >= self.end {
            return &[];
        }
        let block = (offset / BLOCK_BYTES - self.first_block) as usize;
        let within = (offset % BLOCK_BYTES) as usize;
        let taken = limit.min(BLOCK_BYTES as usize - within).min((self.end - offset) as usize);
        &self.blocks[block][within..within + taken]
    }

    /// Records a size in force from the end on. Of several at one offset the last counts.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        let last = self.sizes.back().expect("a ring has a size");
        if (last.cols, last.rows) == (cols, rows) {
            return;
        }
        if last.offset == self.end {
            self.sizes.pop_back();
        }
        self.sizes.push_back(SizeChange { sequence: self.next_sequence, offset: self.end, cols, rows });
        self.next_sequence += 1;
        if self.sizes.len() > MAX_SIZES {
            self.sizes.pop_front();
        }
    }

    /// The size in force at an offset; the oldest known one when that has been dropped.
    pub fn size_at(&self, offset: u64) -> SizeChange {
        let before = self.sizes.iter().rev().find(|size| size.offset <= offset);
        *before.or(self.sizes.front()).expect("a ring has a size")
    }

    /// The first change after this sequence number.
    pub fn size_after(&self, sequence: u64) -> Option<SizeChange> {
        let at = self.sizes.partition_point(|size| size.sequence <= sequence);
        self.sizes.get(at).copied()
    }

    /// Frees the memory; the offsets stay.
    pub fn free(&mut self) {
        self.blocks = VecDeque::new();
        self.start = self.end;
        self.first_block = self.end / BLOCK_BYTES;
        self.drop_old_sizes();
    }

    fn drop_old_sizes(&mut self) {
        while self.sizes.len() > 1 && self.sizes[1].offset <= self.start {
            self.sizes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The byte at an offset of a recognisable stream.
    fn byte(offset: u64) -> u8 {
        (offset * 7 + offset / 251) as u8
    }

    fn fill(ring: &mut Ring, count: u64, piece: usize) {
        let bytes: Vec<u8> = (ring.end()..ring.end() + count).map(byte).collect();
        bytes.chunks(piece).for_each(|piece| ring.push(piece));
    }

    fn check(ring: &Ring) {
        let mut at = ring.start();
        while at < ring.end() {
            let piece = ring.piece(at, 5000);
            assert!(!piece.is_empty());
            assert!(piece.iter().zip(at..).all(|(found, offset)| *found == byte(offset)), "from {at}");
            at += piece.len() as u64;
        }
        assert!(ring.piece(ring.end(), 10).is_empty());
    }

    #[test]
    fn the_newest_bytes_stay_at_their_offsets_whatever_the_pieces() {
        for piece in [1 << 10, 4095, 8 << 10, 100_000] {
            let mut ring = Ring::new(80, 24);
            for count in [1, 32_767, 1, 3_000_000, 1_194_303, 2, 5_000_000] {
                fill(&mut ring, count, piece);
                assert_eq!(ring.start(), ring.end().saturating_sub(RING_BYTES));
                check(&ring);
            }
            assert!(ring.blocks.len() as u64 <= RING_BYTES / BLOCK_BYTES + 1, "memory is bounded");
        }
    }

    #[test]
    fn a_small_ring_takes_little_and_a_freed_one_nothing() {
        let mut ring = Ring::new(80, 24);
        fill(&mut ring, 100, 10);
        assert_eq!(ring.blocks.len(), 1);
        ring.free();
        assert_eq!((ring.start(), ring.end(), ring.blocks.len()), (100, 100, 0));
        fill(&mut ring, 100_000, 1000);
        check(&ring);
    }

    #[test]
    fn sizes_are_found_by_offset_and_listed_in_order() {
        let mut ring = Ring::new(80, 24);
        fill(&mut ring, 10, 10);
        ring.resize(100, 24);
        ring.resize(101, 24);
        fill(&mut ring, 10, 10);
        ring.resize(101, 24);
        ring.resize(90, 20);
        assert_eq!(ring.size_at(9).cols, 80);
        assert_eq!(ring.size_at(10).cols, 101);
        assert_eq!(ring.size_at(20).cols, 90);
        let first = ring.size_at(0);
        let second = ring.size_after(first.sequence).unwrap();
        assert_eq!((second.offset, second.cols), (10, 101));
        let third = ring.size_after(second.sequence).unwrap();
        assert_eq!((third.offset, third.cols), (20, 90));
        assert_eq!(ring.size_after(third.sequence), None);
    }

    #[test]
    fn a_storm_of_sizes_is_bounded_and_the_oldest_offset_keeps_one() {
        let mut ring = Ring::new(80, 24);
        for number in 0..100_000u64 {
            fill(&mut ring, 1, 1);
            ring.resize(80 + (number % 100) as u16, 24);
        }
        assert!(ring.sizes.len() <= MAX_SIZES);
        ring.size_at(ring.start());
        fill(&mut ring, RING_BYTES + 10, 8000);
        assert_eq!(ring.sizes.len(), 1);
    }
}
