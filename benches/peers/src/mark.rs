//! Full collections of a large live heap: `mark-tree`, `mark-random`, `mark-list`, `mark-wide`.
//!
//! *Callers:* `main`. *Invariants:* only the collections are measured; the checksum walks what they kept.

use crate::clock::Meter;
use crate::objects::{Leaf, Node, leaf, made, nodes, repeat, slots, sum};
use crate::params::Params;
use crate::rng::Rng;
use crate::trees::{Branch, Grower};
use spanheap::{Mutator, Slot, Trace};

impl Branch for Node {
    fn new(depth: u64) -> Node {
        Node { a: Slot::null(), b: Slot::null(), v: depth, w: 0 }
    }

    fn left(&self) -> &Slot<Node> {
        &self.a
    }

    fn right(&self) -> &Slot<Node> {
        &self.b
    }
}

/// One perfect binary tree.
pub(crate) fn tree(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let depth = params.number("depth");
    let mut grower = Grower::<Node>::new(cx);
    grower.bottom_up(cx, depth);
    meter.collections(params.number("reps"), || cx.collect());
    grower.count_and_drop(cx, depth)
}

/// Nodes that refer to random nodes.
pub(crate) fn random(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let len = params.size("n");
    let mut rng = Rng::new(0);
    let all = nodes(cx, len);
    repeat(cx, &all, len as u64, |cx, all, i| {
        let node = all.element(i as usize).expect("all nodes were made");
        cx.set(node, |node| &node.a, all.element(rng.below(len)));
        cx.set(node, |node| &node.b, all.element(rng.below(len)));
    });
    meter.collections(params.number("reps"), || cx.collect());
    sum(all.get(cx), |node| {
        let v = |slot: fn(&Node) -> &Slot<Node>| node.load(slot).expect("all nodes refer to two").v;
        v(|node| &node.a) + v(|node| &node.b)
    })
}

#[derive(Trace)]
struct Link {
    next: Slot<Link>,
    v: u64,
}

/// One singly linked list.
pub(crate) fn list(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let (head, class) = (slots::<Link>(cx, 1), cx.class());
    repeat(cx, &head, params.number("n"), |cx, head, i| {
        let link = made(cx.alloc_in(class, Link { next: Slot::null(), v: i }));
        cx.set(link, |link| &link.next, head.element(0));
        cx.set_element(head, 0, Some(link));
    });
    meter.collections(params.number("reps"), || cx.collect());
    let (mut length, mut rest) = (0, head.get(cx).element(0));
    while let Some(link) = rest {
        rest = link.load(|link| &link.next);
        assert_eq!(rest.map_or(0, |next| next.v + 1), link.v, "a link was overwritten");
        length += 1;
    }
    length
}

/// One table of leaves.
pub(crate) fn wide(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let n = params.size("n");
    let (all, class) = (slots::<Leaf>(cx, n), cx.class());
    repeat(cx, &all, n as u64, |cx, all, i| cx.set_element(all, i as usize, Some(leaf(cx, class, i))));
    meter.collections(params.number("reps"), || cx.collect());
    sum(all.get(cx), |leaf| {
        assert_eq!(leaf.b, 2 * leaf.a, "a leaf was overwritten");
        leaf.a
    })
}
