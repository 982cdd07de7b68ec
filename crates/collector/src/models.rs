//! Loom models of the collector's protocols: every interleaving of a few threads, up to a bound on preemptions.
//!
//! *Callers:* `cargo test` under `--cfg loom` (see `docs/models.md`). *Invariants:* a model runs the code that ships,
//! on the atomics, cells and locks that `spanheap-sync` swaps for loom's; what it replaces by a stand-in its header
//! says. Each model has mutants, which leave out one thing that the protocol needs and must fail: a model that can not
//! see the mistake proves nothing.

mod black;
mod claim;
mod credit;
mod fork;
mod frozen;
mod handshake;
mod marks;
mod requests;
mod retire;
mod share;
mod stack;
mod stop;
mod termination;
