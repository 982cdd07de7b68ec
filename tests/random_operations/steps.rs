//! The one generator of random operations.
//!
//! *Callers:* every test of `main.rs`, with heaps of different options. *Invariants:* a step means something in every state:
//! numbers that pick one of several things are taken modulo how many there are, and a step that finds none does nothing.

use crate::graph::{EDGES, Shape};
use proptest::prelude::*;

/// A change that one of several threads makes to an object of its own.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Link(usize, usize, Option<usize>),
    Pair(usize, usize, Option<usize>),
    Element(usize, usize, Option<usize>),
    Count(usize),
    /// Objects that nothing holds.
    Litter(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A new rooted object.
    New(Shape),
    /// An edge from one rooted object to another, or to none.
    Link(usize, usize, Option<usize>),
    /// A pair of one rooted object: another rooted object, or a number that looks like its address.
    Pair(usize, usize, usize, bool),
    /// An element of the array of references of a rooted object.
    Element(usize, usize, Option<usize>),
    /// Another text for a rooted object, or none.
    Text(usize, usize),
    /// A number in a rooted object.
    Count(usize),
    /// So many slots more on the running stack, which grows if it must.
    Push(usize, Option<usize>),
    /// So many slots less.
    Pop(usize),
    /// A slot of any stack below its top, with a barrier or, on the running stack, without.
    Write(usize, usize, Option<usize>, bool),
    /// Any stack grows to twice its size or shrinks as far as it can.
    Move(usize, bool),
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
    /// Threads of their own, and this one, change the objects that there are.
    Threads(Vec<Change>),
    /// The thread detaches and attaches again.
    Reattach,
    /// A collection by another thread while this one is in a native region.
    Native,
    Request,
    Nudge,
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

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (index(), 0..EDGES, other()).prop_map(|(a, b, c)| Change::Link(a, b, c)),
        2 => (index(), index(), other()).prop_map(|(a, b, c)| Change::Pair(a, b, c)),
        2 => (index(), index(), other()).prop_map(|(a, b, c)| Change::Element(a, b, c)),
        1 => index().prop_map(Change::Count),
        2 => (0usize..60).prop_map(Change::Litter),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let objects = prop_oneof![
        8 => shape().prop_map(Step::New),
        8 => (index(), 0..EDGES, other()).prop_map(|(a, b, c)| Step::Link(a, b, c)),
        5 => (index(), index(), index(), any::<bool>()).prop_map(|(a, b, c, d)| Step::Pair(a, b, c, d)),
        5 => (index(), index(), other()).prop_map(|(a, b, c)| Step::Element(a, b, c)),
        2 => (index(), prop_oneof![Just(0), 1usize..300, 30_000usize..50_000]).prop_map(|(a, b)| Step::Text(a, b)),
        2 => index().prop_map(Step::Count),
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
        2 => (0usize..400).prop_map(Step::NewStack),
        2 => (index(), any::<bool>()).prop_map(|(a, b)| Step::EndStack(a, b)),
    ];
    let collections = prop_oneof![
        3 => Just(Step::Request),
        2 => Just(Step::Nudge),
        2 => Just(Step::Collect),
        2 => (0usize..1 << 20).prop_map(Step::Trim),
        1 => Just(Step::Trim(0)),
        1 => Just(Step::Native),
        1 => index().prop_map(Step::Scope),
        1 => Just(Step::Reattach),
        1 => prop::collection::vec(change(), 1..60).prop_map(Step::Threads),
    ];
    prop::collection::vec(prop_oneof![10 => objects, 5 => stacks, 2 => collections], 1..250)
}
