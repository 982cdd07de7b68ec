//! A cycle that is held before a mutator's roots are scanned: where the insertion barrier is needed.
//!
//! *Callers:* tests of stores. *Invariants:* the heap has a thread of its own, and no other mutator.

use spanheap::{Mutator, Phase};
use std::sync::mpsc;

/// Calls `work` when this mutator has its barrier on, allocates black objects, and its roots are not scanned: a second
/// mutator owes an answer meanwhile. Then the cycle runs to its end.
pub(crate) fn before_roots<'h>(cx: &mut Mutator<'h>, work: impl FnOnce(&Mutator<'h>)) {
    let answer = |cx: &mut Mutator<'_>, count| {
        for _ in 0..count {
            while !cx.poll() {
                std::thread::yield_now();
            }
            cx.safepoint();
        }
    };
    let (release, released) = mpsc::channel();
    let (attached, is_attached) = mpsc::channel();
    let (heap, cycles) = (cx.heap(), cx.cycle_number());
    let heap = &heap;
    // The sender goes with the closure, so that the other thread ends if the work panics.
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            heap.attach(|other| {
                attached.send(()).unwrap();
                answer(other, 1);
                released.recv().unwrap();
            })
            .unwrap();
        });
        is_attached.recv().unwrap();
        cx.heap().request_collection();
        answer(cx, 2);
        work(cx);
        assert_eq!((cx.cycle_number(), cx.heap().phase()), (cycles + 1, Phase::SyncRound));
        release.send(()).unwrap();
        cx.collect();
    });
}
