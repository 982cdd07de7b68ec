//! Binary trees: `binary-trees` and `gcbench`, and how a tree of any type and depth is built and walked.
//!
//! *Callers:* `main`; `mark` builds its tree here. *Invariants:* a tree of at most [`STRETCH`] levels is built or walked
//! without a safepoint; what is deeper goes subtree by subtree, with the unfinished trees held by [`Grower::locals`].

use crate::clock::Meter;
use crate::objects::{Slots, made, slots};
use crate::params::Params;
use spanheap::{Class, Gc, Mutator, Root, Slot, Trace};
use std::cell::Cell;

/// The deepest tree that is built or walked between two safepoints: 8,191 nodes, some tens of microseconds.
const STRETCH: u64 = 12;

/// A tree's inner and outer nodes.
pub(crate) trait Branch: Trace {
    /// Whether nodes are counted as they are made.
    const COUNTED: bool = false;
    /// A node without children, `depth` levels above the leaves.
    fn new(depth: u64) -> Self;
    /// The left child.
    fn left(&self) -> &Slot<Self>;
    /// The right child.
    fn right(&self) -> &Slot<Self>;
}

/// Builds trees of `T`, and holds those that are unfinished.
pub(crate) struct Grower<'h, T> {
    class: Class<'h, T>,
    /// What an interpreter would have on its stack: trees that must live across safepoints, the latest last.
    locals: Root<Slots<T>>,
    used: usize,
    made: Cell<u64>,
}

impl<'h, T: Branch> Grower<'h, T> {
    /// With nothing built.
    pub(crate) fn new(cx: &Mutator<'h>) -> Grower<'h, T> {
        Grower { class: cx.class(), locals: slots(cx, 64), used: 0, made: Cell::new(0) }
    }

    #[inline(always)]
    fn node<'m>(&self, cx: &'m Mutator<'h>, depth: u64) -> Gc<'m, 'h, T> {
        if T::COUNTED {
            self.made.set(self.made.get() + 1);
        }
        made(cx.alloc_in(self.class, T::new(depth)))
    }

    fn push(&mut self, cx: &Mutator<'h>, tree: Gc<'_, 'h, T>) {
        cx.set_element(self.locals.get(cx), self.used, Some(tree));
        self.used += 1;
    }

    /// The latest tree but `back`.
    fn local<'m>(&self, cx: &'m Mutator<'h>, back: usize) -> Gc<'m, 'h, T> {
        self.locals.get(cx).element(self.used - 1 - back).expect("a local that was pushed")
    }

    fn pop(&mut self, cx: &Mutator<'h>) {
        self.used -= 1;
        cx.set_element(self.locals.get(cx), self.used, None);
    }

    fn bottom_up_at_once<'m>(&self, cx: &'m Mutator<'h>, depth: u64) -> Gc<'m, 'h, T> {
        if depth == 0 {
            return self.node(cx, 0);
        }
        let left = self.bottom_up_at_once(cx, depth - 1);
        let right = self.bottom_up_at_once(cx, depth - 1);
        let top = self.node(cx, depth);
        cx.set(top, T::left, Some(left));
        cx.set(top, T::right, Some(right));
        top
    }

    /// Builds a tree, children first; it becomes the latest local.
    pub(crate) fn bottom_up(&mut self, cx: &mut Mutator<'h>, depth: u64) {
        if depth <= STRETCH {
            self.push(cx, self.bottom_up_at_once(cx, depth));
        } else {
            self.bottom_up(cx, depth - 1);
            self.bottom_up(cx, depth - 1);
            let top = self.node(cx, depth);
            cx.set(top, T::left, Some(self.local(cx, 1)));
            cx.set(top, T::right, Some(self.local(cx, 0)));
            self.pop(cx);
            self.pop(cx);
            self.push(cx, top);
        }
        cx.safepoint();
    }

    fn populate_at_once(&self, cx: &Mutator<'h>, top: Gc<'_, 'h, T>, depth: u64) {
        if depth > 0 {
            let (left, right) = (self.node(cx, depth - 1), self.node(cx, depth - 1));
            cx.set(top, T::left, Some(left));
            cx.set(top, T::right, Some(right));
            self.populate_at_once(cx, left, depth - 1);
            self.populate_at_once(cx, right, depth - 1);
        }
    }

    /// Gives the latest local all its descendants.
    fn populate(&mut self, cx: &mut Mutator<'h>, depth: u64) {
        if depth <= STRETCH {
            self.populate_at_once(cx, self.local(cx, 0), depth);
        } else {
            {
                let (top, left, right) = (self.local(cx, 0), self.node(cx, depth - 1), self.node(cx, depth - 1));
                cx.set(top, T::left, Some(left));
                cx.set(top, T::right, Some(right));
            }
            for side in [T::left, T::right] {
                let child = self.local(cx, 0).load(side).expect("both children were made");
                self.push(cx, child);
                self.populate(cx, depth - 1);
                self.pop(cx);
            }
        }
        cx.safepoint();
    }

    /// Builds a tree, parents first; it becomes the latest local.
    fn top_down(&mut self, cx: &mut Mutator<'h>, depth: u64) {
        let top = self.node(cx, depth);
        self.push(cx, top);
        self.populate(cx, depth);
    }

    /// Counts the nodes of the latest local, which has `depth` levels below its top.
    fn count(&mut self, cx: &mut Mutator<'h>, depth: u64) -> u64 {
        if depth <= STRETCH {
            let nodes = count_at_once(self.local(cx, 0));
            cx.safepoint();
            return nodes;
        }
        let mut nodes = 1;
        for side in [T::left, T::right] {
            let Some(child) = self.local(cx, 0).load(side) else { continue };
            self.push(cx, child);
            nodes += self.count(cx, depth - 1);
            self.pop(cx);
        }
        nodes
    }

    /// Counts the nodes of the latest local and lets go of it.
    pub(crate) fn count_and_drop(&mut self, cx: &mut Mutator<'h>, depth: u64) -> u64 {
        let nodes = self.count(cx, depth);
        self.pop(cx);
        nodes
    }

    /// Builds a tree, children first, counts its nodes and lets go of it.
    fn build_and_count(&mut self, cx: &mut Mutator<'h>, depth: u64) -> u64 {
        if depth > STRETCH {
            self.bottom_up(cx, depth);
            return self.count_and_drop(cx, depth);
        }
        let nodes = count_at_once(self.bottom_up_at_once(cx, depth));
        cx.safepoint();
        nodes
    }
}

fn count_at_once<T: Branch>(top: Gc<'_, '_, T>) -> u64 {
    1 + top.load(T::left).map_or(0, count_at_once) + top.load(T::right).map_or(0, count_at_once)
}

#[derive(Trace)]
struct Tree {
    left: Slot<Tree>,
    right: Slot<Tree>,
}

impl Branch for Tree {
    fn new(_: u64) -> Tree {
        Tree { left: Slot::null(), right: Slot::null() }
    }

    fn left(&self) -> &Slot<Tree> {
        &self.left
    }

    fn right(&self) -> &Slot<Tree> {
        &self.right
    }
}

/// The Benchmarks Game's binary-trees.
pub(crate) fn binary_trees(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let (depth, threads) = (params.number("depth").max(6), params.number("threads"));
    meter.begin();
    let mut grower = Grower::<Tree>::new(cx);
    let mut total = grower.build_and_count(cx, depth + 1);
    grower.bottom_up(cx, depth);
    let others: Vec<_> = (1..threads)
        .map(|index| {
            let heap = cx.heap();
            std::thread::spawn(move || {
                let share = heap.attach(|cx| share(&mut Grower::new(cx), cx, depth, index, threads));
                share.expect("a new thread is not attached")
            })
        })
        .collect();
    total += share(&mut grower, cx, depth, 0, threads);
    total += cx.native(|| others.into_iter().map(|other| other.join().expect("threads do not panic")).sum::<u64>());
    total += grower.count_and_drop(cx, depth);
    meter.end();
    total
}

/// Builds and counts one thread's share of the trees.
fn share<'h>(grower: &mut Grower<'h, Tree>, cx: &mut Mutator<'h>, depth: u64, index: u64, threads: u64) -> u64 {
    let mut total = 0;
    for tree in (4..=depth).step_by(2) {
        for _ in (index..1 << (depth - tree + 4)).step_by(threads as usize) {
            total += grower.build_and_count(cx, tree);
        }
    }
    total
}

#[derive(Trace)]
struct Bench {
    left: Slot<Bench>,
    right: Slot<Bench>,
    i: i32,
    j: i32,
}

impl Branch for Bench {
    const COUNTED: bool = true;

    fn new(_: u64) -> Bench {
        Bench { left: Slot::null(), right: Slot::null(), i: 0, j: 0 }
    }

    fn left(&self) -> &Slot<Bench> {
        &self.left
    }

    fn right(&self) -> &Slot<Bench> {
        &self.right
    }
}

/// Nodes of a perfect tree.
fn tree_size(depth: u64) -> u64 {
    (2 << depth) - 1
}

/// Ellis, Kovac and Boehm's GCBench.
pub(crate) fn gcbench(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    const DOUBLES: usize = 500_000;
    let depth = params.number("depth");
    meter.begin();
    let mut grower = Grower::<Bench>::new(cx);
    grower.bottom_up(cx, depth + 2);
    grower.pop(cx);
    grower.top_down(cx, depth);
    let array = made(cx.alloc_array_with::<f64, ()>(cx.array_class(), (), DOUBLES, |doubles| {
        for (i, double) in doubles.iter_mut().enumerate().take(DOUBLES / 2).skip(1) {
            *double = 1.0 / i as f64;
        }
    }));
    let array = cx.root(array);
    for tree in (4..=depth).step_by(2) {
        let count = 2 * tree_size(depth + 2) / tree_size(tree);
        for _ in 0..count {
            grower.top_down(cx, tree);
            grower.pop(cx);
        }
        for _ in 0..count {
            grower.bottom_up(cx, tree);
            grower.pop(cx);
        }
    }
    meter.end();
    assert_eq!(array.get(cx).elements()[1000], 1.0 / 1000.0, "the array was overwritten");
    let lasting = grower.local(cx, 0);
    assert_eq!((lasting.i, lasting.j), (0, 0), "a node was overwritten");
    // The lasting tree counts by what is left of it, not by what was made.
    grower.made.get() - tree_size(depth) + grower.count_and_drop(cx, depth)
}
