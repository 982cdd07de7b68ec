//! How long mutators work for handshakes: a histogram that anybody may add to.
//!
//! *Callers:* `mutator` adds the time of each request that is performed; reports and statistics read. *Invariants:* buckets
//! are powers of two of nanoseconds, each cut into eight, so that a figure read from them is at most an eighth too high;
//! the maximum is exact. Adding is two relaxed additions; figures read meanwhile may lack what is being added.

use spanheap_sync::word::{AtomicU64, Ordering};
use std::time::Duration;

/// Parts of a power of two, as a power of two.
const PARTS_LOG: u32 = 3;
const PARTS: usize = 1 << PARTS_LOG;
/// Times of half a minute and more count in the last bucket.
const BUCKETS: usize = (36 - PARTS_LOG as usize) * PARTS;

/// The time that one mutator's work for one handshake took, over many of them. Waiting does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeTimes {
    /// Requests performed, each mutator counting for itself.
    pub count: u64,
    /// Half of them took no longer; up to an eighth too high.
    pub p50: Duration,
    /// 99 in 100 took no longer; up to an eighth too high.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

#[derive(Debug)]
pub(crate) struct Histogram {
    /// Elsewhere: a heap is moved when it is made, and a model's stack has no room for it then.
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max: AtomicU64::new(0) }
    }
}

/// A time as it is counted, in nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    time.as_nanos().min(u64::MAX as u128) as u64
}

fn bucket(nanos: u64) -> usize {
    if nanos < PARTS as u64 {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - PARTS_LOG;
    ((shift as usize) * PARTS + (nanos >> shift) as usize).min(BUCKETS - 1)
}

/// The highest time of a bucket.
fn ceiling(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = bucket / PARTS - 1;
    (((bucket % PARTS + PARTS + 1) as u64) << shift) - 1
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        let nanos = nanos(time);
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.max.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        self.max.store(0, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> HandshakeTimes {
        let counts: [u64; BUCKETS] = std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed));
        let (count, max) = (counts.iter().sum::<u64>(), self.max.load(Ordering::Relaxed));
        let percentile = |percent: u64| {
            let mut left = (count * percent).div_ceil(100);
            let found = counts.iter().position(|&times| {
                left = left.saturating_sub(times);
                left == 0
            });
            Duration::from_nanos(found.map_or(0, ceiling).min(max))
        };
        HandshakeTimes { count, p50: percentile(50), p99: percentile(99), max: Duration::from_nanos(max) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_dense_and_narrow() {
        let mut last = 0;
        for nanos in (0..1 << 16).chain((17..40).map(|n| (1 << n) + 12_345)) {
            let found = bucket(nanos);
            assert!(found >= last && (nanos > 1 << 16 || found <= last + 1), "{nanos}");
            if found < BUCKETS - 1 {
                assert!(ceiling(found) >= nanos && ceiling(found) <= nanos + nanos / 8, "{nanos}");
                assert_eq!(bucket(ceiling(found)), found);
                assert_eq!(bucket(ceiling(found) + 1), found + 1);
            }
            last = found;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_known_times() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read(), HandshakeTimes::default());
        (1..=1000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        let times = histogram.read();
        assert_eq!((times.count, times.max), (1000, Duration::from_micros(1000)));
        assert!(times.p50 >= Duration::from_micros(500) && times.p50 <= Duration::from_micros(563), "{times:?}");
        assert!(times.p99 >= Duration::from_micros(990) && times.p99 <= times.max, "{times:?}");
        histogram.reset();
        assert_eq!(histogram.read(), HandshakeTimes::default());
    }
}
