//! Memory from the operating system: address space in reservations, with four states and seven named transitions.
//!
//! Owns: every system call of the workspace, the state of every page it handed out, the figures about them, and how much
//! memory the process is allowed ([`cgroup_limit`]).
//! Callers: the allocator (arenas, metadata); above it only statistics look at [`Counters`].
//!
//! # States
//!
//! | state | touching it | costs |
//! |---|---|---|
//! | [`None`](State::None) | another's memory or a fault | nothing |
//! | [`Reserved`](State::Reserved) | faults | address space only |
//! | [`Prepared`](State::Prepared) | allowed; may hold no pages, and an untouched page reads as zero | page tables at most |
//! | [`Ready`](State::Ready) | allowed; the owner uses it | pages as they are touched |
//!
//! # Transitions
//!
//! ```text
//!            reserve              map                used
//!   None ───────────▶ Reserved ───────▶ Prepared ───────────▶ Ready
//!     │                   ▲                 ▲      unused       │ │
//!     │                   │                 └───────────────────┘ │
//!     │                   └───────────────────────────────────────┘
//!     │                                   fault                    ▲
//!     └────────────────────────────────────────────────────────────┘
//!                                 alloc
//!   free: any state ─▶ None, for the whole reservation, when it is dropped
//! ```
//!
//! [`Memory::reserve`] and [`Memory::alloc`] leave `None`; [`Reservation::map`], [`used`](Reservation::used),
//! [`unused`](Reservation::unused) and [`fault`](Reservation::fault) act on a range of pages; dropping the
//! [`Reservation`] is `free`. A page that is already where a transition leads stays there, so that a range of mixed
//! pages needs one call; a page from which the transition does not lead is a typed error, and then nothing happens.
//!
//! State × transition → the state after. A dash is a call that cannot be written: there is no reservation to call it on, or
//! there is one already.
//!
//! | | `reserve` | `alloc` | `map` | `used` | `unused` | `fault` | `free` |
//! |---|---|---|---|---|---|---|---|
//! | `None` | `Reserved` | `Ready` | – | – | – | – | – |
//! | `Reserved` | – | – | `Prepared` | error | error | stays | `None` |
//! | `Prepared` | – | – | stays | `Ready` | stays | `Reserved` | `None` |
//! | `Ready` | – | – | stays | stays | `Prepared` | `Reserved` | `None` |
//! | system call (Linux) | `mmap`, and `mprotect` to no access | `mmap` | `mprotect` | none; `madvise(MADV_HUGEPAGE)` for [`PageKind::Huge`] | `madvise(MADV_DONTNEED)` | the same, then `mprotect` | `munmap` |
//!
//! Each is accounted in [`Counters::transitions`]: how often it was made, how often the system refused, and the bytes whose
//! state it changed. Advice (`MADV_HUGEPAGE`) that the system refuses is counted, and the transition made.
//!
//! Three requests are no transitions: [`Reservation::prefer_huge`] is advice for later, [`Reservation::populate`] brings
//! pages into memory before they are needed, and [`Reservation::guard`] lets pages in use fault for a while. None changes
//! a state or a figure but [`Counters::calls`].
//!
//! Invariants:
//! - **Exact figures.** The state of each page is kept in release builds too (two bits a page, themselves zero pages
//!   until used), and [`Counters`] is derived from state changes: a repeated or overlapping claim is not counted
//!   twice, and a refused system call leaves the figures where they were.
//! - **No lock across a system call.** Two locks exist, both innermost in the rank table, and neither is held while the
//!   kernel works. Callers serialise transitions on overlapping ranges themselves; disjoint ranges are free.
//! - **One seam.** All system calls are in one file behind [`Os`]; [`mock::MockOs`] stands in front of it in tests.
//!
//! Not here: arenas, spans, growth policy, limits, and the decision when to give pages back.

mod cgroup;
mod counters;
mod error;
mod memory;
pub mod mock;
mod os;
mod pages;
mod reservation;

pub use cgroup::cgroup_limit;
pub use counters::{Counters, Transition, Transitions};
pub use error::{Call, MemoryError};
pub use memory::Memory;
pub use os::{Access, Mapping, Os, System};
pub use pages::State;
pub use reservation::{PageKind, Reservation};

#[cfg(all(test, not(loom)))]
mod tests;
