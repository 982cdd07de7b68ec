//! A cycle that is held open, so that the write barrier stays on for as long as stores are timed.
//!
//! *Callers:* `benches/barrier.rs`. *Invariants:* a cycle ends only when every mutator has answered its handshakes. While
//! the work runs the calling mutator answers none, and a second one, the holder, may owe an answer too: the cycle goes no
//! further than the work expects.

use spanheap::{Heap, Mutator};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

/// How far a held cycle has come for the mutator that works meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The barrier is on and this mutator's roots are not scanned: it logs what is overwritten and what is stored.
    /// Nothing is marked.
    BeforeRoots,
    /// Its roots are scanned, and it logs what is overwritten. The collector waits for another mutator's roots, so that
    /// nothing is marked: the snapshot is fresh.
    Fresh,
    /// It logs what is overwritten, and all that was reachable is marked: the collector waits for the logs.
    Marked,
}

impl Held {
    /// Handshakes that this mutator and the holder answer before the work begins. The first is that of the barrier, the
    /// second synchronizes, the third is that of the roots.
    fn answers(self) -> (usize, usize) {
        match self {
            Held::BeforeRoots => (2, 1),
            Held::Fresh => (3, 2),
            Held::Marked => (3, 3),
        }
    }
}

/// Calls `work` while a cycle is held open, and ends the cycle.
///
/// # Panics
/// If another cycle was under way.
pub fn while_marking<'h, R>(heap: &Heap, cx: &mut Mutator<'h>, held: Held, work: impl FnOnce(&Mutator<'h>) -> R) -> R {
    let attached = AtomicBool::new(false);
    // The holder sleeps meanwhile: a core that it kept busy would be missing.
    let (release, released) = mpsc::channel();
    let (own, others) = held.answers();
    let cycles = cx.cycle_number();
    std::thread::scope(|scope| {
        let attached = &attached;
        scope.spawn(move || {
            let holder = heap.attach(|other| {
                attached.store(true, Ordering::Release);
                answer(other, others);
                released.recv().expect("the other end is open until the work is done");
            });
            holder.expect("a thread without a mutator");
        });
        while !attached.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        heap.request_collection();
        answer(cx, own);
        if held == Held::Marked {
            // The next request says that all is marked that hangs from the roots.
            while !cx.poll() {
                std::thread::yield_now();
            }
        }
        let result = work(cx);
        assert_eq!(cx.cycle_number(), cycles + 1, "the stores were not made in the cycle that was held");
        release.send(()).expect("the holder waits");
        // Waits for the held cycle, and then for one of its own.
        cx.collect();
        result
    })
}

/// Answers that many handshakes.
fn answer(cx: &mut Mutator<'_>, count: usize) {
    for _ in 0..count {
        while !cx.poll() {
            std::thread::yield_now();
        }
        cx.safepoint();
    }
}
