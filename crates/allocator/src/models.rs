//! Loom models of the allocator's protocols: every interleaving of a few threads, up to a bound on preemptions.
//!
//! *Callers:* `cargo test` under `--cfg loom` (see `docs/models.md`). *Invariants:* a model runs the code that ships;
//! what it replaces by a stand-in its header says. Each has mutants, which do one thing wrong and must fail.

mod ahead;
mod central;
mod growth;
mod index;
mod release;
