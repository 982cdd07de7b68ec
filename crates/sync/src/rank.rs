//! The only table of lock ranks.
//!
//! Owns: [`Rank`]. Callers: every place that creates a [`Mutex`](crate::Mutex). Invariant: the declaration order is the
//! locking order, outermost first; a thread that holds a rank may only take ranks declared below it. A new lock gets
//! a line here and nowhere else.

/// What a lock guards, and with that its place in the locking order (outermost first).
///
/// The order is strict: two locks of one rank are never held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rank {
    /// The collection cycle: who drives it and which phase is next. Held for the whole of a synchronous collection.
    Cycle,
    /// The handshake in progress: the request, and which mutators still owe an answer.
    Handshake,
    /// The set of attached mutators; held while one attaches or detaches and while a handshake enumerates them.
    MutatorRegistry,
    /// Root sets, persistent handles, weak cells and the finalizer queue.
    RootTable,
    /// What the pacer remembers from cycle to cycle.
    Pacing,
    /// The end of a heap's generation; held while somebody looks at swept spans one after the other.
    Generation,
    /// Registered object types and their layouts.
    Types,
    /// The central span list of one size class: partial and full, swept and unswept.
    Central,
    /// Objects that become longer in place: held while one does.
    Growth,
    /// The blocks of VM stacks: free, in use, retired.
    StackMemory,
    /// Freed pages that are not to be used again yet.
    Quarantine,
    /// Free and used pages of all arenas, and the state (ready or given back) of each.
    PageHeap,
    /// The leaves of the arena index; held while one is added.
    ArenaGrowth,
    /// The tables of single spans, outside the arenas.
    Metadata,
    /// The shared end of the grey queue: blocks of work that any marker may take.
    GreyQueue,
    /// What is known of the host's objects and stores, where the heap watches its host.
    HostCheck,
    /// The marker between two cycles, with the memory that it keeps; held while it is taken or put back.
    Marker,
    /// The event listener and the order in which it is called.
    Events,
    /// The page states of one reservation of address space. Taken by the memory layer alone.
    PageStates,
    /// The memory layer's counters. The innermost lock: statistics may be read under any other.
    Counters,
}

impl Rank {
    /// All ranks, outermost first.
    pub const ALL: [Rank; 20] = [
        Rank::Cycle,
        Rank::Handshake,
        Rank::MutatorRegistry,
        Rank::RootTable,
        Rank::Pacing,
        Rank::Generation,
        Rank::Types,
        Rank::Central,
        Rank::Growth,
        Rank::StackMemory,
        Rank::Quarantine,
        Rank::PageHeap,
        Rank::ArenaGrowth,
        Rank::Metadata,
        Rank::GreyQueue,
        Rank::HostCheck,
        Rank::Marker,
        Rank::Events,
        Rank::PageStates,
        Rank::Counters,
    ];
}

// The order check keeps the held ranks as bits of a `u32`, and `ALL` must list the enum completely and in order.
const _: () = {
    assert!(Rank::ALL.len() <= u32::BITS as usize);
    assert!(Rank::Counters as usize + 1 == Rank::ALL.len());
    let mut i = 0;
    while i < Rank::ALL.len() {
        assert!(Rank::ALL[i] as usize == i);
        i += 1;
    }
};
