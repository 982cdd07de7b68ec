//! `Heap`: a heap is a value; this file makes, configures and drops it.
//!
//! *Callers:* users. *Invariants:* a heap's memory lives until the last handle, mutator and root of it are gone; its
//! thread ends with the last `Heap` handle.

use crate::error::{AttachError, CollectError, HeapError};
use crate::mutator::Mutator;
use crate::stats::{self, CycleReport, HeapCounts, HeapStats};
use crate::types::Types;
use spanheap_allocator::{BaseAddress, HugePages, MIN_BLOCK, TagScheme};
use spanheap_collector::{Collector, Growth, HandshakeTimes, Listener, Options, Phase, Pressure, SpawnThread};
use spanheap_memory::{Memory, Os};
use spanheap_sync::Arc;
use std::time::Duration;

/// A garbage-collected heap. Clone the handle freely; send it to other threads.
#[derive(Clone)]
pub struct Heap {
    pub(crate) shared: Arc<HeapShared>,
}

/// What all handles and mutators of a heap share.
pub(crate) struct HeapShared {
    pub(crate) collector: Arc<Collector>,
    pub(crate) types: Types,
}

impl Drop for HeapShared {
    fn drop(&mut self) {
        self.collector.shut_down();
    }
}

/// The bits of a word that differ between the addresses of objects.
const ADDRESS: usize = (1 << 48) - 8;

/// Fewest free pages in a row that [`Heap::trim`] gives back outside of whole units.
const LEAST_RUN: usize = 1;

impl Heap {
    /// A heap with default options. Nothing is mapped before the first allocation.
    ///
    /// # Errors
    /// None with default options.
    pub fn new() -> Result<Heap, HeapError> {
        Heap::builder().build()
    }

    /// Options for a heap.
    pub fn builder() -> HeapBuilder {
        HeapBuilder {
            options: Options::default(),
            os: None,
            listener: None,
            spawn: None,
            limit: None,
            ignore_cgroup: false,
            environment: None,
        }
    }

    /// Attaches the calling thread while `work` runs: its mutator allocates, reads and writes objects.
    ///
    /// Every call has a brand `'h` of its own, so that references of one heap can not get into another.
    ///
    /// # Errors
    /// [`AttachError::AlreadyAttached`].
    pub fn attach<R>(&self, work: impl for<'h> FnOnce(&mut Mutator<'h>) -> R) -> Result<R, AttachError> {
        if self.shared.collector.is_attached() {
            return Err(AttachError::AlreadyAttached);
        }
        Ok(work(&mut Mutator::attach(self)))
    }

    /// Asks for a collection and does not wait for it.
    pub fn request_collection(&self) {
        self.shared.collector.request_cycle();
    }

    /// Runs a whole collection that begins after this call, and waits for it.
    ///
    /// # Errors
    /// [`CollectError::Attached`] if the calling thread has a mutator: use [`Mutator::collect`].
    pub fn collect(&self) -> Result<CycleReport, CollectError> {
        if self.shared.collector.is_attached() {
            return Err(CollectError::Attached);
        }
        Ok(CycleReport::new(self.shared.collector.collect(), Arc::clone(&self.shared)))
    }

    /// Where the collection in progress is; [`Phase::Idle`] if there is none.
    pub fn phase(&self) -> Phase {
        self.shared.collector.phase()
    }

    /// What mutators have spent on handshakes since the heap was made, or since this was last reset. A mutator's own work
    /// counts, not what others wait for it.
    pub fn handshake_times(&self) -> HandshakeTimes {
        self.shared.collector.totals.handshake_times()
    }

    /// Starts [`Heap::handshake_times`] and [`HeapStats::longest_handshake`] anew.
    pub fn reset_handshake_times(&self) {
        self.shared.collector.totals.reset_handshake_times();
    }

    /// Lets growth start collections (as it does in a new heap), or leaves them to explicit requests.
    pub fn set_automatic_collection(&self, automatic: bool) {
        self.shared.collector.set_automatic(automatic);
    }

    /// Whether growth starts collections.
    pub fn is_automatic_collection(&self) -> bool {
        self.shared.collector.is_automatic()
    }

    /// Gives free memory back to the operating system, all but about `keep` bytes of it. Returns the bytes given back.
    ///
    /// Memory becomes free when a collection finds it so: collect first. Units of 2 MiB that hold no object at all go first;
    /// then, as this is asked for and so worth a system call for each, free runs of pages between spans. If nothing is to be
    /// kept, the free system pages between the objects of spans go too; they stay committed, and come back when they
    /// are used again.
    pub fn trim(&self, keep: usize) -> usize {
        let allocator = &self.shared.collector.allocator;
        allocator.stacks.drain_pools(&allocator.pages);
        let returned = allocator.pages.trim_pages(keep, LEAST_RUN);
        if keep > 0 { returned } else { returned + allocator.trim_spans() }
    }

    /// Most bytes of pages that objects may have: what [`HeapBuilder::limit`] set, or what the control group allowed when the
    /// heap was made. `None` if nothing limits it.
    pub fn limit(&self) -> Option<usize> {
        Some(self.shared.collector.options().limit).filter(|&limit| limit != usize::MAX)
    }

    /// How hard the limits press, as the last collection has shown.
    pub fn pressure(&self) -> Pressure {
        self.shared.collector.pressure()
    }

    /// Whether it is worth to collect when an allocation does not fit below the limit. False if collection after collection
    /// has taken most of the time and freed next to nothing: then the program is out of memory, and should hear of it,
    /// instead of collecting for ever. Once mutators have had as much time as the last collection took, it is worth a try
    /// again.
    pub fn is_worth_collecting(&self) -> bool {
        self.shared.collector.is_worth_collecting()
    }

    /// A few figures as they are now. Takes time in proportion to the number of types.
    pub fn counts(&self) -> HeapCounts {
        stats::count(&self.shared)
    }

    /// All figures as they are now. Takes time in proportion to the number of spans, and no thread waits for it longer than
    /// for a few instructions.
    pub fn stats(&self) -> HeapStats {
        stats::gather(&self.shared)
    }
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").field("cycles", &self.shared.collector.cycle_number()).finish_non_exhaustive()
    }
}

/// How much of the control group's memory a heap takes for its pages where no limit was set, in eighths.
///
/// The rest is for what else counts against the group: the heap's side tables (a thirty-second of the pages) and its grey
/// queue, and the host's code, stacks and own data. To collect somewhat earlier costs time; to be ended by the
/// system costs everything. A host that knows its needs better sets a limit.
const CGROUP_EIGHTHS: u64 = 6;

/// The least that the goal and the limit may be, in bytes.
const LEAST: usize = 64 << 10;

/// Options of a heap that is to be made.
pub struct HeapBuilder {
    pub(crate) options: Options,
    os: Option<Box<dyn Os>>,
    listener: Option<Arc<dyn Listener>>,
    spawn: Option<Arc<SpawnThread>>,
    limit: Option<usize>,
    ignore_cgroup: bool,
    environment: Option<HeapError>,
}

impl HeapBuilder {
    /// The heap may always grow to this many bytes before it collects. Default: 4 MiB. At least 64 KiB.
    pub fn initial_goal(mut self, bytes: usize) -> HeapBuilder {
        self.options.initial_goal = bytes;
        self
    }

    /// How much the heap may grow over what is live before the next collection ends, in percent. Default: 150. From 1 to
    /// 10,000. It grows less where collections are cheap: see docs/pacing.md.
    pub fn growth_percent(mut self, percent: u32) -> HeapBuilder {
        self.options.growth = Growth::Percent(percent);
        self
    }

    /// Lets the heap grow by the square-root rule instead of a percentage: `bytes_per_core` bytes of memory are worth one
    /// core. Many heaps with the same figure share the memory of one machine well. At least 1 MiB.
    pub fn growth_square_root(mut self, bytes_per_core: usize) -> HeapBuilder {
        self.options.growth = Growth::SquareRoot { bytes_per_core };
        self
    }

    /// The heap should not exceed this many bytes: near it, it collects more often. It exceeds it where what is live leaves
    /// no room, and where collecting would take more than half of the time; [`Event::Pressure`](crate::Event::Pressure)
    /// tells. Default: none. At least 64 KiB; `usize::MAX` is none.
    pub fn soft_limit(mut self, bytes: usize) -> HeapBuilder {
        self.options.soft_limit = bytes;
        self
    }

    /// Threads that may mark side by side. Used are as many as the [`cpu_share`](HeapBuilder::cpu_share) and the size of
    /// the heap allow, and no more than the next lower power of two. Default: 1, which is fastest on few cores for all but
    /// bushy graphs. From 1 to 256.
    pub fn marking_threads(mut self, threads: usize) -> HeapBuilder {
        self.options.workers = threads;
        self
    }

    /// How the threads of the heap's pool are started, which mark side by side and help the verifier: `spawn` is to call what
    /// it is given on a thread of its own, and must not wait for it. The calls return when the heap ends. If it fails, the
    /// heap does without. Default: threads of the standard library.
    pub fn spawn_threads(mut self, spawn: Arc<SpawnThread>) -> HeapBuilder {
        self.spawn = Some(spawn);
        self
    }

    /// Percent of the cores that may mark while mutators run; at least one thread does. While all mutators wait, all cores
    /// may. Default: 25. From 1 to 100.
    pub fn cpu_share(mut self, percent: u32) -> HeapBuilder {
        self.options.cpu_share = percent;
        self
    }

    /// Most bytes of pages that objects may have; allocation beyond it is an error. Default: three quarters of the memory
    /// that the process's control group allows when the heap is made, or none. At least 64 KiB; `usize::MAX` is none.
    pub fn limit(mut self, bytes: usize) -> HeapBuilder {
        self.limit = Some(bytes);
        self
    }

    /// Do not look at the control group's memory limit: without a limit of its own the heap has none. Default: false.
    pub fn ignore_cgroup_limit(mut self, ignore: bool) -> HeapBuilder {
        self.ignore_cgroup = ignore;
        self
    }

    /// Check the whole heap in every cycle, with all mutators stopped, and end the process if it is corrupt. For tests.
    pub fn verify(mut self, verify: bool) -> HeapBuilder {
        self.options.verify = verify;
        self
    }

    /// Collect at the next safepoint after about every n-th allocation. For tests. At least 1.
    pub fn collect_every(mut self, allocations: Option<u32>) -> HeapBuilder {
        self.options.collect_every = allocations;
        self
    }

    /// Fill freed slots with a pattern, so that a stale reference shows. For tests.
    pub fn poison(mut self, poison: bool) -> HeapBuilder {
        self.options.poison = poison;
        self
    }

    /// Bytes of the slots of a new stack that asks for no more. A power of two from 2048 to the stack limit. Default: 2048,
    /// which is 128 pairs.
    pub fn initial_stack(mut self, bytes: usize) -> HeapBuilder {
        self.options.initial_stack = bytes;
        self
    }

    /// New stacks are as large as the stacks that the last collection found were used on average, rounded up to a power of
    /// two, and no smaller than [`initial_stack`](HeapBuilder::initial_stack): a program whose coroutines all go deep then
    /// copies less. Default: no.
    pub fn adaptive_stacks(mut self, adaptive: bool) -> HeapBuilder {
        self.options.adaptive_stacks = adaptive;
        self
    }

    /// Most bytes of the slots of one stack; growth beyond it is a [`StackOverflow`](crate::StackOverflow). A power of two of
    /// at least 2048. Default: 64 MiB.
    pub fn stack_limit(mut self, bytes: usize) -> HeapBuilder {
        self.options.stack_limit = bytes;
        self
    }

    /// How one-word host values hide references. Needed where [`Tagged`](crate::Tagged) words are used.
    pub fn tags(mut self, scheme: TagScheme) -> HeapBuilder {
        self.options.tags = Some(scheme);
        self
    }

    /// Where the heap's addresses begin. Default: somewhere random.
    pub fn base_address(mut self, base: BaseAddress) -> HeapBuilder {
        self.options.base = base;
        self
    }

    /// When the system is asked for huge pages. Default: [`HugePages::Automatic`].
    pub fn huge_pages(mut self, huge_pages: HugePages) -> HeapBuilder {
        self.options.huge_pages = huge_pages;
        self
    }

    /// How long after a collection the scavenger gives free memory back to the operating system, unless it has been taken
    /// again by then; `None`: never. Default: one second.
    ///
    /// The scavenger is the collector's thread while it has nothing else to do. It gives back units of 2 MiB without any
    /// object, until no more is free than the heap needs to grow to its goal and a tenth beyond, and works in steps that a
    /// collection hardly waits for. [`Heap::trim`] gives back more, and at once.
    pub fn scavenge(mut self, after: Option<Duration>) -> HeapBuilder {
        self.options.scavenge = after;
        self
    }

    /// Whether collections run on a thread of the heap's own. Default: yes.
    ///
    /// If not, no thread is ever started. [`Mutator::collect`](crate::Mutator::collect) and [`Heap::collect`] run the
    /// collection on the calling thread. A collection that growth starts, or [`Heap::request_collection`] asks for, is
    /// advanced by the mutators that allocate, at their safepoints, in slices of some 50 µs; by steps
    /// ([`Mutator::step`](crate::Mutator::step)); and by whoever collects. Free memory goes back to the operating system
    /// by [`Heap::trim`] only.
    pub fn background(mut self, background: bool) -> HeapBuilder {
        self.options.background = background;
        self
    }

    /// Run every collection from begin to end with all mutators stopped. For debugging: a fault that goes away with this
    /// is one of concurrency. Default: no.
    pub fn stop_the_world(mut self, stop: bool) -> HeapBuilder {
        self.options.stop_the_world = stop;
        self
    }

    /// How long a mutator may let a collection wait before [`Event::LateMutator`](crate::Event::LateMutator) tells of it;
    /// `None`: never. Default: 10 ms.
    pub fn late_after(mut self, after: Option<Duration>) -> HeapBuilder {
        self.options.late_after = after;
        self
    }

    /// Who is told of events. It is called on the thread that advances the collection, which waits for it, and must not
    /// call the heap. A closure that takes an [`&Event`](crate::Event) will do.
    pub fn on_event(mut self, listener: Arc<dyn Listener>) -> HeapBuilder {
        self.listener = Some(listener);
        self
    }

    /// The operating system to use: for tests that let it fail.
    pub fn os(mut self, os: Box<dyn Os>) -> HeapBuilder {
        self.os = Some(os);
        self
    }

    /// Reads options from the environment: `SPANHEAP_INITIAL_GOAL`, `SPANHEAP_GROWTH_PERCENT`,
    /// `SPANHEAP_GROWTH_BYTES_PER_CORE`, `SPANHEAP_LIMIT`, `SPANHEAP_SOFT_LIMIT`, `SPANHEAP_CPU_SHARE`, `SPANHEAP_MARKING_THREADS`,
    /// `SPANHEAP_COLLECT_EVERY`, `SPANHEAP_FAIL_ALLOCATION`, `SPANHEAP_INITIAL_STACK`, `SPANHEAP_STACK_LIMIT` (numbers), `SPANHEAP_VERIFY`,
    /// `SPANHEAP_POISON`, `SPANHEAP_ADAPTIVE_STACKS`, `SPANHEAP_IGNORE_CGROUP`, `SPANHEAP_BACKGROUND`,
    /// `SPANHEAP_STOP_THE_WORLD` (0 or 1), `SPANHEAP_HUGE_PAGES` (`never`, `auto` or `always`), `SPANHEAP_SCAVENGE_MS`,
    /// `SPANHEAP_LATE_MS` (milliseconds; 0 is never). What is not set stays as it was; what can not be understood is
    /// reported by [`HeapBuilder::build`].
    pub fn from_env(mut self) -> HeapBuilder {
        let options = &mut self.options;
        let outcome = number("SPANHEAP_INITIAL_GOAL", |n| options.initial_goal = n)
            .and_then(|()| number("SPANHEAP_GROWTH_PERCENT", |n| options.growth = Growth::Percent(n)))
            .and_then(|()| number("SPANHEAP_LIMIT", |n| self.limit = Some(n)))
            .and_then(|()| number("SPANHEAP_SOFT_LIMIT", |n| options.soft_limit = n))
            .and_then(|()| number("SPANHEAP_CPU_SHARE", |n| options.cpu_share = n))
            .and_then(|()| {
                number("SPANHEAP_GROWTH_BYTES_PER_CORE", |n| options.growth = Growth::SquareRoot { bytes_per_core: n })
            })
            .and_then(|()| number("SPANHEAP_MARKING_THREADS", |n: u32| options.workers = n as usize))
            .and_then(|()| number("SPANHEAP_COLLECT_EVERY", |n| options.collect_every = Some(n)))
            .and_then(|()| number("SPANHEAP_FAIL_ALLOCATION", |n: u64| options.fail_allocation = Some(n)))
            .and_then(|()| number("SPANHEAP_INITIAL_STACK", |n| options.initial_stack = n))
            .and_then(|()| number("SPANHEAP_STACK_LIMIT", |n| options.stack_limit = n))
            .and_then(|()| number("SPANHEAP_ADAPTIVE_STACKS", |n: Switch| options.adaptive_stacks = n.0))
            .and_then(|()| number("SPANHEAP_VERIFY", |n: Switch| options.verify = n.0))
            .and_then(|()| number("SPANHEAP_POISON", |n: Switch| options.poison = n.0))
            .and_then(|()| number("SPANHEAP_IGNORE_CGROUP", |n: Switch| self.ignore_cgroup = n.0))
            .and_then(|()| number("SPANHEAP_HUGE_PAGES", |pages| options.huge_pages = pages))
            .and_then(|()| number("SPANHEAP_BACKGROUND", |n: Switch| options.background = n.0))
            .and_then(|()| number("SPANHEAP_STOP_THE_WORLD", |n: Switch| options.stop_the_world = n.0))
            .and_then(|()| number("SPANHEAP_LATE_MS", |after: Pause| options.late_after = after.0))
            .and_then(|()| number("SPANHEAP_SCAVENGE_MS", |after: Pause| options.scavenge = after.0));
        self.environment = self.environment.or(outcome.err());
        self
    }

    /// Makes the heap.
    ///
    /// # Errors
    /// [`HeapError::Option`] if an option is out of its range, [`HeapError::Environment`] as
    /// [`HeapBuilder::from_env`] says.
    pub fn build(self) -> Result<Heap, HeapError> {
        if let Some(error) = self.environment {
            return Err(error);
        }
        let memory = Arc::new(match self.os {
            Some(os) => Memory::with_os(os),
            None => Memory::new(),
        });
        let allowed = || if self.ignore_cgroup { None } else { memory.system_limit() };
        let mut options = self.options;
        options.limit = self.limit.or_else(|| allowed().map(share_of_cgroup)).unwrap_or(usize::MAX);
        let check = |ok: bool, option, range, value: u64| {
            if ok { Ok(()) } else { Err(HeapError::Option { option, range, value: value.to_string() }) }
        };
        check(options.initial_goal >= LEAST, "initial_goal", "at least 65536", options.initial_goal as u64)?;
        check(options.limit >= LEAST, "limit", "at least 65536", options.limit as u64)?;
        match options.growth {
            Growth::Percent(percent) => {
                check((1..=10_000).contains(&percent), "growth_percent", "from 1 to 10000", percent as u64)?;
            }
            Growth::SquareRoot { bytes_per_core } => {
                check(bytes_per_core >= 1 << 20, "growth_square_root", "at least 1048576", bytes_per_core as u64)?;
            }
        }
        check(options.soft_limit >= LEAST, "soft_limit", "at least 65536", options.soft_limit as u64)?;
        let (threads, share) = (options.workers, options.cpu_share);
        check((1..=256).contains(&threads), "marking_threads", "from 1 to 256", threads as u64)?;
        check((1..=100).contains(&share), "cpu_share", "from 1 to 100", share as u64)?;
        check(options.collect_every != Some(0), "collect_every", "at least 1", 0)?;
        let is_block = |bytes: usize| bytes.is_power_of_two() && bytes >= MIN_BLOCK;
        let (initial, most) = (options.initial_stack, options.stack_limit);
        check(is_block(most), "stack_limit", "a power of two of at least 2048", most as u64)?;
        let range = "a power of two from 2048 to the stack limit";
        check(is_block(initial) && initial <= most, "initial_stack", range, initial as u64)?;
        if let Some(tags) = options.tags {
            let range = "an address mask with bits 3 to 47";
            check(tags.address & ADDRESS == ADDRESS, "tags", range, tags.address as u64)?;
        }
        let mut collector = Collector::new(memory, options);
        if let Some(spawn) = self.spawn {
            collector = collector.spawn_with(spawn);
        }
        if let Some(listener) = self.listener {
            collector = collector.listen(listener);
        }
        let collector = Arc::new(collector);
        Ok(Heap { shared: Arc::new(HeapShared { collector, types: Types::new() }) })
    }
}

/// The limit of a heap in a control group that allows so many bytes.
fn share_of_cgroup(allowed: u64) -> usize {
    let share = u128::from(allowed) * u128::from(CGROUP_EIGHTHS) / 8;
    usize::try_from(share).unwrap_or(usize::MAX).max(LEAST)
}

/// 0 or 1.
struct Switch(bool);

/// Milliseconds; 0 is none.
struct Pause(Option<Duration>);

trait Setting: Sized {
    const RANGE: &'static str;
    fn read(text: &str) -> Option<Self>;
}

impl Setting for usize {
    const RANGE: &'static str = "a number of bytes";
    fn read(text: &str) -> Option<usize> {
        text.parse().ok()
    }
}

impl Setting for u32 {
    const RANGE: &'static str = "a positive number";
    fn read(text: &str) -> Option<u32> {
        text.parse().ok().filter(|&number| number > 0)
    }
}

impl Setting for u64 {
    const RANGE: &'static str = "a number";
    fn read(text: &str) -> Option<u64> {
        text.parse().ok()
    }
}

impl Setting for Switch {
    const RANGE: &'static str = "0 or 1";
    fn read(text: &str) -> Option<Switch> {
        match text {
            "0" => Some(Switch(false)),
            "1" => Some(Switch(true)),
            _ => None,
        }
    }
}

impl Setting for Pause {
    const RANGE: &'static str = "a number of milliseconds";
    fn read(text: &str) -> Option<Pause> {
        text.parse().ok().map(|millis| Pause((millis != 0).then(|| Duration::from_millis(millis))))
    }
}

impl Setting for HugePages {
    const RANGE: &'static str = "never, auto or always";
    fn read(text: &str) -> Option<HugePages> {
        match text {
            "never" => Some(HugePages::Never),
            "auto" => Some(HugePages::Automatic),
            "always" => Some(HugePages::Always),
            _ => None,
        }
    }
}

fn number<T: Setting>(name: &'static str, set: impl FnOnce(T)) -> Result<(), HeapError> {
    let Some(value) = std::env::var_os(name) else { return Ok(()) };
    match value.to_str().and_then(T::read) {
        Some(number) => {
            set(number);
            Ok(())
        }
        None => Err(HeapError::Environment { name, range: T::RANGE, value: value.to_string_lossy().into_owned() }),
    }
}
