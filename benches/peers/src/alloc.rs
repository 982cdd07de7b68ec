//! The allocation rate: `alloc-leaf`, `alloc-pair`, `alloc-mixed`.
//!
//! *Callers:* `main`. *Invariants:* of a ring's age nothing is left after one turn, so that the live heap stays small.

use crate::clock::Meter;
use crate::objects::{Leaf, Node, leaf, made, node, repeat, slots, sum};
use crate::params::Params;
use crate::rng::Rng;
use spanheap::{Array, Mutator, Slot, Trace};

const RING: usize = 1024;
const WIDE_RING: usize = 65536;

/// 16-byte leaves.
pub(crate) fn leaves(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let (ring, class) = (slots::<Leaf>(cx, RING), cx.class());
    meter.begin();
    repeat(cx, &ring, params.number("n"), |cx, ring, i| {
        cx.set_element(ring, i as usize % RING, Some(leaf(cx, class, i)));
    });
    meter.end();
    sum(ring.get(cx), |leaf| {
        assert_eq!(leaf.b, 2 * leaf.a, "a leaf was overwritten");
        leaf.a
    })
}

/// 32-byte objects, most of which refer to an older one.
pub(crate) fn pairs(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let (ring, class) = (slots::<Node>(cx, RING), cx.class());
    meter.begin();
    repeat(cx, &ring, params.number("n"), |cx, ring, i| {
        let left = if i % 64 != 0 { ring.element(i as usize * 7 % RING) } else { None };
        if let Some(left) = left {
            cx.set(left, |node| &node.a, None);
            cx.set(left, |node| &node.b, None);
        }
        let pair = node(cx, class, i);
        cx.set(pair, |node| &node.a, left);
        cx.set_element(ring, i as usize % RING, Some(pair));
    });
    meter.end();
    sum(ring.get(cx), |node| {
        assert_eq!(node.w, 0, "a pair was overwritten");
        node.v
    })
}

/// The first two words of every object of `alloc-mixed`.
#[derive(Trace)]
struct Head {
    reference: Slot<Head>,
    i: u64,
}

/// Objects of 16 to 2048 bytes. Their size is known only when they are made: arrays with a head, whose length takes one
/// word more.
pub(crate) fn mixed(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let mut rng = Rng::new(0);
    let (ring, class) = (slots::<Array<u64, Head>>(cx, WIDE_RING), cx.array_class());
    meter.begin();
    repeat(cx, &ring, params.number("n"), |cx, ring, i| {
        let draw = rng.draw();
        let r = (draw >> 33) as usize;
        let words = if (draw >> 60) & 7 != 0 { r % 16 } else { r % 255 };
        let object = made(cx.alloc_array(class, Head { reference: Slot::null(), i }, words));
        cx.set_element(ring, i as usize % WIDE_RING, Some(object));
    });
    meter.end();
    sum(ring.get(cx), |object| {
        assert!(object.header().reference.is_null(), "an object was overwritten");
        object.header().i
    })
}
