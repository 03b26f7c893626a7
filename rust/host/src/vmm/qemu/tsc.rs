//! The rate of this host's time stamp counter.
//!
//! TCG's guests read the host's counter. On a loaded host a guest that calibrates it against the emulated PIT finds
//! nothing and hangs at boot for ever ("tsc: Unable to calibrate against PIT"); told the rate, it need not look.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A reading of both clocks is off by a microsecond or so: over this long, by 20 parts in a million at worst.
const BASELINE: Duration = Duration::from_millis(100);

static START: OnceLock<(Instant, u64)> = OnceLock::new();
static KHZ: OnceLock<u64> = OnceLock::new();

fn reading() -> (Instant, u64) {
    // SAFETY: every x86-64 processor has the instruction, and it touches nothing.
    (Instant::now(), unsafe { std::arch::x86_64::_rdtsc() })
}

/// Starts to measure, so that `khz` need not wait later.
pub fn begin() {
    START.get_or_init(reading);
}

/// The rate in kHz. Waits for the rest of the baseline if that is not over.
pub fn khz() -> u64 {
    *KHZ.get_or_init(|| {
        let (start, first) = *START.get_or_init(reading);
        std::thread::sleep(BASELINE.saturating_sub(start.elapsed()));
        let (end, last) = reading();
        let nanoseconds = (end - start).as_nanos().max(1);
        u64::try_from(u128::from(last.wrapping_sub(first)) * 1_000_000 / nanoseconds).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_a_processors_rate_and_stays_the_same() {
        super::begin();
        let khz = super::khz();
        assert!((400_000..10_000_000).contains(&khz), "{khz}");
        assert_eq!(khz, super::khz());
    }
}
