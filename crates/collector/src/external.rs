//! External bytes: what the host holds outside the heap on behalf of objects.
//!
//! *Callers:* the mutator layer adds and removes them; the pacer plans with them. *Invariants:* they count like live bytes:
//! those known when marking last ended as part of what is live, those added since as allocated. What is removed is
//! taken from the newer ones first, so that a buffer that comes and goes leaves no trace, and then from what the plan
//! calls live, so that the goal falls when the host has freed what a cycle found dead. *Locks:* `Rank::Pacing`.

use crate::collector::Collector;
use spanheap_allocator::AllocError;
use spanheap_sync::word::Ordering;

/// More external bytes were to be removed than there are. Nothing was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{removed} external bytes can not be removed: there are {external}")]
pub struct ExternalUnderflow {
    /// Bytes that were to be removed.
    pub removed: usize,
    /// Bytes that there are.
    pub external: usize,
}

/// The external bytes of a heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) total: usize,
    /// Of them, those that the plan counts as live.
    pub(crate) settled: usize,
}

impl External {
    /// Removes bytes, of which there are as many. Returns how many of them were newer than the plan.
    fn remove(&mut self, bytes: usize) -> usize {
        let newer = bytes.min(self.total - self.settled);
        self.settled -= bytes - newer;
        self.total -= bytes;
        newer
    }

    /// Marking has ended: what there is now is part of what is live.
    pub(crate) fn settle(&mut self) {
        self.settled = self.total;
    }
}

impl Collector {
    /// Counts external bytes. The caller charges them as allocated.
    ///
    /// # Errors
    /// [`AllocError::Limit`] if they and the pages in use would exceed the limit, [`AllocError::TooLarge`] if their sum
    /// overflows. Nothing is counted then.
    pub fn add_external(&self, bytes: usize) -> Result<(), AllocError> {
        let mut pacing = self.pacing.lock();
        let total = pacing.external.total.checked_add(bytes).ok_or(AllocError::TooLarge { requested: bytes })?;
        let limit = self.options.limit;
        if limit != usize::MAX && self.allocator.pages.figures().in_use.saturating_add(total) > limit {
            return Err(AllocError::Limit { requested: bytes, limit });
        }
        pacing.external.total = total;
        Ok(())
    }

    /// Removes external bytes.
    ///
    /// # Errors
    /// [`ExternalUnderflow`].
    pub fn remove_external(&self, bytes: usize) -> Result<(), ExternalUnderflow> {
        let mut pacing = self.pacing.lock();
        let external = pacing.external.total;
        if bytes > external {
            return Err(ExternalUnderflow { removed: bytes, external });
        }
        let settled = pacing.external.settled;
        let newer = pacing.external.remove(bytes);
        if pacing.external.settled != settled {
            self.replan(&mut pacing);
        }
        drop(pacing);
        // What was charged may be gone already, if marking has ended between the addition and its charge.
        let less = |charged: usize| Some(charged.saturating_sub(newer));
        let _ = self.charged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        Ok(())
    }

    /// External bytes now.
    pub fn external(&self) -> usize {
        self.pacing.lock().external.total
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn newer_bytes_go_first_and_none_goes_twice() {
        for total in 0..8 {
            for settled in 0..=total {
                for bytes in 0..=total {
                    let mut external = External { total, settled };
                    let newer = external.remove(bytes);
                    assert_eq!(external.total, total - bytes);
                    assert!(external.settled <= external.total);
                    assert_eq!(newer + (settled - external.settled), bytes);
                    assert!(external.settled == settled || newer == total - settled, "newer ones first");
                }
            }
        }
    }
}
