//! Waiting for another thread without a lock.
//!
//! Owns: [`Backoff`]. Callers: loops that retry a compare-exchange or await another thread that may have to be
//! scheduled first.

use crate::backend;

/// Growing pauses: first the processor spins, then the thread sleeps for microseconds. Under loom every pause yields.
#[derive(Debug, Default)]
pub struct Backoff {
    step: u32,
}

impl Backoff {
    /// Starts with the shortest pause.
    pub const fn new() -> Self {
        Self { step: 0 }
    }

    /// Pauses once, longer than the last time.
    #[inline]
    pub fn pause(&mut self) {
        backend::pause(self.step);
        self.step = self.step.saturating_add(1);
    }

    /// True when the next pause sleeps. A caller that can park should do so from here on.
    pub const fn is_sleeping(&self) -> bool {
        backend::sleeps(self.step)
    }

    /// Back to the shortest pause, after progress.
    pub const fn reset(&mut self) {
        self.step = 0;
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::Backoff;

    #[test]
    fn spins_first_and_sleeps_afterwards() {
        let mut backoff = Backoff::new();
        assert!(!backoff.is_sleeping());
        let spins = (0..100).take_while(|_| {
            backoff.pause();
            !backoff.is_sleeping()
        });
        assert!((1..99).contains(&spins.count()), "some pauses spin, and soon the thread sleeps");
        backoff.pause();
        assert!(backoff.is_sleeping());
        backoff.reset();
        assert!(!backoff.is_sleeping());
    }
}
