//! What the tests of the whole heap share: random numbers that repeat, the oracle, a graph that many mutators
//! work on, and host values that refer to nodes.
//!
//! *Callers:* the tests of this package; the fuzz target. *Invariants:* those of the parts.

pub mod nodes;
pub mod oracle;
pub mod shared_graph;

/// A small random number generator (xorshift64*, Vigna 2016): the same numbers for the same seed, everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers for a seed; 0 counts as 1.
    pub fn new(seed: u64) -> Random {
        Random(seed.max(1))
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(2_685_821_657_736_338_717) >> 33) as usize % bound
    }
}
