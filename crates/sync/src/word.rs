//! Atomics for words that live in mapped heap memory: always `core`'s, also under `cfg(loom)`.
//!
//! Callers: the allocator and the collector, for mark words, allocation words, span state and every other word that
//! is reached by an address and not by a Rust value.
//!
//! Such a word is never constructed: a fresh page of zeros is reinterpreted in place. That is sound for the types
//! here, which have the layout of their integer and for which every bit pattern is valid. A loom atomic has neither
//! property, as it keeps its history outside the word. The price is that a model does not explore the interleavings
//! of these words; a protocol that is to be modelled is written over a generic or a copy in [`crate::atomic`].
//! Loom switches threads only at its own operations, so a model that reaches these words stays free of data races.

pub use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    Ordering,
};
