//! Random numbers: xorshift64*, the same stream in every peer's program.
//!
//! *Callers:* the workloads. *Invariants:* checksums depend on every draw: none may be added or left out.

/// A stream of random numbers.
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream of a thread; single-threaded workloads use thread 0's.
    pub(crate) fn new(thread: u64) -> Rng {
        Rng(88172645463325252 + thread)
    }

    /// One draw: 64 bits, of which the high ones are good.
    #[inline]
    pub(crate) fn draw(&mut self) -> u64 {
        let mut x = self.0;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(2685821657736338717)
    }

    /// One draw below `limit`, which is less than 2^32.
    #[inline]
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // 31 random bits: the division is one of 32 bits.
        ((self.draw() >> 33) as u32 % limit as u32) as usize
    }
}
