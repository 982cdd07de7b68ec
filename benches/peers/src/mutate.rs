//! Stores with and without a collection under way: `mutate`.
//!
//! *Callers:* `main`. *Invariants:* the measured part allocates nothing, so that no cycle runs but those asked for.

use crate::clock::Meter;
use crate::objects::{Node, Slots, nodes, repeat, sum};
use crate::params::Params;
use crate::rng::Rng;
use spanheap::{Mutator, Root};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Lets random nodes refer to random nodes.
pub(crate) fn stores(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let len = params.size("n");
    let all = nodes(cx, len);
    // The cycle that building started, if any, ends here.
    cx.collect();
    let stop = Arc::new(AtomicBool::new(false));
    let collector = params.collects().then(|| {
        let (heap, stop) = (cx.heap(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                heap.collect().expect("this thread is not attached");
            }
        })
    });
    meter.begin();
    link(cx, &all, len, params.number("ops"));
    meter.end();
    stop.store(true, Ordering::Relaxed);
    if let Some(collector) = collector {
        cx.native(|| collector.join().expect("the collecting thread does not panic"));
    }
    sum(all.get(cx), |node| node.load(|node| &node.a).map_or(0, |other| other.v))
}

/// The measured stores: a function of its own, so that the loop has the registers to itself.
#[inline(never)]
fn link(cx: &mut Mutator<'_>, all: &Root<Slots<Node>>, len: usize, ops: u64) {
    let mut rng = Rng::new(0);
    repeat(cx, all, ops, |cx, all, _| {
        let (i, j) = (rng.below(len), rng.below(len));
        let owner = all.element(i).expect("all nodes were made");
        cx.set(owner, |node| &node.a, all.element(j));
    });
}
