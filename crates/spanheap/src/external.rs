//! External bytes: memory outside the heap that the host holds on behalf of objects, such as a buffer of the system's
//! allocator behind a small object.
//!
//! *Callers:* hosts whose objects are small and stand for much. *Invariants:* the heap believes what it is told; it never
//! touches that memory. Whoever adds bytes removes them, or keeps an [`External`], which does so when it is dropped.

use crate::heap::Heap;
use crate::mutator::Mutator;
use spanheap_allocator::{AllocError, Reclaim};
use spanheap_collector::{Collector, ExternalUnderflow};
use spanheap_sync::Arc;
use std::fmt;

/// External bytes that count until this is dropped. May be sent to other threads; keeps the heap's memory as a
/// [`Root`](crate::Root) does.
#[must_use = "dropped, its bytes do not count any more"]
pub struct External {
    bytes: usize,
    collector: Arc<Collector>,
}

impl External {
    /// How many bytes these are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes them more or fewer.
    ///
    /// # Errors
    /// As [`Mutator::add_external`], if they become more. They are as many as before then.
    ///
    /// # Panics
    /// If `cx` is attached to another heap.
    pub fn resize(&mut self, cx: &Mutator<'_>, bytes: usize) -> Result<(), AllocError> {
        let same = Arc::ptr_eq(&self.collector, cx.collector());
        assert!(same, "external bytes of one heap were used with a mutator of another");
        match bytes.checked_sub(self.bytes) {
            Some(more) => cx.add_external(more)?,
            None => self.remove(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Removes bytes that were added. Fewer are left only if somebody has removed more than was added elsewhere: then it
    /// removes what is left.
    fn remove(&self, bytes: usize) {
        let mut bytes = bytes;
        while let Err(ExternalUnderflow { external, .. }) = self.collector.remove_external(bytes) {
            bytes = external;
        }
    }
}

impl Drop for External {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "External({} bytes)", self.bytes)
    }
}

impl Mutator<'_> {
    /// Tells the heap that the host holds `bytes` more outside the heap for its objects. They bring the next collection
    /// nearer as if they had been allocated in the heap, and count in its goal.
    ///
    /// They also count against the heap's limit, though only here: pages of objects may still take as much as
    /// [`HeapBuilder::limit`](crate::HeapBuilder::limit) says.
    ///
    /// # Errors
    /// [`AllocError::Limit`] if they and the pages in use exceed the limit, [`AllocError::TooLarge`] if the sum of all
    /// external bytes overflows. Nothing is counted then.
    pub fn add_external(&self, bytes: usize) -> Result<(), AllocError> {
        self.collector().add_external(bytes)?;
        self.charging().charge(bytes);
        Ok(())
    }

    /// Tells the heap that the host has given up `bytes` of what it held outside the heap. [`Heap::remove_external`] does
    /// the same from any thread.
    ///
    /// # Errors
    /// [`ExternalUnderflow`] if there are not so many; nothing is removed then.
    pub fn remove_external(&self, bytes: usize) -> Result<(), ExternalUnderflow> {
        self.collector().remove_external(bytes)
    }

    /// As [`Mutator::add_external`], until the result is dropped.
    ///
    /// # Errors
    /// As [`Mutator::add_external`].
    pub fn external(&self, bytes: usize) -> Result<External, AllocError> {
        self.add_external(bytes)?;
        Ok(External { bytes, collector: Arc::clone(self.collector()) })
    }
}

impl Heap {
    /// Tells the heap that the host has given up `bytes` of what it held outside the heap.
    ///
    /// # Errors
    /// [`ExternalUnderflow`] if there are not so many; nothing is removed then.
    pub fn remove_external(&self, bytes: usize) -> Result<(), ExternalUnderflow> {
        self.shared.collector.remove_external(bytes)
    }
}
