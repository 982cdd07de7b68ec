//! spanheap: a garbage-collected heap for the author of an interpreter or a JIT.
//!
//! A [`Heap`] is a value. Threads attach to it and get a [`Mutator`], which allocates typed objects, stores references
//! (the write barrier is inside every store), and reaches safepoints. Collection is concurrent mark-sweep on a thread
//! of the heap's own; no object ever moves.
//!
//! ```
//! use spanheap::{Heap, Slot, Trace};
//!
//! #[derive(Trace)]
//! struct Node {
//!     value: u64,
//!     next: Slot<Node>,
//! }
//!
//! let heap = Heap::new()?;
//! heap.attach(|cx| {
//!     let first = cx.alloc(Node { value: 1, next: Slot::null() })?;
//!     let second = cx.alloc(Node { value: 2, next: Slot::null() })?;
//!     cx.set(first, |node| &node.next, Some(second));
//!     let root = cx.root(second); // a bare reference does not survive a safepoint: the next line would not compile
//!     let report = cx.collect();
//!     assert_eq!((report.freed_of::<Node>(), report.live_of::<Node>()), (1, 1));
//!     assert_eq!(root.get(cx).value, 2);
//!     Ok::<_, spanheap::AllocError>(())
//! })??;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! - Objects: [`Trace`] and its derive, [`Slot`], [`Pair`], [`Tagged`], [`Ambiguous`], [`Data`], [`Array`], [`Bytes`].
//! - References: [`Gc`] until the next safepoint; beyond it [`Root`], [`Local`] in a handle [`Scope`], and [`Stack`] for a
//!   VM's registers, which grows.
//! - Ranges: [`Mutator::copy_elements`], [`Mutator::fill_elements`], [`Mutator::clear_elements`], and their like for pairs.
//! - The `raw` layer, for objects without Rust types: [`Mutator::register_layout`] and what follows it there.
//! - Generated code: [`JitView`] has the barrier's test and the safepoint's poll as addresses.
//!
//! This crate is the only supported interface; the crates below it are its parts.

#[cfg(test)]
extern crate self as spanheap;

mod allocate;
mod array;
mod bulk;
mod class;
mod data;
mod error;
mod external;
mod fork;
mod heap;
mod jit;
mod mutator;
mod raw;
mod reference;
mod refusing;
mod resolve;
mod root;
mod scope;
mod slot;
mod stack;
mod stack_methods;
mod stats;
mod step;
mod store;
mod trace;
mod types;

pub use array::{Array, Bytes};
pub use class::{ArrayClass, Class};
pub use data::{Data, Scalar};
pub use error::{AttachError, CollectError, HeapError, NotPrepared, StackError, StackOverflow};
pub use external::External;
pub use heap::{Heap, HeapBuilder};
pub use jit::JitView;
pub use mutator::Mutator;
pub use raw::RawLayout;
pub use reference::Gc;
pub use resolve::Resolution;
pub use root::Root;
pub use scope::{Local, Scope};
pub use slot::{Ambiguous, Pair, PairFamily, Slot, Tagged};
pub use stack::{AmbiguousWords, Stack, StackKind};
pub use stats::{ClassKind, ClassStats, CycleReport, HeapCounts, HeapStats, TypeStats};
pub use step::Step;
pub use trace::{Object, Trace};

pub use spanheap_allocator::{
    AllocError, BaseAddress, Description, HugePages, LayoutError, TagScheme, TypeLayout, WordKind,
};
pub use spanheap_collector::{
    Event, ExternalUnderflow, HandshakeTimes, Listener, Phase, Pressure, Request, RootSource, RootVisitor, SpawnThread,
    TypeReport,
};
pub use spanheap_derive::Trace;
pub use spanheap_memory::{Os, mock};

/// The README's program is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
