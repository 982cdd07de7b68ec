//! The synchronisation primitives of spanheap, and the one place that decides whose they are.
//!
//! Owns: the choice between the standard library, loom and shuttle, the table of lock ranks, the ranked [`Mutex`] and
//! [`Condvar`]. Callers: every other crate of the workspace; none of them names `std::sync`, `core::sync::atomic`,
//! `loom` or `shuttle`.
//!
//! Invariants:
//! - The switches are `cfg(loom)` (`RUSTFLAGS="--cfg loom"`) and `cfg(shuttle)`, and this file alone reads them to choose
//!   code (others only to choose tests, and what has no meaning in a model). What differs between the three worlds sits
//!   behind the private `backend` module, one file for each.
//! - All backends export the same names, so that a model checks the code that ships.
//! - Locks are taken in the order of [`Rank`]; debug builds check it at every acquisition.
//!
//! Two things are never a model's. [`word`] holds atomics for memory that the program did not construct (a mapped page
//! of zeros is a valid `core` atomic and not a valid loom one). [`Arc`] and [`Weak`] are the standard ones, because
//! loom's can neither be a method receiver nor point at a trait object.

mod backoff;
#[cfg_attr(spanheap_tsan, path = "edge_on.rs")]
#[cfg_attr(not(spanheap_tsan), path = "edge_off.rs")]
mod edge;
mod fatal;
#[cfg(loom)]
pub mod model;
mod mutex;
mod padded;
mod rank;
pub mod word;

#[cfg(loom)]
#[path = "backend_loom.rs"]
mod backend;
#[cfg(shuttle)]
#[path = "backend_shuttle.rs"]
mod backend;
#[cfg(not(any(loom, shuttle)))]
#[path = "backend_std.rs"]
mod backend;

// A model's thread is a coroutine: thread-locals of the standard library would be shared between the model's threads.
#[cfg(any(loom, shuttle, not(debug_assertions)))]
#[path = "order_off.rs"]
mod order;
#[cfg(not(any(loom, shuttle, not(debug_assertions))))]
#[path = "order_on.rs"]
mod order;

#[cfg(any(loom, shuttle))]
#[path = "time_model.rs"]
pub mod time;
#[cfg(not(any(loom, shuttle)))]
pub mod time;

/// Whether this is a build for models: no thread of the system's runs then, and generated code can not.
pub const IS_MODEL: bool = cfg!(any(loom, shuttle));

pub use backend::{atomic, cell, hint, thread};
pub use backoff::Backoff;
pub use fatal::fatal;
pub use mutex::{Condvar, Mutex, MutexGuard};
pub use padded::Padded;
pub use rank::Rank;
pub use std::sync::{Arc, Weak};
