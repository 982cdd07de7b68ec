//! Whole heaps under random schedules: scenarios of several mutators, run by shuttle.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test -p spanheap --release --test shuttle` (or `just shuttle`); an ordinary build has
//! no tests here. `docs/models.md` says how many schedules are tried, how to have more, and how to replay one that
//! failed. *Claims:* what a reference graph of the scenario's own says is reachable is there afterwards, with the values that it had; a
//! collection that nobody disturbs finds nothing else alive; the verifier, which is on, finds every cycle right. *Runs as it
//! ships:* all of the heap. *Stand-ins:* those of `spanheap-sync` under `cfg(shuttle)`.
#![cfg(shuttle)]

mod attaching;
mod board;
mod handles;
mod limits;
mod mutants;
mod natives;
#[path = "../nodes/mod.rs"]
mod nodes;
mod schedules;
mod shared;
mod stacks;
mod two_heaps;
