//! The clock: the standard library's.
//!
//! Callers: whoever measures or awaits times. Invariant: it exports the names that `time_model.rs` exports, with the same
//! signatures.

pub use std::time::Instant;
