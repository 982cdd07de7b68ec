//! The collector of a spanheap: concurrent tri-colour mark-sweep without a stop-the-world.
//!
//! Owns the decisions: when to collect, what is live, when a span may be used again. The data are the allocator's.
//! *Callers:* `spanheap`, which puts a safe face on it; not for direct use by embedders.
//!
//! - `handshake`: how collector and mutator speak; `mutator`: what each request means.
//! - `barrier`, `roots`, `stack`: where grey objects come from. `grey`, `parts`: how they travel. `stack_moves`: stacks grow.
//! - `marker`: follows references. `marking`: the handshakes around it; `asking`: how all mutators are asked. `cycle`: strings
//!   the phases together, in steps, and says why they are enough; `phase`: where it is.
//! - `pacer`: when; `external`: bytes outside the heap that count. `verify`: whether it was right. `report`, `handshake_times`: what happened.
//!   `event`: what a host is told.
//!   `census`: what is there.
//! - `collector`: the heap's parts; `registry`: its mutators; `requests`: who wants a cycle, and the thread that runs it;
//!   `scavenger`: what that thread does between cycles;
//!   `charging`: what allocation asks of it; `options`: its settings; `fork`: what becomes of it when the process forks.

mod asking;
mod assisting;
mod barrier;
mod census;
mod charging;
mod collector;
mod cycle;
mod event;
mod external;
mod fork;
mod grey;
mod handshake;
mod handshake_times;
mod host_check;
mod marker;
mod marking;
mod mutator;
mod options;
mod pacer;
mod parts;
mod phase;
mod registry;
mod report;
mod requests;
mod roots;
mod scavenger;
mod stack;
mod stack_moves;
mod verify;
mod workers;
mod zeal;

pub use barrier::{Barrier, BarrierMode};
pub use census::Counted;
pub use charging::Charging;
pub use collector::Collector;
pub use event::{Event, Listener};
pub use external::ExternalUnderflow;
pub use grey::{Block, GreyQueue};
pub use handshake::{Handshake, REQUEST_BITS};
pub use handshake_times::HandshakeTimes;
pub use host_check::{HostCheck, HostCheckFigures, Misuse, Note, Rule};
pub use mutator::{Local, MutatorRecord, REMIND_COLLECT, REMIND_SLICE, REMIND_THROTTLE, Request};
pub use options::Options;
pub use pacer::{Growth, Pressure};
pub use phase::Phase;
pub use report::{CycleReport, Totals, TypeReport};
pub use requests::Progress;
pub use roots::{RootSource, RootTable, RootVisitor};
pub use stack::{STACK_HEADER_BYTES, StackHeader, StackScan};
pub use workers::SpawnThread;
pub use zeal::Zeal;

#[cfg(all(test, loom))]
mod models;
