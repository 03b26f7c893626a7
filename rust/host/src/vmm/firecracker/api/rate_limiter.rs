//! Limits of a device, as Firecracker's token buckets.

use crate::spec::DiskLimits;
use serde_json::{Value, json};

/// The least time in which a bucket is filled, in milliseconds. Firecracker takes whole ones, and no bucket that is filled
/// within none.
const SHORTEST_REFILL: u64 = 100;
/// The longest: it counts in nanoseconds, of 64 bits.
const LONGEST_REFILL: u64 = u64::MAX / 1_000_000;

/// So many bytes or operations a second, and how many at once after a rest. There is no limit to how fast those are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// 0: no limit.
    pub per_second: u64,
    pub burst: u64,
}

impl Rate {
    /// With 0 for no limit: what is left out stays as it is.
    fn bucket(self) -> Value {
        if self.per_second == 0 {
            return json!({ "size": 0, "refill_time": 0 });
        }
        let size = self.burst.max(self.per_second.div_ceil(1000 / SHORTEST_REFILL));
        let refill = (u128::from(size) * 1000).div_ceil(u128::from(self.per_second));
        let refill = u64::try_from(refill).unwrap_or(u64::MAX).clamp(1, LONGEST_REFILL);
        json!({ "size": size, "refill_time": refill })
    }
}

/// Of one device. Firecracker has no limit that devices share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimiter {
    pub bytes: Rate,
    pub operations: Rate,
}

impl RateLimiter {
    pub(super) fn body(&self) -> Value {
        json!({ "bandwidth": self.bytes.bucket(), "ops": self.operations.bucket() })
    }
}

impl From<&DiskLimits> for RateLimiter {
    /// The burst has the bytes and operations of `burst_seconds`, but may be over sooner.
    fn from(limits: &DiskLimits) -> Self {
        let rate = |per_second: u64, burst_per_second: u64| Rate {
            per_second,
            burst: burst_per_second.saturating_mul(limits.burst_seconds),
        };
        Self {
            bytes: rate(limits.bytes_per_second, limits.burst_bytes_per_second),
            operations: rate(limits.operations_per_second, limits.burst_operations_per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(per_second: u64, burst: u64) -> (u64, u64) {
        let bucket = Rate { per_second, burst }.bucket();
        (bucket["size"].as_u64().unwrap(), bucket["refill_time"].as_u64().unwrap())
    }

    #[test]
    fn a_bucket_holds_the_burst_and_is_filled_at_the_rate() {
        assert_eq!(bucket(64 << 20, 640 << 20), (640 << 20, 10_000));
        assert_eq!(bucket(1000, 0), (100, 100));
        assert_eq!(bucket(1, 0), (1, 1000));
        assert_eq!(bucket(3, 10), (10, 3334));
        assert_eq!(bucket(0, 10), (0, 0));
    }

    #[test]
    fn a_bucket_has_whole_milliseconds_that_firecracker_can_count() {
        for (per_second, burst) in [(u64::MAX, 0), (u64::MAX, u64::MAX), (1, u64::MAX), (7, 1 << 60)] {
            let (size, refill) = bucket(per_second, burst);
            assert!(size > 0 && refill > 0 && refill.checked_mul(1_000_000).is_some(), "{per_second} {burst}");
        }
    }

    #[test]
    fn limits_of_a_disk_become_both_buckets() {
        let limits = DiskLimits {
            bytes_per_second: 10,
            operations_per_second: 20,
            burst_bytes_per_second: 30,
            burst_operations_per_second: 40,
            burst_seconds: 5,
        };
        let body = RateLimiter::from(&limits).body();
        let bandwidth = json!({ "size": 150, "refill_time": 15_000 });
        assert_eq!(body, json!({ "bandwidth": bandwidth, "ops": { "size": 200, "refill_time": 10_000 } }));
    }
}
