//! The least that an allocation can cost: a pointer that moves through a buffer.
//!
//! *Callers:* the same as [`allocate`](crate::allocate)'s. *Invariants:* `next` and `end` lie in the buffer or at its end, a
//! multiple of an object's size from its start. They are kept in memory and not in registers, as an interpreter's
//! allocator keeps them between two allocations: what is written into the buffer may, for all that the compiler knows, change
//! them.

use crate::NODE_BYTES;
use std::cell::{Cell, UnsafeCell};
use std::hint::black_box;

/// The four words of one object.
type Words = [u64; NODE_BYTES / 8];

/// A buffer, and the place in it where the next object comes.
pub struct Bump {
    next: Cell<*mut Words>,
    end: Cell<*mut Words>,
    /// The buffer. It is used through the pointers alone.
    buffer: UnsafeCell<Vec<Words>>,
}

impl Bump {
    /// A buffer of `bytes` bytes, rounded down to whole objects, with every page touched.
    ///
    /// # Panics
    /// If there is no room for an object.
    pub fn new(bytes: usize) -> Bump {
        let count = bytes / NODE_BYTES;
        assert!(count > 0, "a buffer of {bytes} bytes has no room for an object");
        // Not zero: zeros would be pages that the system has not given yet.
        let buffer = UnsafeCell::new(vec![[u64::MAX; NODE_BYTES / 8]; count]);
        let bump = Bump { next: Cell::new(std::ptr::null_mut()), end: Cell::new(std::ptr::null_mut()), buffer };
        bump.reset();
        bump
    }

    /// Begins at the buffer's start again.
    pub fn reset(&self) {
        // SAFETY: this type is not `Sync`, and no other reference to the vector exists: objects are written through
        // the pointers that it returns here.
        let range = unsafe { &mut *self.buffer.get() }.as_mut_ptr_range();
        // The compiler must not know where they point.
        self.next.set(black_box(range.start));
        self.end.set(black_box(range.end));
    }

    /// Writes the next object and returns its address; at the buffer's end it begins anew.
    #[inline(always)]
    fn alloc(&self, words: Words) -> usize {
        let mut at = self.next.get();
        let mut next = at.wrapping_add(1);
        if next > self.end.get() {
            at = self.start_again();
            next = at.wrapping_add(1);
        }
        self.next.set(next);
        // SAFETY: `next` is at most the buffer's end, so that the object before it lies in the buffer.
        unsafe { at.write(words) };
        at as usize
    }

    #[cold]
    #[inline(never)]
    fn start_again(&self) -> *mut Words {
        self.reset();
        self.next.get()
    }

    /// Allocates `count` objects and returns the sum of their addresses.
    #[inline(never)]
    pub fn allocate(&self, count: u64) -> usize {
        let mut sum = 0usize;
        for v in 0..count {
            sum = sum.wrapping_add(self.alloc([0, 0, v, v]));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_follow_each_other_and_begin_anew() {
        let bump = Bump::new(3 * NODE_BYTES + 5);
        let first = bump.alloc([1; 4]);
        assert_eq!([bump.alloc([2; 4]), bump.alloc([3; 4])], [first + NODE_BYTES, first + 2 * NODE_BYTES]);
        assert_eq!(bump.alloc([4; 4]), first);
        bump.reset();
        assert_eq!(bump.allocate(4), 4 * first + 3 * NODE_BYTES);
    }
}
