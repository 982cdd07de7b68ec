//! Model: a mutator allocates runs of slots while a cycle marks and sweeps.
//!
//! *Claim:* `[cache.black]` and `[cache.bits-first]`: what is handed out survives the cycle that it was handed out in, whichever
//! phase that was; no slot is handed out twice; and when the mutator has gone, just the slots that were handed out have their bits.
//! *Actors:* a collector that runs a whole cycle; a mutator that allocates before and between handshakes, keeps everything in its
//! handles, and detaches. *Runs as it ships:* the cycle, the handshakes, the allocator with memory of the system's. Only locks,
//! handshake words and the points of `word::may_switch` are loom's: bits, cursors and generations change hands by them. *Not
//! modelled:* what other mutators do to the lists of spans (see the allocator's `central`).

use crate::charging::Charging;
use crate::collector::Collector;
use crate::mutator::MutatorRecord;
use crate::options::Options;
use spanheap_allocator::span::Bits;
use spanheap_allocator::{BaseAddress, CursorRef, LayoutId, ObjectLayout, SizeClassId, TypeLayout};
use spanheap_memory::Memory;
use spanheap_sync::model::explore;
use spanheap_sync::word::{Ordering, may_switch};
use spanheap_sync::{Arc, thread};

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// Slots that are handed out while marking runs are not new.
    HandsOutWhite,
    /// What was offered and not used keeps its bits.
    KeepsBits,
}

struct Mutator {
    collector: Arc<Collector>,
    record: Arc<MutatorRecord>,
    layout: LayoutId,
    mutant: Mutant,
}

impl Mutator {
    fn cursor(&self) -> CursorRef {
        // SAFETY: the mutator's thread, running.
        let cache = &unsafe { self.record.local() }.cache;
        let size = SizeClassId::of(64).expect("a small size");
        cache.cursor_for(&self.collector.allocator, cache.layout(self.layout), size).expect("a class")
    }

    fn allocate(&self) {
        // SAFETY: as above.
        let local = unsafe { self.record.local() };
        if self.mutant == Mutant::HandsOutWhite {
            // It forgets that a cycle marks.
            local.cache.flush(&self.collector.allocator, &*self.collector);
        }
        let charging =
            Charging { collector: &self.collector, record: &self.record, at: std::panic::Location::caller() };
        // SAFETY: the cursor is this cache's.
        let object = unsafe { local.cache.alloc(&self.collector.allocator, &charging, self.cursor()) };
        local.add_handle(object.expect("there is memory"));
        may_switch();
    }

    /// Answers if it is asked, and lets others run.
    fn rest(&self) {
        self.collector.safepoint(&self.record);
        self.record.handshake.enter_native();
        thread::yield_now();
        self.record.handshake.leave_native();
        self.collector.safepoint(&self.record);
    }

    fn run(&self) -> Vec<usize> {
        for _ in 0..3 {
            self.allocate();
            self.rest();
        }
        // SAFETY: as above.
        let local = unsafe { self.record.local() };
        (0..local.handles()).map(|index| local.handle(index)).collect()
    }
}

/// Addresses of all slots with a bit, and how many are new.
fn slots(collector: &Collector) -> (u32, u32) {
    let (mut used, mut new) = (0, 0);
    collector.allocator.for_each_span(|span, _| {
        for word in 0..span.words() {
            used += span.word(Bits::Alloc, word).load(Ordering::Relaxed).count_ones();
            new += span.word(Bits::New, word).load(Ordering::Relaxed).count_ones();
        }
    });
    (used, new)
}

fn model(name: &str, mutant: Mutant) {
    explore(name, 2, move || {
        let options = Options { background: false, base: BaseAddress::Os, late_after: None, ..Options::default() };
        let collector = Arc::new(Collector::new(Arc::new(Memory::new()), options));
        let leaf = ObjectLayout::fixed("leaf", TypeLayout::leaf::<[u64; 8]>());
        let layout = collector.allocator.classes.register(leaf).expect("a layout");
        let theirs = Arc::clone(&collector);
        let mutator = thread::spawn(move || {
            let record = theirs.attach();
            let mutator = Mutator { collector: theirs, record, layout, mutant };
            let held = mutator.run();
            mutator.record.handshake.answer(crate::mutator::Request::Stop as u32, |request| {
                mutator.record.perform(request, &mutator.collector)
            });
            (mutator, held)
        });
        collector.collect();
        let (mutator, held) = mutator.join().expect("a mutator ends");
        let mut places = held.clone();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), held.len(), "a slot was handed out twice");
        for &object in &held {
            let lives = [Bits::Alloc, Bits::New].map(|bits| collector.allocator.is_base(object, bits));
            assert!(lives.contains(&true), "what was handed out is dead");
        }
        if mutant != Mutant::KeepsBits {
            collector.detach(&mutator.record);
        }
        assert_eq!(slots(&collector), (held.len() as u32, 0), "a slot that nobody has used has a bit");
    });
}

#[test]
fn what_is_handed_out_survives_its_cycle() {
    model("black", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "a slot was handed out twice")]
fn mutant_that_hands_out_white() {
    model("black, hands out white", Mutant::HandsOutWhite);
}

#[test]
#[should_panic(expected = "a slot that nobody has used has a bit")]
fn mutant_that_keeps_bits() {
    model("black, keeps bits", Mutant::KeepsBits);
}
