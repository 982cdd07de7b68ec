//! The raw layer: objects without Rust types, for hosts whose types exist only at run time.
//!
//! *Callers:* interpreters and JITs that lay objects out themselves. Every function is a method of
//! [`Mutator`]; the ones that can break the heap are `unsafe` and number what they ask for. The rules that
//! hold for all of them:
//!
//! - **R1** An object's address is good until the mutator's next safepoint, unless a root, a running stack or another
//!   live object refers to it.
//! - **R2** Words with a kind are accessed as atomics, and written only by the functions here, each as its layout says; but
//!   for those of an object that was allocated since the last safepoint, to initialise it.
//! - **R3** No `&mut` and no `&` to plain data may exist over words that another thread may write.
//! - **R4** What is taken for an object is one of this heap, by the address of its first byte.
//! - **R5** An object is used as what it was allocated as.
//!
//! With debug assertions the functions here check what they are given by R2 and R4. A heap that
//! [watches its host](crate::HeapBuilder::check_host) sees more: docs/host-rules.md.

use crate::mutator::Mutator;
use crate::reference::{Brand, Gc};
use crate::trace::Object;
use spanheap_allocator::{
    AllocError, LayoutError, LayoutId, MAX_ALIGN, MAX_SMALL, ObjectLayout, SizeClassId, TypeLayout,
};
use spanheap_collector::RootSource;
use spanheap_sync::word::{AtomicUsize, Ordering};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A layout that was registered at run time.
#[derive(Clone, Copy)]
pub struct RawLayout<'h> {
    id: LayoutId,
    head: usize,
    element: usize,
    align: usize,
    leaf: bool,
    rare: bool,
    brand: Brand<'h>,
}

impl<'h> Mutator<'h> {
    /// Registers a layout: a fixed part and, for arrays, the element that follows it. Every call makes a new type.
    ///
    /// # Errors
    /// [`LayoutError::TooMany`], [`LayoutError::Memory`], or [`LayoutError::Object`] for an alignment that is no power of two
    /// or above 4096, a part above 32 KiB, or an element that would not be aligned behind the fixed part;
    /// [`LayoutError::Word`], [`LayoutError::Twice`] and [`LayoutError::Pairs`] for a part whose words are not as
    /// [`Description::finish`](crate::Description::finish) would have them.
    pub fn register_layout(
        &self,
        name: &'static str,
        head: TypeLayout,
        element: Option<TypeLayout>,
    ) -> Result<RawLayout<'h>, LayoutError> {
        let (mut align, mut behind) = (1, 0);
        for part in [Some(head), element].into_iter().flatten() {
            let fits = part.align.is_power_of_two() && part.align <= MAX_ALIGN && part.size <= MAX_SMALL;
            if !fits || !usize::is_multiple_of(behind, part.align) {
                return Err(LayoutError::Object { size: part.size, align: part.align });
            }
            part.check()?;
            align = align.max(part.align);
            behind = part.size;
        }
        if element.is_some_and(|element| !head.shares_pairs_with(element)) {
            return Err(LayoutError::Pairs);
        }
        let layout = ObjectLayout { element, ..ObjectLayout::fixed(name, head) };
        let rare = head.rare && element.is_none();
        let leaf = layout.is_leaf() && !rare;
        let id = self.collector().allocator.classes.register(layout)?;
        let element = element.map_or(0, |element| element.size);
        Ok(RawLayout { id, head: head.size, element, align, leaf, rare, brand: PhantomData })
    }

    /// Allocates an object of a registered layout with `elements` elements, all bytes zero. It is aligned as its layout says,
    /// and to 8 bytes at least.
    ///
    /// # Errors
    /// Every [`AllocError`].
    #[track_caller]
    pub fn alloc_raw(&self, layout: RawLayout<'h>, elements: usize) -> Result<NonNull<u8>, AllocError> {
        let tail = layout.element.checked_mul(elements);
        let Some(bytes) = tail.and_then(|tail| tail.checked_add(layout.head)) else {
            return Err(AllocError::TooLarge { requested: usize::MAX });
        };
        let size = SizeClassId::fitting(bytes, layout.align, layout.leaf);
        let addr = match size {
            Some(size) if layout.rare => {
                let (allocator, charging) = (&self.collector().allocator, self.charging());
                let addr = self.local().cache.alloc_mixed(allocator, &charging, layout.id, size)?;
                // SAFETY: a fresh slot of at least `bytes` bytes.
                unsafe { std::ptr::write_bytes(addr as *mut u8, 0, bytes) };
                addr
            }
            _ => self.zeroed(self.local().cache.layout(layout.id), bytes, size)?,
        };
        Ok(NonNull::new(addr as *mut u8).expect("an object's address is not 0"))
    }

    /// Stores a reference (0 for null) into a reference slot of an object, barrier included.
    ///
    /// # Safety
    /// 1. `slot` is a word of kind `Reference` of a live object of this heap. 2. `new` is 0 or the address of a live object of
    ///    this heap.
    #[inline(always)]
    pub unsafe fn store_raw(&self, slot: *const AtomicUsize, new: usize) {
        if self.checks_first() {
            self.collector().expect_store(slot as usize, new);
        }
        // SAFETY: by 1 the word is a live atomic.
        self.store_word(unsafe { &*slot }, new);
    }

    /// Runs the barrier for a store that the caller makes right after: `new` replaces `old` in some slot (0 for null).
    /// Between the call and the store there must be no safepoint.
    ///
    /// # Safety
    /// 1. `old` is what the slot holds. 2. Both are 0 or addresses of objects of this heap.
    #[inline(always)]
    pub unsafe fn barrier_raw(&self, old: usize, new: usize) {
        if self.checks_arguments() {
            self.collector().expect_store_somewhere(old, new);
        }
        let barrier = &self.local().barrier;
        if barrier.is_on() {
            barrier.before_store(old, new, &self.collector().grey);
        }
    }

    /// Stores `count` references (0 for null) into as many slots in a row, barrier included: the words at `new` go to `slots`
    /// as if all were loaded before the first is stored, so that both may overlap.
    ///
    /// There is no safepoint in it: the collector waits as long as it takes.
    ///
    /// # Safety
    /// 1. `slots` is the first of `count` words in a row, all of kind `Reference`, of one live object of this heap. 2. `new` is
    ///    the first of `count` words in a row that nobody writes meanwhile but by atomic stores: words of an object of
    ///    this heap, or of the host's own. 3. Each of them is 0 or the address of a live object of this heap.
    pub unsafe fn store_range_raw(&self, slots: *const AtomicUsize, new: *const AtomicUsize, count: usize) {
        // SAFETY: by 1 these words are live atomics.
        let slots = unsafe { std::slice::from_raw_parts(slots, count) };
        // SAFETY: by 2 these words are, too.
        let new = unsafe { std::slice::from_raw_parts(new, count) };
        if self.checks_first() {
            let stored: Vec<usize> = new.iter().map(|word| word.load(Ordering::Relaxed)).collect();
            self.collector().expect_stores(slots, &stored);
        }
        self.store_references(slots, new);
    }

    /// Runs the barrier for stores that the caller makes right after: the references in `new` (0 for null) go to some of the
    /// `count` slots in a row at `slots`; null needs no mention. Between the call and the last of the stores there must
    /// be no safepoint.
    ///
    /// # Safety
    /// 1. `slots` is the first of `count` words in a row, all of kind `Reference`, of one live object of this heap, or `count` is
    ///    0 and `slots` is not null. 2. The caller stores no reference into them but those in `new`, each of which is 0 or the address of
    ///    a live object of this heap.
    #[inline(always)]
    pub unsafe fn barrier_range_raw(&self, slots: *const AtomicUsize, count: usize, new: &[usize]) {
        if self.checks_arguments() || self.local().barrier.is_on() {
            // SAFETY: by 1 these words are live atomics.
            let slots = unsafe { std::slice::from_raw_parts(slots, count) };
            if self.checks_arguments() {
                self.collector().expect_some_stores(slots, new);
            }
            if self.local().barrier.is_on() {
                self.before_references(slots, new);
            }
        }
    }

    /// The object at an address, as a reference to its type.
    ///
    /// # Errors
    /// As [`Mutator::try_class`], where the type was never seen before: there is no such object then.
    ///
    /// # Safety
    /// As [`Gc::from_addr`].
    pub unsafe fn object_at<'m, T: Object>(&'m self, addr: usize) -> Result<Gc<'m, 'h, T>, LayoutError> {
        if self.checks_arguments() {
            self.collector().expect_type(addr, self.layout_of::<T>()?);
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { Gc::from_addr(addr) })
    }

    /// Whether the raw layer looks at a store before it makes it: in a watching heap the store itself asks.
    #[inline(always)]
    fn checks_first(&self) -> bool {
        cfg!(debug_assertions) && !self.local().barrier.is_watched()
    }

    /// Whether the raw layer looks at what it is given.
    #[inline(always)]
    pub(crate) fn checks_arguments(&self) -> bool {
        cfg!(debug_assertions) || self.local().barrier.is_watched()
    }

    /// Adds a source of roots, visited in every cycle until this mutator detaches. The obligations are the trait's.
    pub fn add_root_source(&self, source: Box<dyn RootSource>) {
        self.local().add_source(source);
    }
}
