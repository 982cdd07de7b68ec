//! Span classes and layouts of one heap: numbers for what spans hold.
//!
//! *Callers:* the mutator layer registers layouts and asks for the span class of a layout and a size; caches, marker
//! and sweeper look numbers up. *Invariants:* numbers are dense, start at 1, and are never reused; an entry never moves
//! and lives as long as the heap, so that a number read from a span header always leads somewhere. Nothing is mapped before
//! the first registration. *Locks:* registration takes `Rank::Types`, and asks the system for memory under it; look-ups
//! take none.

use crate::central::Central;
use crate::fixed::Fixed;
use crate::layout::{LayoutError, ObjectLayout, ScanPlan};
use crate::size_class::{CLASSES, SizeClass, SizeClassId, TINY, UNEVEN, start_masks};
use crate::span::{FIRST_PAGE_UNEVEN, PAGE_FREE, PAGE_SLOW, PAGE_TINY, SlotGeometry, SpanRef};
use spanheap_memory::{Memory, MemoryError, Reservation};
use spanheap_sync::word::{AtomicPtr, AtomicU16, AtomicU64, Ordering};
use spanheap_sync::{Arc, Mutex, Rank};
use std::ptr::NonNull;

/// Most span classes, and most layouts, that one heap can hold.
pub const MAX_CLASSES: usize = 4096;

/// Number of a span class: an index into the heap's classes, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SpanClassId(u16);

impl SpanClassId {
    pub(crate) fn from_raw(raw: u32) -> Option<SpanClassId> {
        (raw != 0).then_some(SpanClassId(raw as u16))
    }

    /// The number itself.
    #[inline(always)]
    pub fn raw(self) -> u32 {
        self.0 as u32
    }

    /// The number as an index.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Number of a layout, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct LayoutId(u16);

impl LayoutId {
    /// The number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn from_raw(raw: u16) -> Option<LayoutId> {
        (raw != 0).then_some(LayoutId(raw))
    }
}

/// What has happened to the objects of one layout. All counters are added to in batches and never fall.
#[derive(Debug, Default)]
pub struct LayoutCounters {
    /// Objects handed out.
    pub allocated_objects: AtomicU64,
    /// Bytes of their slots.
    pub allocated_bytes: AtomicU64,
    /// Objects found dead.
    pub freed_objects: AtomicU64,
    /// Bytes of their slots.
    pub freed_bytes: AtomicU64,
}

impl LayoutCounters {
    /// Counts objects that were handed out.
    pub fn add_allocated(&self, objects: u64, bytes: u64) {
        self.allocated_objects.fetch_add(objects, Ordering::Relaxed);
        self.allocated_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts objects that were found dead.
    pub fn add_freed(&self, objects: u64, bytes: u64) {
        self.freed_objects.fetch_add(objects, Ordering::Relaxed);
        self.freed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A registered layout.
pub struct LayoutEntry {
    /// Its number.
    pub id: LayoutId,
    /// The layout.
    pub layout: ObjectLayout,
    /// How to scan an object of it in a mixed span.
    pub plan: ScanPlan,
    /// What has happened to its objects.
    pub counters: LayoutCounters,
    /// Span class per size class, 0 where none was asked for yet; the last is the class of large objects.
    by_size: [AtomicU16; CLASSES + 1],
}

/// A span class: the spans that hold objects of one layout (or of rare layouts together) in slots of one size.
pub struct SpanClass {
    /// How to scan its objects.
    pub plan: ScanPlan,
    /// Its number.
    pub id: SpanClassId,
    /// Its layout; `None` for a mixed class.
    pub layout: Option<LayoutId>,
    /// Its size class; `None` for large objects.
    pub size: Option<SizeClassId>,
    /// The page class of its spans' pages.
    pub page_byte: u8,
    /// Start bits per bitmap word of a span.
    pub starts: Box<[u64]>,
    /// The division of its spans; `None` for large objects.
    pub geometry: Option<(SizeClass, SlotGeometry)>,
    /// Its spans that no cache holds.
    pub central: Central<SpanRef>,
}

impl SpanClass {
    /// Whether its slots have layouts of their own.
    pub fn is_mixed(&self) -> bool {
        self.layout.is_none()
    }
}

/// The classes and layouts of one heap.
pub struct Classes {
    /// Null until the first layout is registered; then it stays.
    tables: AtomicPtr<Tables>,
    /// Mixed span classes per size class.
    mixed: [AtomicU16; CLASSES],
    records: Mutex<Records>,
}

/// From numbers to entries. All zeros is a value of it, without entries.
struct Tables {
    spans: [AtomicPtr<SpanClass>; MAX_CLASSES],
    layouts: [AtomicPtr<LayoutEntry>; MAX_CLASSES],
}

/// Where the entries lie, and how many there are.
struct Records {
    memory: Arc<Memory>,
    /// The memory of the tables. Only what is touched of it takes any: it is mapped as zeros.
    tables: Option<Reservation>,
    span_entries: Fixed<SpanClass>,
    layout_entries: Fixed<LayoutEntry>,
    spans: u16,
    layouts: u16,
    /// The next page classes to give out.
    next_page_byte: u8,
    next_uneven_page_byte: u8,
}

impl Records {
    /// The page class for spans of a new class with one layout, in slots of a size.
    fn page_byte(&mut self, size: SizeClass) -> u8 {
        let (next, end) = match size.size as usize {
            TINY => return PAGE_TINY,
            UNEVEN => (&mut self.next_uneven_page_byte, PAGE_TINY),
            _ => (&mut self.next_page_byte, FIRST_PAGE_UNEVEN),
        };
        if *next == end {
            return PAGE_SLOW;
        }
        *next += 1;
        *next - 1
    }

    /// The tables, made if there are none.
    fn tables(&mut self) -> Result<*mut Tables, LayoutError> {
        let reservation = match &self.tables {
            Some(tables) => tables,
            None => {
                let bytes = size_of::<Tables>().next_multiple_of(self.memory.page_size());
                self.tables.insert(self.memory.alloc(bytes).map_err(no_memory)?)
            }
        };
        Ok(reservation.base().as_ptr().cast())
    }

    fn metadata_bytes(&self) -> usize {
        let tables = self.tables.as_ref().map_or(0, Reservation::len);
        tables + self.span_entries.figures().bytes + self.layout_entries.figures().bytes
    }
}

fn no_memory(error: MemoryError) -> LayoutError {
    match error {
        MemoryError::Os { len, source, .. } => LayoutError::Memory { requested: len, kind: source.kind() },
        _ => unreachable!("the sizes asked for are whole pages: {error}"),
    }
}

impl Classes {
    /// No class and no layout, and no memory yet.
    pub fn new(memory: Arc<Memory>) -> Classes {
        let records = Records {
            tables: None,
            span_entries: Fixed::new(Arc::clone(&memory)),
            layout_entries: Fixed::new(Arc::clone(&memory)),
            memory,
            spans: 0,
            layouts: 0,
            next_page_byte: PAGE_FREE + 1,
            next_uneven_page_byte: FIRST_PAGE_UNEVEN,
        };
        Classes {
            tables: AtomicPtr::new(std::ptr::null_mut()),
            mixed: std::array::from_fn(|_| AtomicU16::new(0)),
            records: Mutex::new(Rank::Types, records),
        }
    }

    /// Bytes of memory that the classes and layouts take from the system.
    pub fn metadata_bytes(&self) -> usize {
        self.records.lock().metadata_bytes()
    }

    /// The tables. Only after a layout was registered: whoever has a number may call it.
    #[inline(always)]
    fn tables(&self) -> &Tables {
        let tables = self.tables.load(Ordering::Acquire);
        debug_assert!(!tables.is_null());
        // SAFETY: every number comes from a registration, which stored the pointer first; it leads to zeroed memory
        // that lives as long as `self`, is aligned to a page, and is only used through atomics.
        unsafe { &*tables }
    }

    /// Registers a layout under a new number. The caller remembers the number: equal layouts are not unified.
    ///
    /// # Errors
    /// [`LayoutError::TooMany`], [`LayoutError::Memory`].
    pub fn register(&self, layout: ObjectLayout) -> Result<LayoutId, LayoutError> {
        let mut records = self.records.lock();
        let next = records.layouts as usize + 1;
        if next == MAX_CLASSES {
            return Err(LayoutError::TooMany(MAX_CLASSES - 1));
        }
        self.tables.store(records.tables()?, Ordering::Release);
        let id = LayoutId(next as u16);
        let entry = LayoutEntry {
            id,
            plan: ScanPlan::new(&layout, 0),
            layout,
            counters: LayoutCounters::default(),
            by_size: std::array::from_fn(|_| AtomicU16::new(0)),
        };
        let entry = records.layout_entries.take(entry).map_err(no_memory)?;
        self.tables().layouts[next].store(entry.as_ptr(), Ordering::Release);
        records.layouts = next as u16;
        Ok(id)
    }

    /// The layout with a number.
    #[inline]
    pub fn layout(&self, id: LayoutId) -> &LayoutEntry {
        let entry = self.tables().layouts[id.index()].load(Ordering::Acquire);
        // SAFETY: a LayoutId is made only by `register`, after the entry was stored; entries live as long as `self`.
        unsafe { &*entry }
    }

    /// All layouts, in the order of their numbers.
    pub fn layouts(&self) -> impl Iterator<Item = &LayoutEntry> {
        let count = self.records.lock().layouts;
        (1..=count).map(|raw| self.layout(LayoutId(raw)))
    }

    /// The span class with a number.
    #[inline(always)]
    pub fn span_class(&self, id: SpanClassId) -> &SpanClass {
        debug_assert!(id.index() < MAX_CLASSES);
        // SAFETY: numbers are below MAX_CLASSES, the length of the table.
        let entry = unsafe { self.tables().spans.get_unchecked(id.index()) }.load(Ordering::Acquire);
        // SAFETY: a SpanClassId is made only by `add`, after the entry was stored; entries live as long as `self`.
        unsafe { &*entry }
    }

    /// All span classes, in the order of their numbers.
    pub fn span_classes(&self) -> impl Iterator<Item = &SpanClass> {
        let count = self.records.lock().spans;
        (1..=count).map(|raw| self.span_class(SpanClassId(raw)))
    }

    /// The span class for objects of a layout in slots of a size class (`None`: large objects).
    ///
    /// # Errors
    /// [`LayoutError::TooMany`], [`LayoutError::Memory`].
    #[inline]
    pub fn class_for(&self, layout: LayoutId, size: Option<SizeClassId>) -> Result<SpanClassId, LayoutError> {
        let slot = size.map_or(CLASSES, |size| size.0 as usize);
        match self.layout(layout).by_size[slot].load(Ordering::Acquire) {
            0 => self.add_class(Some(layout), size),
            raw => Ok(SpanClassId(raw)),
        }
    }

    /// The mixed span class of a size class.
    ///
    /// # Errors
    /// [`LayoutError::TooMany`], [`LayoutError::Memory`].
    pub fn mixed_class(&self, size: SizeClassId) -> Result<SpanClassId, LayoutError> {
        match self.mixed[size.0 as usize].load(Ordering::Acquire) {
            0 => self.add_class(None, Some(size)),
            raw => Ok(SpanClassId(raw)),
        }
    }

    #[cold]
    fn add_class(&self, layout: Option<LayoutId>, size: Option<SizeClassId>) -> Result<SpanClassId, LayoutError> {
        let mut records = self.records.lock();
        let known = match (layout, size) {
            (Some(layout), size) => &self.layout(layout).by_size[size.map_or(CLASSES, |size| size.0 as usize)],
            (None, Some(size)) => &self.mixed[size.0 as usize],
            (None, None) => unreachable!("a mixed class has a size"),
        };
        if let Some(id) = SpanClassId::from_raw(known.load(Ordering::Acquire) as u32) {
            return Ok(id);
        }
        let next = records.spans as usize + 1;
        if next == MAX_CLASSES {
            return Err(LayoutError::TooMany(MAX_CLASSES - 1));
        }
        // A mixed class may be the first of all.
        self.tables.store(records.tables()?, Ordering::Release);
        let slot_size = size.map_or(0, |size| size.get().size as usize);
        let class = SpanClass {
            plan: match layout {
                Some(layout) => ScanPlan::new(&self.layout(layout).layout, slot_size),
                None => ScanPlan::mixed(slot_size),
            },
            id: SpanClassId(next as u16),
            layout,
            size,
            page_byte: size.filter(|_| layout.is_some()).map_or(PAGE_SLOW, |size| records.page_byte(size.get())),
            starts: size.map_or(Box::default(), |size| start_masks(size.get())),
            geometry: size.map(|size| {
                let size = size.get();
                (size, SlotGeometry::of(size))
            }),
            central: Central::new(),
        };
        let class = records.span_entries.take(class).map_err(no_memory)?;
        self.tables().spans[next].store(class.as_ptr(), Ordering::Release);
        known.store(next as u16, Ordering::Release);
        records.spans = next as u16;
        Ok(SpanClassId(next as u16))
    }
}

impl Drop for Classes {
    fn drop(&mut self) {
        let records = self.records.get_mut();
        let Some(tables) = &records.tables else { return };
        // SAFETY: as in `tables`; nobody looks numbers up any more.
        let tables = unsafe { tables.base().cast::<Tables>().as_ref() };
        for entry in tables.spans.iter().filter_map(|entry| NonNull::new(entry.load(Ordering::Relaxed))) {
            // SAFETY: taken in `add_class`, and nobody uses it any more.
            let _entry = unsafe { records.span_entries.give_back(entry) };
        }
        for entry in tables.layouts.iter().filter_map(|entry| NonNull::new(entry.load(Ordering::Relaxed))) {
            // SAFETY: taken in `register`, and nobody uses it any more.
            let _entry = unsafe { records.layout_entries.give_back(entry) };
        }
    }
}
