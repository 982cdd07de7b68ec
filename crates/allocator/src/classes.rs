//! Span classes and layouts of one heap: numbers for what spans hold.
//!
//! *Callers:* the mutator layer registers layouts and asks for the span class of a layout and a size; caches, marker
//! and sweeper look numbers up. *Invariants:* numbers are dense, start at 1, and are never reused; an entry never moves
//! and lives as long as the heap, so that a number read from a span header always leads somewhere. *Locks:*
//! registration takes `Rank::Types`; look-ups take none.

use crate::central::Central;
use crate::layout::{LayoutError, ObjectLayout, ScanPlan};
use crate::size_class::{CLASSES, SizeClass, SizeClassId, start_masks};
use crate::span::{PAGE_SLOW, SlotGeometry, SpanRef};
use spanheap_sync::word::{AtomicPtr, AtomicU16, AtomicU64, Ordering};
use spanheap_sync::{Mutex, Rank};

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
    spans: Box<[AtomicPtr<SpanClass>]>,
    layouts: Box<[AtomicPtr<LayoutEntry>]>,
    /// Mixed span classes per size class.
    mixed: [AtomicU16; CLASSES],
    numbers: Mutex<Numbers>,
}

struct Numbers {
    spans: u16,
    layouts: u16,
}

fn empty<T>() -> Box<[AtomicPtr<T>]> {
    (0..MAX_CLASSES).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect()
}

impl Classes {
    /// No class and no layout.
    pub fn new() -> Classes {
        Classes {
            spans: empty(),
            layouts: empty(),
            mixed: std::array::from_fn(|_| AtomicU16::new(0)),
            numbers: Mutex::new(Rank::Types, Numbers { spans: 0, layouts: 0 }),
        }
    }

    /// Registers a layout under a new number. The caller remembers the number: equal layouts are not unified.
    ///
    /// # Errors
    /// [`LayoutError::TooMany`].
    pub fn register(&self, layout: ObjectLayout) -> Result<LayoutId, LayoutError> {
        let mut numbers = self.numbers.lock();
        let next = numbers.layouts as usize + 1;
        if next == MAX_CLASSES {
            return Err(LayoutError::TooMany(MAX_CLASSES - 1));
        }
        let id = LayoutId(next as u16);
        let entry = LayoutEntry {
            id,
            plan: ScanPlan::new(&layout, 0),
            layout,
            counters: LayoutCounters::default(),
            by_size: std::array::from_fn(|_| AtomicU16::new(0)),
        };
        self.layouts[next].store(Box::into_raw(Box::new(entry)), Ordering::Release);
        numbers.layouts = next as u16;
        Ok(id)
    }

    /// The layout with a number.
    #[inline]
    pub fn layout(&self, id: LayoutId) -> &LayoutEntry {
        let entry = self.layouts[id.index()].load(Ordering::Acquire);
        // SAFETY: a LayoutId is made only by `register`, after the entry was stored; entries live as long as `self`.
        unsafe { &*entry }
    }

    /// All layouts, in the order of their numbers.
    pub fn layouts(&self) -> impl Iterator<Item = &LayoutEntry> {
        let count = self.numbers.lock().layouts;
        (1..=count).map(|raw| self.layout(LayoutId(raw)))
    }

    /// The span class with a number.
    #[inline(always)]
    pub fn span_class(&self, id: SpanClassId) -> &SpanClass {
        debug_assert!(id.index() < MAX_CLASSES);
        // SAFETY: numbers are below MAX_CLASSES, the length of the table.
        let entry = unsafe { self.spans.get_unchecked(id.index()) }.load(Ordering::Acquire);
        // SAFETY: a SpanClassId is made only by `add`, after the entry was stored; entries live as long as `self`.
        unsafe { &*entry }
    }

    /// All span classes, in the order of their numbers.
    pub fn span_classes(&self) -> impl Iterator<Item = &SpanClass> {
        let count = self.numbers.lock().spans;
        (1..=count).map(|raw| self.span_class(SpanClassId(raw)))
    }

    /// The span class for objects of a layout in slots of a size class (`None`: large objects).
    ///
    /// # Errors
    /// [`LayoutError::TooMany`].
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
    /// [`LayoutError::TooMany`].
    pub fn mixed_class(&self, size: SizeClassId) -> Result<SpanClassId, LayoutError> {
        match self.mixed[size.0 as usize].load(Ordering::Acquire) {
            0 => self.add_class(None, Some(size)),
            raw => Ok(SpanClassId(raw)),
        }
    }

    #[cold]
    fn add_class(&self, layout: Option<LayoutId>, size: Option<SizeClassId>) -> Result<SpanClassId, LayoutError> {
        let mut numbers = self.numbers.lock();
        let known = match (layout, size) {
            (Some(layout), size) => &self.layout(layout).by_size[size.map_or(CLASSES, |size| size.0 as usize)],
            (None, Some(size)) => &self.mixed[size.0 as usize],
            (None, None) => unreachable!("a mixed class has a size"),
        };
        if let Some(id) = SpanClassId::from_raw(known.load(Ordering::Acquire) as u32) {
            return Ok(id);
        }
        let next = numbers.spans as usize + 1;
        if next == MAX_CLASSES {
            return Err(LayoutError::TooMany(MAX_CLASSES - 1));
        }
        let slot_size = size.map_or(0, |size| size.get().size as usize);
        let fast = layout.is_some() && size.is_some() && next < PAGE_SLOW as usize;
        let class = SpanClass {
            plan: match layout {
                Some(layout) => ScanPlan::new(&self.layout(layout).layout, slot_size),
                None => ScanPlan::mixed(slot_size),
            },
            id: SpanClassId(next as u16),
            layout,
            size,
            page_byte: if fast { next as u8 } else { PAGE_SLOW },
            starts: size.map_or(Box::default(), |size| {
                let class = size.get();
                start_masks(class.size as usize, class.slots as usize, class.words())
            }),
            geometry: size.map(|size| {
                let size = size.get();
                (size, SlotGeometry::of(size))
            }),
            central: Central::new(),
        };
        self.spans[next].store(Box::into_raw(Box::new(class)), Ordering::Release);
        known.store(next as u16, Ordering::Release);
        numbers.spans = next as u16;
        Ok(SpanClassId(next as u16))
    }
}

impl Default for Classes {
    fn default() -> Classes {
        Classes::new()
    }
}

impl Drop for Classes {
    fn drop(&mut self) {
        for entry in &self.layouts {
            let entry = entry.load(Ordering::Relaxed);
            if !entry.is_null() {
                // SAFETY: made by Box::into_raw in `register`; nobody looks numbers up any more.
                drop(unsafe { Box::from_raw(entry) });
            }
        }
        for entry in &self.spans {
            let entry = entry.load(Ordering::Relaxed);
            if !entry.is_null() {
                // SAFETY: made by Box::into_raw in `add_class`; nobody looks numbers up any more.
                drop(unsafe { Box::from_raw(entry) });
            }
        }
    }
}
