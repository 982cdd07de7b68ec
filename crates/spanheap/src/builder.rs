//! `HeapBuilder`: the options of a heap that is to be made.
//!
//! *Callers:* users, through [`Heap::builder`]. *Invariants:* what is out of its range is an error of
//! [`HeapBuilder::build`], and nothing else is. `environment` reads options from the environment, `zeal` has those that make
//! rare things frequent, `refusing` those that let allocations fail.

use crate::error::HeapError;
use crate::heap::{Heap, HeapShared};
use crate::types::Types;
use spanheap_allocator::{BaseAddress, HugePages, MIN_BLOCK, TagScheme};
use spanheap_collector::{Collector, Growth, Listener, Options, SpawnThread};
use spanheap_memory::mock::MockOs;
use spanheap_memory::{Memory, Os};
use spanheap_sync::Arc;
use std::time::Duration;

/// The bits of a word that differ between the addresses of objects.
const ADDRESS: usize = (1 << 48) - 8;

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
    pub(crate) limit: Option<usize>,
    pub(crate) ignore_cgroup: bool,
    pub(crate) environment: Option<HeapError>,
    pub(crate) refuse_every: Option<u64>,
}

impl HeapBuilder {
    /// Default options.
    pub(crate) fn new() -> HeapBuilder {
        HeapBuilder {
            options: Options::default(),
            os: None,
            listener: None,
            spawn: None,
            limit: None,
            ignore_cgroup: false,
            environment: None,
            refuse_every: None,
        }
    }

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
    /// it is given on a thread of its own, and must not wait for it. The calls return when the heap ends. If it fails, or
    /// panics, the heap does without. Default: threads of the standard library.
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
    /// is one of concurrency. Not for threads that attach to two such heaps at once, as with
    /// [`verify`](HeapBuilder::verify). Default: no.
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
    /// call the heap; it may drop the last handle. That it panics changes nothing. A closure that takes an [`&Event`](crate::Event) will do.
    pub fn on_event(mut self, listener: Arc<dyn Listener>) -> HeapBuilder {
        self.listener = Some(listener);
        self
    }

    /// The operating system to use: for tests that let it fail.
    pub fn os(mut self, os: Box<dyn Os>) -> HeapBuilder {
        self.os = Some(os);
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
        let check = |ok: bool, option, range, value: u64| {
            if ok { Ok(()) } else { Err(HeapError::Option { option, range, value: value.to_string() }) }
        };
        let range = "at least 1, and not beside os";
        let can_refuse = self.refuse_every != Some(0) && (self.refuse_every.is_none() || self.os.is_none());
        check(can_refuse, "refuse_system_calls", range, self.refuse_every.unwrap_or(0))?;
        let refusing = self.refuse_every.map(refusing);
        let memory = Arc::new(match (self.os, &refusing) {
            (Some(os), _) => Memory::with_os(os),
            (None, Some(refusing)) => Memory::with_os(Box::new(refusing.clone())),
            (None, None) => Memory::new(),
        });
        let allowed = || if self.ignore_cgroup { None } else { memory.system_limit() };
        let mut options = self.options;
        options.limit = self.limit.or_else(|| allowed().map(share_of_cgroup)).unwrap_or(usize::MAX);
        options.verify |= options.check_host;
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
        Ok(Heap { shared: Arc::new(HeapShared { collector, types: Types::new(), refusing }) })
    }
}

/// The system, which refuses every `every`-th request.
fn refusing(every: u64) -> MockOs {
    let os = MockOs::new();
    os.set_memory_limit(Memory::new().system_limit());
    os.fail_every(every);
    os
}

/// The limit of a heap in a control group that allows so many bytes.
fn share_of_cgroup(allowed: u64) -> usize {
    let share = u128::from(allowed) * u128::from(CGROUP_EIGHTHS) / 8;
    usize::try_from(share).unwrap_or(usize::MAX).max(LEAST)
}
