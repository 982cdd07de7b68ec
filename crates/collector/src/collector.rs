//! The collector of one heap: its parts, its registry of mutators, and the thread that runs cycles.
//!
//! *Callers:* the mutator layer attaches, allocates, asks for cycles; `cycle` runs one. *Invariants:*
//! - A mutator that attaches takes the state that the current handshake asks of the others (`Registry::mode`), so that
//!   no handshake needs to wait for it or to know of it.
//! - One cycle runs at a time; whoever runs it owns every duty that this crate calls the collector's.
//!
//! *Locks:* `Rank::Cycle` for requests and completion, `Rank::MutatorRegistry` for the registry; neither is held while
//! a handshake or a stop waits: a mutator that wants the lock meanwhile would never answer. What keeps new mutators
//! out of a stopped world is `Registry::stopped`.

use crate::barrier::BarrierMode;
use crate::grey::GreyQueue;
use crate::mutator::{MutatorRecord, REMIND_COLLECT, REMIND_THROTTLE, Request};
use crate::pacer::{self, Pace, Plan, Snapshot};
use crate::report::{CycleReport, Totals};
use crate::roots::RootTable;
use crate::stack::StackScan;
use crate::workers::Workers;
use spanheap_allocator::span::{SpanRef, Swept};
use spanheap_allocator::{Allocator, AllocatorOptions, BaseAddress, HugePages, MIN_BLOCK, Reclaim, SpanClass};
use spanheap_allocator::{SweptMany, TagScheme};
use spanheap_memory::Memory;
use spanheap_sync::word::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use spanheap_sync::{Arc, Backoff, Condvar, Mutex, Rank, thread};
use std::time::{Duration, Instant};

/// Settings of a heap.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much the heap may grow over what is live before the next cycle ends, in percent.
    pub growth_percent: u32,
    /// The heap may always grow to this many bytes.
    pub initial_goal: usize,
    /// Most bytes of pages that objects may have.
    pub limit: usize,
    /// Where the arenas begin.
    pub base: BaseAddress,
    /// Bytes of a new stack's slots: a power of two of at least 2 KiB.
    pub initial_stack: usize,
    /// New stacks are as large as the stacks of the last cycle needed on average, and at least `initial_stack`.
    pub adaptive_stacks: bool,
    /// Most bytes of one stack's slots: a power of two, at least `initial_stack`.
    pub stack_limit: usize,
    /// When to ask for huge pages.
    pub huge_pages: HugePages,
    /// How one-word host values hide references.
    pub tags: Option<TagScheme>,
    /// Run the verifier in every cycle.
    pub verify: bool,
    /// Collect at a safepoint after about every n-th allocation.
    pub collect_every: Option<u32>,
    /// Fill freed slots with a pattern.
    pub poison: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            growth_percent: 100,
            initial_goal: 16 << 20,
            limit: usize::MAX,
            base: BaseAddress::Random,
            initial_stack: MIN_BLOCK,
            adaptive_stacks: false,
            stack_limit: 64 << 20,
            huge_pages: HugePages::default(),
            tags: None,
            verify: false,
            collect_every: None,
            poison: false,
        }
    }
}

/// The heap below the mutator layer.
pub struct Collector {
    /// Where the objects lie.
    pub allocator: Allocator,
    /// Grey objects on their way to the marker.
    pub grey: GreyQueue,
    /// Root handles.
    pub roots: RootTable,
    /// What has happened so far.
    pub totals: Totals,
    pub(crate) options: Options,
    pub(crate) registry: Mutex<Registry>,
    /// Cycles begun.
    cycle: AtomicU64,
    /// Heap generation at which the current marking began.
    marking_generation: AtomicU32,
    /// Growth starts cycles. Off, only requests do.
    automatic: AtomicBool,
    /// A root source failed: nothing may be freed in this cycle.
    pub(crate) keep_all: AtomicBool,
    /// Bytes handed out since the last cycle.
    charged: AtomicUsize,
    trigger: AtomicUsize,
    throttle: AtomicUsize,
    goal: AtomicUsize,
    pacing: Mutex<Pacing>,
    /// Bytes of a new stack's slots.
    initial_stack: AtomicUsize,
    pub(crate) workers: Workers,
    control: Mutex<Control>,
    changed: Condvar,
}

pub(crate) struct Registry {
    pub(crate) records: Vec<Arc<MutatorRecord>>,
    /// The barrier of a mutator that attaches now.
    mode: BarrierMode,
    /// Whether it hands out new slots.
    hands_out_new: bool,
    /// The world is stopped or stopping: whoever wants to attach waits.
    stopped: bool,
}

/// What the pacer remembers from cycle to cycle.
struct Pacing {
    /// When handed-out bytes were last counted anew.
    counted_from: Instant,
    pace: Option<Pace>,
}

struct Control {
    /// Number of the cycle up to which cycles are wanted.
    wanted: u64,
    started: u64,
    completed: u64,
    last: Option<Arc<CycleReport>>,
    shutdown: bool,
    thread: Option<thread::JoinHandle<()>>,
}

impl Collector {
    /// The parts of a heap; nothing is mapped and no thread runs before they are needed.
    pub fn new(memory: Arc<Memory>, options: Options) -> Collector {
        let control = Control { wanted: 0, started: 0, completed: 0, last: None, shutdown: false, thread: None };
        let collector = Collector {
            allocator: Allocator::new(
                memory,
                AllocatorOptions {
                    limit: options.limit,
                    base: options.base,
                    huge_pages: options.huge_pages,
                    poison: options.poison,
                },
            ),
            grey: GreyQueue::new(),
            roots: RootTable::new(),
            totals: Totals::default(),
            options,
            registry: Mutex::new(
                Rank::MutatorRegistry,
                Registry { records: Vec::new(), mode: BarrierMode::Off, hands_out_new: false, stopped: false },
            ),
            cycle: AtomicU64::new(0),
            marking_generation: AtomicU32::new(0),
            automatic: AtomicBool::new(true),
            keep_all: AtomicBool::new(false),
            charged: AtomicUsize::new(0),
            trigger: AtomicUsize::new(0),
            throttle: AtomicUsize::new(0),
            goal: AtomicUsize::new(0),
            pacing: Mutex::new(Rank::Pacing, Pacing { counted_from: Instant::now(), pace: None }),
            initial_stack: AtomicUsize::new(options.initial_stack),
            workers: Workers::default(),
            control: Mutex::new(Rank::Cycle, control),
            changed: Condvar::new(),
        };
        collector.apply(collector.plan(0));
        collector
    }

    /// The settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Number of cycles begun.
    pub fn cycle_number(&self) -> u64 {
        self.cycle.load(Ordering::Relaxed)
    }

    /// Heap generation at which the current (or last) marking began.
    pub(crate) fn marking_generation(&self) -> u32 {
        self.marking_generation.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_cycle(&self) -> u64 {
        self.marking_generation.store(self.allocator.generation(), Ordering::Relaxed);
        self.keep_all.store(false, Ordering::Relaxed);
        self.cycle.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The pacer's plan for a heap with `live` bytes.
    pub(crate) fn plan(&self, live: usize) -> Plan {
        pacer::plan(Snapshot {
            live,
            growth_percent: self.options.growth_percent,
            pace: self.pacing.lock().pace,
            initial_goal: self.options.initial_goal,
            limit: self.options.limit,
        })
    }

    pub(crate) fn apply(&self, plan: Plan) {
        self.trigger.store(plan.trigger, Ordering::Relaxed);
        self.throttle.store(plan.throttle, Ordering::Relaxed);
        self.goal.store(plan.goal, Ordering::Relaxed);
    }

    /// Bytes that the next cycle should end at or below.
    pub fn goal(&self) -> usize {
        self.goal.load(Ordering::Relaxed)
    }

    /// Bytes that a new stack gets if it needs no more.
    pub fn initial_stack(&self) -> usize {
        self.initial_stack.load(Ordering::Relaxed)
    }

    /// Makes new stacks as large as the scans of this cycle found stacks to be, where that is wanted.
    pub(crate) fn adapt_stacks(&self) {
        if let (true, Some(average)) = (self.options.adaptive_stacks, self.allocator.stacks.take_average()) {
            let bytes = average.clamp(self.options.initial_stack, self.options.stack_limit).next_power_of_two();
            self.initial_stack.store(bytes, Ordering::Relaxed);
        }
    }

    /// Whether growth starts cycles.
    pub fn is_automatic(&self) -> bool {
        self.automatic.load(Ordering::Relaxed)
    }

    /// Lets growth start cycles, or not.
    pub fn set_automatic(&self, automatic: bool) {
        self.automatic.store(automatic, Ordering::Relaxed);
    }

    /// Bytes handed out since marking last ended.
    pub fn charged(&self) -> usize {
        self.charged.load(Ordering::Relaxed)
    }

    /// Starts to count handed-out bytes anew: marking has ended. Returns how many there were and in how many seconds.
    pub(crate) fn restart_charge(&self) -> (usize, f64) {
        let mut pacing = self.pacing.lock();
        let elapsed = std::mem::replace(&mut pacing.counted_from, Instant::now()).elapsed();
        (self.charged.swap(0, Ordering::Relaxed), elapsed.as_secs_f64())
    }

    /// Tells the pacer what a cycle has shown.
    pub(crate) fn learn_pace(&self, cycle: Duration, (allocated, elapsed): (usize, f64)) {
        let mut pacing = self.pacing.lock();
        pacing.pace = Pace::learn(pacing.pace, cycle.as_secs_f64(), allocated, elapsed);
    }

    // ---- mutators -------------------------------------------------------------------------------------------

    /// Attaches the calling thread.
    pub fn attach(&self) -> Arc<MutatorRecord> {
        let record = Arc::new(MutatorRecord::new(self.options.collect_every.unwrap_or(0)));
        let mut wait = Backoff::new();
        let mut registry = self.registry.lock();
        while registry.stopped {
            drop(registry);
            wait.pause();
            registry = self.registry.lock();
        }
        if registry.mode != BarrierMode::Off {
            // SAFETY: the record is this thread's and nobody else knows it yet.
            unsafe { record.local() }.barrier_on(self, registry.mode);
        }
        if registry.hands_out_new {
            // SAFETY: as above.
            unsafe { record.local() }.hand_out_new(self);
        }
        registry.records.push(Arc::clone(&record));
        record
    }

    /// Detaches a mutator: its log and its spans go back. Its thread must not use the record afterwards.
    pub fn detach(&self, record: &Arc<MutatorRecord>) {
        record.handshake.answer(Request::Stop as u32, |request| record.perform(request, self));
        // SAFETY: the mutator's thread, running.
        let local = unsafe { record.local() };
        // SAFETY: this thread; no stack to run on.
        unsafe { local.switch_stack(0, StackScan::Words, self) };
        local.clear_sources();
        local.barrier.flush(&self.grey);
        local.cache.flush(&self.allocator, self);
        self.registry.lock().records.retain(|other| !Arc::ptr_eq(other, record));
        // A handshake that still has the record in its list acts for it.
        record.handshake.enter_native();
    }

    /// Whether the calling thread has a running mutator on this heap, for which it could wait forever.
    pub fn is_attached(&self) -> bool {
        let this = std::thread::current().id();
        self.registry.lock().records.iter().any(|record| record.thread == this)
    }

    /// Number of attached mutators.
    pub fn mutators(&self) -> usize {
        self.registry.lock().records.len()
    }

    /// The slow part of a safepoint: answers what was asked. Returns the mutator's own reminders.
    pub fn safepoint(&self, record: &MutatorRecord) -> u32 {
        let handshake = &record.handshake;
        handshake.answer(Request::Stop as u32, |request| record.perform(request, self));
        handshake.take_reminders()
    }

    /// Asks every mutator for `request` and waits until all have answered.
    pub(crate) fn handshake(&self, request: Request) -> Duration {
        let records = {
            let mut registry = self.registry.lock();
            registry.mode = match request {
                Request::BarrierOn => BarrierMode::Both,
                Request::Roots => BarrierMode::Deletion,
                Request::BarrierOff => BarrierMode::Off,
                Request::Sync | Request::Flush | Request::Stop => registry.mode,
            };
            registry.hands_out_new = match request {
                Request::BarrierOn | Request::BarrierOff => false,
                Request::Sync => true,
                Request::Roots | Request::Flush | Request::Stop => registry.hands_out_new,
            };
            registry.records.clone()
        };
        for record in &records {
            record.handshake.request(request as u32);
        }
        let mut longest = Duration::ZERO;
        for record in &records {
            let mut wait = Backoff::new();
            while !record.handshake.is_answered() {
                if !record.handshake.act(|request| record.perform(request, self)) {
                    wait.pause();
                }
            }
        }
        self.totals.handshakes.fetch_add(1, Ordering::Relaxed);
        for record in &records {
            longest = longest.max(record.take_longest());
        }
        longest
    }

    /// Stops every mutator, calls `look` with their records, and lets them go on.
    pub(crate) fn stopped<R>(&self, look: impl FnOnce(&[Arc<MutatorRecord>]) -> R) -> R {
        let records = {
            let mut registry = self.registry.lock();
            registry.stopped = true;
            registry.records.clone()
        };
        for record in &records {
            record.handshake.request(Request::Stop as u32);
        }
        for record in &records {
            let mut wait = Backoff::new();
            while !record.handshake.try_act() {
                wait.pause();
            }
            record.handshake.clear_request();
        }
        let result = look(&records);
        for record in &records {
            record.handshake.end_act();
        }
        self.registry.lock().stopped = false;
        result
    }

    // ---- cycles ---------------------------------------------------------------------------------------------

    /// Asks for a cycle unless one is running, and does not wait.
    pub fn request_cycle(self: &Arc<Self>) {
        let mut control = self.control.lock();
        if control.started == control.completed {
            control.wanted = control.wanted.max(control.started + 1);
            self.wake(&mut control);
        }
    }

    /// Runs or awaits a whole cycle that begins after this call. The caller's own mutator must be in a native region.
    pub fn collect(self: &Arc<Self>) -> Arc<CycleReport> {
        let mut control = self.control.lock();
        let target = control.started + 1;
        control.wanted = control.wanted.max(target);
        let background = self.wake(&mut control);
        while control.completed < target {
            if !background && control.started == control.completed {
                drop(control);
                self.run_wanted();
                control = self.control.lock();
            } else {
                control = self.changed.wait(control);
            }
        }
        control.last.clone().expect("a completed cycle has a report")
    }

    /// Waits until no cycle is running. The caller's own mutator must be in a native region.
    pub fn await_running_cycle(&self) {
        let mut control = self.control.lock();
        let target = control.started.max(control.wanted);
        while control.completed < target && control.thread.is_some() {
            control = self.changed.wait(control);
        }
    }

    /// Asks for a cycle if none runs, and waits until one is completed, but at most `most`. True if one was. The
    /// caller's own mutator must be in a native region.
    pub fn progress(self: &Arc<Self>, most: Duration) -> bool {
        let mut control = self.control.lock();
        let target = control.completed + 1;
        control.wanted = control.wanted.max(target);
        if !self.wake(&mut control) {
            drop(control);
            self.run_wanted();
            return true;
        }
        if control.completed < target {
            control = self.changed.wait_timeout(control, most).0;
        }
        control.completed >= target
    }

    /// Whether a cycle is running or wanted.
    pub fn is_collecting(&self) -> bool {
        let control = self.control.lock();
        control.wanted > control.completed
    }

    /// The last completed cycle.
    pub fn last_report(&self) -> Option<Arc<CycleReport>> {
        self.control.lock().last.clone()
    }

    /// Wakes the collector's thread, which is started at the first request. False if the system gives no thread: then
    /// whoever waits for a cycle runs it.
    fn wake(self: &Arc<Self>, control: &mut Control) -> bool {
        if control.thread.is_none() && !control.shutdown {
            let collector = Arc::clone(self);
            let builder = thread::Builder::new().name("spanheap".into());
            control.thread = builder.spawn(move || collector.serve()).ok();
        }
        self.changed.notify_all();
        control.thread.is_some()
    }

    fn serve(&self) {
        let mut control = self.control.lock();
        while !control.shutdown {
            if control.wanted > control.completed {
                drop(control);
                self.run_wanted();
                control = self.control.lock();
            } else {
                control = self.changed.wait(control);
            }
        }
    }

    fn run_wanted(&self) {
        {
            let mut control = self.control.lock();
            if control.started != control.completed || control.wanted <= control.completed {
                return;
            }
            control.started += 1;
        }
        let cycle = std::panic::AssertUnwindSafe(|| self.run_cycle());
        let Ok(report) = std::panic::catch_unwind(cycle) else {
            // The mutators wait for this cycle, and the heap is in no state to go on: the panic has said why.
            eprintln!("spanheap: a collection cycle failed; the heap can not be used any more");
            std::process::abort();
        };
        let report = Arc::new(report);
        let mut control = self.control.lock();
        control.completed = control.started;
        control.last = Some(report);
        drop(control);
        self.changed.notify_all();
    }

    /// Ends the collector's thread. No mutator is attached any more.
    pub fn shut_down(&self) {
        let thread = {
            let mut control = self.control.lock();
            control.shutdown = true;
            self.changed.notify_all();
            control.thread.take()
        };
        if let Some(thread) = thread {
            // The thread does not panic: a cycle that fails ends the process.
            let _ = thread.join();
        }
    }
}

impl Reclaim for Collector {
    fn charge(&self, bytes: usize) {
        self.charged.fetch_add(bytes, Ordering::Relaxed);
    }

    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept {
        let swept = self.allocator.sweep(class, span, self.keep_all.load(Ordering::Relaxed));
        let mut counted = SweptMany::default();
        counted.add(swept, span.slot_size() as u64);
        self.totals.count_sweep(counted);
        swept
    }
}

/// The collector as a mutator's allocations see it.
pub struct Charging<'a> {
    /// The heap.
    pub collector: &'a Arc<Collector>,
    /// The mutator that allocates.
    pub record: &'a MutatorRecord,
}

impl Reclaim for Charging<'_> {
    fn charge(&self, bytes: usize) {
        let collector = self.collector;
        let charged = collector.charged.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if charged >= collector.trigger.load(Ordering::Relaxed) && collector.is_automatic() {
            if charged - bytes < collector.trigger.load(Ordering::Relaxed) || !collector.is_collecting() {
                collector.request_cycle();
            }
            if charged >= collector.throttle.load(Ordering::Relaxed) {
                self.record.handshake.remind(REMIND_THROTTLE);
            }
        }
    }

    fn portion_used(&self) {
        self.record.handshake.remind(REMIND_COLLECT);
    }

    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept {
        Reclaim::reclaim(&**self.collector, class, span)
    }
}
