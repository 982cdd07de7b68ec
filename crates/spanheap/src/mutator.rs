//! `Mutator`: one thread's access to a heap. Every allocation, every store, every safepoint goes through it.
//!
//! Here are its life and its safepoints; `class` and `allocate` make objects, `store` changes them, `stack_methods` runs
//! VM stacks, `raw` is for objects without Rust types, `jit` for generated code.
//!
//! *Callers:* users, inside [`Heap::attach`]. *Invariants:* methods that take `&self` never run a handshake, so that every
//! [`Gc`] borrowed from the mutator stays good; methods that take `&mut self` may, and no `Gc` survives them: the
//! borrow checker sees to both.

use crate::class::{KNOWN_TYPES, Known};
use crate::heap::{Heap, HeapShared};
use crate::jit::JitContext;
use crate::reference::{Brand, Gc};
use crate::root::Root;
use crate::stats::CycleReport;
use crate::step::Step;
use spanheap_collector::{Charging, Collector, Local, MutatorRecord, Rule};
use spanheap_collector::{REMIND_COLLECT, REMIND_SLICE, REMIND_THROTTLE};
use spanheap_sync::Arc;
use std::cell::{Cell, OnceCell};
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Duration;

/// The longest slice of a cycle that a safepoint does once the heap has grown far beyond its goal.
const THROTTLED_SLICE: Duration = Duration::from_micros(1000);

/// One thread's access to the heap of brand `'h`.
///
/// A thread that is attached must reach a [safepoint](Mutator::safepoint) now and then, or be in a
/// [native region](Mutator::native): a cycle waits for it otherwise.
pub struct Mutator<'h> {
    record: Arc<MutatorRecord>,
    pub(crate) heap: Arc<HeapShared>,
    /// The cursors of types seen lately, by a hash of the type.
    pub(crate) known: [Cell<Option<Known>>; KNOWN_TYPES],
    /// Open handle scopes.
    pub(crate) scopes: Cell<usize>,
    /// What generated code is given, once it was asked for.
    pub(crate) jit: OnceCell<Arc<JitContext>>,
    brand: Brand<'h>,
    /// Handshakes reach this mutator by its thread: it must stay there.
    not_send: PhantomData<*mut ()>,
}

impl<'h> Mutator<'h> {
    pub(crate) fn attach(heap: &Heap) -> Mutator<'h> {
        Mutator {
            record: heap.shared.collector.attach(),
            heap: Arc::clone(&heap.shared),
            known: [const { Cell::new(None) }; KNOWN_TYPES],
            scopes: Cell::new(0),
            jit: OnceCell::new(),
            brand: PhantomData,
            not_send: PhantomData,
        }
    }

    /// The heap.
    pub fn heap(&self) -> Heap {
        Heap { shared: Arc::clone(&self.heap) }
    }

    #[inline(always)]
    pub(crate) fn collector(&self) -> &Arc<Collector> {
        &self.heap.collector
    }

    pub(crate) fn record(&self) -> &Arc<MutatorRecord> {
        &self.record
    }

    #[inline(always)]
    pub(crate) fn local(&self) -> &Local {
        // SAFETY: a Mutator stays on its thread and is running, except inside `native`, which has it borrowed.
        unsafe { self.record.local() }
    }

    #[inline(always)]
    #[track_caller]
    pub(crate) fn charging(&self) -> Charging<'_> {
        Charging { collector: &self.heap.collector, record: &self.record, at: Location::caller() }
    }

    // ---- roots ----------------------------------------------------------------------------------------------

    /// A handle that keeps an object alive until it is dropped.
    pub fn root<T>(&self, object: Gc<'_, 'h, T>) -> Root<T> {
        let barrier = &self.local().barrier;
        if barrier.is_on() {
            if barrier.is_watched() {
                self.collector().expect_object(Rule::R1, "is rooted", object.addr());
            }
            barrier.before_store(0, object.addr(), &self.collector().grey);
        }
        Root::new(self.collector(), object.addr())
    }

    // ---- safepoints -----------------------------------------------------------------------------------------

    /// Whether someone waits for this mutator's safepoint: one load.
    #[inline(always)]
    pub fn poll(&self) -> bool {
        self.record.handshake.poll()
    }

    /// Number of cycles begun.
    pub fn cycle_number(&self) -> u64 {
        self.collector().cycle_number()
    }

    /// A point at which this thread holds no references but rooted ones. Costs one load unless someone waits.
    #[inline(always)]
    pub fn safepoint(&mut self) {
        if self.poll() {
            self.answer();
        }
    }

    #[cold]
    fn answer(&mut self) {
        answer(&self.record, self.collector());
    }

    /// Runs a whole collection that begins now, and waits for it: what this thread does not hold rooted, and nothing else
    /// holds, is dead afterwards.
    pub fn collect(&mut self) -> CycleReport {
        let collector = Arc::clone(self.collector());
        let report = self.native(|| collector.collect());
        CycleReport::new(report, Arc::clone(&self.heap))
    }

    /// Asks for a collection if none runs, and advances it for about `budget`.
    ///
    /// In a heap with a background thread that thread does the work, and this one waits for it no longer than `budget`. In a
    /// heap without, this thread does it: a piece of work may last some 50 µs beyond the time, a step of the verifier or of
    /// a heap that [stops the world](crate::HeapBuilder::stop_the_world) as long as it takes. Mutators that do not
    /// answer are not waited for.
    pub fn step(&mut self, budget: Duration) -> Step {
        let collector = Arc::clone(self.collector());
        let progress = self.native(|| collector.step(budget));
        Step::new(progress, &self.heap)
    }

    /// Runs code that does not touch the heap and may take long: reading a file, sleeping, waiting for another thread.
    /// The collector acts for this mutator meanwhile.
    pub fn native<R>(&mut self, work: impl FnOnce() -> R) -> R {
        native(&self.record, self.collector(), work)
    }
}

/// Does what waits for a mutator's safepoint. It is given no [`Mutator`]: a loop with stores and safepoints can then hold
/// the record's address in a register, for both tests, and need not load it again after every store.
pub(crate) fn answer(record: &MutatorRecord, collector: &Arc<Collector>) {
    let reminders = collector.safepoint(record);
    if reminders & REMIND_COLLECT != 0 {
        collector.zeal.count_forced();
        native(record, collector, || collector.collect());
    } else if reminders & REMIND_THROTTLE != 0 {
        native(record, collector, || collector.await_running_cycle(THROTTLED_SLICE));
    } else if reminders & REMIND_SLICE != 0 {
        // Slice by slice, and at a safepoint in between.
        while {
            let paid = native(record, collector, || collector.assist());
            collector.pay(record, paid)
        } {}
    }
}

/// Runs code in a native region.
fn native<R>(record: &MutatorRecord, collector: &Collector, work: impl FnOnce() -> R) -> R {
    struct Leave<'a>(&'a MutatorRecord);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.handshake.leave_native();
        }
    }
    let result = {
        record.handshake.enter_native();
        collector.linger();
        let _leave = Leave(record);
        work()
    };
    if record.handshake.poll() {
        let reminders = collector.safepoint(record);
        // A wish to collect, or to wait, is kept for the next safepoint: this one may stand inside it.
        if reminders != 0 {
            record.handshake.remind(reminders);
        }
    }
    result
}

impl Drop for Mutator<'_> {
    fn drop(&mut self) {
        self.heap.collector.detach(&self.record);
    }
}
