//! Atomics for words that live in mapped heap memory: always `core`'s, also under `cfg(loom)`.
//!
//! Callers: the allocator and the collector, for mark words, allocation words, span state and every other word that
//! is reached by an address and not by a Rust value.
//!
//! Such a word is never constructed: a fresh page of zeros is reinterpreted in place. That is sound for the types
//! here, which have the layout of their integer and for which every bit pattern is valid. A loom atomic has neither
//! property, as it keeps its history outside the word. The price is that a model does not explore the interleavings
//! of these words; a protocol that is to be modelled is written over [`Word`], or its word is one of [`crate::atomic`].
//! Loom switches threads only at its own operations, so a model that reaches these words stays free of data races.

pub use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    Ordering,
};

/// Says that the next access to such a word may race with other threads'. In a model the scheduler may switch threads here,
/// as it can not at the access; otherwise this is nothing.
///
/// It stands where races with the marker and between hosts' threads are decided, and nowhere else, as each point makes
/// schedules longer: before a store into the heap, after its barrier; before the loads of the marker and of slots; before
/// a stack changes hands. A run of stores or loads has one.
#[inline(always)]
pub fn may_switch() {
    crate::backend::may_switch();
}

/// A word that a protocol works on: this module's in mapped memory, loom's where a model constructs it.
pub trait Word {
    /// Reads the word.
    fn load(&self, order: Ordering) -> usize;
    /// Writes the word.
    fn store(&self, value: usize, order: Ordering);
    /// Writes `new` if the word is `current`; gives what it was, as an error if it was not `current`.
    ///
    /// # Errors
    /// The word, if it was not `current`.
    fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize>;
}

/// A pointer that a protocol works on, as [`Word`] is for words.
pub trait Pointer<T> {
    /// Reads the pointer.
    fn load(&self, order: Ordering) -> *mut T;
    /// Writes the pointer.
    fn store(&self, value: *mut T, order: Ordering);
}

macro_rules! pointer {
    ($atomic:ty) => {
        impl<T> Pointer<T> for $atomic {
            #[inline(always)]
            fn load(&self, order: Ordering) -> *mut T {
                <$atomic>::load(self, order)
            }

            #[inline(always)]
            fn store(&self, value: *mut T, order: Ordering) {
                <$atomic>::store(self, value, order);
            }
        }
    };
}

pointer!(AtomicPtr<T>);
#[cfg(loom)]
pointer!(crate::atomic::AtomicPtr<T>);

macro_rules! word {
    ($atomic:ty) => {
        impl Word for $atomic {
            #[inline(always)]
            fn load(&self, order: Ordering) -> usize {
                <$atomic>::load(self, order)
            }

            #[inline(always)]
            fn store(&self, value: usize, order: Ordering) {
                <$atomic>::store(self, value, order);
            }

            #[inline(always)]
            fn compare_exchange(
                &self,
                current: usize,
                new: usize,
                success: Ordering,
                failure: Ordering,
            ) -> Result<usize, usize> {
                <$atomic>::compare_exchange(self, current, new, success, failure)
            }
        }
    };
}

word!(AtomicUsize);
#[cfg(loom)]
word!(crate::atomic::AtomicUsize);

/// A word of a bitmap: this module's in mapped memory, loom's where a model constructs it.
pub trait BitWord {
    /// Reads the word.
    fn load(&self, order: Ordering) -> u64;
    /// Writes the word.
    fn store(&self, value: u64, order: Ordering);
}

macro_rules! bit_word {
    ($atomic:ty) => {
        impl BitWord for $atomic {
            #[inline(always)]
            fn load(&self, order: Ordering) -> u64 {
                <$atomic>::load(self, order)
            }

            #[inline(always)]
            fn store(&self, value: u64, order: Ordering) {
                <$atomic>::store(self, value, order);
            }
        }
    };
}

bit_word!(AtomicU64);
#[cfg(loom)]
bit_word!(crate::atomic::AtomicU64);
