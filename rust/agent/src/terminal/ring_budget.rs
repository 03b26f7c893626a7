//! The memory of all terminals' rings together: 64 rings of 4 MiB would be more than a small guest has.

use std::cell::RefCell;

use crate::limits::{RING_BUDGET_BYTES, RING_BUDGET_DIVISOR};
use crate::process::memory;
use crate::terminal::output::Output;

/// For a guest of so much memory.
pub fn of_memory(bytes: u64) -> u64 {
    (bytes / RING_BUDGET_DIVISOR).clamp(RING_BUDGET_BYTES.0, RING_BUDGET_BYTES.1)
}

pub fn of_this_guest() -> u64 {
    of_memory(memory::total_kib().map_or(0, |kib| kib << 10))
}

/// Evicts the oldest bytes of the largest rings until all fit.
pub fn enforce(outputs: &[&RefCell<Output>], budget: u64) {
    let mut used: u64 = outputs.iter().map(|output| output.borrow().ring.memory()).sum();
    while used > budget {
        let Some(largest) = outputs.iter().max_by_key(|output| output.borrow().ring.memory()) else { return };
        let freed = largest.borrow_mut().ring.evict_block();
        if freed == 0 {
            return;
        }
        used -= freed;
    }
}

#[cfg(test)]
mod tests {
    use super::{enforce, of_memory};
    use crate::terminal::backpressure::Readers;
    use crate::terminal::output::Output;
    use crate::terminal::ring::Ring;
    use std::cell::RefCell;
    use std::time::Instant;

    fn output(bytes: usize) -> RefCell<Output> {
        let mut ring = Ring::new(80, 24);
        ring.push(&vec![b'x'; bytes]);
        RefCell::new(Output { ring, readers: Readers::new(Instant::now()), ended: None, removed: false })
    }

    #[test]
    fn the_budget_is_a_small_part_of_the_memory() {
        assert_eq!(of_memory(128 << 20), 8 << 20);
        assert_eq!(of_memory(1 << 30), 32 << 20);
        assert_eq!(of_memory(1 << 40), 320 << 20);
    }

    #[test]
    fn the_oldest_bytes_of_the_largest_are_evicted() {
        let all = [output(4 << 20), output(3 << 20), output(100_000), output(0)];
        let small = all[2].borrow().ring.memory();
        enforce(&all.each_ref(), 2 << 20);
        let kept: Vec<u64> = all.iter().map(|output| output.borrow().ring.memory()).collect();
        assert!(kept.iter().sum::<u64>() <= 2 << 20, "{kept:?}");
        assert_eq!(kept[2], small);
        assert!(kept[0].abs_diff(kept[1]) <= 64 << 10, "{kept:?}");
        for output in &all {
            let output = output.borrow();
            let (start, end) = (output.ring.start(), output.ring.end());
            assert!(end - start <= output.ring.memory());
            let mut at = start;
            while at < end {
                at += output.ring.piece(at, usize::MAX).len() as u64;
            }
        }
        // It continues at its offset.
        let mut first = all[0].borrow_mut();
        let end = first.ring.end();
        first.ring.push(b"after");
        assert_eq!(first.ring.piece(end, 5), b"after");
    }

    #[test]
    fn a_block_that_is_written_to_is_not_evicted() {
        let all = [output(10), output(10)];
        enforce(&all.each_ref(), 0);
        assert_eq!(all[0].borrow().ring.piece(0, 100).len(), 10);
    }
}
