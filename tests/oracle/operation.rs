//! The operations that streams consist of.
//!
//! *Callers:* `decode.rs` makes them, `run.rs` and `change.rs` apply them. *Invariants:* an operation means something in every
//! state: numbers that pick one of several things are taken modulo how many there are, or count from the last one
//! ([`LATEST`]), and an operation that finds none does nothing.

use spanheap::Phase;

/// The number of the last of several things; that of the one before it is less by one, and so on for a few.
pub(crate) const LATEST: usize = usize::MAX;
/// Numbers from here on count from the last one.
pub(crate) const LATE: usize = usize::MAX - 7;

/// References that every object has.
pub(crate) const EDGES: usize = 3;

/// Which of `len` things a number picks.
pub(crate) fn pick(index: usize, len: usize) -> Option<usize> {
    (len > 0).then(|| if index >= LATE { len - 1 - (LATEST - index) % len } else { index % len })
}

/// How many pairs, links and bytes of text an object has, and at how long a chain its far reference hangs. What it has none
/// of, it has no array or chain for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub(crate) pairs: usize,
    pub(crate) links: usize,
    pub(crate) text: usize,
    pub(crate) far: usize,
}

/// An array of an object.
#[derive(Clone, Copy, Debug)]
pub enum Row {
    /// That of pairs.
    Pairs,
    /// That of slots.
    Links,
}

/// A place for a reference in an object.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// In the object itself.
    Edge(usize),
    /// In its array of pairs.
    Pair(usize),
    /// In its array of slots.
    Link(usize),
    /// At the end of its chain: the marker gets there some slices after it has scanned all the rest.
    Far,
}

/// An object: a rooted one, or, if there is one, that to which a place of the rooted one refers.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub(crate) root: usize,
    pub(crate) through: Option<Place>,
}

/// A change of one object, the first, which one thread makes beside others.
#[derive(Clone, Debug)]
pub enum Change {
    /// A reference to a rooted object, or to none, is stored in a place.
    Store(Target, Place, Option<usize>),
    /// A place of the object and a place of another exchange what they refer to: the change that hides an object from a
    /// marker that has seen one of the two and not the other.
    Swap(Target, Place, Target, Place),
    /// The object's number grows by one.
    Count(Target),
    /// A range of a row of the object is moved up by one, and what was last comes first: the whole of what is kept changes
    /// places in one call.
    Rotate(Target, Row, usize, usize),
    /// Ranges of rows of the object and of another exchange what they refer to, by a copy over the first: as
    /// [`Change::Swap`], for many.
    Exchange(Target, Row, usize, usize, Target, usize),
    /// A range of a row of the object is copied to that of another, or of the same, from some element on.
    Copy(Target, Row, usize, usize, Target, usize),
    /// A range of a row gets a reference to a rooted object, or to none.
    Fill(Target, Row, usize, usize, Option<usize>),
    /// Objects that nothing holds.
    Litter(usize),
}

/// One operation of a stream.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A new rooted object.
    New(Shape),
    /// A new object that nothing holds but a place.
    Hang(Target, Place, Shape),
    /// New objects that nothing holds but a range of a row.
    Populate(Target, Row, usize, usize),
    /// One change by this thread, while a cycle may run.
    Change(Change),
    /// A pair of one rooted object: another rooted object, or a number that looks like its address.
    Pair(usize, usize, usize, bool),
    /// Another text for a rooted object, or none.
    Text(usize, usize),
    /// A row of an object becomes longer by so many elements, where it lies, if there is room.
    Grow(Target, Row, usize),
    /// The host holds so many bytes outside the heap.
    External(usize),
    /// A root less.
    Unroot(usize),
    /// A root for what a place of an object refers to.
    Follow(Target, Place),
    /// One object that nothing holds, with a text of so many bytes.
    LargeLitter(usize),
    /// What a place refers to leaves it for a handle, which alone has it for so many slices; then another place gets it.
    Carry(Target, Place, usize, Target, Place),
    /// What a place refers to leaves it for a new slot of the running stack.
    Take(Target, Place),
    /// The running stack's topmost slot goes, and a place gets what it referred to.
    Put(Target, Place),
    /// The same, and a range of a row gets it.
    Spread(Target, Row, usize, usize),
    /// So many slots more on the running stack, which grows if it must.
    Push(usize, Option<usize>),
    /// So many slots less.
    Pop(usize),
    /// A slot of any stack below its top, with a barrier or, on the running stack, without.
    Write(usize, usize, Option<usize>, bool),
    /// A range of any stack's slots below its top.
    FillSlots(usize, usize, usize, Option<usize>),
    /// Any stack grows to twice its size or shrinks as far as it can.
    Move(usize, bool),
    /// So many of the running stack's slots are frozen, or as many as there are; those above are thawed.
    Freeze(usize),
    /// Run on another stack, or on none.
    Switch(Option<usize>),
    /// A new stack, with room for so many slots.
    NewStack(usize),
    /// A suspended stack gives its slots back, or is dropped with them.
    EndStack(usize, bool),
    /// A collection while handles of a scope hold a rooted object and a new one.
    Scope(usize),
    /// Threads of their own, and this one, change the objects that there are, while so many cycles begin.
    Threads(Vec<Change>, u64),
    /// The thread detaches, and it, or another thread, attaches again.
    Reattach(bool),
    /// A collection by another thread while this one is in a native region.
    Native,
    /// A collection is asked for.
    Request,
    /// A slice of a collection, of so many microseconds.
    Slice(u64),
    /// Slices of no time until the collection is in a phase, and so many more. A heap that collects by a thread of its own may
    /// not get there.
    Advance(Phase, usize),
    /// A whole collection.
    Collect,
    /// Gives free memory back, all but so many bytes.
    Trim(usize),
}
