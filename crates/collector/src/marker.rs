//! The marker: follows references from grey objects until none is left.
//!
//! *Callers:* `cycle`. *Invariants:*
//! - `[span.marker-owns-marks]`: every mark bit has one writer while marking runs, so that a mark is a plain load and
//!   store, not a locked instruction (locking costs as much as all the rest). The writer is the one marking worker, or
//!   with several, the one that owns the address: `[share.one-owner]`.
//! - A set mark bit means: the object is on a mark stack, in a ring, or scanned. Leaves are only marked.
//! - An object with a new bit is black from birth and is never looked into; `[cache.black]`.
//!
//! `lane` has the loop, `batch` its stages, `scan` what an object can look like, `share` how several workers share the work.
//!
//! The mark stack is last in, first out, but an object that leaves it passes a ring of 64 entries before it is scanned:
//! its first line is fetched into the second-level cache on entry and into the first level some entries before it
//! leaves. (Cher, Hosking and Vitek, ASPLOS 2004, put a queue in front of the stack. Two steps, because the objects in
//! the ring are the fronts of 64 traversals that run side by side, often at distances near a power of two: of so many
//! lines a first level of eight ways loses most before they are used.) Large objects are scanned in pieces, so that the
//! stack stays small.

mod batch;
mod lane;
mod scan;
mod share;

use crate::grey::GreyQueue;
use crate::marking::Drained;
use crate::workers::Workers;
use crate::zeal::Buffers;
pub(crate) use batch::RING;
use lane::{Lane, Worker};
use share::Share;
use spanheap_allocator::span::{PAGE_SLOW, PAGE_TINY};
use spanheap_allocator::{Allocator, ScanPlan, Shape, TagScheme, WORD};
use spanheap_sync::word::{AtomicBool, Ordering};

#[cfg(all(test, loom))]
pub(crate) use {batch::set as set_modelled, share::Share as ModelledShare};

/// Bytes of pages in use up to which everything that marking touches is taken to fit the second-level cache.
const SMALL_HEAP: usize = 1 << 20;

/// Bytes of a large object that are scanned at once.
const PIECE: usize = 128 << 10;

/// One part in this many of the heap may stay with the mark stack between cycles: its pages cost more than they hold.
const STACK_SHARE: usize = 64;

/// The marker of a heap. What it holds between drains is the work that a deadline left over.
pub(crate) struct Marker {
    lanes: Vec<Lane>,
    share: Share,
    classes: Box<Classes>,
    small: bool,
    cycle: usize,
    buffers: &'static Buffers,
}

/// What the page class byte says of objects.
pub(crate) struct Classes {
    /// Whether objects of a page class need no look inside; indexed by the page class byte.
    leaf: [bool; 256],
    /// The words that are references, for page classes whose objects hold references in a fixed part and nothing else;
    /// 0 for all others.
    references: [u64; 256],
    /// The same, where these words lie in a row: the offsets of the first byte and of the end. 0 and 0 elsewhere.
    rows: [(u16, u16); 256],
    /// Plans, as far as they were known when the last drain began.
    plans: Box<[Option<ScanPlan>; 256]>,
}

impl Marker {
    /// A marker that has nothing to do.
    pub(crate) fn new(buffers: &'static Buffers) -> Marker {
        // Made where they stay: a loom model's stack is too small for them.
        let plans = vec![None; 256].try_into().expect("a plan for each page class");
        let classes = Classes { leaf: [false; 256], references: [0; 256], rows: [(0, 0); 256], plans };
        let share = Share::new(1, buffers.sent);
        Marker { lanes: Vec::new(), share, classes: Box::new(classes), small: false, cycle: 0, buffers }
    }

    /// Prepares for cycle number `cycle` with up to so many workers: the power of two that is returned. To have all ways of
    /// marking tested, cycles take them in turn if `verify` is on.
    pub(crate) fn begin(&mut self, heap: &Allocator, cycle: usize, workers: usize, verify: bool) -> usize {
        debug_assert!(workers > 0);
        debug_assert!(self.lanes.iter().all(Lane::is_idle), "the last cycle ended with nothing grey");
        let in_use = heap.pages.figures().in_use;
        self.cycle = cycle;
        self.small = if verify { cycle.is_multiple_of(3) } else { in_use <= SMALL_HEAP };
        let workers = 1 << workers.ilog2();
        if self.share.workers() != workers {
            self.share = Share::new(workers, self.buffers.sent);
        }
        self.lanes.resize_with(workers, || Lane::new(workers));
        self.lanes.iter_mut().for_each(|lane| lane.begin(workers));
        workers
    }

    /// Ends the cycle. Returns how many objects were looked into, and the bytes that the mark stacks had come to.
    pub(crate) fn end(&mut self, heap: &Allocator) -> (u64, usize) {
        let kept = heap.pages.figures().in_use / STACK_SHARE / self.lanes.len().max(1);
        let ends = self.lanes.iter_mut().map(|lane| lane.end(kept));
        ends.fold((0, 0), |(objects, bytes), (more, stack)| (objects + more, bytes + stack))
    }

    /// Marks what hangs from the queue's blocks until nothing is grey or `tick` says that it is enough; with several
    /// workers that is not asked for. `tick` is told every few hundred objects how much work has been done since. Says
    /// whether a block held a white object: mutators also log objects that were marked long ago, and new ones.
    pub(crate) fn drain(
        &mut self,
        heap: &Allocator,
        tags: Option<TagScheme>,
        queue: &GreyQueue,
        pool: &Workers,
        tick: &(dyn Fn(u64) -> bool + Sync),
    ) -> Drained {
        if queue.is_empty() && self.lanes.iter().all(Lane::is_idle) {
            return Drained { found_white: false, finished: true };
        }
        self.classes.learn(heap);
        let (classes, share, cycle, ring) = (&*self.classes, &self.share, self.cycle, self.buffers.ring);
        share.begin();
        let worker = |me, lane| Worker {
            heap,
            classes,
            tags,
            cycle,
            queue,
            share,
            me,
            lane,
            found_white: false,
            ring,
            units: 0,
        };
        if self.lanes.len() == 1 {
            let mut worker = worker(0, &mut self.lanes[0]);
            let finished = match self.small {
                true => worker.work::<true, false>(tick),
                false => worker.work::<false, false>(tick),
            };
            return Drained { found_white: worker.found_white, finished };
        }
        let lanes = self.lanes.iter_mut().enumerate().map(|(me, lane)| worker(me, lane));
        let found_white = AtomicBool::new(false);
        let work = |mut worker: Worker<'_>| {
            worker.work::<false, true>(|units| {
                tick(units);
                false
            });
            found_white.fetch_or(worker.found_white, Ordering::Relaxed);
        };
        pool.each(lanes.collect(), work);
        Drained { found_white: found_white.into_inner(), finished: true }
    }
}

impl Classes {
    fn learn(&mut self, heap: &Allocator) {
        self.leaf[PAGE_TINY as usize] = true;
        for class in heap.classes.span_classes().filter(|class| class.page_byte != PAGE_SLOW) {
            let byte = class.page_byte as usize;
            self.plans[byte] = Some(class.plan);
            self.leaf[byte] = class.plan.shape == Shape::Leaf;
            if class.plan.shape == Shape::References {
                let mask = class.plan.head.references;
                self.references[byte] = mask;
                let (first, end) = (mask.trailing_zeros(), u64::BITS - mask.leading_zeros());
                if mask != 0 && mask.count_ones() == end - first {
                    self.rows[byte] = ((first as usize * WORD) as u16, (end as usize * WORD) as u16);
                }
            }
        }
    }
}
