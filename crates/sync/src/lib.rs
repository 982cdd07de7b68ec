//! The synchronisation primitives of spanheap, and the one place that decides whose they are.
//!
//! Owns: the choice between the standard library and loom, the table of lock ranks, the ranked [`Mutex`] and
//! [`Condvar`]. Callers: every other crate of the workspace; none of them names `std::sync`, `core::sync::atomic`
//! or `loom`.
//!
//! Invariants:
//! - The switch is `cfg(loom)` (`RUSTFLAGS="--cfg loom"`), and this file alone reads it to choose code (others only to
//!   choose tests). What differs between the two worlds sits behind the private `backend` module, one file for each.
//! - Both backends export the same names, so that a model checks the code that ships.
//! - Locks are taken in the order of [`Rank`]; debug builds check it at every acquisition.
//!
//! Two things are never loom's. [`word`] holds atomics for memory that the program did not construct (a mapped page
//! of zeros is a valid `core` atomic and not a valid loom one). [`Arc`] and [`Weak`] are the standard ones, because
//! loom's can neither be a method receiver nor point at a trait object.

mod backoff;
#[cfg_attr(spanheap_tsan, path = "edge_on.rs")]
#[cfg_attr(not(spanheap_tsan), path = "edge_off.rs")]
mod edge;
#[cfg(loom)]
pub mod model;
mod mutex;
mod padded;
mod rank;
pub mod word;

#[cfg(loom)]
#[path = "backend_loom.rs"]
mod backend;
#[cfg(not(loom))]
#[path = "backend_std.rs"]
mod backend;

// A loom thread is a coroutine: thread-locals of the standard library would be shared between the model's threads.
#[cfg(any(loom, not(debug_assertions)))]
#[path = "order_off.rs"]
mod order;
#[cfg(all(not(loom), debug_assertions))]
#[path = "order_on.rs"]
mod order;

pub use backend::{atomic, cell, hint, thread};
pub use backoff::Backoff;
pub use mutex::{Condvar, Mutex, MutexGuard};
pub use padded::Padded;
pub use rank::Rank;
pub use std::sync::{Arc, Weak};
