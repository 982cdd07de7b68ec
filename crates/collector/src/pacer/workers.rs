//! How many threads mark.
//!
//! *Callers:* the collector, when a cycle starts. *Invariants:* at least one; no more than the option's share of the
//! cores while mutators run.

/// Bytes to mark from which on another thread is worth waking: it takes about a millisecond to mark them.
const BYTES_PER_WORKER: usize = 4 << 20;

/// Threads that mark a heap of `live` bytes: `cpu_share` percent of the `cores`, or all of them while nobody runs
/// mutators (whoever asked for the cycle waits for it, and all others wait for something else).
pub(crate) fn marking_workers(cores: usize, cpu_share: u32, running_mutators: usize, live: usize) -> usize {
    let by_share = if running_mutators == 0 { cores } else { (cores as u128 * cpu_share as u128 / 100) as usize };
    by_share.min(live / BYTES_PER_WORKER + 1).clamp(1, cores.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_cores_marks_while_mutators_run() {
        let large = 1 << 30;
        assert_eq!(marking_workers(2, 25, 2, large), 1, "at least one");
        assert_eq!(marking_workers(8, 25, 1, large), 2);
        assert_eq!(marking_workers(16, 25, 64, large), 4);
        assert_eq!(marking_workers(16, 25, 0, large), 16, "the world waits");
        assert_eq!(marking_workers(16, 25, 0, 10 << 20), 3, "no more than there is to do");
        assert_eq!(marking_workers(16, 100, 16, large), 16);
        assert_eq!(marking_workers(16, u32::MAX, 16, usize::MAX), 16);
        assert_eq!(marking_workers(0, 25, 0, large), 1);
        for cores in 4..64 {
            assert!(marking_workers(cores, 25, 1, large) * 4 <= cores);
        }
    }
}
