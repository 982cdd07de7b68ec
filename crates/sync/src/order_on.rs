//! The check of the locking order, for debug builds.
//!
//! Owns: the set of ranks that the current thread holds. Callers: `mutex.rs`. Invariant: because a rank is only taken
//! when it lies below all that are held, the set needs no order and no counts: one bit per rank is enough, and locks
//! may be released in any order.

use crate::Rank;
use core::cell::Cell;
use core::marker::PhantomData;

std::thread_local! {
    /// One bit per [`Rank`] held by this thread, bit number = rank.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// The rank of one mutex.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order(Rank);

/// The record that this thread holds a rank; dropping it strikes the rank off.
///
/// Not `Send`: the record belongs to the thread that made it.
#[derive(Debug)]
pub(crate) struct Held {
    rank: Rank,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared `Held` offers only a check that reads the calling thread's own set; nothing in it is shared state.
unsafe impl Sync for Held {}

impl Order {
    pub(crate) const fn new(rank: Rank) -> Self {
        Self(rank)
    }

    /// Records that the calling thread is about to take this rank. Called before the lock is waited for, so that a
    /// wrong order is reported instead of becoming a deadlock once in a thousand runs.
    #[track_caller]
    pub(crate) fn acquire(self) -> Held {
        let held = HELD.get();
        if let Some(innermost) = innermost(held) {
            assert!(
                self.0 > innermost,
                "lock order: {:?} taken while {innermost:?} is held (ranks held: {:?})",
                self.0,
                ranks(held)
            );
        }
        HELD.set(held | 1 << self.0 as u8);
        Held { rank: self.0, not_send: PhantomData }
    }
}

impl Held {
    /// Checks that no inner lock is held: a wait gives up this lock and takes it again, which would be out of order.
    #[track_caller]
    pub(crate) fn assert_innermost(&self) {
        let innermost = innermost(HELD.get());
        assert!(
            innermost == Some(self.rank),
            "lock order: wait on a lock of rank {:?} while {innermost:?} is held",
            self.rank
        );
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(HELD.get() & !(1 << self.rank as u8));
    }
}

fn innermost(held: u32) -> Option<Rank> {
    held.checked_ilog2().map(|bit| Rank::ALL[bit as usize])
}

fn ranks(held: u32) -> Vec<Rank> {
    Rank::ALL.into_iter().filter(|&rank| held & 1 << rank as u8 != 0).collect()
}
