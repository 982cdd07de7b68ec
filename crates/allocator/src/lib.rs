//! The allocator of a spanheap: where objects lie, and which places are free.
//!
//! Owns the data of the heap: arenas, spans and their bits, size classes, layouts, and the lists and caches through
//! which free slots travel. Takes no decision about liveness: that is the collector's, reached through one trait,
//! [`Reclaim`]. *Callers:* `spanheap-collector` and `spanheap`; not for direct use by embedders.
//!
//! An object of up to 32 KiB is rounded up to a size class and lives in a slot of a *span*: a run of 8 KiB pages whose
//! slots all have one size and, but for rare types, one layout. What a slot is, is said by bits outside the span, one
//! per 16-byte granule, in contiguous tables at the start of the 64 MiB *arena* (`geometry` draws the map); the spans of
//! the 8-byte class alone have tables of their own (`side_table`).
//!
//! A free slot is found in the first of these places that has one; each is slower and more shared than the last:
//!
//! 1. the current run of the mutator's *cursor* for the span class: add, compare, store (`cache`);
//! 2. the cursor's current bitmap word, then the next words of its span (`cache`);
//! 3. a swept span with free slots from the class's *central list*, under that list's lock (`central`);
//! 4. a span of the class that is still unswept: sweep it first (`allocator`, `span`);
//! 5. fresh pages from the mutator's *page cache*, which the *page heap* fills under its lock, lowest address first
//!    (`page_heap`);
//! 6. a new arena from the operating system (`spanheap-memory`).
//!
//! The slots of VM stacks are not objects: `stack_memory` keeps them, in pages of its own.
//!
//! Larger objects start at 5, with a span of their own. Memory goes back the same way: the sweeper turns marks into
//! allocation bits, spans with free slots go to their central list, empty ones to the page heap.

mod allocator;
mod arena_index;
mod bits;
mod cache;
mod central;
mod classes;
mod cursor;
mod error;
mod fixed;
pub mod geometry;
mod growth;
mod large;
mod layout;
mod page_heap;
pub mod prefetch;
mod refusals;
mod side_table;
mod size_class;
pub mod span;
mod stack_memory;
mod zero;

pub use allocator::{Allocator, AllocatorOptions, POISON, Reclaim, Resolved, SweptMany};
pub use arena_index::ArenaIndex;
pub use cache::{Cache, LayoutCursors};
pub use central::{Central, Generation, Listed, Taken};
pub use classes::{Classes, LayoutCounters, LayoutEntry, LayoutId, MAX_CLASSES, SpanClass, SpanClassId};
pub use cursor::CursorRef;
pub use error::AllocError;
pub use fixed::{CHUNK_BYTES, Fixed, FixedFigures};
pub use geometry::MAX_SMALL;
pub use growth::Growth;
pub use layout::{
    Description, LayoutError, MAX_WORDS, ObjectLayout, ScanPlan, Shape, TagScheme, TypeLayout, WORD, WordKind,
    WordKinds,
};
pub use page_heap::{BaseAddress, HugePages, PageCache, PageFigures, PageHeap, PageOptions, PageRun, Run};
pub use refusals::Refusals;
pub use size_class::{CLASSES, MAX_ALIGN, SizeClass, SizeClassId};
pub use stack_memory::{Block, Grace, MIN_BLOCK, Retired, StackFigures, StackMemory};

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models;
