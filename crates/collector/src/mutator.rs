//! A mutator's record: its handshake word and everything the collector may need of it.
//!
//! *Callers:* the mutator layer owns one record per attached thread; `cycle` walks the registry of records.
//! *Invariants:* `[handshake.one-actor]` governs [`Local`]: the owner uses it while running, the collector while it
//! acts. All requests that a mutator can be asked for are performed here, by the same code whoever performs them.

use crate::barrier::{Barrier, BarrierMode};
use crate::collector::Collector;
use crate::handshake::Handshake;
use crate::pacer::assist::Debt;
use crate::roots::{RootSource, RootVisitor};
use crate::stack::{StackHeader, StackScan};
use spanheap_allocator::span::Bits;
use spanheap_allocator::{Allocator, Cache, WORD};
use spanheap_sync::thread;
use spanheap_sync::time::Instant;
use spanheap_sync::word::{AtomicUsize, Ordering, may_switch};
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;

/// What the collector asks of a mutator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// Switch the barrier on.
    BarrierOn = 1,
    /// What is handed out from now on is new. Every barrier is on by now, and stores begun before that have ended.
    SyncRound = 2,
    /// Scan your roots.
    Roots = 3,
    /// Hand your log over.
    Flush = 4,
    /// Switch the barrier off; give your spans back.
    BarrierOff = 5,
    /// Enter a native region and stay there while the collector holds you.
    Stop = 6,
}

impl Request {
    fn from_raw(raw: u32) -> Request {
        match raw {
            1 => Request::BarrierOn,
            2 => Request::SyncRound,
            3 => Request::Roots,
            4 => Request::Flush,
            5 => Request::BarrierOff,
            6 => Request::Stop,
            _ => unreachable!("no request has number {raw}"),
        }
    }
}

/// Reminder bit: collect at the next safepoint (a stress option).
pub const REMIND_COLLECT: u32 = 1 << 8;
/// Reminder bit: the collector has fallen behind; wait for it at the next safepoint.
pub const REMIND_THROTTLE: u32 = 1 << 9;
/// Reminder bit: no thread advances the cycle in progress; do a slice of it at the next safepoint.
pub const REMIND_SLICE: u32 = 1 << 10;

/// One attached mutator, shared between its thread and the collector.
pub struct MutatorRecord {
    /// The handshake word.
    pub handshake: Handshake,
    /// The thread that attached it.
    pub thread: thread::ThreadId,
    local: Local,
}

// SAFETY: everything but `local` is Sync, and [handshake.one-actor] gives `local` to one thread at a time.
unsafe impl Sync for MutatorRecord {}
// SAFETY: as above; root sources are used by one thread at a time, which their contract foresees.
unsafe impl Send for MutatorRecord {}

/// What belongs to the mutator's thread, or to the collector while it acts for it.
pub struct Local {
    /// Cursors of the allocator.
    pub cache: Cache,
    /// The write barrier.
    pub barrier: Barrier,
    /// The running VM stack, by address; 0 for none, with what its slots hold.
    stack: Cell<(usize, StackScan)>,
    /// Number of the cycle that is marking, as far as this mutator has been told; 0 for none.
    pub(crate) marking_cycle: Cell<usize>,
    sources: UnsafeCell<Vec<Box<dyn RootSource>>>,
    /// Objects held by handle scopes, innermost last. Written like registers: no barrier, scanned in the handshake.
    handles: UnsafeCell<Vec<usize>>,
    /// What it owes the marking in progress.
    pub(crate) debt: Cell<Debt>,
}

impl MutatorRecord {
    /// A record for the current thread. Its cache has the portion `offer_limit`.
    pub fn new(offer_limit: u32, barrier: Barrier) -> MutatorRecord {
        MutatorRecord {
            handshake: Handshake::new(),
            thread: thread::current().id(),
            local: Local {
                cache: Cache::new(offer_limit),
                barrier,
                stack: Cell::new((0, StackScan::Words)),
                marking_cycle: Cell::new(0),
                sources: UnsafeCell::new(Vec::new()),
                handles: UnsafeCell::new(Vec::new()),
                debt: Cell::new(Debt::default()),
            },
        }
    }

    /// The mutator's local state.
    ///
    /// # Safety
    /// 1. The caller is the mutator's thread and the mutator is running, or the caller is the collector and acts for it.
    #[inline(always)]
    pub unsafe fn local(&self) -> &Local {
        &self.local
    }

    /// Performs a request. Called by [`Handshake::answer`] and [`Handshake::act`] only, which make sure that the caller
    /// may use the local state.
    pub(crate) fn perform(&self, raw: u32, collector: &Collector) {
        collector.linger();
        let begin = Instant::now();
        let local = &self.local;
        match Request::from_raw(raw) {
            Request::BarrierOn => local.barrier_on(collector, BarrierMode::Both),
            Request::SyncRound => local.hand_out_new(collector),
            Request::Roots => local.scan_roots(collector),
            Request::Flush => local.barrier.flush(&collector.grey),
            Request::BarrierOff => local.end_marking(collector),
            Request::Stop => unreachable!("a stop is held, not performed"),
        }
        let time = begin.elapsed();
        collector.cycle_times.add(time);
        collector.totals.handshake_times.add(time);
    }
}

impl Local {
    /// Switches the barrier on for the cycle in progress.
    pub(crate) fn barrier_on(&self, collector: &Collector, mode: BarrierMode) {
        self.barrier.set_mode(mode);
        self.marking_cycle.set(collector.cycle_number() as usize);
    }

    /// Hands out new slots from now on. Only once every mutator has the barrier on: a new object is black, and a store
    /// into it without a barrier would hide what is stored.
    pub(crate) fn hand_out_new(&self, collector: &Collector) {
        self.cache.begin_marking(collector.marking_generation());
    }

    fn end_marking(&self, collector: &Collector) {
        self.barrier.rest();
        self.barrier.discard();
        collector.drop_debt(&self.debt);
        self.marking_cycle.set(0);
        self.cache.flush(&collector.allocator, collector);
    }

    fn scan_roots(&self, collector: &Collector) {
        let (stack, scan) = self.stack.get();
        if stack != 0 {
            // SAFETY: the running stack is a live object, kept by its mutator.
            let header = unsafe { &*(stack as *const StackHeader) };
            header.mark_scanned(self.marking_cycle.get());
            self.shade_stack(header, scan, collector);
            // The object itself: its owner may hold it by nothing else.
            self.barrier.shade(stack, &collector.grey);
        }
        // SAFETY: [handshake.one-actor]; the reference ends with this statement.
        for handles in unsafe { &*self.handles.get() }.chunks(collector.buffers.roots) {
            collector.grey.push(handles.to_vec());
        }
        // A source that panics leaves roots unseen: the cycle goes on, and frees nothing.
        let visit = || {
            self.visit_sources(&mut RootVisitor::into_log(collector, &self.barrier));
        };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(visit)).is_err() {
            collector.keep_all.store(true, Ordering::Relaxed);
        }
        self.barrier.set_mode(BarrierMode::Deletion);
        self.barrier.flush(&collector.grey);
    }

    fn visit_sources(&self, visitor: &mut RootVisitor<'_>) {
        // SAFETY: [handshake.one-actor]; the list changes only in `add_source`, which no callback may call.
        for source in unsafe { &*self.sources.get() } {
            source.visit(visitor);
        }
    }

    /// The objects that this mutator's roots refer to. For the verifier.
    pub(crate) fn list_roots(&self, collector: &Collector, list: &mut Vec<usize>) {
        let allocator = &collector.allocator;
        let (stack, scan) = self.stack.get();
        if stack != 0 {
            // SAFETY: the running stack is a live object, kept by its mutator.
            let live = unsafe { &*(stack as *const StackHeader) }.live(scan.slot_bytes());
            for_each_reference(live, scan, allocator, |addr| {
                // A word over which the VM has raised its top without writing it may name an object that died before this
                // cycle began, or a slot that a cache holds ready. Where nothing but its value speaks for a reference,
                // only the marker's word counts.
                if scan != StackScan::Words || allocator.is_base(addr, Bits::Mark) {
                    list.push(addr);
                }
            });
            list.push(stack);
        }
        list.extend((0..self.handles()).map(|index| self.handle(index)));
        // A source that panics now has reported to the marker: what it does not list here is just not compared.
        let visit = || self.visit_sources(&mut RootVisitor::into_list(collector, list));
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(visit));
    }

    /// Number of handles.
    pub fn handles(&self) -> usize {
        // SAFETY: [handshake.one-actor]; no reference to the list outlives a call.
        unsafe { &*self.handles.get() }.len()
    }

    /// The object that a handle holds.
    ///
    /// # Panics
    /// If there are no more than `index` handles.
    #[inline]
    pub fn handle(&self, index: usize) -> usize {
        // SAFETY: as in `handles`.
        let handles = unsafe { &*self.handles.get() };
        handles[index]
    }

    /// Adds a handle and returns its index.
    pub fn add_handle(&self, object: usize) -> usize {
        // SAFETY: as in `handles`.
        let handles = unsafe { &mut *self.handles.get() };
        handles.push(object);
        handles.len() - 1
    }

    /// Drops all handles from index `len` on.
    pub fn truncate_handles(&self, len: usize) {
        // SAFETY: as in `handles`.
        unsafe { &mut *self.handles.get() }.truncate(len);
    }

    /// Adds a root source, visited from now on until the mutator detaches.
    pub fn add_source(&self, source: Box<dyn RootSource>) {
        // SAFETY: [handshake.one-actor]; the reference ends with this call.
        unsafe { &mut *self.sources.get() }.push(source);
    }

    /// Suspends the running stack, if there is one, and runs on `to` (0: on none), whose slots hold what `scan` says.
    ///
    /// # Safety
    /// 1. The caller is the mutator's thread. 2. `to` is 0 or the address of a live stack of this heap, and `scan` is its
    ///    layout's.
    pub unsafe fn switch_stack(&self, to: usize, scan: StackScan, collector: &Collector) {
        let (from, from_scan) = self.stack.get();
        if from == to {
            return;
        }
        if from != 0 {
            // SAFETY: the running stack is a live object.
            let header = unsafe { &*(from as *const StackHeader) };
            if self.barrier.mode() == BarrierMode::Both {
                // [stack.rescan]
                self.shade_stack(header, from_scan, collector);
            }
            may_switch();
            header.suspend();
            self.stack.set((0, StackScan::Words));
        }
        if to != 0 {
            // SAFETY: by 2.
            let header = unsafe { &*(to as *const StackHeader) };
            may_switch();
            if header.resume(self.marking_cycle.get()) {
                // [stack.scan-before-run]
                self.shade_stack(header, scan, collector);
            }
            // Not before: if another mutator runs on the stack, it is not this one's, whoever catches the panic.
            self.stack.set((to, scan));
        }
    }

    /// Address of the running stack; 0 for none.
    pub fn running_stack(&self) -> usize {
        self.stack.get().0
    }

    /// Takes all root sources out: the mutator detaches.
    pub(crate) fn take_sources(&self) -> Vec<Box<dyn RootSource>> {
        // SAFETY: [handshake.one-actor]; the reference ends with this call.
        std::mem::take(unsafe { &mut *self.sources.get() })
    }
}

/// Calls `visit` with every object that the slots at the addresses `live` refer to: see `parts` for why words are checked.
fn for_each_reference(live: Range<usize>, scan: StackScan, allocator: &Allocator, mut visit: impl FnMut(usize)) {
    // SAFETY: callers pass the live part of a stack's block, which consists of atomic words.
    let load = |addr: usize| unsafe { &*(addr as *const AtomicUsize) }.load(Ordering::Relaxed);
    match scan {
        StackScan::Pairs(threshold) => {
            for pair in live.step_by(2 * WORD).filter(|&pair| load(pair) >= threshold) {
                let payload = load(pair + WORD);
                if allocator.is_base(payload, Bits::Alloc) {
                    visit(payload);
                }
            }
        }
        StackScan::Words => {
            live.step_by(WORD).filter_map(|word| allocator.resolve(load(word))).for_each(|found| visit(found.base));
        }
    }
}
