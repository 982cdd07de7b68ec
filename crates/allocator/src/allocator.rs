//! One heap's allocator: the page heap, the classes, the arena index, and spans on their way between them.
//!
//! *Callers:* caches acquire and return spans; the collector sweeps them; the mutator layer allocates large objects and
//! resolves words. *Invariants:* those of `span`; an empty span goes home to the page heap as soon as it is swept.
//! *Not here:* when to collect and what is live: the allocator asks and tells through [`Reclaim`].

use crate::arena_index::ArenaIndex;
use crate::central::Generation;
use crate::classes::{Classes, LayoutId, SpanClass, SpanClassId};
use crate::error::AllocError;
use crate::geometry::*;
use crate::growth::Growth;
use crate::page_heap::{BaseAddress, HugePages, PageCache, PageHeap, PageOptions, PageRun};
use crate::quarantine::Quarantine;
use crate::refusals::Refusals;
use crate::sanitize;
use crate::side_table::{LayoutTable, SideTables, TinyTable};
use crate::size_class::TINY;
use crate::span::{Bits, FIRST_PAGE_UNEVEN, OwnTable, PAGE_TINY, SpanRef, Swept};
use crate::span::{bitmap_word, page_class, page_start};
use crate::stack_memory::{Block, Grace, StackMemory};
use spanheap_memory::Memory;
use spanheap_sync::Arc;
use spanheap_sync::word::{AtomicU64, AtomicUsize, Ordering};

/// What freed slots are filled with when poisoning is on.
pub const POISON: u8 = 0xde;

/// The decisions that allocation needs. The collector implements it; the allocator is generic over it, so that the
/// calls cost nothing and no layer below names one above.
pub trait Reclaim {
    /// `bytes` more have been handed out: time to think about a collection.
    fn charge(&self, bytes: usize);

    /// Another portion of as many slots as the cache's stress option says has been handed out.
    fn portion_used(&self) {}

    /// An object of this layout is about to be handed out, where the allocator's options want to have that told.
    fn handed_out(&self, _addr: usize, _layout: LayoutId) {}

    /// Sweeps a span that the caller took out of a central list and owns.
    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept;
}

/// What a sweep found in many spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweptMany {
    /// Slots that hold objects.
    pub live_objects: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Slots that became free.
    pub freed_objects: u64,
    /// Their bytes.
    pub freed_bytes: u64,
    /// Marked slots that held no object: always 0 unless the heap is corrupt.
    pub zombies: u64,
}

impl SweptMany {
    /// Adds one span with slots of `size` bytes.
    pub fn add(&mut self, swept: Swept, size: u64) {
        self.live_objects += swept.live as u64;
        self.live_bytes += swept.live as u64 * size;
        self.freed_objects += swept.freed as u64;
        self.freed_bytes += swept.freed as u64 * size;
        self.zombies += swept.zombies as u64;
    }
}

/// How many spans ahead of the sweep their bits are fetched, and twice as many ahead their headers.
const SWEEP_AHEAD: usize = 4;

/// Settings of an allocator.
#[derive(Clone, Copy, Debug)]
pub struct AllocatorOptions {
    /// Most bytes of pages that spans may have.
    pub limit: usize,
    /// Where the arenas begin.
    pub base: BaseAddress,
    /// When to ask for huge pages.
    pub huge_pages: HugePages,
    /// Fill freed slots with [`POISON`], to make stale references visible.
    pub poison: bool,
    /// Hand slots out one by one, and tell [`Reclaim::handed_out`] of each object.
    pub tell_each: bool,
    /// Do not use freed memory again for a while, and let freed pages fault, to make stale references visible.
    pub guard: bool,
    /// Let the n-th allocation fail, or none now (0) but some when they are named; `None` is for heaps that never do.
    pub fail_allocation: Option<u64>,
}

impl Default for AllocatorOptions {
    /// No limit, and nothing that is for tests.
    fn default() -> AllocatorOptions {
        AllocatorOptions {
            limit: usize::MAX,
            base: BaseAddress::Random,
            huge_pages: HugePages::default(),
            poison: false,
            fail_allocation: None,
            tell_each: false,
            guard: false,
        }
    }
}

/// The allocator of one heap.
pub struct Allocator {
    /// Arenas and pages.
    pub pages: PageHeap,
    /// Layouts and span classes.
    pub classes: Classes,
    /// From words to arenas.
    pub index: ArenaIndex,
    /// The blocks of VM stacks.
    pub stacks: StackMemory,
    /// Who may make an object longer.
    pub growth: Growth,
    /// Which allocations fail on purpose.
    pub refusals: Refusals,
    layout_tables: SideTables<LayoutTable>,
    tiny_tables: SideTables<TinyTable>,
    /// Grows by one when marking ends; see `span`.
    generation: Generation,
    poison: bool,
    /// Each object is told to [`Reclaim::handed_out`].
    pub(crate) tell_each: bool,
    /// Slots that were filled with [`POISON`].
    poisoned: AtomicU64,
    quarantine: Option<Quarantine>,
}

/// An object found from a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Address of the object's first byte.
    pub base: usize,
    /// The span that holds it.
    pub span: SpanRef,
    /// Its slot in the span.
    pub slot: usize,
}

impl Allocator {
    /// An allocator that has touched no memory yet.
    pub fn new(memory: Arc<Memory>, options: AllocatorOptions) -> Allocator {
        let AllocatorOptions { limit, base, huge_pages, .. } = options;
        Allocator {
            classes: Classes::new(Arc::clone(&memory)),
            growth: Growth::new(),
            refusals: Refusals::new(options.fail_allocation, limit),
            layout_tables: SideTables::new(Arc::clone(&memory)),
            tiny_tables: SideTables::new(Arc::clone(&memory)),
            pages: PageHeap::new(memory, PageOptions { limit, base, huge_pages }),
            index: ArenaIndex::new(),
            stacks: StackMemory::new(options.poison),
            generation: Generation::new(1),
            poison: options.poison,
            tell_each: options.tell_each,
            poisoned: AtomicU64::new(0),
            quarantine: options.guard.then(Quarantine::new),
        }
    }

    /// Number of freed slots that were filled with [`POISON`].
    pub fn poisoned_slots(&self) -> u64 {
        self.poisoned.load(Ordering::Relaxed)
    }

    /// Number of freed pages that were ever made to fault.
    pub fn guarded_pages(&self) -> u64 {
        self.quarantine.as_ref().map_or(0, Quarantine::guarded)
    }

    /// Whether slots that a sweep of their span has freed may be handed out before the next one.
    pub fn reuses_at_once(&self) -> bool {
        self.quarantine.is_none()
    }

    /// Runs a request for pages, and once more without the quarantine if it fails.
    pub(crate) fn or_relieved<T>(&self, mut take: impl FnMut() -> Result<T, AllocError>) -> Result<T, AllocError> {
        match (take(), &self.quarantine) {
            (Err(_), Some(quarantine)) if quarantine.relieve(&self.pages) => take(),
            (result, _) => result,
        }
    }

    /// Bytes that the heap's own records take from the system, outside the arenas.
    pub fn metadata_bytes(&self) -> usize {
        let tables = self.layout_tables.bytes() + self.tiny_tables.bytes();
        self.classes.metadata_bytes() + self.index.metadata_bytes() + tables
    }

    /// The heap's generation: spans of another one must be swept before use.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// Makes every span unswept. The collector calls it when marking has ended and all older spans have been swept.
    pub fn next_generation(&self) {
        self.generation.advance();
    }

    /// A swept span of a class with free slots, owned by the caller. The pages of a fresh one come from `pages`.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`].
    pub(crate) fn acquire(
        &self,
        class: &SpanClass,
        pages: &mut PageCache,
        reclaim: &impl Reclaim,
    ) -> Result<SpanRef, AllocError> {
        let sweep = |span: SpanRef| {
            let swept = reclaim.reclaim(class, span);
            (swept.live as usize) < span.slots() && (swept.freed == 0 || self.reuses_at_once())
        };
        match class.central.acquire(&self.generation, |span| self.has_free_slots(class, span), sweep) {
            Some(span) => Ok(span),
            None => self.fresh(class, pages),
        }
    }

    fn has_free_slots(&self, class: &SpanClass, span: SpanRef) -> bool {
        (span.cursor()..class.starts.len()).any(|word| span.free_slots(word, class.starts[word]) != 0)
    }

    fn fresh(&self, class: &SpanClass, pages: &mut PageCache) -> Result<SpanRef, AllocError> {
        let (size, geometry) = class.geometry.expect("large objects do not come from caches");
        let own = self.own_table(class)?;
        let run = match self.or_relieved(|| self.pages.take_cached(pages, size.pages as usize, &self.index)) {
            Ok(run) => run,
            Err(error) => {
                self.give_back_table(own);
                return Err(error);
            }
        };
        // SAFETY: the page heap hands out pages of its arenas, which live as long as `self`.
        let span = unsafe { SpanRef::at(run.arena, run.page) };
        sanitize::poison(span.base(), size.pages as usize * PAGE_SIZE);
        span.begin(class.id, size.pages as usize, geometry, own, self.generation(), class.page_byte);
        Ok(span)
    }

    /// The table that a new span of a class needs for itself.
    fn own_table(&self, class: &SpanClass) -> Result<OwnTable, AllocError> {
        let failed = |requested| move |source| AllocError::Exhausted { requested, source };
        let is_tiny = class.size.is_some_and(|size| size.get().size as usize == TINY);
        match (class.is_mixed(), is_tiny) {
            (true, _) => {
                let table = self.layout_tables.take().map_err(failed(size_of::<LayoutTable>()))?;
                Ok(OwnTable::Layouts(table))
            }
            (_, true) => Ok(OwnTable::Tiny(self.tiny_tables.take().map_err(failed(size_of::<TinyTable>()))?)),
            _ => Ok(OwnTable::None),
        }
    }

    fn give_back_table(&self, own: OwnTable) {
        match own {
            OwnTable::None => {}
            OwnTable::Layouts(table) => self.layout_tables.give_back(table),
            OwnTable::Tiny(table) => self.tiny_tables.give_back(table),
        }
    }

    /// A block for a stack: `bytes` bytes, a power of two of at least [`MIN_BLOCK`](crate::MIN_BLOCK), all zero.
    ///
    /// # Errors
    /// As [`StackMemory::take`].
    pub fn stack_block(&self, bytes: usize) -> Result<Block, AllocError> {
        self.refusals.check(bytes)?;
        self.stacks.take(bytes, &self.pages, &self.index)
    }

    /// Makes retired blocks free: see [`StackMemory::end_grace`].
    pub fn end_grace(&self, grace: Grace) {
        self.stacks.end_grace(grace, &self.pages);
    }

    /// Sweeps a span that the caller owns and declares it swept. Counts what died, poisons it if asked to. The blocks of
    /// dead stacks become free.
    pub fn sweep(&self, class: &SpanClass, span: SpanRef, keep_all: bool) -> Swept {
        let swept = self.sweep_uncounted(class, span, keep_all);
        self.count_freed(class, swept.freed as u64, swept.freed as u64 * span.slot_size() as u64);
        swept
    }

    fn count_freed(&self, class: &SpanClass, objects: u64, bytes: u64) {
        if let Some(layout) = class.layout.filter(|_| objects != 0) {
            self.classes.layout(layout).counters.add_freed(objects, bytes);
        }
    }

    fn sweep_uncounted(&self, class: &SpanClass, span: SpanRef, keep_all: bool) -> Swept {
        let size = span.slot_size();
        let holds_stacks = class.layout.is_some_and(|layout| self.classes.layout(layout).layout.stack);
        let mut blocks = Vec::new();
        let mut on_free = |addr: usize| {
            if holds_stacks {
                // SAFETY: the first word of an object of a stack layout is its block word. Every slot that a sweep frees
                // was an object: those that a cache was offered and did not use lost their bits in its flush.
                let word = unsafe { &*(addr as *const AtomicUsize) }.swap(0, Ordering::Relaxed);
                blocks.extend((word != 0).then_some(Block::from_word(word)));
            }
            if let (true, Some(slot)) = (class.is_mixed(), span.slot_of(addr)) {
                let raw = span.layout_cell(slot).map_or(0, |cell| cell.load(Ordering::Relaxed));
                if let Some(layout) = LayoutId::from_raw(raw) {
                    self.classes.layout(layout).counters.add_freed(1, size as u64);
                }
            }
            if self.poison {
                // SAFETY: the slot is free and the caller owns the span.
                unsafe { std::ptr::write_bytes(addr as *mut u8, POISON, size) };
            }
            sanitize::poison(addr, size);
        };
        let watch: Option<&mut dyn FnMut(usize)> =
            if self.poison || holds_stacks || class.is_mixed() || sanitize::ON { Some(&mut on_free) } else { None };
        // SAFETY: the span's pages lie in its arena.
        let byte = unsafe { page_class(span.arena(), span.page()) }.load(Ordering::Relaxed);
        // Whoever sets new bits in a span makes its pages slow first, unless it is tiny.
        let swept = span.sweep(keep_all, byte >= PAGE_TINY, watch);
        if self.poison {
            self.poisoned.fetch_add(swept.freed as u64, Ordering::Relaxed);
        }
        // [stack.block-follows-object]
        self.stacks.give_back(&blocks, &self.pages);
        if byte != class.page_byte {
            span.set_page_byte(class.page_byte);
        }
        span.set_generation(self.generation());
        swept
    }

    /// Sweeps spans of one class that the caller owns, and sends them on: home if they are empty, else to the class's
    /// lists. Empties the list of spans.
    pub fn sweep_all(&self, class: &SpanClass, spans: &mut Vec<SpanRef>, keep_all: bool) -> SweptMany {
        let mut many = SweptMany::default();
        let (mut kept, mut empty) = (Vec::with_capacity(spans.len()), Vec::with_capacity(spans.len()));
        let owned = std::mem::take(spans);
        for (index, &span) in owned.iter().enumerate() {
            if let Some(ahead) = owned.get(index + SWEEP_AHEAD) {
                ahead.prefetch_bits();
            }
            if let Some(ahead) = owned.get(index + 2 * SWEEP_AHEAD) {
                ahead.prefetch_header();
            }
            let (size, slots) = (span.slot_size() as u64, span.slots());
            let swept = self.sweep_uncounted(class, span, keep_all);
            many.add(swept, size);
            match swept.live as usize {
                0 => empty.push(self.unmake(span)),
                // [quarantine.slots]
                live => kept.push((span, live == slots || swept.freed > 0 && !self.reuses_at_once())),
            }
        }
        class.central.put_all(kept);
        match &self.quarantine {
            Some(quarantine) => quarantine.admit(&empty, &self.pages),
            None => self.pages.give_back_all(&empty),
        }
        self.count_freed(class, many.freed_objects, many.freed_bytes);
        *spans = owned;
        spans.clear();
        many
    }

    /// Gives the system pages back that lie wholly in free slots, in all swept spans that no cache holds. Returns the bytes
    /// given back. Costs a system call for each run of such pages, and a fault for each when it is used again.
    pub fn trim_spans(&self) -> usize {
        let mut returned = 0;
        for class in self.classes.span_classes().filter(|class| class.size.is_some()) {
            class.central.visit_swept(&self.generation, |span| {
                if span.is_trimmed() {
                    return;
                }
                let (mut free, mut refused) = (span.base()..span.base(), false);
                let mut renew = |free| match self.pages.renew(span.arena(), free) {
                    Some(bytes) => returned += bytes,
                    None => refused = true,
                };
                span.for_each_free(&class.starts, |slot| {
                    if slot != free.end {
                        renew(free.clone());
                        free.start = slot;
                    }
                    free.end = slot + span.slot_size();
                });
                renew(free);
                span.set_trimmed(!refused);
            });
        }
        returned
    }

    /// Unmakes an empty span that the caller owns. Its pages are to be given back.
    fn unmake(&self, span: SpanRef) -> PageRun {
        let (own, pages) = (span.own_table(), span.pages());
        span.end();
        self.give_back_table(own);
        PageRun { arena: span.arena(), page: span.page(), pages }
    }

    /// The slot that holds the address `word`, whether it is allocated or not. `None` for words that are no address
    /// in a span's slots.
    #[inline]
    pub fn slot_at(&self, word: usize) -> Option<Resolved> {
        let arena = self.index.arena(word)?;
        let offset = word - arena;
        if offset < DATA_OFFSET {
            return None;
        }
        let in_huge_tail = offset >= ARENA_SIZE;
        let page = if in_huge_tail { FIRST_DATA_PAGE } else { offset >> PAGE_SHIFT };
        // SAFETY: the index names arenas of this heap; the page is below ARENA_PAGES.
        let start = unsafe { page_start(arena, page) }.load(Ordering::Acquire) as usize;
        if start < FIRST_DATA_PAGE {
            return None;
        }
        // SAFETY: as above.
        let span = unsafe { SpanRef::at(arena, start) };
        span.class()?;
        let slot = span.slot_of(word)?;
        Some(Resolved { base: if span.is_large() { span.base() } else { span.slot_address(slot) }, span, slot })
    }

    /// Whether `word` is the address of the first byte of a slot whose bit is set in `bits`. Any word may be asked for.
    #[inline(always)]
    pub fn is_base(&self, word: usize, bits: Bits) -> bool {
        let Some(arena) = self.index.arena(word) else { return false };
        // In a huge arena's later units there are no bits at this place: its one object starts in the first.
        if arena != arena_of(word) {
            return false;
        }
        // SAFETY: the index names arenas of this heap.
        let byte = unsafe { page_class(arena, page_of(word)) }.load(Ordering::Acquire);
        if byte >= FIRST_PAGE_UNEVEN {
            return self.is_base_of_any(word, bits);
        }
        let (index, mask) = bit_of(word);
        // SAFETY: as above.
        word.is_multiple_of(GRANULE) && unsafe { bitmap_word(arena, bits, index) }.load(Ordering::Acquire) & mask != 0
    }

    /// As [`Allocator::is_base`], where slots may start in the middle of a granule.
    fn is_base_of_any(&self, word: usize, bits: Bits) -> bool {
        self.slot_at(word).is_some_and(|found| found.base == word && found.span.bit(bits, word))
    }

    /// The object that holds the address `word`: any address from an object's first byte to the end of its slot.
    ///
    /// Slots that a mutator's cache holds ready count as objects until its next flush.
    #[inline]
    pub fn resolve(&self, word: usize) -> Option<Resolved> {
        let found = self.slot_at(word)?;
        found.span.holds(found.base).then_some(found)
    }

    /// The layout of an object.
    pub fn layout_of(&self, object: Resolved) -> Option<LayoutId> {
        let class = self.classes.span_class(object.span.class()?);
        match class.layout {
            Some(layout) => Some(layout),
            None => LayoutId::from_raw(object.span.layout_cell(object.slot)?.load(Ordering::Acquire)),
        }
    }

    /// Calls `visit` with every span of the heap. Safe at any time: an arena's tables stay as long as the heap, the part of
    /// them below the highest page ever handed out is usable, and headers consist of atomics. Exact while no span is made or
    /// unmade; one that is counts once, twice or not at all, and the next header that has a class sets the walk right.
    pub fn for_each_span<'a>(&'a self, mut visit: impl FnMut(SpanRef, &'a SpanClass)) {
        self.pages.for_each_arena(|arena, pages| {
            let mut page = pages.start;
            while page < pages.end {
                // SAFETY: the page heap names its own arenas and pages.
                let span = unsafe { SpanRef::at(arena, page) };
                // A header without a class is left over from a span that has ended, or was never used.
                match span.class() {
                    Some(class) => {
                        visit(span, self.classes.span_class(class));
                        page += span.pages().max(1);
                    }
                    None => page += 1,
                }
            }
        });
    }

    /// The class of a span that the caller owns.
    pub fn class_of(&self, span: SpanRef) -> &SpanClass {
        self.classes.span_class(span.class().expect("an owned span has a class"))
    }

    /// The span of a small object, from its base address.
    ///
    /// # Safety
    /// `addr` is the base address of an object of this heap.
    #[inline(always)]
    pub unsafe fn span_of_object(addr: usize) -> SpanRef {
        let (arena, page) = (arena_of(addr), page_of(addr));
        // SAFETY: an object's base lies in the arena found by masking (huge objects start in their first unit).
        let start = unsafe { page_start(arena, page) }.load(Ordering::Relaxed) as usize;
        // SAFETY: as above.
        unsafe { SpanRef::at(arena, start) }
    }

    /// The span class with a number.
    #[inline(always)]
    pub fn span_class(&self, id: SpanClassId) -> &SpanClass {
        self.classes.span_class(id)
    }
}

#[cfg(all(test, not(loom)))]
mod sweeping;
