//! The one generator of random operations.
//!
//! *Callers:* every test of `main.rs`, with heaps of different options. *Invariants:* a step means something in every state:
//! numbers that pick one of several things are taken modulo how many there are, and a step that finds none does nothing.

use crate::graph::{EDGES, Shape};
use proptest::prelude::*;

/// A change of one rooted object, the first number, which one thread makes beside others.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A reference to another rooted object, or to none, is stored in a place.
    Store(usize, Place, Option<usize>),
    /// A place of the object and a place of another rooted object exchange what they refer to: the change that hides an
    /// object from a marker that has seen one of the two and not the other.
    Swap(usize, Place, usize, Place),
    Count(usize),
    /// A range of a row of the object is moved up by one, and what was last comes first: the whole of what is kept changes
    /// places in one call.
    Rotate(usize, Row, usize, usize),
    /// Ranges of rows of the object and of another rooted object exchange what they refer to, by a copy over the first: as
    /// [`Change::Swap`], for many.
    Exchange(usize, Row, usize, usize, usize, usize),
    /// A range of a row of the object is copied to that of another rooted object, or of the same, from some element on.
    Copy(usize, Row, usize, usize, usize, usize),
    /// A range of a row gets a reference to another rooted object, or to none.
    Fill(usize, Row, usize, usize, Option<usize>),
    /// Objects that nothing holds.
    Litter(usize),
}

/// An array of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row {
    Pairs,
    Links,
}

/// A place for a reference in an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Edge(usize),
    Pair(usize),
    Link(usize),
}

/// Mostly one of the first few, so that what is stored is found again.
fn place() -> impl Strategy<Value = Place> {
    let element = || prop_oneof![4 => 0usize..4, 1 => index()];
    prop_oneof![(0..EDGES).prop_map(Place::Edge), element().prop_map(Place::Pair), element().prop_map(Place::Link)]
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A new rooted object.
    New(Shape),
    /// A pair of one rooted object: another rooted object, or a number that looks like its address.
    Pair(usize, usize, usize, bool),
    /// Another text for a rooted object, or none.
    Text(usize, usize),
    /// So many slots more on the running stack, which grows if it must.
    Push(usize, Option<usize>),
    /// So many slots less.
    Pop(usize),
    /// A slot of any stack below its top, with a barrier or, on the running stack, without.
    Write(usize, usize, Option<usize>, bool),
    /// Any stack grows to twice its size or shrinks as far as it can.
    Move(usize, bool),
    /// So many of the running stack's slots are frozen, or as many as there are; those above are thawed.
    Freeze(usize),
    /// Run on another stack, or on none.
    Switch(Option<usize>),
    NewStack(usize),
    /// A suspended stack gives its slots back, or is dropped with them.
    EndStack(usize, bool),
    Unroot(usize),
    /// A root for what an edge of a rooted object refers to.
    Follow(usize, usize),
    /// Objects that nothing holds.
    Litter(usize),
    /// One object that nothing holds, with a text of so many bytes.
    LargeLitter(usize),
    /// A collection while handles of a scope hold a rooted object and a new one.
    Scope(usize),
    /// Threads of their own, and this one, change the objects that there are, while so many cycles begin.
    Threads(Vec<Change>, u64),
    /// One change by this thread, while a cycle may run.
    Change(Change),
    /// The thread detaches and attaches again.
    Reattach,
    /// A collection by another thread while this one is in a native region.
    Native,
    Request,
    /// A slice of a collection, of so many microseconds.
    Slice(u64),
    Collect,
    /// Gives free memory back, all but so many bytes.
    Trim(usize),
}

/// Which of several things.
fn index() -> std::ops::Range<usize> {
    0..1000
}

fn other() -> impl Strategy<Value = Option<usize>> {
    prop::option::weighted(0.8, index())
}

/// Mostly small, sometimes beyond 32 KiB in one part or the other.
fn shape() -> impl Strategy<Value = Shape> {
    let shape = |(pairs, links, text)| Shape { pairs, links, text };
    prop_oneof![
        8 => (0usize..9, 0usize..9, 0usize..100).prop_map(shape),
        2 => (0usize..300, 0usize..600, 0usize..5000).prop_map(shape),
        1 => (2048usize..6000, Just(0), 0usize..9).prop_map(shape),
        1 => (Just(0), 4096usize..9000, Just(0)).prop_map(shape),
        1 => (0usize..9, Just(0), 32_768usize..200_000).prop_map(shape),
    ]
}

/// A change that keeps what there is: it can be made again and again, and there is still something to hide.
fn keeping_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        20 => (index(), place(), index(), place()).prop_map(|(a, b, c, d)| Change::Swap(a, b, c, d)),
        6 => (index(), row(), few(), index(), 0usize..4).prop_map(|(a, b, (c, d), e, f)| Change::Exchange(a, b, c, d, e, f)),
        1 => (index(), row(), few()).prop_map(|(a, b, (c, d))| Change::Rotate(a, b, c, d)),
        1 => index().prop_map(Change::Count),
        1 => (0usize..60).prop_map(Change::Litter),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![Just(Row::Pairs), Just(Row::Links)]
}

/// Where a range begins, and how long it is: a few elements, so that threads make many changes in a cycle.
fn few() -> impl Strategy<Value = (usize, usize)> {
    (0usize..4, 1usize..5)
}

/// The same, sometimes of more than one slice of a copy.
fn range() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![4 => few(), 1 => (index(), 0usize..6000)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        16 => (index(), place(), other()).prop_map(|(a, b, c)| Change::Store(a, b, c)),
        16 => keeping_change(),
        1 => (index(), row(), range(), index(), 0usize..9).prop_map(|(a, b, (c, d), e, f)| Change::Copy(a, b, c, d, e, f)),
        1 => (index(), row(), range(), 0usize..9).prop_map(|(a, b, (c, d), e)| Change::Copy(a, b, c, d, a, e)),
        1 => (index(), row(), range(), other()).prop_map(|(a, b, (c, d), e)| Change::Fill(a, b, c, d, e)),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let objects = prop_oneof![
        8 => shape().prop_map(Step::New),
        5 => (index(), index(), index(), any::<bool>()).prop_map(|(a, b, c, d)| Step::Pair(a, b, c, d)),
        2 => (index(), prop_oneof![Just(0), 1usize..300, 30_000usize..50_000]).prop_map(|(a, b)| Step::Text(a, b)),
        16 => change().prop_map(Step::Change),
        6 => index().prop_map(Step::Unroot),
        3 => (index(), 0..EDGES).prop_map(|(a, b)| Step::Follow(a, b)),
        2 => (0usize..300).prop_map(Step::Litter),
        1 => (32_768usize..300_000).prop_map(Step::LargeLitter),
    ];
    let stacks = prop_oneof![
        6 => (1usize..40, other()).prop_map(|(a, b)| Step::Push(a, b)),
        2 => (100usize..2000, other()).prop_map(|(a, b)| Step::Push(a, b)),
        4 => prop_oneof![1usize..40, 100usize..2000].prop_map(Step::Pop),
        5 => (index(), index(), other(), any::<bool>()).prop_map(|(a, b, c, d)| Step::Write(a, b, c, d)),
        3 => (index(), any::<bool>()).prop_map(|(a, b)| Step::Move(a, b)),
        5 => other().prop_map(Step::Switch),
        4 => prop_oneof![1 => 0usize..100, 1 => 600usize..2000].prop_map(Step::Freeze),
        2 => (0usize..400).prop_map(Step::NewStack),
        2 => (index(), any::<bool>()).prop_map(|(a, b)| Step::EndStack(a, b)),
    ];
    let collections = prop_oneof![
        3 => Just(Step::Request),
        6 => prop_oneof![4 => 0u64..60, 1 => Just(1000)].prop_map(Step::Slice),
        2 => Just(Step::Collect),
        2 => (0usize..1 << 20).prop_map(Step::Trim),
        1 => Just(Step::Trim(0)),
        1 => Just(Step::Native),
        1 => index().prop_map(Step::Scope),
        1 => Just(Step::Reattach),
        2 => (prop::collection::vec(keeping_change(), 1..60), 1u64..16).prop_map(|(a, b)| Step::Threads(a, b)),
    ];
    prop::collection::vec(prop_oneof![10 => objects, 5 => stacks, 2 => collections], 1..250)
}
