//! The oracle: streams of operations over the whole public API, each made on a heap and in a plain-Rust graph, which must agree.
//!
//! *Callers:* the test `random_operations`, with streams that proptest makes; the fuzz target, with those that libFuzzer makes.
//! Both give bytes, and [`Stream::decode`] makes operations of them: there is one generator, and what one of the two finds the
//! other can repeat. *Invariants:* every byte string is a valid stream; a stream means the same operations everywhere.
//!
//! Where things are: `operation.rs` has the operations, `decode.rs` makes them of bytes, `mode.rs` has the heaps, `graph.rs` the
//! objects and the model, `run.rs` makes operations on both, those of stacks in `stacks.rs`, those of a cycle's phases in
//! `phases.rs`, those of several threads in `threads.rs`, changes of objects in `change.rs`; `compare.rs` compares, and
//! `totals.rs` counts.
//!
//! A new kind of operation is
//! 1. one variant of [`Operation`], in `operation.rs`;
//! 2. one row of the table in `decode.rs`: its name, how likely it is, and how its numbers are read;
//! 3. one arm in `run.rs` (or the file it hands to) for the heap, and there or, for a `Change`, in
//!    `Model::change`, one for the graph. The heap comes first: an operation that fails must have changed neither.
//!
//! That it is made at all is asserted by itself: the tests fail if a row of the table was never used.

mod change;
mod compare;
mod decode;
mod graph;
mod mode;
mod operation;
mod phases;
mod run;
mod stacks;
mod threads;
mod totals;

pub use decode::{RECORD, Stream};
pub use mode::Mode;
pub use operation::Operation;
pub use totals::Totals;
