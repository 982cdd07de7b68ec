//! Model: spans travel between two mutators and the sweeper, while the heap's generation grows.
//!
//! *Claim:* `[span.one-owner]` and `[span.generation]`: a span's bits (a cell) are never touched by two threads at once;
//! no slot is handed out twice; no span is swept twice in a generation (its marks are gone: live objects would be lost)
//! or used unswept in the new one (what it hands out would be swept away); at the end every span of the heap is swept,
//! stands in one list, in the right one, and holds just the objects that are live. *Actors:* a collector that has just
//! ended marking: it advances the generation, asks both mutators for their spans (`BarrierOff`), and sweeps; two
//! mutators that allocate before they are asked (reading an old or the new generation) and after, or one mutator and a
//! visitor of swept spans. *Runs as it ships:*
//! `Central` and `Generation`, with the decision of `Allocator::acquire`. *Stand-ins:* spans of three slots, whose
//! generation has the memory orders of `SpanRef`; the cache, which takes a span and returns it when it is full or when
//! asked; a lock in place of the handshake (see the collector's models). *Not modelled:* the page heap, empty spans.

use crate::central::{Central, Generation, Listed, Taken};
use spanheap_sync::atomic::{AtomicU32, Ordering};
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, Condvar, Mutex, Rank, thread};

const SLOTS: u8 = 0b111;
/// The generation in which marking ran.
const MARKED: u32 = 6;

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// A mutator takes the list's word for whether a span is swept.
    TrustsTheList,
    /// The sweeper does not wait until the mutators have returned their spans.
    SweepsUnasked,
    /// Whoever visits swept spans lets the generation grow meanwhile.
    VisitsFreely,
}

#[derive(Clone, Copy, Default)]
struct Bits {
    alloc: u8,
    mark: u8,
    new: u8,
}

struct Span {
    generation: AtomicU32,
    bits: UnsafeCell<Bits>,
    /// Slots whose objects were live when marking ended.
    live: u8,
}

impl Span {
    fn new(live: u8, garbage: u8) -> Span {
        let bits = Bits { alloc: live | garbage, mark: live, new: 0 };
        Span { generation: AtomicU32::new(MARKED), bits: UnsafeCell::new(bits), live }
    }

    fn bits<R>(&self, change: impl FnOnce(&mut Bits) -> R) -> R {
        // SAFETY: loom panics if another access overlaps; that this never happens is part of the claim.
        self.bits.with_mut(|bits| change(unsafe { &mut *bits }))
    }

    fn free(&self) -> u8 {
        self.bits(|bits| SLOTS & !(bits.alloc | bits.new))
    }
}

/// A span as the lists hold it: by address, as a `SpanRef` does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(*const Span);

// SAFETY: an address; the world outlives all threads.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Place {
    fn span(&self) -> &Span {
        // SAFETY: made from a span of a world that outlives all threads.
        unsafe { &*self.0 }
    }
}

impl Listed for Place {
    fn generation(self) -> u32 {
        self.span().generation.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Handshake {
    asked: bool,
    answers: usize,
}

struct World {
    spans: [Span; 2],
    central: Central<Place>,
    generation: Generation,
    handshake: Mutex<Handshake>,
    changed: Condvar,
    mutators: usize,
    mutant: Mutant,
}

// SAFETY: loom checks the accesses to the cells; that they never overlap is the claim.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

/// An object that a mutator placed: its span and slot.
type Placed = (Place, u8);

impl World {
    /// Marks become allocation bits, as in `SpanRef::sweep`. True if slots are free.
    fn sweep(&self, place: Place) -> bool {
        let span = place.span();
        span.bits(|bits| *bits = Bits { alloc: bits.mark | bits.new, mark: 0, new: 0 });
        span.generation.store(self.generation.get(), Ordering::Release);
        span.free() != 0
    }

    fn acquire(&self) -> Option<Place> {
        if self.mutant != Mutant::TrustsTheList {
            return self.central.acquire(&self.generation, |place| place.span().free() != 0, |place| self.sweep(place));
        }
        while let Some(taken) = self.central.take(self.generation.get()) {
            let (Taken::Swept(place) | Taken::Unswept(place)) = taken;
            if matches!(taken, Taken::Swept(_)) || self.sweep(place) {
                return Some(place);
            }
            self.central.put(place, true);
        }
        None
    }

    /// Takes a span and places an object, which is new if the span is of the generation that was marked and this
    /// mutator takes part in marking. Returns the span if it has more free slots.
    fn allocate(&self, marking: bool, placed: &mut Vec<Placed>) -> Option<Place> {
        let place = self.acquire()?;
        let new = marking && place.generation() == MARKED;
        let slot = place.span().bits(|bits| {
            let free = SLOTS & !(bits.alloc | bits.new);
            assert_ne!(free, 0, "an acquired span has free slots");
            let slot = free & free.wrapping_neg();
            *if new { &mut bits.new } else { &mut bits.alloc } |= slot;
            slot
        });
        placed.push((place, slot));
        if place.span().free() != 0 {
            return Some(place);
        }
        self.central.put(place, true);
        None
    }

    fn wait_until(&self, condition: impl Fn(&Handshake) -> bool) {
        let mut handshake = self.handshake.lock();
        while !condition(&handshake) {
            handshake = self.changed.wait(handshake);
        }
    }

    fn mutate(&self) -> Vec<Placed> {
        let mut placed = Vec::new();
        let held = self.allocate(true, &mut placed);
        self.wait_until(|handshake| handshake.asked);
        if let Some(place) = held {
            self.central.put(place, false);
        }
        self.handshake.lock().answers += 1;
        self.changed.notify_all();
        if let Some(place) = self.allocate(false, &mut placed) {
            self.central.put(place, false);
        }
        placed
    }

    fn collect(&self) {
        self.generation.advance();
        self.handshake.lock().asked = true;
        self.changed.notify_all();
        if self.mutant != Mutant::SweepsUnasked {
            self.wait_until(|handshake| handshake.answers == self.mutators);
        }
        let mut batch = Vec::new();
        while self.central.take_unswept(self.generation.get(), 1, &mut batch) > 0 {
            for place in batch.drain(..) {
                let free = self.sweep(place);
                self.central.put(place, !free);
            }
        }
    }

    /// Looks at the free slots of all swept spans, as `trim` does.
    fn visit(&self) {
        let free = |place: Place| assert_ne!(place.span().free(), 0, "only spans with free slots are visited");
        if self.mutant == Mutant::VisitsFreely {
            return self.central.visit_swept(&Generation::new(MARKED), free);
        }
        self.central.visit_swept(&self.generation, free);
    }

    /// Panics unless the heap is what the claim says. All threads have ended.
    fn check(&self, placed: &[Placed]) {
        let mut listed = Vec::new();
        self.central.for_each(|place, full| listed.push((place, full)));
        assert_eq!(listed.len(), self.spans.len(), "every span stands in one list");
        for span in &self.spans {
            let place = Place(span);
            let full: Vec<bool> = listed.iter().filter(|entry| entry.0 == place).map(|entry| entry.1).collect();
            assert_eq!(full, [span.free() == 0], "a span stands in the right list");
            assert_eq!(place.generation(), MARKED + 1, "every span is swept");
            let mut live = span.live;
            for (_, slot) in placed.iter().filter(|object| object.0 == place) {
                assert_eq!(live & slot, 0, "a slot was handed out twice");
                live |= slot;
            }
            let bits = span.bits(|bits| *bits);
            assert_eq!((bits.alloc, bits.mark, bits.new), (live, 0, 0), "live objects are kept, and only they");
        }
    }
}

/// Explores a heap of two spans, the first full; `garbage` is what the second one holds beside one live object. Two threads
/// work on it beside the collector: two mutators, or one and a visitor.
fn model(name: &str, preemptions: usize, mutant: Mutant, garbage: u8, mutators: usize) {
    explore(name, preemptions, move || {
        let world = Arc::new(World {
            spans: [Span::new(0b101, 0b010), Span::new(0b001, garbage)],
            central: Central::new(),
            generation: Generation::new(MARKED),
            handshake: Mutex::new(Rank::Cycle, Handshake::default()),
            changed: Condvar::new(),
            mutators,
            mutant,
        });
        for span in world.spans.iter().rev() {
            world.central.put(Place(span), span.free() == 0);
        }
        let threads = [0, 1].map(|number| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                if number < mutators {
                    return world.mutate();
                }
                world.visit();
                Vec::new()
            })
        });
        world.collect();
        let mut placed = Vec::new();
        for thread in threads {
            placed.extend(thread.join().expect("a thread ends"));
        }
        world.check(&placed);
    });
}

#[test]
fn full_spans_are_swept_once_and_before_use() {
    model("central, full spans", 3, Mutant::Shipped, 0b110, 2);
}

#[test]
fn spans_with_free_slots_are_swept_once_and_before_use() {
    model("central, a partial span", 3, Mutant::Shipped, 0, 2);
}

#[test]
#[should_panic(expected = "a slot was handed out twice")]
fn mutant_that_trusts_the_list() {
    model("central, trusts the list", 3, Mutant::TrustsTheList, 0b110, 2);
}

#[test]
#[should_panic(expected = "every span is swept")]
fn mutant_that_sweeps_unasked() {
    model("central, sweeps unasked", 3, Mutant::SweepsUnasked, 0, 2);
}

#[test]
fn a_visitor_keeps_no_span_from_the_sweeper() {
    model("central, a visitor", 3, Mutant::Shipped, 0, 1);
}

#[test]
#[should_panic(expected = "every span is swept")]
fn mutant_that_visits_freely() {
    model("central, visits freely", 3, Mutant::VisitsFreely, 0, 1);
}
