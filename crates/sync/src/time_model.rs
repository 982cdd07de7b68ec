//! The clock of models, which only their schedule moves.
//!
//! Owns: [`Instant`]. Callers: whoever measures or awaits times, under `cfg(loom)` and `cfg(shuttle)`. Invariant: the same
//! schedule sees the same times, so that what a model does depends on nothing else. Loom's clock stands still; shuttle's
//! goes on with every switch between threads.

use crate::backend::model_nanos;
use core::ops::{Add, Sub};
use std::time::Duration;

/// A moment: [`std::time::Instant`] by the clock of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// This moment.
    pub fn now() -> Instant {
        Instant(Duration::from_nanos(model_nanos()))
    }

    /// The time since this moment.
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(*self)
    }

    /// The time since an earlier moment; zero if it is a later one.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment that much later, if there is one.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}
