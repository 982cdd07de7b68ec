//! Growth in place: an object with a length gets a longer one, while others read it.
//!
//! *Callers:* the mutator layer, for arrays; `large`, which makes room behind a large object. *Invariants:*
//! - `[growth.monotonic]` A length never falls, so that a slice that somebody has taken stays inside the object.
//! - `[growth.filled-first]` Whoever sees a length sees what was written up to it: it is stored, with release, after the
//!   contents, and loaded with acquire.
//!
//! *Locks:* `Rank::Growth`, one for all objects of a heap: growing is rare, and asks the page heap anyway.

use spanheap_sync::word::{Ordering, Word};
use spanheap_sync::{Mutex, Rank};

/// Who may make an object longer.
pub struct Growth {
    lock: Mutex<()>,
}

impl Growth {
    pub(crate) fn new() -> Growth {
        Growth { lock: Mutex::new(Rank::Growth, ()) }
    }

    /// Makes an object longer: `wanted` is told the length that it has and names the new one, `room` finds out whether there
    /// is room for that many, `fill` writes from the old length to the new. Returns whether it has the length now; a
    /// length that is no longer than the old one changes nothing.
    ///
    /// # Errors
    /// Those of `room`.
    pub fn grow<E>(
        &self,
        len: &impl Word,
        wanted: impl FnOnce(usize) -> usize,
        room: impl FnOnce(usize) -> Result<bool, E>,
        fill: impl FnOnce(usize, usize),
    ) -> Result<bool, E> {
        let _one_at_a_time = self.lock.lock();
        // Only whoever holds the lock changes it.
        let old = len.load(Ordering::Relaxed);
        let new = wanted(old);
        if new <= old {
            return Ok(true);
        }
        let has_room = room(new)?;
        if has_room {
            fill(old, new);
            len.store(new, Ordering::Release);
        }
        Ok(has_room)
    }
}
