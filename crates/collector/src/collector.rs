//! The collector of one heap: its parts, and what the pacer knows of it.
//!
//! *Callers:* the mutator layer attaches, allocates, asks for cycles; `cycle` runs one. *Invariants:* the parts lie open to
//! this crate's other files, of which each has methods of its own: `registry` those on mutators, `requests` those on
//! cycles and the thread that runs them, `charging` those that allocation calls.

use crate::assisting::Assisting;
use crate::event::Listener;
use crate::external::External;
use crate::grey::GreyQueue;
use crate::handshake_times::Histogram;
use crate::host_check::HostCheck;
use crate::marker::Marker;
use crate::options::Options;
use crate::pacer::limit::Full;
use crate::pacer::pace::Marking;
use crate::pacer::{self, Observation, Pace, Pressure, Snapshot, Strain, workers};
use crate::parts::Parts;
use crate::phase::{Phase, PhaseWord};
use crate::registry::Registry;
use crate::report::Totals;
use crate::requests::Requests;
use crate::roots::RootTable;
use crate::workers::Workers;
use crate::zeal::{Buffers, Zeal};
use spanheap_allocator::{Allocator, AllocatorOptions};
use spanheap_memory::Memory;
use spanheap_sync::time::Instant;
use spanheap_sync::word::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use spanheap_sync::{Arc, IS_MODEL, Mutex, Rank};
use std::sync::OnceLock;
use std::time::Duration;

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
    /// Parts of stacks that wait for the marker.
    pub(crate) parts: Parts,
    pub(crate) phase: PhaseWord,
    /// Whoever advances the cycle has stopped the world for all of it.
    pub(crate) holds_world: AtomicBool,
    /// Handshake work in this cycle.
    pub(crate) cycle_times: Histogram,
    pub(crate) listener: Option<Arc<dyn Listener>>,
    /// A root source failed: nothing may be freed in this cycle.
    pub(crate) keep_all: AtomicBool,
    /// Bytes handed out since the last cycle.
    pub(crate) charged: AtomicUsize,
    pub(crate) trigger: AtomicUsize,
    pub(crate) throttle: AtomicUsize,
    goal: AtomicUsize,
    pub(crate) pacing: Mutex<Pacing>,
    pub(crate) assisting: Assisting,
    cores: OnceLock<usize>,
    /// Bytes of a new stack's slots.
    initial_stack: AtomicUsize,
    pub(crate) workers: Workers,
    /// The marker between cycles: it keeps its memory.
    pub(crate) marker: Mutex<Option<Marker>>,
    pub(crate) requests: Requests,
    /// What the options for tests have done.
    pub zeal: Zeal,
    pub(crate) buffers: &'static Buffers,
    /// What the host does, where that is watched.
    pub(crate) host_check: Option<Box<HostCheck>>,
}

/// What the pacer remembers from cycle to cycle.
pub(crate) struct Pacing {
    /// Bytes in slots and stacks that the last cycle found live.
    live: usize,
    pub(crate) external: External,
    /// When handed-out bytes were last counted anew.
    counted_from: Instant,
    pub(crate) pace: Option<Pace>,
    strain: Strain,
    /// When the last cycle ended, and how many seconds it took.
    ended: Option<(Instant, f64)>,
    /// Bytes that may be handed out until the next cycle has ended.
    pub(crate) room: usize,
    /// Bytes of what is live for each unit of marking work.
    pub(crate) bytes_per_unit: usize,
}

impl Pacing {
    fn new() -> Pacing {
        Pacing {
            live: 0,
            external: External::default(),
            counted_from: Instant::now(),
            pace: None,
            strain: Strain::default(),
            ended: None,
            room: 0,
            bytes_per_unit: 1,
        }
    }

    fn snapshot(&self, options: &Options) -> Snapshot {
        Snapshot {
            live: self.live,
            external: self.external.settled,
            roots: 0,
            growth: options.growth,
            pace: self.pace,
            initial_goal: options.initial_goal,
            soft_limit: options.soft_limit,
            limit: options.limit,
            strain: self.strain,
        }
    }
}

impl Collector {
    /// The parts of a heap; nothing is mapped and no thread runs before they are needed.
    pub fn new(memory: Arc<Memory>, options: Options) -> Collector {
        let collector = Collector {
            allocator: Allocator::new(
                memory,
                AllocatorOptions {
                    limit: options.limit,
                    base: options.base,
                    huge_pages: options.huge_pages,
                    poison: options.poison,
                    guard: options.guard,
                    tell_each: options.check_host,
                    fail_allocation: options.fail_allocation,
                },
            ),
            grey: GreyQueue::new(),
            roots: RootTable::new(),
            totals: Totals::default(),
            options,
            registry: Mutex::new(Rank::MutatorRegistry, Registry::new()),
            cycle: AtomicU64::new(0),
            marking_generation: AtomicU32::new(0),
            automatic: AtomicBool::new(true),
            parts: Parts::new(),
            phase: PhaseWord::new(),
            holds_world: AtomicBool::new(false),
            cycle_times: Histogram::default(),
            listener: None,
            keep_all: AtomicBool::new(false),
            charged: AtomicUsize::new(0),
            trigger: AtomicUsize::new(0),
            throttle: AtomicUsize::new(0),
            goal: AtomicUsize::new(0),
            pacing: Mutex::new(Rank::Pacing, Pacing::new()),
            assisting: Assisting::default(),
            cores: OnceLock::new(),
            initial_stack: AtomicUsize::new(options.initial_stack),
            workers: Workers::new(options.background && !IS_MODEL),
            marker: Mutex::new(Rank::Marker, None),
            requests: Requests::new(options.background),
            zeal: Zeal::default(),
            buffers: Buffers::of(&options),
            host_check: options.check_host.then(HostCheck::new),
        };
        collector.replan(&mut collector.pacing.lock());
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

    /// Where the cycle is.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Heap generation at which the current (or last) marking began.
    pub(crate) fn marking_generation(&self) -> u32 {
        self.marking_generation.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_cycle(&self) -> u64 {
        self.marking_generation.store(self.allocator.generation(), Ordering::Relaxed);
        self.cycle.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Plans anew with what is known. The plan changes under the lock only, so that the last one stays.
    pub(crate) fn replan(&self, pacing: &mut Pacing) {
        let plan = pacer::plan(pacing.snapshot(&self.options));
        pacing.room = plan.room;
        self.trigger.store(plan.trigger, Ordering::Relaxed);
        self.throttle.store(plan.throttle, Ordering::Relaxed);
        self.goal.store(plan.goal, Ordering::Relaxed);
    }

    /// Tells the pacer what a cycle has shown, which has found `live` bytes in slots and stacks, and plans the next one.
    /// Returns how hard the limits press, if that has changed.
    pub(crate) fn learn(
        &self,
        live: usize,
        cycle: Duration,
        (allocated, elapsed): (usize, f64),
        marking: Option<Marking>,
    ) -> Option<Pressure> {
        let mut pacing = self.pacing.lock();
        let seen = Observation { cycle: cycle.as_secs_f64(), allocated, elapsed, marking };
        pacing.live = live;
        pacing.ended = Some((Instant::now(), seen.cycle));
        pacing.pace = Pace::learn(pacing.pace, &seen);
        let before = pacing.strain.pressure();
        pacing.strain = pacing.strain.learn(&pacing.snapshot(&self.options), &seen);
        let work = marking.map_or(0, |marking| marking.work).max(1);
        pacing.bytes_per_unit = (live / usize::try_from(work).unwrap_or(usize::MAX)).max(1);
        self.replan(&mut pacing);
        Some(pacing.strain.pressure()).filter(|&pressure| pressure != before)
    }

    /// Whether to collect for an allocation that does not fit: false if cycle after cycle has taken most of the time and freed
    /// next to nothing, and mutators have not had as much time since the last one as it took.
    pub fn is_worth_collecting(&self) -> bool {
        let pacing = self.pacing.lock();
        let full = |(ended, cycle): (Instant, f64)| pacing.strain.when_full(ended.elapsed().as_secs_f64(), cycle);
        pacing.ended.is_none_or(|ended| full(ended) == Full::Collect)
    }

    /// How hard the limits press.
    pub fn pressure(&self) -> Pressure {
        self.pacing.lock().strain.pressure()
    }

    /// Cores that this process may use.
    pub(crate) fn cores(&self) -> usize {
        *self.cores.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// Threads that the next cycle should mark with.
    pub(crate) fn wanted_workers(&self) -> usize {
        if self.options.workers == 1 {
            return 1;
        }
        let live = self.pacing.lock().live;
        let most = workers::marking_workers(self.cores(), self.options.cpu_share, self.running_mutators(), live);
        self.options.workers.min(most)
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
        pacing.external.settle();
        let elapsed = std::mem::replace(&mut pacing.counted_from, Instant::now()).elapsed();
        (self.charged.swap(0, Ordering::Relaxed), elapsed.as_secs_f64())
    }
}
