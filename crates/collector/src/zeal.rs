//! Zeal: ways to make what is rare happen often. Options for tests; each counts what it has done.
//!
//! *Callers:* the parts of this crate, where their buffers are made and where the cycle goes from step to step.
//! *Invariants:* zeal changes when things happen and in what portions, and never what is right. It costs nothing where no
//! option asks for it, but for a test of a word in places that are reached a few times in a cycle.

use crate::collector::Collector;
use crate::options::Options;
use crate::phase::Phase;
use spanheap_sync::word::{AtomicU64, Ordering};
use std::time::Duration;

/// How large the buffers of a heap's collector are, in entries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// Entries after which a barrier's log is filtered, and handed over without waiting for a handshake.
    pub(crate) log: usize,
    /// Addresses in a block of objects that roots hold: what is marked between two looks at the clock.
    pub(crate) roots: usize,
    /// References that a marking worker sends in one block.
    pub(crate) sent: usize,
    /// Objects whose memory is fetched before they are scanned: at most `marker::RING`.
    pub(crate) ring: usize,
}

impl Buffers {
    const USUAL: Buffers = Buffers { log: 512, roots: 512, sent: 1024, ring: crate::marker::RING };
    /// All are full at once, and the ring's end wraps around at odd places.
    const TINY: Buffers = Buffers { log: 3, roots: 2, sent: 2, ring: 5 };

    /// Those that the options want.
    pub(crate) fn of(options: &Options) -> &'static Buffers {
        if options.tiny_buffers { &Buffers::TINY } else { &Buffers::USUAL }
    }
}

const _: () = assert!(Buffers::TINY.ring <= crate::marker::RING && Buffers::TINY.ring > 0);

/// What the options for tests have done so far in one heap.
#[derive(Default)]
pub struct Zeal {
    /// Draws of the random numbers.
    draws: AtomicU64,
    delays: AtomicU64,
    /// Collections that a mutator ran because it had allocated so many objects.
    forced: AtomicU64,
}

impl Zeal {
    /// Times that a delay was made.
    pub fn delays(&self) -> u64 {
        self.delays.load(Ordering::Relaxed)
    }

    /// Collections that mutators ran because a portion of allocations was used up.
    pub fn forced_collections(&self) -> u64 {
        self.forced.load(Ordering::Relaxed)
    }

    /// Counts a collection that a mutator is about to run.
    pub fn count_forced(&self) {
        self.forced.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn wait(&self, seed: u64) {
        let draw = mix(seed.wrapping_add(self.draws.fetch_add(1, Ordering::Relaxed)));
        match draw % 8 {
            0..4 => return,
            4 | 5 => spanheap_sync::thread::yield_now(),
            6 => (0..draw >> 32 & 0xfff).for_each(|_| spanheap_sync::hint::spin_loop()),
            _ => std::thread::sleep(Duration::from_micros(draw >> 32 & 0xff)),
        }
        self.delays.fetch_add(1, Ordering::Relaxed);
    }
}

/// Spreads the bits of a number over all of them (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

impl Collector {
    /// A place where others may come in between: waits for a random while if that is wanted.
    #[inline]
    pub fn linger(&self) {
        if let Some(seed) = self.options.delays {
            self.zeal.wait(seed);
        }
    }

    /// Goes to the next phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.linger();
        self.phase.enter(phase);
        self.linger();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_places_wait_and_the_seed_says_which() {
        let waits = |seed: u64| -> Vec<u64> {
            let zeal = Zeal::default();
            let waits = (0..200).map(|_| {
                zeal.wait(seed);
                zeal.delays()
            });
            waits.collect()
        };
        let first = waits(1);
        assert!((60..140).contains(first.last().unwrap()), "{first:?}");
        assert_eq!(first, waits(1));
        assert_ne!(first, waits(2));
    }
}
